//! How a model double behaves: what a plan may set, and the defaults.
//!
//! Every chance in here is drawn from the session's own seed, so the same settings and the same seed give the same session.

use std::time::Duration;

use serde::Deserialize;

use super::faults::Faults;
use super::outages::HouseFaults;
use crate::recording::Line;

/// How the sessions of a model double behave.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in a file"
)]
pub struct ModelSettings {
    /// The model's name, in `session.created` and after.
    pub model: String,
    /// From a dial to its answer: an open socket, or a refusal.
    pub handshake_delay_ms: Between,
    /// From the open socket to `session.created`.
    pub created_delay_ms: Between,
    /// From `session.update` to `session.updated`; the new settings hold from then on, not before.
    pub updated_delay_ms: Between,
    /// From the end of the caller's turn, or from `response.create`, to `response.created`.
    pub response_delay_ms: Between,
    /// From `response.created` to the first audio.
    pub answer_delay_ms: Between,
    /// From the end of the caller's turn to its transcript: it may well come after the response.
    pub transcription_delay_ms: Between,
    /// How much audio one `response.output_audio.delta` holds.
    pub delta_ms: Between,
    /// How much faster than real time audio is sent: drawn once for every response.
    pub speed_min: f64,
    /// See [`speed_min`](Self::speed_min).
    pub speed_max: f64,
    /// The share of deltas whose length is no multiple of 160 bytes.
    pub unaligned_share: f64,
    /// The share of answers that come as several output items.
    pub several_items_share: f64,
    /// The most output items of one answer.
    pub items_max: u32,
    /// The most deltas of a cut answer that are still under way when the cut is known: from none to this many.
    pub late_deltas_max: u32,
    /// Between two late deltas.
    pub late_delta_gap_ms: Between,
    /// Whether outgoing audio carries [stamps](crate::stamp).
    pub stamps: bool,
    /// Whether the model calls the tool `end_call`, where the session has it, with the last line of its script.
    pub goodbye: bool,
    /// What the session waits for before it takes the caller's turn for ended, unless `session.update` says otherwise.
    pub silence_duration_ms: u32,
    /// From which level on sound is speech at a threshold of 0.5, in dB below full scale.
    pub speech_dbfs: f64,
    /// How long a session may last; then it ends with the error `session_expired` and close code 1001.
    pub session_length_ms: u64,
    /// The wall time at the beginning of the run, in seconds since 1970; with 0 the session has no `expires_at`.
    pub epoch_s: u64,
    /// Whether `conversation.item.truncate` at 0 ms is refused, as real servers were seen to do.
    pub refuse_truncate_at_zero: bool,
    /// The code of the error for a truncation beyond what was generated; empty: null. Not known of real servers.
    pub truncate_error_code: String,
    /// What the caller says, turn after turn: the transcripts. After the last, a transcript tells only how long was spoken.
    pub caller_texts: Vec<String>,
    /// Each turn is transcribed with words of its own, in place of `caller_texts`: who is told of a conversation can be asked what they
    /// know of it.
    pub countable: bool,
    /// What goes wrong in a session.
    pub faults: Faults,
    /// What goes wrong with the provider as a whole.
    pub house_faults: HouseFaults,
    /// The line that answers the first `response.create` with instructions in an empty conversation; otherwise the script does.
    #[serde(skip)]
    pub greeting: Option<Line>,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            model: "gpt-realtime-2.1".to_owned(),
            handshake_delay_ms: Between(0, 0),
            created_delay_ms: Between(10, 60),
            updated_delay_ms: Between(10, 80),
            response_delay_ms: Between(10, 60),
            answer_delay_ms: Between(250, 700),
            transcription_delay_ms: Between(100, 1_500),
            delta_ms: Between(60, 400),
            speed_min: 3.0,
            speed_max: 8.0,
            unaligned_share: 0.3,
            several_items_share: 0.1,
            items_max: 3,
            late_deltas_max: 4,
            late_delta_gap_ms: Between(1, 15),
            stamps: true,
            goodbye: false,
            silence_duration_ms: 500,
            speech_dbfs: -42.0,
            session_length_ms: 3_600_000,
            epoch_s: 0,
            refuse_truncate_at_zero: true,
            truncate_error_code: "invalid_value".to_owned(),
            caller_texts: Vec::new(),
            countable: false,
            faults: Faults::default(),
            house_faults: HouseFaults::default(),
            greeting: None,
        }
    }
}

