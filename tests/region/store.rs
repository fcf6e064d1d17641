//! The shared store: a primary and a replica, which may be away, read-only, slow or behind, and fail over, losing what the replica
//! had not got.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringback::core::ids::{CallSid, PromiseId};
use ringback::core::region::claim::{Claim, Claiming, Source};
use ringback::core::region::owner::{Entry, Ruling, Tenure, Title};
use ringback::core::region::resume::{Fate, Resumed};
use ringback::core::region::{Epoch, Peer, Version};
use ringback::core::time::Utc;

use crate::sites::{Net, Site};

/// How long the primary must be unreachable for most before it is replaced.
const DOWN_AFTER: Duration = Duration::from_secs(5);

/// What is kept of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallRow {
    pub(crate) title: Title,
    pub(crate) by: Tenure,
    pub(crate) fate: Fate,
    pub(crate) resumed: Resumed,
    pub(crate) version: Version,
    pub(crate) is_turn_open: bool,
    pub(crate) words: Vec<u32>,
    /// Of which form of ringback it is.
    pub(crate) form: u8,
    /// For the checkers alone: which stream of the call wrote it, as the carrier counts them.
    pub(crate) stream: u32,
}

/// How far a promise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Promised,
    Due { rings: u8 },
    Ringing { rings: u8 },
    Ended,
}

/// What is kept of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PromiseRow {
    pub(crate) id: PromiseId,
    pub(crate) caller: usize,
    pub(crate) maker: Peer,
    pub(crate) text_until: Utc,
    pub(crate) revision: u64,
    pub(crate) stage: Stage,
    pub(crate) claim: Option<Claim>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Call(CallSid, Entry, Box<CallRow>),
    Look(CallSid),
    Promise(PromiseRow),
    /// Only of this revision.
    Change(PromiseId, u64, Stage),
    /// A claim for a role of this epoch, for so long; with the revision it may begin a ring in the same step.
    Claim(PromiseId, Peer, Epoch, Option<u64>),
    Open,
    OptOut(usize),
    IsOut(usize, bool),
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Ruled(Ruling),
    Row(Option<Box<CallRow>>),
    /// `true`: another copy has it as well.
    Kept(bool),
    Stale,
    Claimed(Claiming, bool, PromiseRow),
    Rows(Vec<PromiseRow>),
    IsOut(bool, Source),
    Away,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    pub(crate) calls: BTreeMap<CallSid, CallRow>,
    pub(crate) promises: BTreeMap<PromiseId, PromiseRow>,
    pub(crate) out: BTreeSet<usize>,
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) site: Site,
    pub(crate) downs: u32,
    /// Which change of primaries made it one; `None`: a replica.
    pub(crate) term: Option<u32>,
    pub(crate) data: Data,
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) instances: [Instance; 2],
    pub(crate) read_only: u32,
    pub(crate) slow: u32,
    pub(crate) away: u32,
    pub(crate) lagging: u32,
    /// A further copy, which nobody waits for and which may be behind: who has opted out.
    follower: BTreeSet<usize>,
    pub(crate) follower_lags: u32,
    lease: Duration,
    term: u32,
    unseen_since: Option<Duration>,
    pub(crate) failovers: u32,
    /// A write of an older stream over that of a newer one.
    pub(crate) overwritten: u32,
}

impl Store {
    pub(crate) fn new(lease: Duration) -> Self {
        let instance = |site, term| Instance {
            site,
            downs: 0,
            term,
            data: Data::default(),
        };
        Self {
            instances: [instance(Site::East, Some(0)), instance(Site::West, None)],
            read_only: 0,
            slow: 0,
            away: 0,
            lagging: 0,
            follower: BTreeSet::new(),
            follower_lags: 0,
            lease,
            term: 0,
            unseen_since: None,
            failovers: 0,
            overwritten: 0,
        }
    }

    /// The primary that a client at this site finds.
    fn primary(&self, net: &Net, from: Site) -> Option<usize> {
        let found = (0..2).filter(|place| {
            let instance = &self.instances[*place];
            self.is_there(net, from, *place) && instance.term.is_some()
        });
        found.max_by_key(|place| self.instances[*place].term)
    }

    fn is_there(&self, net: &Net, from: Site, place: usize) -> bool {
        let instance = &self.instances[place];
        self.away == 0 && instance.downs == 0 && net.reaches(from, instance.site)
    }

