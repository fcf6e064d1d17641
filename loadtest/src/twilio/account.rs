//! An account at the carrier: who it is, what signs its requests, and which calls it has.
//!
//! Owns the list of calls that [`rest`](super::rest) serves and that live calls are found in. Finished calls are kept until there
//! are too many. What becomes of texts and calls of its own is its [`network`](super::network)'s.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;
use tokio_rustls::rustls::ClientConfig;

use super::{
    interpreter::Update,
    network::Network,
    number::{Direction, Parties, Status},
    rest::{FaultWindow, Faults, Messages, Resource, RestShares, Trouble},
    signature::AuthToken,
};
use crate::net::Clock;

/// Calls that are known: the oldest that is over is forgotten first, and where all are live the next one is not listed.
const CALLS_MAX: usize = 50_000;
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
    /// What is behind the REST interface: phones, and how they are reached.
    pub network: Arc<Network>,
    /// User names and passwords that REST accepts.
    pub(super) keys: Vec<(String, String)>,
    began: SystemTime,
    faults: Mutex<Faults>,
    shares: RestShares,
    /// Requests so far: what chance counts by.
    requests: AtomicU64,
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
    /// When it was answered.
    pub answered: Option<Duration>,
    /// When it was over.
    pub ended: Option<Duration>,
    /// From when on lists show it.
    pub seen: Duration,
    pub(super) updates: Option<mpsc::Sender<Update>>,
}

#[derive(Debug, Default)]
struct Calls {
    by_sid: BTreeMap<String, Listed>,
    /// In the order in which they came.
    order: std::collections::VecDeque<String>,
    /// How many the account has made itself.
    placed: u64,
}

impl Listed {
    /// When it began, once it has: one that waits to be made has no date.
    pub fn started(&self) -> Option<Duration> {
        (self.status != Status::Queued).then_some(self.began)
    }

    /// Whether the account has made it itself.
    pub fn is_outbound(&self) -> bool {
        self.parties.direction == Direction::OutboundApi
    }
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
            network: Arc::default(),
            faults: Mutex::default(),
            shares: RestShares::default(),
            requests: AtomicU64::new(0),
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

    /// Behind the REST interface is this network.
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        self.network = Arc::new(network);
        self
    }

    /// REST goes wrong by chance too.
    #[must_use]
    pub fn with_shares(mut self, shares: RestShares) -> Self {
        self.shares = shares;
        self
    }

    /// From now on REST goes wrong in these windows, and in no others.
    pub fn set_faults(&self, windows: Vec<FaultWindow>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        *faults = Faults(windows);
    }

    /// What goes wrong with the next request.
    pub(super) fn trouble(&self, resource: Resource, writes: bool) -> Trouble {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = faults.at(self.clock.now(), resource, writes) {
            return Trouble::of(fault);
        }
        let nth = self.requests.fetch_add(1, Ordering::Relaxed);
        self.shares.trouble(nth, writes)
    }

    /// The code with which this number is refused. A number that takes no texts may be rung.
    pub(super) fn refused_number(&self, number: &str, is_text: bool) -> Option<u32> {
        let code = self.shares.refusal(number)?;
        let only_texts = matches!(code, 21_610 | 21_612 | 21_614 | 21_408);
        (is_text || !only_texts).then_some(code)
    }

    /// How long lists do not show the `nth` message.
    pub(super) fn list_lag(&self, nth: u64) -> Duration {
        self.shares.lag(Resource::Messages, nth)
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
        self.enlist(parties, Status::Ringing, Duration::ZERO)
    }

    /// The place of the next call that the account makes itself.
    pub(super) fn next_placed(&self) -> u64 {
        let mut calls = self.calls();
        calls.placed += 1;
        calls.placed
    }

    /// The `nth` call was taken in that is to be made. What REST wants of it comes here.
    pub(super) fn place(&self, parties: &Parties, nth: u64) -> mpsc::Receiver<Update> {
        let lag = self.shares.lag(Resource::Calls, nth);
        self.enlist(parties, Status::Queued, lag)
    }

    fn enlist(&self, parties: &Parties, status: Status, lag: Duration) -> mpsc::Receiver<Update> {
        let (updates, wanted) = mpsc::channel(UPDATES_MAX);
        let began = self.clock.now();
        let listed = Listed {
            parties: parties.clone(),
            status,
            began,
            answered: None,
            ended: None,
            seen: began + lag,
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

    /// Who has picked up is known now.
    pub(super) fn note_answered_by(&self, call_sid: &str, answered_by: &'static str) {
        if let Some(call) = self.calls().by_sid.get_mut(call_sid) {
            call.parties.answered_by = Some(answered_by);
        }
    }

    /// The call has come so far.
    pub(super) fn note(&self, call_sid: &str, status: Status) {
        let now = self.clock.now();
        if let Some(call) = self.calls().by_sid.get_mut(call_sid) {
            call.status = status;
            if status == Status::InProgress {
                call.answered.get_or_insert(now);
            }
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
