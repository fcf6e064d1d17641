//! What labels may say: fixed lists, so that no label can grow with what callers or carriers send.
//!
//! A list is in the order of the core's variants. Names of providers come from the configuration and are no longer than it.

/// Ends of calls.
pub(super) const ENDED: [&str; 12] = [
    "caller_hung_up",
    "goodbye",
    "carrier_gone",
    "carrier_silent",
    "carrier_stuck",
    "never_started",
    "refused",
    "apologized",
    "promised",
    "message_left",
    "transferred",
    "drained",
];

/// Messages of carriers that are refused.
pub(super) const REFUSED: [&str; 13] = [
    "malformed",
    "binary",
    "oversized",
    "before_start",
    "second_start",
    "wrong_stream",
    "bad_audio",
    "foreign_account",
    "unauthenticated",
    "foreign_format",
    "duplicate_call",
    "mark_flood",
    "key_flood",
];

/// Faults of attempts and answers.
pub(super) const FAULTS: [&str; 32] = [
    "dns_failed",
    "connect_failed",
    "tls_expired",
    "tls_wrong_name",
    "tls_untrusted",
    "tls_failed",
    "connect_timed_out",
    "tls_timed_out",
    "upgrade_timed_out",
    "session_timed_out",
    "refused",
    "rate_limited",
    "quota_exhausted",
    "unauthorized",
    "model_not_found",
    "wrong_dialect",
    "closed",
    "server_error",
    "expired",
    "request_rejected",
    "garbled",
    "oversized",
    "no_pong",
    "write_overflow",
    "answer_timed_out",
    "stalled",
    "deaf",
    "mute",
    "noise",
    "flooded",
    "policy_refused",
    "context_too_long",
];

/// How a dial is paid for.
pub(super) const CHARGES: [&str; 10] = [
    "first",
    "rotation",
    "move",
    "reserve",
    "extra",
    "hedge",
    "probe",
    "spare",
    "rendering",
    "transcription",
];

/// The charges of what is dialled because something failed.
pub(super) const RETRIES: [&str; 3] = ["move", "reserve", "extra"];

/// What becomes of a retry.
pub(super) const RETRY_OUTCOMES: [&str; 3] = ["helped", "failed", "abandoned"];

/// Why there is nothing to dial.
pub(super) const WHYS: [&str; 9] = [
    "unknown_tenant",
    "tenant_full",
    "tried_out",
    "budget_spent",
    "full",
    "crowded",
    "resting",
    "slow_start",
    "open",
];

/// How a breaker stands.
pub(super) const STATES: [&str; 5] = ["closed", "slow_start", "open", "half_open", "isolated"];

/// Why a breaker changed.
pub(super) const CAUSES: [&str; 9] = [
    "failures_in_a_row",
    "failures",
    "slowness",
    "permanent",
    "probe_failed",
    "cooled_down",
    "probes_good",
    "slow_start_over",
    "operator",
];

/// What is said without a model.
pub(super) const PROMPTS: [&str; 31] = [
    "greeting",
    "one_moment",
    "still_here",
    "apology",
    "apology_only",
    "busy",
    "promised",
    "already_promised",
    "text_sent",
    "ask_number",
    "confirm_number",
    "digit_0",
    "digit_1",
    "digit_2",
    "digit_3",
    "digit_4",
    "digit_5",
    "digit_6",
    "digit_7",
    "digit_8",
    "digit_9",
    "confirm_keys",
    "invalid_key",
    "transferring",
    "transfer_failed",
    "leave_message",
    "tone",
    "message_saved",
    "goodbye",
    "resume",
    "ring_back",
];

/// What callers without a model choose.
pub(super) const CHOICES: [&str; 5] = ["call_back", "implied", "person", "message", "nothing"];

/// What callers are told of a call back.
pub(super) const TOLD: [&str; 6] = [
    "promised",
    "asks",
    "already",
    "another_number",
    "refused",
    "unanswered",
];

/// What becomes of messages after the tone.
pub(super) const LEFT: [&str; 4] = ["kept", "empty", "lost", "unknown"];

/// What becomes of a hedge.
pub(super) const HEDGE_OUTCOMES: [&str; 2] = ["won", "wasted"];

/// What becomes of a probe.
pub(super) const PROBE_OUTCOMES: [&str; 2] = ["good", "failed"];

/// What the ledger of promises says to whoever wants to be called back.
pub(super) const LEDGER_TOLD: [&str; 14] = [
    "promised",
    "asks",
    "already",
    "store_slow",
    "not_ready",
    "clock_unsure",
    "destination",
    "opted_out",
    "hours",
    "queue_long",
    "full",
    "capped",
    "no_text",
    "had",
];

/// How promises end.
pub(super) const ENDS: [&str; 9] = [
    "done",
    "declined",
    "unanswered",
    "no_text",
    "not_rung",
    "untold",
    "cancelled",
    "opted_out",
    "expired",
];

/// Which cap was reached.
pub(super) const CAPS: [&str; 4] = ["destination", "caller", "prefix", "money"];

/// What is requested of the carrier.
pub(super) const REQUESTED: [&str; 2] = ["text", "ring"];

/// What becomes of a request to the carrier.
pub(super) const REQUESTS: [&str; 7] = [
    "requested",
    "unknown",
    "found",
    "lost",
    "look_up_failed",
    "refused",
    "double",
];

/// Whether something was dialled again.
pub(super) const RETRIED: [&str; 2] = ["no", "yes"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The names that a `const fn name` of a core file gives: whoever adds a variant there learns here that it is not counted.
    fn names_in(file: &str, of: &str) -> Vec<String> {
        let path = format!("{}/src/core/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).unwrap();
        let implementation = text.split(&format!("impl {of} {{")).nth(1).unwrap();
        let body = implementation.split("fn name(self)").nth(1).unwrap();
        let body = body.split("\n    }\n").next().unwrap();
        body.lines()
            .filter_map(|line| Some(line.split_once("=> \"")?.1.split_once('"')?.0.to_owned()))
            .collect()
    }

    #[test]
    fn every_name_of_the_core_is_counted() {
        assert_eq!(names_in("call/effect.rs", "EndReason"), ENDED);
        assert_eq!(names_in("call/prompt.rs", "Prompt"), PROMPTS);
        assert_eq!(names_in("call/menu/choice.rs", "Choice"), CHOICES);
        assert_eq!(names_in("call/menu/choice.rs", "Told"), TOLD);
        assert_eq!(names_in("call/menu/choice.rs", "Left"), LEFT);
        assert_eq!(names_in("callback/effect.rs", "Told"), LEDGER_TOLD);
        assert_eq!(names_in("callback/promise.rs", "End"), ENDS);
        assert_eq!(names_in("callback/caps.rs", "Cap"), CAPS);
        assert_eq!(names_in("fault.rs", "Fault"), FAULTS);
        assert_eq!(names_in("fault.rs", "Refusal"), REFUSED);
        assert_eq!(names_in("pool/admission.rs", "Charge"), CHARGES);
        assert_eq!(names_in("pool/admission.rs", "Why"), WHYS);
        assert_eq!(names_in("pool/breaker.rs", "BreakerState"), STATES);
        assert_eq!(names_in("pool/breaker.rs", "Cause"), CAUSES);
    }
}