    /// Does what is asked. `utc` is what the clock of each instance's site says.
    pub(crate) fn run(&mut self, net: &Net, from: Site, utc: [Utc; 2], op: &Op) -> Answer {
        let primary = self.primary(net, from);
        if let Op::IsOut(caller, prefers_replica) = op {
            return match primary.filter(|_| !prefers_replica) {
                Some(at) => {
                    let is_out = self.instances[at].data.out.contains(caller);
                    Answer::IsOut(is_out, Source::Primary)
                }
                None if self.away > 0 => Answer::Away,
                None => Answer::IsOut(self.follower.contains(caller), Source::Replica),
            };
        }
        // A call's last checkpoint is wanted at once, and from wherever it is.
        let replica = (0..2).find(|place| self.is_there(net, from, *place));
        let replica = replica.filter(|_| matches!(op, Op::Look(_)));
        let Some(place) = primary.or(replica) else {
            return Answer::Away;
        };
        let is_write = !matches!(op, Op::Look(_) | Op::Open);
        if is_write && self.read_only > 0 {
            return Answer::Away;
        }
        let other = 1 - place;
        let is_followed = self.lagging == 0
            && self.instances[other].term.is_none()
            && self.instances[other].downs == 0
            && net.reaches(self.instances[place].site, self.instances[other].site);
        let (data, mut overwritten) = (&mut self.instances[place].data, 0);
        let answer = apply(
            data,
            utc[place],
            self.lease,
            op,
            is_followed,
            &mut overwritten,
        );
        self.overwritten += overwritten;
        if is_write && is_followed {
            self.instances[other].data = self.instances[place].data.clone();
        }
        answer
    }

    /// Whoever watches the store looks at it, once a second.
    pub(crate) fn watch(&mut self, net: &Net, now: Duration) {
        let newest = (0..2)
            .max_by_key(|place| self.instances[*place].term)
            .unwrap_or_default();
        let other = 1 - newest;
        if self.follower_lags == 0 {
            self.follower.clone_from(&self.instances[newest].data.out);
        }
        let is_seen = |place: usize| {
            let instance = &self.instances[place];
            instance.downs == 0 && net.seen_by(instance.site) >= 2
        };
        if is_seen(newest) {
            self.unseen_since = None;
        } else if is_seen(other) {
            let since = *self.unseen_since.get_or_insert(now);
            if now >= since + DOWN_AFTER {
                self.term += 1;
                self.failovers += 1;
                self.instances[other].term = Some(self.term);
                self.unseen_since = None;
                return;
            }
        }
        // The one that was replaced follows as soon as it hears; what it alone had is gone.
        let [one, two] = [newest, other].map(|place| &self.instances[place]);
        let is_whole = one.downs == 0 && two.downs == 0 && net.reaches(one.site, two.site);
        if is_whole && (two.term.is_some() || self.lagging == 0) {
            let data = one.data.clone();
            let follower = &mut self.instances[other];
            follower.term = None;
            follower.data = data;
        }
    }
}

fn apply(
    data: &mut Data,
    utc: Utc,
    lease: Duration,
    op: &Op,
    is_followed: bool,
    overwritten: &mut u32,
) -> Answer {
    match op {
        Op::Call(call, entry, row) => {
            let kept = data.calls.get(call);
            let ruling = Title::rule(kept.map(|kept| kept.title), row.by, *entry);
            if ruling == Ruling::Kept {
                *overwritten +=
                    u32::from(kept.is_some_and(|kept| {
                        kept.stream > row.stream || kept.title == Title::Ended
                    }));
                let title = Title::after(row.by, *entry);
                let row = CallRow {
                    title,
                    ..(**row).clone()
                };
                data.calls.insert(*call, row);
            }
            Answer::Ruled(ruling)
        }
        Op::Look(call) => Answer::Row(data.calls.get(call).cloned().map(Box::new)),
        Op::Promise(row) => {
            data.promises.entry(row.id).or_insert(*row);
            Answer::Kept(is_followed)
        }
        Op::Change(id, revision, stage) => match data.promises.get_mut(id) {
            Some(row) if row.revision == *revision => {
                row.revision += 1;
                row.stage = *stage;
                Answer::Kept(is_followed)
            }
            Some(_) | None => Answer::Stale,
        },
        Op::Claim(id, holder, epoch, begin) => {
            let Some(row) = data.promises.get_mut(id) else {
                return Answer::Stale;
            };
            let claiming = Claim::rule(row.claim.as_ref(), *holder, *epoch, utc);
            let is_theirs = !matches!(claiming, Claiming::Held | Claiming::Outdated(_));
            if begin.is_some_and(|revision| revision != row.revision || !is_theirs) {
                return Answer::Stale;
            }
            if is_theirs {
                let until = utc.millis() + u64::try_from(lease.as_millis()).unwrap();
                let until = Utc::from_millis(until);
                let (promise, holder, epoch) = (*id, *holder, *epoch);
                row.claim = Some(Claim {
                    promise,
                    holder,
                    epoch,
                    until,
                });
            }
            if let (Some(_), Stage::Due { rings }) = (begin, row.stage) {
                row.revision += 1;
                row.stage = Stage::Ringing { rings: rings + 1 };
            }
            Answer::Claimed(claiming, is_followed, *row)
        }
        Op::Open => {
            let open = data
                .promises
                .values()
                .filter(|row| row.stage != Stage::Ended);
            Answer::Rows(open.copied().collect())
        }
        Op::OptOut(caller) => {
            data.out.insert(*caller);
            Answer::Kept(is_followed)
        }
        Op::IsOut(..) => Answer::Away,
    }
}
