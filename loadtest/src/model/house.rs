//! A provider's endpoint as a whole: who is let in, who is kept out, and what becomes of those inside.
//!
//! [`ModelHouse`] owns what a provider knows over all of its sessions: which windows of [`outages`](super::outages) are open, how
//! many sessions a key has started, who lives on a bad node. It is sans-IO and seeded: the same settings, seed and visitors at the
//! same times meet the same doors. A simulator [`knock`](ModelHouse::knock)s; the socket host asks in two steps, since over a
//! socket nobody has shown a key before the upgrade.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    ModelSession,
    dials::{Dials, End},
    faults::{What, When},
    outages::{Stage, Trouble, Window, With},
    refusal::Refusal,
    settings::ModelSettings,
};
use crate::{key::KeyMark, recording::Line};

/// What a visitor meets.
#[derive(Debug)]
pub enum Door {
    /// A session: [`start`](ModelSession::start) it when the socket is open.
    Open(Box<ModelSession>),
    /// The upgrade is refused.
    Refuse(Refusal),
    /// Nothing comes, and nothing ends.
    Hang(Stage),
    /// The connection is reset, or there never was one.
    Reset,
}

/// A door, and how long a visitor waits before it.
#[derive(Debug)]
pub struct Reception {
    /// From the dial to what the door says.
    pub after: Duration,
    /// What it says.
    pub door: Door,
}

/// What awaits a visitor before anything is known of him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// He may upgrade, after this.
    ComeIn(Duration),
    /// Nothing comes; at [`Stage::Connect`] or [`Stage::Tls`].
    Hang(Stage),
    /// The connection is reset.
    Reset,
}

/// One provider, with all of its sessions.
#[derive(Debug)]
pub struct ModelHouse {
    settings: Arc<ModelSettings>,
    scripts: Vec<Arc<Vec<Line>>>,
    seed: u64,
    /// The number of the first session.
    first: u32,
    /// When windows count from; `None`: not yet.
    zero: Option<Duration>,
    /// Visitors that came, and that came as far as the upgrade.
    arrived: u64,
    upgraded: u64,
    /// Sessions that were opened.
    opened: u32,
    /// What is left to start of each throttle and key; at most [`BUCKETS_MAX`], further keys share one.
    buckets: BTreeMap<(usize, Option<KeyMark>), Bucket>,
    dials: Dials,
}

/// More keys than this are not told apart.
const BUCKETS_MAX: usize = 256;

impl ModelHouse {
    /// A house whose sessions all answer with the same script.
    pub fn new(settings: Arc<ModelSettings>, script: Arc<Vec<Line>>, seed: u64) -> Self {
        Self::with_scripts(settings, vec![script], seed)
    }

    /// A house whose sessions take the scripts in turn.
    pub fn with_scripts(
        settings: Arc<ModelSettings>,
        scripts: Vec<Arc<Vec<Line>>>,
        seed: u64,
    ) -> Self {
        Self {
            settings,
            scripts,
            seed,
            first: 1,
            zero: Some(Duration::ZERO),
            arrived: 0,
            upgraded: 0,
            opened: 0,
            buckets: BTreeMap::new(),
            dials: Dials::default(),
        }
    }

    /// Its sessions are numbered from here on: with several houses their stamps must differ. Stamps hold 24 bits.
    #[must_use]
    pub fn numbered_from(mut self, first: u32) -> Self {
        self.first = first;
        self
    }

