//! How people behave whose phones are texted and rung, and how well the network between carries it.
//!
//! Owns the settings, their defaults and their limits. What a phone of a given number does is drawn in [`habits`](super::habits),
//! what becomes of a text in [`delivery`](super::delivery).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{habits::Does, hours::Hours, words::Says};

/// Settings of the phones; a plan's `[phones]` table. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhoneSettings {
    /// What chance is drawn from: the same number does the same in every run of the same seed.
    pub seed: u64,

    // Texts.
    /// Least and most time from `queued` to `sent`, and from there to the end.
    pub stage_ms: [u64; 2],
    /// What becomes of texts that are not delivered, by their shares; the rest is delivered.
    pub lost: Vec<Lost>,
    /// What phones answer, by their shares; the rest answers nothing.
    pub replies: Vec<Reply>,
    /// Least and most time from a text's delivery to its answer.
    pub reply_after_ms: [u64; 2],
    /// Texts that one phone answers; those behind them it reads.
    pub replies_max: u32,
    /// Answers that the carrier passes on twice, with the same SID.
    pub reply_twice_share: f64,
    /// The carrier itself refuses texts to whoever has written STOP, with 21610. Else only the number's owner can.
    pub carrier_opts_out: bool,
    /// How status callbacks of texts come.
    pub receipts: Receipts,

    // Rings.
    /// Who picks up, by their shares; the rest does not.
    pub picks_up: Vec<PicksUp>,
    /// Least and most time of ringing before they do.
    pub pick_up_after_ms: [u64; 2],
    /// Least and most time for finding out who has picked up.
    pub detection_ms: [u64; 2],
    /// Whoever hangs up early does it after this.
    pub hang_up_after_ms: u64,
    /// What people say who have picked up: names of recordings; each takes the next.
    pub recordings: Vec<String>,
    /// They stay on the line for so long at most.
    pub talk_max_ms: u64,

    /// What phones of these numbers do, whatever was drawn.
    pub numbers: BTreeMap<String, Numbered>,
    /// When people may be rung, by their prefixes; those that are not named, at any hour.
    pub hours: Vec<Hours>,
    /// What a part of a text (160 characters) costs, in cents.
    pub text_cents: f64,
    /// What a minute of a ring that was answered costs, in cents; one that has begun counts.
    pub ring_cents: f64,
    /// Two rings of one phone that begin closer to each other than this are one too many.
    pub ring_again_ms: u64,
}

/// What becomes of texts that do not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// The carrier's number: 30003, 30007 and so on.
    pub code: u32,
    /// So many of all texts.
    pub share: f64,
    /// `failed`, before it was sent; else `undelivered`, behind that.
    #[serde(default)]
    pub failed: bool,
}

/// What a phone answers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// What.
    pub says: Says,
    /// So many of all phones.
    pub share: f64,
}

/// What happens to status callbacks of texts. Shares of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receipts {
    /// Those that come later than what they tell.
    pub late_share: f64,
    /// Least and most of that.
    pub late_ms: [u64; 2],
    /// Those that come twice.
    pub twice_share: f64,
    /// Those that never come.
    pub missing_share: f64,
    /// Texts whose callbacks come in the wrong order.
    pub reordered_share: f64,
}

/// Who picks up.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PicksUp {
    /// What they do.
    pub does: Does,
    /// So many of all rings.
    pub share: f64,
}

/// What the phone of one number does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Numbered {
    /// What it does when it rings.
    pub does: Option<Does>,
    /// What it answers.
    pub says: Option<Says>,
}

impl Default for PhoneSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            stage_ms: [200, 200],
            lost: Vec::new(),
            replies: Vec::new(),
            reply_after_ms: [1_000, 5_000],
            replies_max: 1,
            reply_twice_share: 0.0,
            carrier_opts_out: true,
            receipts: Receipts::default(),
            picks_up: vec![PicksUp {
                does: Does::Answer,
                share: 1.0,
            }],
            pick_up_after_ms: [1_000, 5_000],
            detection_ms: [1_000, 3_000],
            hang_up_after_ms: 1_500,
            recordings: vec!["order_status".into()],
            talk_max_ms: 600_000,
            numbers: BTreeMap::new(),
            hours: Vec::new(),
            text_cents: 1.0,
            ring_cents: 1.5,
            ring_again_ms: 60_000,
        }
    }
}

const DAY_MS: u64 = 86_400_000;

impl PhoneSettings {
    /// Says what is not allowed, if anything. Whoever reads settings from a file asks this.
    pub fn validate(&self) -> Result<(), String> {
        let receipts = &self.receipts;
        for (key, range) in [
            ("stage_ms", self.stage_ms),
            ("reply_after_ms", self.reply_after_ms),
            ("pick_up_after_ms", self.pick_up_after_ms),
            ("detection_ms", self.detection_ms),
            ("receipts.late_ms", receipts.late_ms),
        ] {
            check_range(key, range)?;
        }
        for (key, share) in [
            ("reply_twice_share", self.reply_twice_share),
            ("receipts.late_share", receipts.late_share),
            ("receipts.twice_share", receipts.twice_share),
            ("receipts.missing_share", receipts.missing_share),
            ("receipts.reordered_share", receipts.reordered_share),
            ("lost", self.lost.iter().map(|it| it.share).sum()),
            ("replies", self.replies.iter().map(|it| it.share).sum()),
            ("picks_up", self.picks_up.iter().map(|it| it.share).sum()),
        ] {
            check_share(key, share)?;
        }
        for (key, cents) in [
            ("text_cents", self.text_cents),
            ("ring_cents", self.ring_cents),
        ] {
            if !(0.0..=100_000.0).contains(&cents) {
                return Err(format!("{key} = {cents}: allowed are 0 to 100000"));
            }
        }
        if self.recordings.is_empty() {
            return Err("recordings = []: allowed is at least one".into());
        }
        self.hours.iter().try_for_each(Hours::validate)
    }
}

/// Least and most, within a day.
pub(in crate::twilio) fn check_range(key: &str, [least, most]: [u64; 2]) -> Result<(), String> {
    if least > most || most > DAY_MS {
        return Err(format!(
            "{key} = [{least}, {most}]: allowed are [least, most] with 0 ≤ least ≤ most ≤ {DAY_MS}"
        ));
    }
    Ok(())
}

/// A share, or several of one whole.
pub(in crate::twilio) fn check_share(key: &str, share: f64) -> Result<(), String> {
    // Seven shares of a whole may be a little more than it.
    if !(0.0..=1.000_001).contains(&share) {
        return Err(format!(
            "{key}: a share of {share}; allowed are 0 to 1 in all"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_may_name_any_key_and_each_share_is_one_of_a_whole() {
        let plan = "replies = [{ says = \"stop\", share = 0.5 }]\n[receipts]\ntwice_share = 1.0\n\
                    [numbers.\"+12025550111\"]\ndoes = \"machine\"";
        let settings: PhoneSettings = toml::from_str(plan).unwrap();
        assert_eq!(settings.validate(), Ok(()));
        assert_eq!(settings.numbers["+12025550111"].does, Some(Does::Machine));
        assert!(toml::from_str::<PhoneSettings>("reply = 1").is_err());
        let half = PicksUp {
            does: Does::Busy,
            share: 0.7,
        };
        let settings = PhoneSettings {
            picks_up: vec![half, half],
            ..PhoneSettings::default()
        };
        assert!(
            settings
                .validate()
                .unwrap_err()
                .starts_with("picks_up: a share of 1.4")
        );
    }
}
