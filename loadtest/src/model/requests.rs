//! The client events of the GA dialect, as shapes. What is not in here is refused, as a real server refuses it.

use super::shape::Need::{May, Must};
use super::shape::{Field, Shape};

/// The longest `event_id`.
const EVENT_ID: Field = ("event_id", May, Shape::ShortText(512));
const TYPE: Field = ("type", Must, Shape::Text);

/// Every client event by its type, except for `output_audio_buffer.clear`, which WebSockets do not have.
pub(super) const EVENT: Shape = Shape::Tagged(
    "type",
    &[
        (
            "session.update",
            &[TYPE, EVENT_ID, ("session", Must, SESSION)],
        ),
        (
            "input_audio_buffer.append",
            &[TYPE, EVENT_ID, ("audio", Must, Shape::Text)],
        ),
        ("input_audio_buffer.commit", &[TYPE, EVENT_ID]),
        ("input_audio_buffer.clear", &[TYPE, EVENT_ID]),
        (
            "conversation.item.create",
            &[
                TYPE,
                EVENT_ID,
                ("previous_item_id", May, Shape::Nullable(&Shape::Text)),
                ("item", Must, ITEM),
            ],
        ),
        (
            "conversation.item.retrieve",
            &[TYPE, EVENT_ID, ("item_id", Must, Shape::Text)],
        ),
        (
            "conversation.item.truncate",
            &[
                TYPE,
                EVENT_ID,
                ("item_id", Must, Shape::Text),
                ("content_index", Must, Shape::Integer(0, i64::MAX)),
                ("audio_end_ms", Must, Shape::Integer(0, i64::MAX)),
            ],
        ),
        (
            "conversation.item.delete",
            &[TYPE, EVENT_ID, ("item_id", Must, Shape::Text)],
        ),
        (
            "response.create",
            &[
                TYPE,
                EVENT_ID,
                ("response", May, Shape::Nullable(&RESPONSE)),
            ],
        ),
        (
            "response.cancel",
            &[
                TYPE,
                EVENT_ID,
                ("response_id", May, Shape::Nullable(&Shape::Text)),
            ],
        ),
    ],
);

const FORMAT: Shape = Shape::Tagged(
    "type",
    &[
        ("audio/pcmu", &[TYPE]),
        (
            "audio/pcm",
            &[TYPE, ("rate", May, Shape::Integer(24_000, 24_000))],
        ),
    ],
);

const MODALITIES: Shape = Shape::List(&Shape::OneOf(&["audio"]));
const VOICE: Shape = Shape::TextOr(&Shape::Object(&[("id", Must, Shape::Text)]));
const MAX_OUTPUT_TOKENS: Shape = Shape::TextOr(&Shape::Integer(1, 32_768));
const TOOL_CHOICE: Shape = Shape::TextOr(&Shape::Tagged(
    "type",
    &[
        ("function", &[TYPE, ("name", Must, Shape::Text)]),
        (
            "mcp",
            &[
                TYPE,
                ("server_label", Must, Shape::Text),
                ("name", May, Shape::Nullable(&Shape::Text)),
            ],
        ),
    ],
));
const TOOLS: Shape = Shape::List(&Shape::Tagged(
    "type",
    &[(
        "function",
        &[
            TYPE,
            ("name", Must, Shape::ShortText(64)),
            ("description", May, Shape::Text),
            ("parameters", May, Shape::Any),
        ],
    )],
));
const REASONING: Shape = Shape::Object(&[(
    "effort",
    May,
    Shape::OneOf(&["minimal", "low", "medium", "high", "xhigh"]),
)]);

/// What stands in `session.update`.
const SESSION: Shape = Shape::Object(&[
    ("type", Must, Shape::OneOf(&["realtime"])),
    ("model", May, Shape::Text),
    ("output_modalities", May, MODALITIES),
    ("instructions", May, Shape::Text),
    (
        "audio",
        May,
        Shape::Object(&[("input", May, INPUT), ("output", May, OUTPUT)]),
    ),
    ("include", May, Shape::Nullable(&Shape::List(&Shape::Text))),
    ("tracing", May, Shape::Nullable(&Shape::Any)),
    ("tools", May, TOOLS),
    ("tool_choice", May, TOOL_CHOICE),
    ("parallel_tool_calls", May, Shape::Flag),
    ("reasoning", May, REASONING),
    ("max_output_tokens", May, MAX_OUTPUT_TOKENS),
    (
        "truncation",
        May,
        Shape::TextOr(&Shape::Object(&[
            ("type", Must, Shape::OneOf(&["retention_ratio"])),
            ("retention_ratio", Must, Shape::Number(0.0, 1.0)),
            (
                "token_limits",
                May,
                Shape::Object(&[("post_instructions", May, Shape::Integer(0, i64::MAX))]),
            ),
        ])),
    ),
    ("prompt", May, Shape::Nullable(&Shape::Any)),
]);