impl ModelSettings {
    /// All of it takes longer by this factor: every delay, and the pauses between deltas.
    pub(super) fn slow_down(&mut self, factor: f64) {
        for delay in [
            &mut self.created_delay_ms,
            &mut self.updated_delay_ms,
            &mut self.response_delay_ms,
            &mut self.answer_delay_ms,
            &mut self.transcription_delay_ms,
            &mut self.late_delta_gap_ms,
        ] {
            *delay = delay.times(factor);
        }
        self.speed_min /= factor;
        self.speed_max /= factor;
    }

    /// `session.created` and `session.updated` come later by this.
    pub(super) fn delay_start(&mut self, ms: u32) {
        for delay in [&mut self.created_delay_ms, &mut self.updated_delay_ms] {
            *delay = Between(delay.0.saturating_add(ms), delay.1.saturating_add(ms));
        }
    }

    pub(super) fn speed(&self, rng: &mut fastrand::Rng) -> f64 {
        let spread = (self.speed_max - self.speed_min).max(0.0);
        // Slower than the slowest speech is no setting but a mistake: it would never end.
        (self.speed_min + rng.f64() * spread).max(0.1)
    }
}

/// A range of milliseconds, both ends included, written `[least, most]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "[u32; 2]")]
pub struct Between(u32, u32);

impl Between {
    /// From `least` to `most`; the other way round if they are swapped.
    pub fn new(least: u32, most: u32) -> Self {
        Self(least.min(most), least.max(most))
    }

    /// One value of the range.
    pub fn pick(self, rng: &mut fastrand::Rng) -> Duration {
        Duration::from_millis(u64::from(self.pick_ms(rng)))
    }

    /// The range, longer by this factor; at most a day.
    pub(super) fn times(self, factor: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and a day by the clamp"
        )]
        let longer = |ms: u32| (f64::from(ms) * factor).clamp(0.0, 86_400_000.0) as u32;
        Self(longer(self.0), longer(self.1))
    }

    pub(super) fn pick_ms(self, rng: &mut fastrand::Rng) -> u32 {
        rng.u32(self.0..=self.1)
    }
}

impl TryFrom<[u32; 2]> for Between {
    type Error = String;

    fn try_from([least, most]: [u32; 2]) -> Result<Self, String> {
        if least > most {
            return Err(format!(
                "[{least}, {most}] is no range: write the smaller number first"
            ));
        }
        Ok(Self(least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_sets_what_it_names_and_nothing_else() {
        let settings: ModelSettings = toml::from_str(
            r#"
            answer_delay_ms = [100, 200]
            unaligned_share = 1.0
            faults = [
                { when = { after_ms = 3000 }, what = "garbage" },
                { when = { mid_response = { response = 2, audio_ms = 400 } }, what = { close = { code = 1011 } }, share = 0.5 },
            ]
            "#,
        )
        .unwrap();
        assert_eq!(settings.answer_delay_ms, Between::new(100, 200));
        assert_eq!(settings.items_max, ModelSettings::default().items_max);
        assert_eq!(settings.faults.0.len(), 2);
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for wrong in [
            "answer_delay_ms = [2, 1]",
            "answer_delay = 3",
            r#"faults = [{ when = { after_ms = 1 }, what = "strange" }]"#,
        ] {
            assert!(toml::from_str::<ModelSettings>(wrong).is_err(), "{wrong}");
        }
    }
}
