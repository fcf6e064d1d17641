//! The telephone network behind the REST interface: it carries texts and rings phones, and knows what every phone got.
//!
//! Owns what becomes of a text or a call after REST has taken it in. How well that goes and how people behave is in [`settings`],
//! one phone's part of it in [`habits`]; [`post`] carries texts, [`ringing`] makes calls, [`tally`] counts. What is asked of the
//! interface, and how it answers, is [`super::rest`]'s.
//!
#![doc = include_str!("../texts-and-rings.md")]

pub mod delivery;
pub mod habits;
pub mod hours;
pub(super) mod post;
pub(super) mod ringing;
pub mod settings;
pub mod tally;
pub mod words;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::{Notify, mpsc};

use self::{post::Delivering, ringing::Placed};
pub use self::{
    settings::PhoneSettings,
    tally::{Counts, Tally},
};
use super::{
    VoiceReport, rest::Accepting, settings::TwilioSettings, twiml::Link, voice_call::Told,
};
use crate::{carrier::KnownPrompts, recording::Recording};

/// What waits to be begun; beyond it REST answers 429.
const ERRANDS_MAX: usize = 20_000;

/// Something that happens after its request was answered, or given up.
#[derive(Debug)]
pub(super) enum Errand {
    /// A text goes its way.
    Deliver(Box<Delivering>),
    /// A phone rings.
    Ring(Box<Placed>),
    /// A request is taken in late.
    Accept(Box<Accepting>),
}

/// What whoever listens in hears of the calls that the account makes.
#[derive(Clone, Debug)]
pub enum Overheard {
    /// A phone rings.
    Rings,
    /// What happens in a call, and when since it was picked up.
    Told(Duration, Told),
    /// It is over.
    Over(Box<VoiceReport>),
}

/// The network of one account.
#[derive(Debug)]
pub struct Network {
    /// How phones behave.
    pub settings: Arc<PhoneSettings>,
    /// How the carrier behaves in calls that it makes.
    pub twilio: Arc<TwilioSettings>,
    /// What people say who pick up; each takes the next. Empty: they say nothing.
    pub recordings: Vec<Arc<Recording>>,
    /// What prompts they know.
    pub prompts: Option<Arc<KnownPrompts>>,
    /// Whoever listens in on rings and what follows, of all phones alike: for a single one. What there is no room for is not heard.
    pub overheard: Option<mpsc::Sender<Overheard>>,
    /// "A message comes in".
    sms: Mutex<Option<Link>>,
    tally: Mutex<Tally>,
    errands: Mutex<VecDeque<Errand>>,
    waiting: Notify,
}

impl Default for Network {
    fn default() -> Self {
        Self::new(
            PhoneSettings::default(),
            TwilioSettings::default(),
            Vec::new(),
        )
    }
}

impl Network {
    /// A network of such phones.
    pub fn new(
        settings: PhoneSettings,
        twilio: TwilioSettings,
        recordings: Vec<Arc<Recording>>,
    ) -> Self {
        Self {
            settings: Arc::new(settings),
            twilio: Arc::new(twilio),
            recordings,
            prompts: None,
            overheard: None,
            sms: Mutex::default(),
            tally: Mutex::default(),
            errands: Mutex::default(),
            waiting: Notify::new(),
        }
    }

    /// From now on what phones write goes there; `None`: to nobody.
    pub fn set_sms(&self, link: Option<Link>) {
        *lock(&self.sms) = link;
    }

    pub(super) fn sms(&self) -> Option<Link> {
        lock(&self.sms).clone()
    }

    /// What phones got. Nobody else counts meanwhile.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// Whether people there may be rung at this time.
    pub(super) fn may_ring(&self, number: &str, at: SystemTime) -> bool {
        hours::may_ring(&self.settings.hours, number, at)
    }

    /// Whoever listens in hears it.
    pub(super) fn overhear(&self, overheard: Overheard) {
        if let Some(listener) = &self.overheard {
            // Who does not listen any more, or too slowly, misses it: nobody waits for them.
            drop(listener.try_send(overheard));
        }
    }

    /// Whether there is room for something more to do.
    pub(super) fn has_room(&self) -> bool {
        lock(&self.errands).len() < ERRANDS_MAX
    }

    pub(super) fn push(&self, errand: Errand) {
        lock(&self.errands).push_back(errand);
        self.waiting.notify_one();
    }

    /// The next thing to do.
    pub(super) async fn next_errand(&self) -> Errand {
        loop {
            let next = lock(&self.errands).pop_front();
            match next {
                Some(errand) => return errand,
                None => self.waiting.notified().await,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