const INPUT: Shape = Shape::Object(&[
    ("format", May, FORMAT),
    (
        "noise_reduction",
        May,
        Shape::Nullable(&Shape::Object(&[(
            "type",
            Must,
            Shape::OneOf(&["near_field", "far_field"]),
        )])),
    ),
    (
        "transcription",
        May,
        Shape::Nullable(&Shape::Object(&[
            ("model", May, Shape::Text),
            ("language", May, Shape::Text),
            ("languages", May, Shape::List(&Shape::Text)),
            ("keywords", May, Shape::List(&Shape::Text)),
            ("prompt", May, Shape::Text),
            ("delay", May, Shape::Text),
        ])),
    ),
    ("turn_detection", May, Shape::Nullable(&TURN_DETECTION)),
]);

const OUTPUT: Shape = Shape::Object(&[
    ("format", May, FORMAT),
    ("voice", May, VOICE),
    ("speed", May, Shape::Number(0.25, 1.5)),
]);

const TURN_DETECTION: Shape = Shape::Tagged(
    "type",
    &[
        (
            "server_vad",
            &[
                TYPE,
                ("threshold", May, Shape::Number(0.0, 1.0)),
                ("prefix_padding_ms", May, Shape::Integer(0, 60_000)),
                ("silence_duration_ms", May, Shape::Integer(0, 60_000)),
                ("create_response", May, Shape::Flag),
                ("interrupt_response", May, Shape::Flag),
                (
                    "idle_timeout_ms",
                    May,
                    Shape::Nullable(&Shape::Integer(5_000, 30_000)),
                ),
            ],
        ),
        (
            "semantic_vad",
            &[
                TYPE,
                (
                    "eagerness",
                    May,
                    Shape::OneOf(&["low", "medium", "high", "auto"]),
                ),
                ("create_response", May, Shape::Flag),
                ("interrupt_response", May, Shape::Flag),
            ],
        ),
    ],
);

/// What stands in `response.create`. Of responses outside of the conversation the double makes [recitals](super::recital) only.
const RESPONSE: Shape = Shape::Object(&[
    ("output_modalities", May, MODALITIES),
    ("instructions", May, Shape::Text),
    (
        "audio",
        May,
        Shape::Object(&[(
            "output",
            May,
            Shape::Object(&[("format", May, FORMAT), ("voice", May, VOICE)]),
        )]),
    ),
    ("tools", May, TOOLS),
    ("tool_choice", May, TOOL_CHOICE),
    ("parallel_tool_calls", May, Shape::Flag),
    ("reasoning", May, REASONING),
    ("max_output_tokens", May, MAX_OUTPUT_TOKENS),
    ("conversation", May, Shape::OneOf(&["auto", "none"])),
    ("input", May, Shape::List(&ITEM)),
    ("metadata", May, Shape::Nullable(&Shape::Any)),
]);

const ID: Field = ("id", May, Shape::ShortText(32));
const OBJECT: Field = ("object", May, Shape::OneOf(&["realtime.item"]));
const STATUS: Field = (
    "status",
    May,
    Shape::OneOf(&["completed", "incomplete", "in_progress"]),
);

/// What stands in `conversation.item.create`. Which content a role may have is checked by [`seed`](super::seed).
const ITEM: Shape = Shape::Tagged(
    "type",
    &[
        (
            "message",
            &[
                TYPE,
                ID,
                OBJECT,
                STATUS,
                ("role", Must, Shape::OneOf(&["user", "assistant", "system"])),
                ("content", Must, Shape::List(&CONTENT)),
            ],
        ),
        (
            "function_call",
            &[
                TYPE,
                ID,
                OBJECT,
                STATUS,
                ("call_id", May, Shape::ShortText(32)),
                ("name", Must, Shape::Text),
                ("arguments", Must, Shape::Text),
            ],
        ),
        (
            "function_call_output",
            &[
                TYPE,
                ID,
                OBJECT,
                STATUS,
                ("call_id", Must, Shape::ShortText(32)),
                ("output", Must, Shape::Text),
            ],
        ),
    ],
);

const TEXT_PART: &[Field] = &[TYPE, ("text", Must, Shape::Text)];
const CONTENT: Shape = Shape::Tagged(
    "type",
    &[
        ("input_text", TEXT_PART),
        ("output_text", TEXT_PART),
        (
            "input_audio",
            &[
                TYPE,
                ("audio", Must, Shape::Text),
                ("transcript", May, Shape::Text),
            ],
        ),
        (
            "output_audio",
            &[
                TYPE,
                ("audio", May, Shape::Text),
                ("transcript", May, Shape::Text),
            ],
        ),
    ],
);
