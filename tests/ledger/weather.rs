//! What is to come in a life, and what goes wrong.

use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use ringback::core::callback::CallbackLedger;
use ringback::core::callback::input::{Input, Models};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::settings::{CapSettings, Settings};
use ringback::core::time::Utc;

use crate::carrier::millis;
use crate::phones::{HOUR, intent};
use crate::world::{BEGIN_MILLIS, CALM_FROM, Event, Weather, World};

impl World {
    /// What is to come.
    pub(crate) fn plan(&mut self) {
        for phone in 0..self.phones.len() {
            for _ in 0..self.rng.u8(1..=3) {
                let at = millis(&mut self.rng, 5_000, 48 * 3_600_000);
                self.after(at, Event::Wants(phone));
                // Who was cut off calls again, and may be on the line when their ring is due.
                if self.rng.u8(..3) == 0 {
                    let again = millis(&mut self.rng, 15_000, 120_000);
                    self.after(at + again, Event::Wants(phone));
                }
            }
        }
        self.after(CALM_FROM, Event::Weather(Weather::Models(true)));
        if self.is_calm {
            let at = millis(&mut self.rng, 0, 10 * 3_600_000);
            self.after(at, Event::Weather(Weather::Models(true)));
            return;
        }
        for _ in 0..self.rng.u8(1..6) {
            let at = millis(&mut self.rng, 0, 50 * 3_600_000);
            let is_back = self.rng.bool();
            self.after(at, Event::Weather(Weather::Models(is_back)));
        }
        self.lossy = [0, 10, 90, 100][self.rng.usize(..4)];
        self.carrier.trouble = [0, 100, 400, 800][self.rng.usize(..4)];
        self.carrier.deaf = [0, 100, 500, 950][self.rng.usize(..4)];
        for _ in 0..self.rng.u8(..12) {
            let at = millis(&mut self.rng, 0, 55 * 3_600_000);
            let lasts = millis(&mut self.rng, 1_000, 3 * 3_600_000);
            let (begin, end) = match self.rng.u8(..7) {
                0 => (Weather::CarrierOut(true), Weather::CarrierOut(false)),
                1 => (Weather::StoreSlow(true), Weather::StoreSlow(false)),
                2 => (Weather::StoreOut(true), Weather::StoreOut(false)),
                3 => {
                    let by =
                        self.rng.i64(5_500..20 * 3_600_000) * if self.rng.bool() { 1 } else { -1 };
                    (Weather::Step(by), Weather::Step(-by))
                }
                4 if self.rng.u8(..4) == 0 => (Weather::Forget, Weather::Forget),
                _ => (Weather::Crash, Weather::Crash),
            };
            self.after(at, Event::Weather(begin));
            self.after(at + lasts, Event::Weather(end));
        }
        // Somebody writes of his own accord.
        for _ in 0..self.rng.u8(..4) {
            let at = millis(&mut self.rng, 0, 70 * 3_600_000);
            let phone = self.rng.usize(..self.phones.len());
            let intent = intent(&mut self.rng, Utc::from_millis(BEGIN_MILLIS));
            let wish = match intent {
                Intent::At(_) => Intent::Call,
                Intent::Stop
                | Intent::Start
                | Intent::Help
                | Intent::Call
                | Intent::Yes
                | Intent::No
                | Intent::Free => intent,
            };
            self.writes(at, self.phones[phone].number, wish);
        }
    }

    pub(crate) fn weather(&mut self, weather: Weather) {
        writeln!(self.trace, "{:>12.3?}  {weather:?}", self.now).unwrap();
        self.books.count(&format!("weather {weather:?}"));
        match weather {
            Weather::Models(is_back) => {
                self.models = if is_back {
                    Models::Back {
                        ring_every: Duration::from_secs(2),
                        ringing_max: 2,
                    }
                } else {
                    Models::Out
                };
                if !self.is_down {
                    self.tell(Input::Models(self.models));
                }
            }
            Weather::CarrierOut(is_out) => self.carrier.is_out = is_out,
            Weather::StoreSlow(is_slow) => self.store_is_slow = is_slow,
            Weather::StoreOut(is_out) => self.store_is_out = is_out,
            Weather::Step(by) => {
                self.clock_error += by;
                self.books.clock_steps();
            }
            Weather::Crash if !self.is_down => {
                self.is_down = true;
                self.epoch += 1;
                self.books.crash();
                self.lines.crash(self.now);
                for text in std::mem::take(&mut self.unanswered).into_values() {
                    let again = millis(&mut self.rng, 1_000, 20_000);
                    self.after(again, Event::Inbound(Box::new(text)));
                }
                let until = if self.rng.u8(..4) == 0 {
                    7_200_000
                } else {
                    60_000
                };
                let until = millis(&mut self.rng, 500, until);
                self.after(until, Event::Weather(Weather::Restart));
            }
            Weather::Crash => {}
            Weather::Restart => self.restart(),
            Weather::Forget => {
                let phone = self.rng.usize(..self.phones.len());
                let number = self.phones[phone].number;
                self.books.forgets(number);
                if !self.is_down {
                    self.tell(Input::Forget(number));
                }
            }
        }
    }

    fn restart(&mut self) {
        self.is_down = false;
        self.born = self.now;
        self.keeper_free_at = self.now;
        self.ledger = CallbackLedger::new(self.settings.clone());
        let kept: Vec<_> = self.keeper.promises.values().cloned().collect();
        for (promise, revision) in kept {
            self.tell(Input::Restored(Box::new(promise), revision));
        }
        self.tell(Input::Ready);
        self.tell(Input::Models(self.models));
    }
}

/// Settings that are reached: tight caps in some worlds.
pub(crate) fn settings(rng: &mut Rng, is_calm: bool) -> Settings {
    let caps = CapSettings::default();
    let caps = if is_calm || rng.bool() {
        caps
    } else {
        CapSettings {
            per_destination: rng.u32(1..=3),
            per_caller: rng.u32(1..=4),
            withheld: rng.u32(1..=3),
            per_prefix: rng.u32(1..=4),
            cents: rng.u32(400..2_000),
            ..caps
        }
    };
    Settings {
        caps,
        expires_after: HOUR * 48,
        ..Settings::default()
    }
}
