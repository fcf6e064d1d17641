//! What becomes of a text behind the interface, and of the callbacks that tell it.
//!
//! Owns the drawing of both. Nothing here happens: who makes the callbacks is [`post`](super::post).

use std::time::Duration;

use super::{
    habits::{chance, pick, within},
    settings::{PhoneSettings, Receipts},
};

/// How a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The phone has it.
    Delivered,
    /// It was sent, and the phone does not have it.
    Undelivered(u32),
    /// It was not sent.
    Failed(u32),
}

/// The way of a text from when it was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// When it is sent; one that fails fails then.
    pub sent: Duration,
    /// When it has arrived, or has not.
    pub ends: Duration,
    /// How.
    pub fate: Fate,
}

/// Stages of a text, by the carrier's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits.
    Queued,
    /// The network has it.
    Sent,
    /// The phone has it.
    Delivered,
    /// The phone does not have it.
    Undelivered,
    /// It was not sent.
    Failed,
}

impl Stage {
    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
        }
    }
}

impl Way {
    /// The way of a text taken in at `created`, `nth` of all.
    pub(in crate::twilio) fn draw(
        settings: &PhoneSettings,
        to: &str,
        nth: u64,
        created: Duration,
    ) -> Self {
        let mut rng = chance(settings.seed, to, "way", nth);
        let sent = created + within(settings.stage_ms, &mut rng);
        let ends = sent + within(settings.stage_ms, &mut rng);
        let lost = pick(
            settings.lost.iter().map(|lost| (*lost, lost.share)),
            &mut rng,
        );
        let fate = match lost {
            None => Fate::Delivered,
            Some(lost) if lost.failed => Fate::Failed(lost.code),
            Some(lost) => Fate::Undelivered(lost.code),
        };
        Self { sent, ends, fate }
    }

    /// How far it is.
    pub fn stage(self, now: Duration) -> Stage {
        match self.fate {
            _ if now < self.sent => Stage::Queued,
            Fate::Failed(_) => Stage::Failed,
            _ if now < self.ends => Stage::Sent,
            Fate::Delivered => Stage::Delivered,
            Fate::Undelivered(_) => Stage::Undelivered,
        }
    }

    /// The carrier's number for what went wrong, once it has.
    pub fn error(self, now: Duration) -> Option<u32> {
        match (self.stage(now), self.fate) {
            (Stage::Failed, Fate::Failed(code)) | (Stage::Undelivered, Fate::Undelivered(code)) => {
                Some(code)
            }
            (
                Stage::Queued | Stage::Sent | Stage::Delivered | Stage::Undelivered | Stage::Failed,
                Fate::Delivered | Fate::Undelivered(_) | Fate::Failed(_),
            ) => None,
        }
    }

    /// What is told of it, and when, in the order of telling.
    pub(super) fn receipts(
        self,
        receipts: &Receipts,
        created: Duration,
        rng: &mut fastrand::Rng,
    ) -> Vec<(Duration, Stage)> {
        let end = self.stage(self.ends);
        let mut stages = vec![(created, Stage::Queued)];
        if end != Stage::Failed {
            stages.push((self.sent, Stage::Sent));
        }
        stages.push((
            if end == Stage::Failed {
                self.sent
            } else {
                self.ends
            },
            end,
        ));
        if rng.f64() < receipts.reordered_share {
            // The same moments, the other way round.
            let mut words: Vec<_> = stages.iter().map(|(_, stage)| *stage).collect();
            words.reverse();
            for (told, word) in stages.iter_mut().zip(words) {
                told.1 = word;
            }
        }
        let mut told = Vec::new();
        for (at, stage) in stages {
            if rng.f64() < receipts.missing_share {
                continue;
            }
            let is_late = rng.f64() < receipts.late_share;
            let late = within(receipts.late_ms, rng);
            let at = if is_late { at + late } else { at };
            told.push((at, stage));
            if rng.f64() < receipts.twice_share {
                told.push((at, stage));
            }
        }
        told.sort_by_key(|(at, _)| *at);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twilio::network::settings::Lost;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn told(receipts: Receipts) -> Vec<(u128, &'static str)> {
        let way = Way {
            sent: MS(100),
            ends: MS(300),
            fate: Fate::Delivered,
        };
        let told = way.receipts(&receipts, MS(0), &mut fastrand::Rng::with_seed(1));
        told.iter()
            .map(|(at, stage)| (at.as_millis(), stage.word()))
            .collect()
    }

    #[test]
    fn receipts_come_in_order_late_twice_reordered_or_never() {
        let good = [(0, "queued"), (100, "sent"), (300, "delivered")];
        assert_eq!(told(Receipts::default()), good);
        let late = Receipts {
            late_share: 1.0,
            late_ms: [5_000, 5_000],
            ..Receipts::default()
        };
        assert_eq!(told(late), good.map(|(at, word)| (at + 5_000, word)));
        let twice = Receipts {
            twice_share: 1.0,
            ..Receipts::default()
        };
        assert_eq!(
            told(twice),
            [good[0], good[0], good[1], good[1], good[2], good[2]]
        );
        let reordered = Receipts {
            reordered_share: 1.0,
            ..Receipts::default()
        };
        assert_eq!(
            told(reordered),
            [(0, "delivered"), (100, "sent"), (300, "queued")]
        );
        let missing = Receipts {
            missing_share: 1.0,
            ..Receipts::default()
        };
        assert_eq!(told(missing), []);
    }

    #[test]
    fn a_text_that_fails_was_never_sent_and_one_that_is_lost_was() {
        let draw = |failed| {
            let lost = Lost {
                code: 30_003,
                share: 1.0,
                failed,
            };
            let settings = PhoneSettings {
                lost: vec![lost],
                ..PhoneSettings::default()
            };
            Way::draw(&settings, "+1", 0, MS(0))
        };
        let failed = draw(true);
        assert_eq!(failed.stage(MS(100)), Stage::Queued);
        assert_eq!(
            (failed.stage(MS(250)), failed.error(MS(250))),
            (Stage::Failed, Some(30_003))
        );
        let lost = draw(false);
        assert_eq!(
            (lost.stage(MS(250)), lost.error(MS(250))),
            (Stage::Sent, None)
        );
        assert_eq!(
            (lost.stage(MS(500)), lost.error(MS(500))),
            (Stage::Undelivered, Some(30_003))
        );
    }
}
