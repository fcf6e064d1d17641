//! How the carrier and its caller behave.
//!
//! Owns the settings, their defaults and their limits. What a carrier does for certain is not here; what no document promises is
//! a switch under "uncertain", so that a server can be tried both ways.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Deserialize;

use super::{
    cuts::StreamCut,
    menu::{KEYS_MAX, MenuChoice},
};

/// Settings of a [`Phone`](super::Phone); a plan's `[carrier]` table. Every key may be left out.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in a file"
)]
pub struct CarrierSettings {
    /// The number that was called, given to the server as the parameter `to`.
    pub to: String,
    /// The caller's number, given to the server as the parameter `from`.
    pub from: String,
    /// What proves that the stream is ours, given to the server as the parameter `token`.
    pub token: Option<String>,
    /// Further parameters of the stream.
    pub parameters: BTreeMap<String, String>,
    /// Least and most time from audio that meets an empty buffer to its first sound; drawn anew whenever that happens.
    pub play_out_delay_ms: [u64; 2],
    /// Least and most time from what a mark stands for to its echo; drawn once a call.
    pub echo_delay_ms: [u64; 2],

    // Uncertain: what a carrier was seen to do, without a promise.
    /// Frames go on while the caller is silent.
    pub frames_in_silence: bool,
    /// Sequence numbers, chunks and timestamps are strings, as documented; else numbers, as some compatible carriers send.
    pub numbers_as_strings: bool,
    /// Timestamp of the first frame.
    pub first_timestamp_ms: u64,
    /// `stop` is sent before the carrier closes; else it only closes.
    pub stop_before_close: bool,

    // The line.
    /// The line hisses between words, far below speech, instead of being dead silent.
    pub comfort_noise: bool,
    /// Frames carry a [`Stamp`](crate::stamp::Stamp).
    pub stamps: bool,
    /// From which level on a sound is heard, in dB below full scale.
    pub loud_dbfs: f64,

    // The caller.
    /// The server speaks first; else the caller does.
    pub greeting_expected: bool,
    /// What counts as an answer.
    pub answer: Answer,
    /// How the caller notices that an answer is over.
    pub answer_end: AnswerEnd,
    /// So much silence after a sound ends an answer.
    pub answer_end_ms: u64,
    /// A caller who hears nothing for so long says it again, or gives up.
    pub patience_ms: u64,
    /// How often in a row a turn is said again.
    pub repeats_max: u32,
    /// From one key to the next.
    pub key_gap_ms: u64,
    /// From the last word to hanging up.
    pub hang_up_after_ms: u64,
    /// A caller who is through before this begins again with the first turn.
    pub talk_for_ms: u64,
    /// Cuts of the stream, in this order, each once. Only a carried call outlives one.
    pub cuts: Vec<StreamCut>,
    /// What the caller does at prompts that they know. Whoever has heard one of these says nothing more of the recording.
    pub menu: Vec<MenuChoice>,
    /// The caller never says anything and stays on the line until [`call_max_ms`](Self::call_max_ms).
    pub listens_only: bool,
    /// The caller hangs up after this, whatever happens.
    pub call_max_ms: u64,

    // The report.
    /// Both sides are kept as audio, and every arrival with its time; else only figures.
    pub record: bool,
    /// Audio after this is not kept.
    pub record_max_ms: u64,
}

/// What counts as an answer to a turn. The greeting is any sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Any sound, a filler or an apology too.
    AnySound,
    /// Only sound with a stamp: the model's own. For servers that pass it on unchanged.
    Stamped,
}

/// How a caller notices that an answer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerEnd {
    /// By silence, and no sound is left in the carrier's buffer: never fooled by a pause for breath.
    EmptyBuffer,
    /// By silence alone, as people do.
    Silence,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            // Numbers that are never given to anybody.
            to: "+12025550100".into(),
            from: "+12025550199".into(),
            token: None,
            parameters: BTreeMap::new(),
            play_out_delay_ms: [60, 250],
            echo_delay_ms: [20, 80],
            frames_in_silence: true,
            numbers_as_strings: true,
            first_timestamp_ms: 5,
            stop_before_close: true,
            comfort_noise: false,
            stamps: true,
            loud_dbfs: -42.0,
            greeting_expected: true,
            answer: Answer::AnySound,
            answer_end: AnswerEnd::EmptyBuffer,
            answer_end_ms: 700,
            patience_ms: 8_000,
            repeats_max: 2,
            key_gap_ms: 200,
            hang_up_after_ms: 400,
            talk_for_ms: 0,
            cuts: Vec::new(),
            menu: Vec::new(),
            listens_only: false,
            call_max_ms: 600_000,
            record: true,
            record_max_ms: 600_000,
        }
    }
}