    /// Its windows do not count from the beginning of the run, but from when it [begins](Self::begin). Until then those hold that are
    /// open at first, and nobody is killed: a session that was opened before lives on.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        self.zero = None;
        self
    }

    /// Windows, and the times of [`dials`](Self::dials), count from now on.
    pub fn begin(&mut self, now: Duration) {
        self.zero = Some(now);
    }

    /// How long windows have counted.
    fn since(&self, now: Duration) -> Duration {
        self.zero
            .map_or(Duration::ZERO, |zero| now.saturating_sub(zero))
    }

    /// Who came until now, and what became of it.
    pub fn dials(&self) -> &Dials {
        &self.dials
    }

    /// Somebody dials: all of it at once, for those who have no socket.
    pub fn knock(&mut self, now: Duration, key: Option<KeyMark>) -> Reception {
        match self.arrive(now) {
            Arrival::ComeIn(after) => Reception {
                after,
                door: self.enter(now + after, key),
            },
            Arrival::Hang(stage) => Reception {
                after: Duration::ZERO,
                door: Door::Hang(stage),
            },
            Arrival::Reset => Reception {
                after: Duration::ZERO,
                door: Door::Reset,
            },
        }
    }

    /// Somebody connects.
    pub fn arrive(&mut self, now: Duration) -> Arrival {
        let now = self.since(now);
        self.arrived += 1;
        let visitor = self.arrived;
        let settings = Arc::clone(&self.settings);
        let mut factor = 1.0;
        for (row, window) in open_windows(&settings, now) {
            if !window.concerns(None) || !self.draws(row, visitor, 0, window.share) {
                continue;
            }
            match &window.what {
                Trouble::Down => {
                    self.dials.note(now, None, End::Reset);
                    return Arrival::Reset;
                }
                Trouble::Hang(stage @ (Stage::Connect | Stage::Tls)) => {
                    self.dials.note(now, None, End::Hung);
                    return Arrival::Hang(*stage);
                }
                Trouble::Slow { factor: by } => factor *= by,
                // These are seen at the upgrade, or after it.
                Trouble::Hang(Stage::Upgrade | Stage::Session)
                | Trouble::Refuse { .. }
                | Trouble::Late { .. }
                | Trouble::BlackHole
                | Trouble::Throttle { .. }
                | Trouble::Quota { .. }
                | Trouble::Reject { .. }
                | Trouble::Kill { .. }
                | Trouble::OneBadNode { .. }
                | Trouble::Session(_) => {}
            }
        }
        let mut rng = self.rng(usize::MAX, visitor, 0);
        let delay = settings.handshake_delay_ms.times(factor).pick(&mut rng);
        Arrival::ComeIn(delay)
    }

    /// Somebody who was let in asks for an upgrade, and shows a key.
    pub fn enter(&mut self, now: Duration, key: Option<KeyMark>) -> Door {
        let now = self.since(now);
        self.upgraded += 1;
        let visitor = self.upgraded;
        let settings = Arc::clone(&self.settings);
        for (row, window) in open_windows(&settings, now) {
            if !window.concerns(key) || !self.draws(row, visitor, 1, window.share) {
                continue;
            }
            match &window.what {
                Trouble::Refuse {
                    status,
                    retry_after_ms,
                    code,
                } => {
                    self.dials.note(now, key, End::Refused(*status));
                    let retry_after = retry_after_ms.map(Duration::from_millis);
                    return Door::Refuse(Refusal::new(*status, retry_after, code.as_deref()));
                }
                Trouble::Hang(stage @ Stage::Upgrade) => {
                    self.dials.note(now, key, End::Hung);
                    return Door::Hang(*stage);
                }
                &Trouble::Throttle {
                    starts_per_second,
                    burst,
                } => {
                    if let Err(wait) =
                        self.bucket(row, key, now, burst)
                            .take(now, starts_per_second, burst)
                    {
                        self.dials.note(now, key, End::Refused(429));
                        return Door::Refuse(Refusal::new(429, Some(wait), None));
                    }
                }
                // These were seen at the door, or are a matter of the session.
                Trouble::Down
                | Trouble::Hang(Stage::Connect | Stage::Tls | Stage::Session)
                | Trouble::Late { .. }
                | Trouble::Slow { .. }
                | Trouble::BlackHole
                | Trouble::Quota { .. }
                | Trouble::Reject { .. }
                | Trouble::Kill { .. }
                | Trouble::OneBadNode { .. }
                | Trouble::Session(_) => {}
            }
        }
        let session = self.open(now, key, visitor);
        self.dials.note(now, key, End::Opened(session.number()));
        Door::Open(Box::new(session))
    }

    /// A session, with all that will go wrong in it.
    fn open(&mut self, now: Duration, key: Option<KeyMark>, visitor: u64) -> ModelSession {
        let nth = self.opened;
        self.opened += 1;
        let number = self.first.saturating_add(nth);
        let settings = Arc::clone(&self.settings);
        let script = self
            .scripts
            .iter()
            .cycle()
            .nth(nth as usize % self.scripts.len().max(1));
        let seed = mix(self.seed ^ mix(u64::from(nth) + 1));
        let mut session = ModelSession::new(
            self.settings_for(now, key, visitor),
            script.cloned().unwrap_or_default(),
            number,
            seed,
        );
        session.report.key = key;
        for (row, window) in settings.house_faults.0.iter().enumerate() {
            if !window.concerns(key) {
                continue;
            }
            if let Some((at, with)) = self.death(row, window, nth, now) {
                // Windows that do not count yet kill nobody.
                if let Some(zero) = self.zero {
                    session.await_fate(zero + at, with);
                }
            } else if window.span.is_open(now) && self.draws(row, visitor, 1, window.share) {
                afflict(&mut session, &window.what);
            }
        }
        session
    }

    /// The settings of a session that is opened now.
    fn settings_for(
        &self,
        now: Duration,
        key: Option<KeyMark>,
        visitor: u64,
    ) -> Arc<ModelSettings> {
        let mut changed: Option<ModelSettings> = None;
        for (row, window) in open_windows(&self.settings, now) {
            let concerns = window.concerns(key) && self.draws(row, visitor, 1, window.share);
            let mut change = |by: &dyn Fn(&mut ModelSettings)| {
                if concerns {
                    by(changed.get_or_insert_with(|| (*self.settings).clone()));
                }
            };
            match &window.what {
                Trouble::Late { ms } => change(&|settings| settings.delay_start(*ms)),
                Trouble::Slow { factor } => change(&|settings| settings.slow_down(*factor)),
                Trouble::Down
                | Trouble::Refuse { .. }
                | Trouble::Hang(_)
                | Trouble::BlackHole
                | Trouble::Throttle { .. }
                | Trouble::Quota { .. }
                | Trouble::Reject { .. }
                | Trouble::Kill { .. }
                | Trouble::OneBadNode { .. }
                | Trouble::Session(_) => {}
            }
        }
        changed.map_or_else(|| Arc::clone(&self.settings), Arc::new)
    }

    /// When and how a window kills the session of this place, if it does.
    fn death(
        &self,
        row: usize,
        window: &Window,
        nth: u32,
        now: Duration,
    ) -> Option<(Duration, What)> {
        let (with, spread_ms, by_node) = match window.what {
            Trouble::Kill { with, spread_ms } => (with, spread_ms, false),
            Trouble::OneBadNode { with, spread_ms } => (with, spread_ms, true),
            Trouble::Down
            | Trouble::Refuse { .. }
            | Trouble::Hang(_)
            | Trouble::Late { .. }
            | Trouble::Slow { .. }
            | Trouble::BlackHole
            | Trouble::Throttle { .. }
            | Trouble::Quota { .. }
            | Trouble::Reject { .. }
            | Trouble::Session(_) => return None,
        };
        let mut openings = window.span.beginnings(now).zip(0_u64..);
        let (at, draw) = openings.find(|&(_, draw)| {
            if by_node {
                is_on_node(nth, window.share)
            } else {
                self.draws(row, nth.into(), 2 + draw, window.share)
            }
        })?;
        let spread = u64::from(spread_ms) * 1_000;
        let later = self.rng(row, nth.into(), u64::MAX - draw).u64(0..=spread);
        let what = match with {
            With::Cut => What::Cut,
            With::Close(code) => What::Close { code },
            With::BlackHole => What::BlackHole,
            With::Freeze => What::Freeze,
        };
        Some((at + Duration::from_micros(later), what))
    }

    fn bucket(
        &mut self,
        row: usize,
        key: Option<KeyMark>,
        now: Duration,
        burst: u32,
    ) -> &mut Bucket {
        let is_known = self.buckets.contains_key(&(row, key));
        let key = key.filter(|_| is_known || self.buckets.len() < BUCKETS_MAX);
        self.buckets.entry((row, key)).or_insert(Bucket {
            tokens: burst.into(),
            at: now,
        })
    }

    /// Whether a row of the plan concerns this visitor or session. No row's chance depends on another's.
    fn draws(&self, row: usize, visitor: u64, draw: u64, share: f64) -> bool {
        share >= 1.0 || self.rng(row, visitor, draw).f64() < share
    }

    fn rng(&self, row: usize, visitor: u64, draw: u64) -> fastrand::Rng {
        let row = mix(row as u64);
        fastrand::Rng::with_seed(mix(self.seed ^ row ^ mix(visitor ^ mix(draw))))
    }
}

