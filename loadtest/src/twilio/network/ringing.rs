//! Calls that REST has asked for: a phone rings, and somebody picks up or does not.
//!
//! Owns everything until then, and what is counted at the end. From picking up on it is a call like any other: documents, streams, a
//! caller with a recording ([`VoiceCall`]).

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use super::{
    Overheard,
    habits::{Does, Ring},
};
use crate::{
    carrier::{CarrierSettings, Phone},
    recording::Recording,
    twilio::{
        VoiceCall, VoiceReport,
        account::Account,
        address::Address,
        fetch::{Fetcher, Wanted as Fetching},
        form::Form,
        interpreter::{Opening, Tell, Update},
        number::{Number, Parties, Status},
        rest::calls::Wanted,
        settings::{TwilioSettings, millis},
        twiml::Link,
        voice_call::courier::Courier,
    },
};

/// Status callbacks of a call that nobody answers are waited for at most so long.
const DELIVERY_MAX: Duration = Duration::from_secs(20);
/// A machine listens for so long.
const MACHINE_LISTENS_MS: u64 = 20_000;
/// The numbers of streams of phones that were rung begin here: callers count from one.
const NUMBERS_FROM: u32 = 500_000;

/// How it is to be found out who has picked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::twilio) struct Detection {
    /// Until a machine has said what it says.
    pub(in crate::twilio) to_the_end: bool,
    /// While the call goes on.
    pub(in crate::twilio) beside: bool,
    /// Where it is told then.
    pub(in crate::twilio) callback: Option<Link>,
}

/// A call that was taken in.
#[derive(Debug)]
pub(in crate::twilio) struct Placed {
    pub(in crate::twilio) parties: Parties,
    /// Its place among all.
    pub(in crate::twilio) nth: u64,
    /// Rings of this phone before.
    pub(in crate::twilio) before: u64,
    pub(in crate::twilio) updates: mpsc::Receiver<Update>,
    pub(in crate::twilio) wanted: Wanted,
}

/// Makes the call, from its ringing to its end.
pub(in crate::twilio) async fn ring(account: Arc<Account>, placed: Placed) {
    let settings = Arc::clone(&account.network.settings);
    let habit = settings.ring(&placed.parties.to, placed.before);
    let mut ringing = Ringing {
        courier: Courier::start(fetcher(&account), account.clock),
        account,
        placed,
        told: 0,
    };
    ringing.come(Status::Initiated);
    let end = ringing.until_picked_up(habit).await;
    match end {
        Some(end) => ringing.unanswered(end).await,
        None => ringing.picked_up(habit).await,
    }
}

struct Ringing {
    account: Arc<Account>,
    placed: Placed,
    courier: Courier,
    /// Status callbacks so far.
    told: u32,
}

