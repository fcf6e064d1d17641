//! Who calls in a drill: each from a number of their own, or from somebody else's.
//!
//! Owns the callers and what they key in. What they are promised is noted for the phone that it was promised to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::numbers;
use crate::{
    carrier::{CarrierSettings, KnownPrompts, MenuChoice, Phone},
    plan::{Drill, Mix, Plan},
    recording::Recording,
    run::{callers::told_of_text, interface::Interface},
    twilio::{
        Account, VoiceCall,
        number::{Number, Parties},
        settings::TwilioSettings,
    },
};

/// From a call to the next one on the same line: longer than it takes to refuse one.
const PAUSE_MS: [u64; 2] = [50, 400];
/// What a number looks like that is withheld.
const WITHHELD: &str = "+266696687";
/// The prompts at which a number is asked for, and confirmed.
const ASK_NUMBER: &str = "ask_number";
const CONFIRM: &str = "confirm_keys";

pub(super) struct Callers {
    account: Arc<Account>,
    number: Option<Number>,
    twilio: Arc<TwilioSettings>,
    carrier: CarrierSettings,
    prompts: Option<Arc<KnownPrompts>>,
    recordings: Vec<Arc<Recording>>,
    mix: Mix,
    seed: u64,
    calls: u32,
    until_promised: bool,
    made: AtomicU32,
    live: AtomicU32,
}

/// One caller.
#[derive(Clone, PartialEq, Eq)]
struct Who {
    /// The number that the server is told.
    from: String,
    verstat: &'static str,
    /// The phone that a promise is to.
    phone: String,
    /// Nobody has vouched for it.
    is_doubtful: bool,
    /// It is keyed in, where that is asked for.
    keys: String,
}

impl Callers {
    pub(super) fn new(
        plan: &Plan,
        drill: &Drill,
        interface: &Interface,
        recordings: &[Arc<Recording>],
        number: Option<Number>,
    ) -> Self {
        Self {
            account: Arc::clone(&interface.account),
            number,
            twilio: Arc::new(plan.twilio.clone()),
            carrier: CarrierSettings {
                record: false,
                ..plan.carrier.clone()
            },
            prompts: interface.account.network.prompts.clone(),
            recordings: recordings.to_vec(),
            mix: drill.mix.clone(),
            seed: plan.calls.seed,
            calls: drill.calls,
            until_promised: drill.until_promised,
            made: AtomicU32::new(0),
            live: AtomicU32::new(0),
        }
    }

    /// Calls that were made.
    pub(super) fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// Calls that are going on.
    pub(super) fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    /// One line: calls one after the other, until there were enough, or the time is over.
    pub(super) async fn line(self: Arc<Self>, line: u32, until: Duration) {
        let mut rng = fastrand::Rng::with_seed(self.seed ^ u64::from(line) << 32);
        let clock = self.account.clock;
        while clock.now() < until && !self.is_enough() {
            let nth = self.made.fetch_add(1, Ordering::Relaxed);
            if !self.until_promised && nth >= self.calls {
                self.made.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            self.live.fetch_add(1, Ordering::Relaxed);
            self.call(nth).await;
            self.live.fetch_sub(1, Ordering::Relaxed);
            let pause = rng.u64(PAUSE_MS[0]..=PAUSE_MS[1]);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    fn is_enough(&self) -> bool {
        if !self.until_promised {
            return self.made() >= self.calls;
        }
        let promised: u32 = (self.account.network.tally().phones())
            .map(|(_, seen)| seen.promised)
            .sum();
        promised >= self.calls
    }

    async fn call(&self, nth: u32) {
        let (Some(number), Some(recording)) = (
            self.number.clone(),
            self.recordings
                .get(nth as usize % self.recordings.len().max(1)),
        ) else {
            return;
        };
        let seed = self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(nth.into());
        let who = Who::draw(&self.mix, seed, nth);
        let mut carrier = self.carrier.clone();
        carrier.menu.extend(keying(&who.keys));
        let mut phone = Phone::new(Arc::clone(recording), Arc::new(carrier), nth, seed);
        if let Some(prompts) = &self.prompts {
            phone = phone.knowing(Arc::clone(prompts));
        }
        let to = &self.carrier.to;
        let mut parties = Parties::of_seed(&self.account.sid, &who.from, to, seed);
        parties.verstat = Some(who.verstat.to_owned());
        let call = VoiceCall {
            account: Arc::clone(&self.account),
            number,
            settings: Arc::clone(&self.twilio),
            parties,
            seed,
        };
        // Before it: a promise that nobody has heard may be kept all the same.
        self.account
            .network
            .tally()
            .call(&who.phone, who.is_doubtful);
        let report = call.live(phone, |_, _| {}).await;
        if let Some(heard) = told_of_text(&report.call) {
            self.account.network.tally().promise(&who.phone, heard);
        }
    }
}

/// Where a number is asked for, it is keyed in, and confirmed.
fn keying(keys: &str) -> Vec<MenuChoice> {
    let choice = |prompt: &str, press: &str| MenuChoice {
        prompt: prompt.into(),
        press: press.into(),
        times: 3,
        ..MenuChoice::default()
    };
    if keys.is_empty() {
        return Vec::new();
    }
    vec![choice(ASK_NUMBER, keys), choice(CONFIRM, "1")]
}

impl Who {
    /// The `nth` caller of a mix.
    fn draw(mix: &Mix, seed: u64, nth: u32) -> Self {
        const BELIEVED: &str = "TN-Validation-Passed-A";
        const DOUBTED: &str = "TN-Validation-Failed-A";
        let mut rng = fastrand::Rng::with_seed(seed);
        let own = numbers::caller(nth);
        let prefix = rng.choice(&mix.targets);
        let target = prefix.map(|prefix| {
            let nth = rng.u32(0..mix.numbers_each.max(1));
            numbers::target(prefix, nth)
        });
        let target = target.unwrap_or_else(|| own.clone());
        let draw = rng.f64();
        let (withheld, spoofed) = (mix.withheld_share, mix.withheld_share + mix.spoofed_share);
        let (from, verstat, phone, is_doubtful) = if draw < withheld {
            (WITHHELD.to_owned(), BELIEVED, target, true)
        } else if draw < spoofed {
            (target.clone(), DOUBTED, target, true)
        } else if draw < spoofed + mix.believed_share {
            (target.clone(), BELIEVED, target, false)
        } else {
            (own.clone(), BELIEVED, own, false)
        };
        Self {
            from,
            verstat,
            keys: numbers::keys(&phone),
            phone,
            is_doubtful,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_comes_out_and_whoever_withholds_a_number_keys_one_in() {
        let mix = Mix {
            withheld_share: 0.25,
            spoofed_share: 0.25,
            believed_share: 0.25,
            targets: vec!["+1900".into()],
            numbers_each: 5,
        };
        let all: Vec<_> = (0..4_000)
            .map(|nth| Who::draw(&mix, u64::from(nth), nth))
            .collect();
        let many = |is: fn(&&Who) -> bool| all.iter().filter(is).count();
        let near = |count: usize, wanted: usize| count.abs_diff(wanted) < 150;
        assert!(near(many(|who| who.from == WITHHELD), 1_000));
        assert!(near(many(|who| who.verstat.contains("Failed")), 1_000));
        assert!(near(many(|who| who.phone.starts_with("+1900")), 3_000));
        assert!(near(many(|who| who.is_doubtful), 2_000));
        let withheld = all.iter().find(|who| who.from == WITHHELD).unwrap();
        assert_eq!(withheld.keys, numbers::keys(&withheld.phone));
        assert!(Who::draw(&mix, 7, 7) == all[7]);
    }
}
