//! A double of whoever keeps promises and messages: answers at once, late, or never; and the trace of a call's menu.

use std::time::Duration;

use ringback::core::call::effect::{CarrierCommand, Effect};
use ringback::core::call::input::{CarrierEvent, Input};
use ringback::core::call::menu::{Asked, Caller, Choice, Promised, Record, Recorded, Wish};
use ringback::core::call::prompt::Prompt;
use ringback::core::observation::Observation;

use super::number_of_caller;
use crate::world::World;

/// How it answers; what is not there is never answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeskSetup {
    pub(crate) caller: Caller,
    /// The wishes of the call, in order; the last answer stands for all that follow.
    pub(crate) promises: Vec<(Duration, Option<Promised>)>,
    pub(crate) message: (Duration, Option<Recorded>),
}

/// What went in and out of a call with a menu.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Key(char),
    /// The caller's audio: loud or not, and a print of it.
    Media(bool, u64),
    Promised(Promised),
    Recorded(Recorded),
    ModelsBack,
    /// The caller has left.
    HungUp,
    Apologized,
    Prompted(Prompt),
    Chose(Choice),
    Wish(Wish),
    Begin,
    Taped(u64),
    End(bool),
    Clear,
    /// Audio for the caller, of so long.
    Sound(Duration),
    Returned,
    Ended,
}

impl DeskSetup {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let promises = (0..rng.usize(1..4)).map(|_| {
            let answer = match rng.u8(..100) {
                0..45 => Some(Promised::Kept { asks: rng.bool() }),
                45..60 => Some(Promised::Already { asks: rng.bool() }),
                60..75 => Some(Promised::CannotThisNumber),
                75..90 => Some(Promised::Cannot),
                _ => None,
            };
            (delay(rng), answer)
        });
        let promises = promises.collect();
        let message = match rng.u8(..100) {
            0..70 => Some(Recorded::Kept),
            70..85 => Some(Recorded::Lost),
            _ => None,
        };
        Self {
            caller: number_of_caller(rng),
            promises,
            message: (delay(rng), message),
        }
    }
}

/// At once, soon, just in time, or too late.
fn delay(rng: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(match rng.u8(..100) {
        0..30 => 0,
        30..70 => rng.u64(1..320),
        70..85 => rng.u64(320..1_000),
        _ => rng.u64(1_000..4_000),
    })
}

impl World {
    /// When the desk next answers.
    pub(crate) fn desk_deadline(&self) -> Option<Duration> {
        self.answers_due.iter().map(|&(at, _)| at).min()
    }

    /// Answers, if it is time.
    pub(crate) fn desk_answers(&mut self) -> bool {
        let due = self.answers_due.iter().position(|&(at, _)| at <= self.now);
        let Some(due) = due else { return false };
        let (_, answer) = self.answers_due.remove(due);
        self.input(answer);
        true
    }

    pub(crate) fn wish(&mut self) {
        let promises = &self.setup.desk.promises;
        let nth = self.wishes.min(promises.len().saturating_sub(1));
        self.wishes += 1;
        if let Some(&(after, Some(answer))) = promises.get(nth) {
            let at = self.now + after;
            self.answers_due.push((at, Input::Promised(answer)));
        }
    }

    pub(crate) fn record(&mut self, record: &Record) {
        if let Record::End { keep: true } = record
            && let (after, Some(answer)) = self.setup.desk.message
        {
            self.answers_due
                .push((self.now + after, Input::Recorded(answer)));
        }
    }

    pub(crate) fn see_input(&mut self, input: &Input) {
        let seen = match input {
            Input::Carrier(CarrierEvent::Key(key)) => Seen::Key(key.character()),
            Input::Carrier(CarrierEvent::Media(frame)) => {
                let raw = frame.to_raw();
                let is_loud = raw.iter().filter(|&&byte| byte & 0x7F < 0x60).count() > 80;
                Seen::Media(is_loud, print(&raw))
            }
            Input::Carrier(CarrierEvent::Stopped | CarrierEvent::Closed) => Seen::HungUp,
            Input::Promised(answer) => Seen::Promised(*answer),
            Input::Recorded(answer) => Seen::Recorded(*answer),
            Input::ModelsBack => Seen::ModelsBack,
            _ => return,
        };
        self.see(seen);
    }

    pub(crate) fn see_effect(&mut self, effect: &Effect) {
        let seen = match effect {
            Effect::Promise(wish) => Seen::Wish(wish.clone()),
            Effect::Record(Record::Begin) => Seen::Begin,
            Effect::Record(Record::Audio(frame)) => Seen::Taped(print(&frame.to_raw())),
            Effect::Record(Record::End { keep }) => Seen::End(*keep),
            Effect::ToCarrier(CarrierCommand::Clear) => Seen::Clear,
            Effect::ToCarrier(CarrierCommand::Media(frame)) => Seen::Sound(frame.duration()),
            Effect::Observe(Observation::Apologized { .. }) => Seen::Apologized,
            Effect::Observe(Observation::Prompted(prompt)) => Seen::Prompted(*prompt),
            Effect::Observe(Observation::Chose(choice)) => Seen::Chose(*choice),
            Effect::Observe(Observation::Returned { .. }) => Seen::Returned,
            Effect::EndCall(_) => Seen::Ended,
            _ => return,
        };
        self.see(seen);
    }

    fn see(&mut self, seen: Seen) {
        if self.setup.call.menu.offers_anything() {
            self.life.menu.push((self.now, seen));
        }
    }
}

fn print(audio: &[u8]) -> u64 {
    audio.iter().fold(0xcbf2_9ce4_8422_2325, |print, &byte| {
        (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The digits of a wish for a number that was keyed.
pub(crate) fn keyed(wish: &Wish) -> Option<&str> {
    match &wish.number {
        Asked::Own => None,
        Asked::Keyed(digits) => Some(digits.as_str()),
    }
}
