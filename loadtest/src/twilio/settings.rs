//! How Twilio behaves where no document says so, and what those behave like whom it calls.
//!
//! Owns the settings, their defaults and their limits. What is documented is not here. Each switch under "uncertain" says what is
//! not known; its default is what was seen, or what the documentation lets expect.

use std::time::Duration;

use serde::Deserialize;

/// Settings of a [`VoiceCall`](super::VoiceCall); a plan's `[twilio]` table. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in a file"
)]
pub struct TwilioSettings {
    /// No request of a call takes longer; the carrier's own cap is 15 s.
    pub request_max_ms: u64,
    /// The connection of a stream, TLS and upgrade included, takes at most this. Uncertain: the carrier does not tell.
    pub stream_dial_max_ms: u64,
    /// A call lasts at most this.
    pub call_max_ms: u64,
    /// A stream may go to `ws://` on this machine; else, and elsewhere, only to `wss://`.
    pub plain_streams_on_loopback: bool,

    // What the caller hears from the carrier itself.
    /// `<Say>` takes so long a character.
    pub say_ms_per_character: u64,
    /// A file of `<Play>` lasts so long; it is not fetched.
    pub play_ms: u64,
    /// The carrier's own apology, before it hangs up.
    pub error_message_ms: u64,

    // Other people.
    /// Whoever is dialled.
    pub dial: DialSettings,
    /// Keys that the caller presses in a `<Gather>`; empty: none.
    pub gather_keys: String,
    /// So long after it began.
    pub gather_after_ms: u64,

    // Uncertain: the end of a stream.
    /// What follows a stream that was cut without a close frame. Not known: whether the verb ends as after a close.
    pub after_lost_stream: After,
    /// What follows a stream that did not open. Not known: whether the verb falls through.
    pub after_failed_stream: After,
    /// From the loss of a stream to the carrier's noticing it.
    pub loss_noticed_after_ms: u64,
    /// A stream whose server answers no ping for so long is lost; 0: the carrier does not ping. Not known: whether it does.
    pub ping_lost_after_ms: u64,
    /// `<Connect action>` gets `StreamSid` and `StreamName` as well. Not known: which parameters it gets.
    pub stream_parameters_in_action: bool,
    /// `<Connect action>` is asked when the caller has hung up.
    pub action_after_hang_up: bool,
    /// What follows an empty `<Response/>` as the answer to an action. Not known: whether the old document goes on.
    pub after_empty_action: After,
    /// A second `<Connect>` in one document opens a stream; else it ends the call.
    pub sequential_connects: bool,
    /// When REST takes a call elsewhere, the old stream's `stop` and close come so much later than the new document.
    pub old_stream_lingers_ms: u64,
    /// When REST takes a call elsewhere, the action of the `<Connect>` it leaves is asked, and its answer ignored.
    pub action_of_replaced: bool,

    // Uncertain: the upgrade.
    /// The upgrade of a stream is signed.
    pub sign_upgrade: bool,
    /// Over which form of the URL.
    pub upgrade_signature: UpgradeUrl,
    /// What becomes of a query in a stream's URL.
    pub stream_query: StreamQuery,

    // Uncertain: webhooks.
    /// The first try of a request carries the idempotency token already; else only its repetitions.
    pub idempotency_on_first: bool,
    /// The request of a fallback URL carries the token of the request that failed.
    pub idempotency_spans_fallback: bool,
    /// Each status callback is made so often: they may repeat.
    pub callback_copies: u32,
    /// An unknown element makes the whole document fail (12200); else it is passed over.
    pub schema_warning_is_fatal: bool,
    /// The status of a call that was rejected without the busy tone.
    pub rejected_status: RejectedStatus,
}

/// What follows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// Action or next verb, as if it had ended well.
    GoOn,
    /// The call ends.
    End,
}

/// Over what an upgrade is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeUrl {
    /// The URL as it stands in the document.
    AsWritten,
    /// With the scheme's port, where none is written.
    WithPort,
    /// With a slash at its end.
    WithSlash,
    /// With `https` in place of `wss`.
    AsHttps,
}

/// What becomes of a query in a stream's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamQuery {
    /// The stream fails with 31920, as documented.
    Fail,
    /// It is left out, as was seen.
    Strip,
}

