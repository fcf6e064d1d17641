//! Documents with values as one would see them: for `ringback twiml`, and for whoever reads a template.

use super::{Document, Stream, Transfer, Words};

const STREAM: Stream<'_> = Stream {
    media: "wss://voice.example.com/media",
    action: "https://voice.example.com/twiml/next?ticket=k1.next.0123#ct=1000&rt=3000&rc=2&rp=ct,rt,5xx",
    stream_status: "https://voice.example.com/stream/status",
    token: "k1.stream.0123",
    to: "+14155550100",
};

const RESUME: &str = "call-00000000000000000000000000004711";

const TRANSFER: Transfer<'_> = Transfer {
    action: STREAM.action,
    timeout: "20",
    whisper: "https://voice.example.com/twiml/whisper?agent=default",
    person: "+14155550101",
};

const fn say(words: &'static str) -> Words<'static> {
    let language = "en-US";
    Words { language, words }
}

pub(super) fn sample(name: &str) -> Option<Document<'static>> {
    let stream = STREAM;
    let resume = RESUME;
    Some(match name {
        "answer" => Document::Answer(stream),
        "resume" => Document::Resume { stream, resume },
        "fallback" => Document::Fallback {
            words: say("One moment, please."),
            stream,
            resume,
        },
        "apologize" => Document::Apologize(say(
            "I'm sorry, I can't take your call right now. Please try again later.",
        )),
        "redirect" => Document::Redirect {
            action: "https://voice.example.com/twiml/fallback?passed=1",
        },
        "busy" => Document::Busy,
        "hangup" => Document::Hangup,
        "transfer" => Document::Transfer(TRANSFER),
        "transfer_sip" => Document::TransferSip(Transfer {
            person: "sip:desk@example.com",
            ..TRANSFER
        }),
        "whisper" => Document::Whisper(say("A caller of the dental practice.")),
        "callback" => Document::Callback {
            stream,
            promise: "promise-0123",
        },
        "sms_reply" => Document::SmsReply {
            text: "We call you back today.",
        },
        _ => return None,
    })
}