/// The windows that are open, with their places in the plan.
fn open_windows(settings: &ModelSettings, now: Duration) -> impl Iterator<Item = (usize, &Window)> {
    let windows = settings.house_faults.0.iter().enumerate();
    windows.filter(move |(_, window)| window.span.is_open(now))
}

/// Gives a session what is wrong with all that are opened in a window.
fn afflict(session: &mut ModelSession, trouble: &Trouble) {
    let (when, what) = match *trouble {
        Trouble::Hang(Stage::Session) => (When::AfterMs(0), What::BlackHole),
        Trouble::BlackHole => (When::Ready, What::BlackHole),
        Trouble::Quota { via, close } => (When::AfterMs(0), What::Quota { via, close }),
        Trouble::Reject { code } => (When::AfterMs(0), What::Reject { code }),
        Trouble::Session(ref row) => (row.when, row.what),
        // Not a matter of a session, or of its settings.
        Trouble::Down
        | Trouble::Hang(Stage::Connect | Stage::Tls | Stage::Upgrade)
        | Trouble::Refuse { .. }
        | Trouble::Late { .. }
        | Trouble::Slow { .. }
        | Trouble::Throttle { .. }
        | Trouble::Kill { .. }
        | Trouble::OneBadNode { .. } => return,
    };
    session.faults.add(when, what);
}

/// An even share of all sessions by their place: of each stretch of them the same share, to within one.
fn is_on_node(nth: u32, share: f64) -> bool {
    let nth = f64::from(nth);
    (nth * share).floor() < ((nth + 1.0) * share).floor()
}

/// Sessions that may be started.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// Takes one, or says when there will be one.
    fn take(&mut self, now: Duration, per_second: f64, burst: u32) -> Result<(), Duration> {
        let more = now.saturating_sub(self.at).as_secs_f64() * per_second;
        self.tokens = (self.tokens + more).min(burst.into());
        self.at = self.at.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / per_second))
    }
}

/// Spreads the bits of a number over all others (the finalizer of splitmix64).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