/// Status of a rejected call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectedStatus {
    /// `busy`.
    Busy,
    /// `no-answer`.
    NoAnswer,
    /// `failed`.
    Failed,
}

/// Whoever is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialSettings {
    /// What they do.
    pub they: They,
    /// It rings so long before they do.
    pub after_ms: u64,
    /// Once they have answered, they talk so long, then hang up.
    pub talk_ms: u64,
}

/// What somebody does whose phone rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum They {
    /// They answer.
    Answer,
    /// They are on the phone.
    Busy,
    /// They do not answer.
    NoAnswer,
    /// There is no such number.
    Failed,
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            they: They::Answer,
            after_ms: 3_000,
            talk_ms: 5_000,
        }
    }
}

impl Default for TwilioSettings {
    fn default() -> Self {
        Self {
            request_max_ms: 15_000,
            stream_dial_max_ms: 5_000,
            call_max_ms: 14_400_000,
            plain_streams_on_loopback: true,
            say_ms_per_character: 65,
            play_ms: 3_000,
            error_message_ms: 4_000,
            dial: DialSettings::default(),
            gather_keys: String::new(),
            gather_after_ms: 1_000,
            after_lost_stream: After::GoOn,
            after_failed_stream: After::GoOn,
            loss_noticed_after_ms: 0,
            ping_lost_after_ms: 0,
            stream_parameters_in_action: false,
            action_after_hang_up: true,
            after_empty_action: After::End,
            sequential_connects: true,
            old_stream_lingers_ms: 0,
            action_of_replaced: false,
            sign_upgrade: true,
            upgrade_signature: UpgradeUrl::AsWritten,
            stream_query: StreamQuery::Fail,
            idempotency_on_first: true,
            idempotency_spans_fallback: false,
            callback_copies: 1,
            schema_warning_is_fatal: false,
            rejected_status: RejectedStatus::NoAnswer,
        }
    }
}

impl TwilioSettings {
    /// Says what is not allowed, if anything. Whoever reads settings from a file asks this.
    pub fn validate(&self) -> Result<(), String> {
        const DAY_MS: u64 = 86_400_000;
        let ranges = [
            ("request_max_ms", self.request_max_ms, 100, 15_000),
            ("stream_dial_max_ms", self.stream_dial_max_ms, 100, 60_000),
            ("call_max_ms", self.call_max_ms, 100, DAY_MS),
            ("say_ms_per_character", self.say_ms_per_character, 0, 1_000),
            ("play_ms", self.play_ms, 0, DAY_MS),
            ("error_message_ms", self.error_message_ms, 0, 60_000),
            ("dial.after_ms", self.dial.after_ms, 0, DAY_MS),
            ("dial.talk_ms", self.dial.talk_ms, 0, DAY_MS),
            ("gather_after_ms", self.gather_after_ms, 0, DAY_MS),
            (
                "loss_noticed_after_ms",
                self.loss_noticed_after_ms,
                0,
                DAY_MS,
            ),
            ("ping_lost_after_ms", self.ping_lost_after_ms, 0, DAY_MS),
            (
                "old_stream_lingers_ms",
                self.old_stream_lingers_ms,
                0,
                60_000,
            ),
            ("callback_copies", u64::from(self.callback_copies), 1, 5),
        ];
        for (key, value, least, most) in ranges {
            if value < least || value > most {
                return Err(format!("{key} = {value}: allowed are {least} to {most}"));
            }
        }
        Ok(())
    }
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_may_name_any_key_within_its_range() {
        let plan =
            "after_lost_stream = \"end\"\nrejected_status = \"no-answer\"\n[dial]\nthey = \"busy\"";
        let settings: TwilioSettings = toml::from_str(plan).unwrap();
        assert_eq!(settings.after_lost_stream, After::End);
        assert_eq!(settings.dial.they, They::Busy);
        assert_eq!(settings.validate(), Ok(()));
        assert!(toml::from_str::<TwilioSettings>("after = 1").is_err());
        let settings = TwilioSettings {
            callback_copies: 9,
            ..TwilioSettings::default()
        };
        assert_eq!(
            settings.validate().unwrap_err(),
            "callback_copies = 9: allowed are 1 to 5"
        );
    }
}
