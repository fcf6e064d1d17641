//! An account at the carrier: who it is, what signs its requests, and which calls it has.
//!
//! Owns the list of calls that [`rest`](super::rest) serves and that live calls are found in. Finished calls are kept until there
//! are too many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;
use tokio_rustls::rustls::ClientConfig;

use super::{
    interpreter::Update,
    number::{Parties, Status},
    rest::{FaultWindow, Faults, Messages, Resource, RestFault},
    signature::AuthToken,
};
use crate::net::Clock;

/// Calls that are known: the oldest that is over is forgotten first, and where all are live the next one is not listed.
const CALLS_MAX: usize = 10_000;
/// What REST wants of one call and nobody has taken yet; further wishes are refused with 429.
const UPDATES_MAX: usize = 8;

/// An account. It shows its SID and no secret.
pub struct Account {
    /// `AC…`.
    pub sid: String,
    /// What signs webhooks and upgrades.
    pub token: AuthToken,
    /// Whom to trust where a URL is `https` or `wss`; `None`: nobody.
    pub tls: Option<Arc<ClientConfig>>,
    /// The run's clock.
    pub clock: Clock,
    /// User names and passwords that REST accepts.
    pub(super) keys: Vec<(String, String)>,
    began: SystemTime,
    faults: Mutex<Faults>,
    messages: Mutex<Messages>,
    calls: Mutex<Calls>,
}

/// A call as REST shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Who calls whom.
    pub parties: Parties,
    /// How far it has come.
    pub status: Status,
    /// When it came in, by the run's clock.
    pub began: Duration,
    /// When it was over.
    pub ended: Option<Duration>,
    pub(super) updates: Option<mpsc::Sender<Update>>,
}

#[derive(Debug, Default)]
struct Calls {
    by_sid: BTreeMap<String, Listed>,
    /// In the order in which they came.
    order: std::collections::VecDeque<String>,
}

impl Account {
    /// An account of this SID whose requests are signed with `token`, and which REST knows by it.
    pub fn new(sid: &str, token: &str, tls: Option<Arc<ClientConfig>>, clock: Clock) -> Self {
        Self {
            sid: sid.to_owned(),
            token: AuthToken::new(token),
            tls,
            clock,
            keys: vec![(sid.to_owned(), token.to_owned())],
            began: clock.wall(),
            faults: Mutex::default(),
            messages: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// REST accepts this API key as well.
    #[must_use]
    pub fn with_key(mut self, key_sid: &str, secret: &str) -> Self {
        self.keys.push((key_sid.to_owned(), secret.to_owned()));
        self
    }

    /// From now on REST goes wrong in these windows, and in no others.
    pub fn set_faults(&self, windows: Vec<FaultWindow>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        *faults = Faults(windows);
    }

    pub(super) fn fault(&self, resource: Resource, writes: bool) -> Option<RestFault> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.at(self.clock.now(), resource, writes)
    }

    /// The account's messages, which nobody else sees or changes meanwhile.
    pub fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call of this SID, as it stands.
    pub fn call(&self, sid: &str) -> Option<Listed> {
        self.calls().by_sid.get(sid).cloned()
    }

    /// All calls that are known, the newest first.
    pub fn listed(&self) -> Vec<Listed> {
        let calls = self.calls();
        let newest = calls.order.iter().rev();
        newest
            .filter_map(|sid| calls.by_sid.get(sid))
            .cloned()
            .collect()
    }

    /// A call has come in. What REST wants of it comes here.
    pub(super) fn begin(&self, parties: &Parties) -> mpsc::Receiver<Update> {
        let (updates, wanted) = mpsc::channel(UPDATES_MAX);
        let listed = Listed {
            parties: parties.clone(),
            status: Status::Ringing,
            began: self.clock.now(),
            ended: None,
            updates: Some(updates),
        };
        let mut calls = self.calls();
        if calls.order.len() >= CALLS_MAX {
            calls.forget_one();
        }
        if calls.order.len() < CALLS_MAX {
            calls.order.push_back(parties.call_sid.clone());
            calls.by_sid.insert(parties.call_sid.clone(), listed);
        }
        wanted
    }

    /// The call has come so far.
    pub(super) fn note(&self, call_sid: &str, status: Status) {
        let now = self.clock.now();
        if let Some(call) = self.calls().by_sid.get_mut(call_sid) {
            call.status = status;
            if status.is_over() {
                call.ended.get_or_insert(now);
                call.updates = None;
            }
        }
    }

    /// The wall's time when the run's clock shows `at`.
    pub(super) fn wall(&self, at: Duration) -> SystemTime {
        let since = self.clock.now().saturating_sub(at);
        self.clock.wall().checked_sub(since).unwrap_or(self.began)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn forget_one(&mut self) {
        let is_over = |sid: &String| {
            let call = self.by_sid.get(sid);
            call.is_none_or(|call| call.status.is_over())
        };
        if let Some(place) = self.order.iter().position(is_over)
            && let Some(sid) = self.order.remove(place)
        {
            self.by_sid.remove(&sid);
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("sid", &self.sid)
            .finish_non_exhaustive()
    }
}