/// A value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: {allowed}")]
pub struct SettingError {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl CarrierSettings {
    /// Says what is not allowed, if anything. Whoever reads settings from a file asks this; a [`Phone`](super::Phone) copes with all.
    pub fn validate(&self) -> Result<(), SettingError> {
        let ranges = [
            ("play_out_delay_ms", self.play_out_delay_ms),
            ("echo_delay_ms", self.echo_delay_ms),
        ];
        for (key, [least, most]) in ranges {
            if least > most || most > DELAY_MS_MAX {
                return Err(SettingError {
                    key,
                    value: format!("[{least}, {most}]"),
                    allowed: "allowed are [least, most] with 0 ≤ least ≤ most ≤ 10000",
                });
            }
        }
        let spans = [
            ("answer_end_ms", self.answer_end_ms, 20),
            ("patience_ms", self.patience_ms, 100),
            ("key_gap_ms", self.key_gap_ms, 20),
            ("hang_up_after_ms", self.hang_up_after_ms, 0),
            ("talk_for_ms", self.talk_for_ms, 0),
            ("call_max_ms", self.call_max_ms, 100),
            ("record_max_ms", self.record_max_ms, 0),
        ];
        for (key, value, least) in spans {
            if value < least || value > DAY_MS {
                let allowed = "allowed are 20 (patience and call: 100) to 86400000";
                let value = value.to_string();
                return Err(SettingError {
                    key,
                    value,
                    allowed,
                });
            }
        }
        let is_key = |key: char| key.is_ascii_digit() || "*#ABCD".contains(key);
        let is_choice = |choice: &&MenuChoice| {
            choice.press.len() <= KEYS_MAX
                && choice.press.chars().all(is_key)
                && (0.0..=1.0).contains(&choice.share)
        };
        if let Some(wrong) = self.menu.iter().find(|choice| !is_choice(choice)) {
            return Err(SettingError {
                key: "menu",
                value: format!("{{ prompt = {:?}, .. }}", wrong.prompt),
                allowed: "allowed are up to 64 keys (0-9, *, #, A-D) and a share of 0 to 1",
            });
        }
        if !(-90.0..=0.0).contains(&self.loud_dbfs) {
            return Err(SettingError {
                key: "loud_dbfs",
                value: self.loud_dbfs.to_string(),
                allowed: "allowed are -90 to 0",
            });
        }
        Ok(())
    }
}

const DELAY_MS_MAX: u64 = 10_000;
const DAY_MS: u64 = 86_400_000;

/// Draws from a range of milliseconds; the wrong way round is the right way too.
pub(super) fn draw(range: [u64; 2], rng: &mut fastrand::Rng) -> Duration {
    let [a, b] = range.map(|millis| millis.min(DAY_MS) * 1_000);
    Duration::from_micros(rng.u64(a.min(b)..=a.max(b)))
}

/// Without numbers and tokens.
impl fmt::Debug for CarrierSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierSettings")
            .field("play_out_delay_ms", &self.play_out_delay_ms)
            .field("echo_delay_ms", &self.echo_delay_ms)
            .field("answer", &self.answer)
            .field("answer_end", &self.answer_end)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_may_name_any_key_and_no_other() {
        let plan = "answer = \"stamped\"\necho_delay_ms = [1, 2]\n[parameters]\nresume = \"1\"";
        let settings: CarrierSettings = toml::from_str(plan).unwrap();
        assert_eq!(settings.echo_delay_ms, [1, 2]);
        assert_eq!(settings.validate(), Ok(()));
        let error = toml::from_str::<CarrierSettings>("ecko_delay_ms = 1").unwrap_err();
        assert!(error.to_string().contains("ecko_delay_ms"), "{error}");
    }

    #[test]
    fn a_refusal_names_key_value_and_what_is_allowed() {
        let settings = CarrierSettings {
            echo_delay_ms: [80, 20],
            ..CarrierSettings::default()
        };
        assert_eq!(
            settings.validate().unwrap_err().to_string(),
            "echo_delay_ms = [80, 20]: allowed are [least, most] with 0 ≤ least ≤ most ≤ 10000"
        );
        let settings = CarrierSettings {
            patience_ms: 0,
            ..CarrierSettings::default()
        };
        assert_eq!(settings.validate().unwrap_err().key, "patience_ms");
    }
}