impl Ringing {
    /// Rings. `None`: somebody has picked up; else how it ends.
    async fn until_picked_up(&mut self, habit: Ring) -> Option<Status> {
        if habit.does == Does::Failed {
            return Some(Status::Failed);
        }
        self.come(Status::Ringing);
        self.account.network.overhear(Overheard::Rings);
        // Whoever is on the phone is not rung.
        if habit.does != Does::Busy {
            self.count(|ring| ring.rang = true);
        }
        let longest = self.placed.wanted.timeout;
        let (after, end) = match habit.does {
            Does::Answer | Does::HangUp | Does::Machine if habit.after < longest => {
                (habit.after, None)
            }
            Does::Busy => (habit.after.min(longest), Some(Status::Busy)),
            Does::Answer | Does::HangUp | Does::Machine | Does::NoAnswer | Does::Failed => {
                (longest, Some(Status::NoAnswer))
            }
        };
        let taken_back = async {
            while let Some(update) = self.placed.updates.recv().await {
                // What is to be heard changes nothing while nobody hears it.
                if update == Update::Complete {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        match timeout(after, taken_back).await {
            Ok(()) => Some(Status::Canceled),
            Err(_elapsed) => end,
        }
    }

    /// The call has come so far: REST shows it, and who wants to know it is told.
    fn come(&mut self, status: Status) {
        self.account.note(&self.placed.parties.call_sid, status);
        let event = match status {
            Status::Queued => return,
            Status::Initiated => "initiated",
            Status::Ringing => "ringing",
            Status::InProgress => "answered",
            Status::Completed
            | Status::Busy
            | Status::NoAnswer
            | Status::Failed
            | Status::Canceled => "completed",
        };
        let wanted = &self.placed.wanted;
        let Some(link) = wanted
            .status
            .as_ref()
            .filter(|_| wanted.events.contains(&event))
        else {
            return;
        };
        let Some(address) = Address::parse(&link.url) else {
            return;
        };
        let mut form = self.placed.parties.form(status);
        if status.is_over() {
            form = form.with("CallDuration", "0").with("Duration", "0");
        }
        let form = form
            .with("SequenceNumber", self.told.to_string())
            .with("CallbackSource", "call-progress-events");
        let tell = Tell {
            address,
            method: link.method,
            form,
            idempotency: format!("{}-{event}", self.placed.parties.call_sid),
        };
        self.told += 1;
        for _ in 0..self.account.network.twilio.callback_copies {
            self.courier.send(tell.clone());
        }
    }

    async fn unanswered(mut self, end: Status) {
        let now = self.account.clock.now();
        self.come(end);
        self.count(|ring| ring.ended = Some(now));
        drop(self.courier.finish(DELIVERY_MAX).await);
    }

    /// Somebody has picked up: a call, from here on.
    async fn picked_up(mut self, habit: Ring) {
        self.come(Status::InProgress);
        let answered = self.account.clock.now();
        let answered_by = self.answered_by(habit);
        let detection = self.placed.wanted.detection.clone();
        let beside = detection.as_ref().is_some_and(|detection| detection.beside);
        if detection.is_some() && !beside {
            // Nothing is heard until it is known who hears it.
            tokio::time::sleep(habit.detection).await;
            self.detected(answered_by);
        }
        let Self {
            account,
            placed,
            courier,
            told,
        } = self;
        let Placed {
            parties,
            nth,
            updates,
            wanted,
            ..
        } = placed;
        let callback = detection.filter(|it| it.beside).and_then(|it| it.callback);
        let telling = tell_detection(&account, &parties, callback, answered_by, habit.detection);
        let call = voice_call(&account, &parties, &wanted, habit.seed);
        let phone = phone(&account, habit, nth);
        let opening = Opening {
            twiml: wanted.twiml.clone(),
            callbacks: told,
        };
        let network = Arc::clone(&account.network);
        let story = move |at, told| network.overhear(Overheard::Told(at, told));
        let (report, (), _told) = tokio::join!(
            call.picked_up(phone, updates, opening, story),
            telling,
            courier.finish(DELIVERY_MAX)
        );
        count_call(&account, &parties, habit, answered, &report);
        account.network.overhear(Overheard::Over(Box::new(report)));
    }

    fn answered_by(&self, habit: Ring) -> &'static str {
        let to_the_end = (self.placed.wanted.detection.as_ref()).is_some_and(|it| it.to_the_end);
        match habit.does {
            Does::Answer => "human",
            Does::Machine if to_the_end => "machine_end_beep",
            Does::Machine => "machine_start",
            Does::HangUp | Does::Busy | Does::NoAnswer | Does::Failed => "unknown",
        }
    }

    fn detected(&mut self, answered_by: &'static str) {
        let parties = &mut self.placed.parties;
        parties.answered_by = Some(answered_by);
        self.account
            .note_answered_by(&parties.call_sid, answered_by);
    }

    fn count(&self, change: impl FnOnce(&mut super::tally::RingSeen)) {
        let Parties { to, call_sid, .. } = &self.placed.parties;
        self.account.network.tally().of_ring(to, call_sid, change);
    }
}

/// Tells who has picked up, where that is found out while the call goes on.
async fn tell_detection(
    account: &Account,
    parties: &Parties,
    callback: Option<Link>,
    answered_by: &'static str,
    after: Duration,
) {
    let Some(link) = callback else { return };
    let Some(address) = Address::parse(&link.url) else {
        return;
    };
    tokio::time::sleep(after).await;
    account.note_answered_by(&parties.call_sid, answered_by);
    let form = Form::new()
        .with("AccountSid", account.sid.clone())
        .with("CallSid", parties.call_sid.clone())
        .with("AnsweredBy", answered_by)
        .with("MachineDetectionDuration", after.as_millis().to_string());
    let wanted = Fetching {
        address: &address,
        method: link.method,
        form: &form,
        idempotency: &format!("{}-amd", parties.call_sid),
    };
    // Whoever cannot be told goes on without it.
    let _fetched = fetcher(account).fetch(wanted).await;
}

fn fetcher(account: &Account) -> Fetcher {
    let twilio = &account.network.twilio;
    Fetcher {
        token: account.token.clone(),
        tls: account.tls.clone(),
        request_max: millis(twilio.request_max_ms),
        idempotency_on_first: twilio.idempotency_on_first,
    }
}

fn voice_call(account: &Arc<Account>, parties: &Parties, wanted: &Wanted, seed: u64) -> VoiceCall {
    let twilio = &account.network.twilio;
    let longest = wanted.time_limit.map_or(twilio.call_max_ms, |limit| {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        limit.min(twilio.call_max_ms)
    });
    let settings = TwilioSettings {
        call_max_ms: longest,
        ..(**twilio).clone()
    };
    let is_end_told = wanted.events.contains(&"completed");
    VoiceCall {
        account: Arc::clone(account),
        number: Number {
            voice: wanted.url.clone().unwrap_or_default(),
            fallback: wanted.fallback.clone(),
            status: wanted.status.clone().filter(|_| is_end_told),
        },
        settings: Arc::new(settings),
        parties: parties.clone(),
        seed,
    }
}

/// Who is on the line.
fn phone(account: &Account, habit: Ring, nth: u64) -> Phone {
    let network = &account.network;
    let settings = &network.settings;
    let place = usize::try_from(nth).unwrap_or_default() % network.recordings.len().max(1);
    let recording = network.recordings.get(place).cloned();
    let has_words = recording.is_some();
    let call_max_ms = match habit.does {
        Does::HangUp => settings.hang_up_after_ms,
        Does::Machine => MACHINE_LISTENS_MS,
        Does::Answer | Does::Busy | Does::NoAnswer | Does::Failed => settings.talk_max_ms,
    };
    let carrier = CarrierSettings {
        listens_only: habit.does != Does::Answer || !has_words,
        call_max_ms: call_max_ms.max(1),
        record: network.overheard.is_some(),
        ..CarrierSettings::default()
    };
    let number = NUMBERS_FROM.saturating_add(u32::try_from(nth).unwrap_or(u32::MAX));
    let recording = recording.unwrap_or_else(|| Arc::new(Recording::silent()));
    let phone = Phone::new(recording, Arc::new(carrier), number, habit.seed);
    match &network.prompts {
        Some(prompts) => phone.knowing(Arc::clone(prompts)),
        None => phone,
    }
}

fn count_call(
    account: &Account,
    parties: &Parties,
    habit: Ring,
    answered: Duration,
    report: &VoiceReport,
) {
    let now = account.clock.now();
    let minutes = now.saturating_sub(answered).as_secs() / 60 + 1;
    let minutes = f64::from(u32::try_from(minutes).unwrap_or(u32::MAX));
    let has_talked = habit.does == Does::Answer && report.streams() > 0;
    let mut tally = account.network.tally();
    tally.pay(account.network.settings.ring_cents * minutes);
    tally.of_ring(&parties.to, &parties.call_sid, |ring| {
        (ring.ended, ring.connected) = (Some(report.ended), has_talked);
    });
}
