//! What a node does with promises: it texts its own, and rings those that it has claimed, in an active region.

use std::time::Duration;

use ringback::core::ids::PromiseId;
use ringback::core::region::claim::{Claiming, Ground, Lack, Lease, Leave, OptOut, Source, Texter};
use ringback::core::region::role::Role;
use ringback::core::time::{Instant, Utc};

use crate::store::{Answer, Op, PromiseRow, Stage};
use crate::world::{CLAIMS, Event, Purpose, World};

/// A promise that a node serves.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// When this node made it, if it did.
    pub(crate) made: Option<Instant>,
    pub(crate) lease: Option<Lease>,
    pub(crate) lease_at: Duration,
    pub(crate) opt_out: Option<OptOut>,
    /// Something was asked; until then nothing else is done.
    pub(crate) busy_until: Duration,
    /// The ring that this node has requested, and when.
    pub(crate) rung: Option<Duration>,
    /// When this node has changed the promise.
    pub(crate) changed_at: Duration,
    /// When this node has requested a text, until it is known what became of that.
    pub(crate) texted: Option<Duration>,
}

impl Serving {
    pub(crate) fn new() -> Self {
        Self {
            made: None,
            lease: None,
            lease_at: Duration::ZERO,
            opt_out: None,
            busy_until: Duration::ZERO,
            rung: None,
            changed_at: Duration::ZERO,
            texted: None,
        }
    }
}

impl World {
    /// A caller is to be promised a text and a ring.
    pub(crate) fn promises(&mut self, node: usize, caller: usize) {
        let (_, utc) = self.clocks(node);
        let id = PromiseId::from_bits(self.rng.u128(..));
        let lease = u64::try_from(CLAIMS.text_lease.as_millis()).unwrap();
        let row = PromiseRow {
            id,
            caller,
            maker: self.nodes[node].peer,
            text_until: Utc::from_millis(utc.millis() + lease),
            revision: 0,
            stage: Stage::Promised,
            claim: None,
        };
        if self.rng.u8(..3) == 0 {
            self.soon(3_000, 40_000, Event::Stop(caller));
        }
        self.books.is_wished(id, caller);
        let whom = self.whom(node);
        self.ask_store(whom, Purpose::Promise(id), Op::Promise(row));
    }

    /// A caller writes STOP, to whichever node takes it.
    pub(crate) fn writes_stop(&mut self, caller: usize) {
        let up = (0..4).filter(|node| {
            let node = &self.nodes[*node];
            node.is_up && node.sleeps_until <= self.now
        });
        let up: Vec<_> = up.collect();
        if up.is_empty() {
            self.soon(5_000, 9_000, Event::Stop(caller));
            return;
        }
        let node = up[self.rng.usize(..up.len())];
        self.books.count("stops");
        self.nodes[node].stops.entry(caller).or_insert(false);
        self.say(|| format!("caller {caller} writes stop to node {node}"));
        let whom = self.whom(node);
        self.ask_store(whom, Purpose::Stop(caller), Op::OptOut(caller));
    }

    pub(crate) fn is_answered(
        &mut self,
        node: usize,
        purpose: Purpose,
        asked: Duration,
        answer: Answer,
    ) {
        match purpose {
            Purpose::Checkpoint(call, stream) => self.is_kept(node, call, stream, &answer),
            Purpose::Parting(call, stream) => self.has_parted(node, call, stream),
            Purpose::Resume(ask) => self.store_said(node, ask, answer),
            Purpose::Promise(id) => {
                let is_durable = matches!(answer, Answer::Kept(true));
                let took = self.now.saturating_sub(asked);
                // Else nothing was told: whatever the store has of it is served like the others.
                if is_durable && took <= Duration::from_millis(300) {
                    self.books.is_promised(id);
                    let made = Some(self.clocks(node).0 - took);
                    self.nodes[node].serving.insert(
                        id,
                        Serving {
                            made,
                            ..Serving::new()
                        },
                    );
                    self.ask_store(self.whom(node), Purpose::Rows, Op::Open);
                }
            }
            Purpose::Rows => {
                if let Answer::Rows(rows) = answer {
                    // A list that was read before a change says nothing of it.
                    let me = &self.nodes[node];
                    let is_behind = |row: &PromiseRow| {
                        let changed = me.serving.get(&row.id).map(|serving| serving.changed_at);
                        changed.is_some_and(|at| asked < at + Duration::from_secs(1))
                    };
                    let newest = |row: PromiseRow| {
                        let own = me.rows.get(&row.id).filter(|_| is_behind(&row));
                        (row.id, own.copied().unwrap_or(row))
                    };
                    self.nodes[node].rows = rows.into_iter().map(newest).collect();
                }
            }
            Purpose::Stop(caller) => {
                if matches!(answer, Answer::Kept(true)) {
                    self.nodes[node].stops.insert(caller, true);
                    self.books.stop_is_kept(self.now, caller);
                }
            }
            Purpose::Duty(id) => self.is_served(node, id, asked, answer, false),
            Purpose::Begin(id) => self.is_served(node, id, asked, answer, true),
        }
    }

    /// What a node does about promises, once a second.
    pub(crate) fn duty(&mut self, node: usize) {
        let whom = self.whom(node);
        let (now, _) = self.clocks(node);
        let second = self.now.as_secs();
        if second.is_multiple_of(2) {
            let late: Vec<_> = self.nodes[node]
                .stops
                .iter()
                .filter(|(_, is_kept)| !**is_kept)
                .collect();
            let late: Vec<_> = late.into_iter().map(|(caller, _)| *caller).collect();
            for caller in late {
                self.ask_store(whom, Purpose::Stop(caller), Op::OptOut(caller));
            }
            let is_active = self.nodes[node].keeper.role(now) != Role::Standby;
            if (is_active || !self.nodes[node].serving.is_empty()) && self.books.has_promises() {
                self.ask_store(whom, Purpose::Rows, Op::Open);
            }
        }
        let rows: Vec<_> = self.nodes[node].rows.values().copied().collect();
        for row in rows {
            let serving = self.nodes[node].serving.get(&row.id);
            if serving.is_none_or(|serving| serving.busy_until <= self.now) {
                self.serve(node, row);
            }
        }
    }

    pub(crate) fn ground(&self, node: usize, row: &PromiseRow) -> Ground {
        let (now, _) = self.clocks(node);
        let me = &self.nodes[node];
        let serving = me.serving.get(&row.id);
        let own = me.stops.contains_key(&row.caller).then_some(OptOut {
            asked: now,
            source: Source::Primary,
            is_out: true,
        });
        Ground {
            role: me.keeper.role(now),
            lease: serving.and_then(|serving| serving.lease),
            opt_out: own.or(serving.and_then(|serving| serving.opt_out)),
        }
    }

    fn serve(&mut self, node: usize, row: PromiseRow) {
        let clocks = self.clocks(node);
        let ground = self.ground(node, &row);
        let serving = self.nodes[node].serving.get(&row.id);
        let made = serving.and_then(|serving| serving.made);
        let is_texted = serving.is_some_and(|serving| serving.texted.is_some());
        match row.stage {
            Stage::Promised if is_texted => self.looks_up(node, row),
            Stage::Promised => {
                let texter = made.map_or(Texter::Other(row.text_until), Texter::Me);
                let leave = ground.text(clocks, texter, &CLAIMS);
                self.act_on(node, row, leave);
            }
            Stage::Due { .. } => {
                let leave = ground.ring(clocks.0, &CLAIMS);
                self.act_on(node, row, leave);
            }
            Stage::Ringing { .. } => self.see_to_ring(node, row, &ground, clocks.0),
            Stage::Ended => {}
        }
    }

    fn act_on(&mut self, node: usize, row: PromiseRow, leave: Leave) {
        let whom = self.whom(node);
        match leave {
            Leave::Never => self.change(node, row, Stage::Ended),
            Leave::Go if row.stage == Stage::Promised => self.texts(node, row),
            Leave::Go => self.claims(node, row, true),
            Leave::Wait(Lack::Claim | Lack::Replica) => {
                self.books.count("waited for a claim");
                self.claims(node, row, false);
            }
            Leave::Wait(Lack::LookUp) => self.looks_up(node, row),
            Leave::Wait(Lack::OptOut) => {
                self.books.count("waited for the word of the primary");
                self.busy(node, &row, 400);
                let prefers_replica = self.rng.bool();
                let op = Op::IsOut(row.caller, prefers_replica);
                self.ask_store(whom, Purpose::Duty(row.id), op);
            }
            Leave::Wait(Lack::Role) => self.books.count("waited for the role"),
            Leave::Wait(Lack::TextLease) => self.books.count("waited for the text lease"),
        }
    }

    /// A ring is noted: what became of it is looked up, by whoever has the claim.
    fn see_to_ring(&mut self, node: usize, row: PromiseRow, ground: &Ground, now: Instant) {
        let Role::Active(epoch) = ground.role else {
            return;
        };
        let holds = |lease: Lease| {
            lease.epoch == epoch && now + Duration::from_secs(3) < lease.asked + CLAIMS.lease
        };
        if ground.lease.is_some_and(holds) {
            self.looks_up(node, row);
        } else {
            self.claims(node, row, false);
        }
    }

    pub(crate) fn busy(&mut self, node: usize, row: &PromiseRow, millis: u64) -> &mut Serving {
        let until = self.now + Duration::from_millis(millis);
        let serving = self.nodes[node]
            .serving
            .entry(row.id)
            .or_insert_with(Serving::new);
        serving.busy_until = until;
        serving
    }

    /// Asks for the claim; `begins`: and notes a ring in the same step.
    fn claims(&mut self, node: usize, row: PromiseRow, begins: bool) {
        let (now, _) = self.clocks(node);
        let Role::Active(epoch) = self.nodes[node].keeper.role(now) else {
            return;
        };
        let whom = self.whom(node);
        let peer = self.nodes[node].peer;
        self.busy(node, &row, 600);
        let begin = begins.then_some(row.revision);
        let purpose = if begins {
            Purpose::Begin(row.id)
        } else {
            Purpose::Duty(row.id)
        };
        self.ask_store(whom, purpose, Op::Claim(row.id, peer, epoch, begin));
    }

    pub(crate) fn change(&mut self, node: usize, row: PromiseRow, stage: Stage) {
        let whom = self.whom(node);
        let at = self.now;
        let serving = self.busy(node, &row, 600);
        serving.changed_at = at;
        let op = Op::Change(row.id, row.revision, stage);
        self.ask_store(whom, Purpose::Duty(row.id), op);
        // Acted on as if it were kept; the next list says whether it is.
        let changed = PromiseRow {
            revision: row.revision + 1,
            stage,
            ..row
        };
        self.nodes[node].rows.insert(row.id, changed);
        self.ask_store(whom, Purpose::Rows, Op::Open);
    }

    /// `begins`: a ring was to be noted.
    fn is_served(
        &mut self,
        node: usize,
        id: PromiseId,
        asked: Duration,
        answer: Answer,
        begins: bool,
    ) {
        let (now, _) = self.clocks(node);
        let asked_at = now - self.now.saturating_sub(asked);
        let me = self.nodes[node].peer;
        let Some(serving) = self.nodes[node].serving.get_mut(&id) else {
            return;
        };
        match answer {
            Answer::IsOut(is_out, source) => {
                serving.busy_until = self.now;
                serving.opt_out = Some(OptOut {
                    asked: asked_at,
                    source,
                    is_out,
                });
            }
            Answer::Claimed(claiming, is_replicated, row) => {
                serving.busy_until = self.now;
                let before = serving.lease;
                let epoch = row.claim.map(|claim| claim.epoch).unwrap_or_default();
                let was_textable = row.stage == Stage::Promised && row.maker != me;
                let terms = (asked_at, epoch);
                serving.lease =
                    Lease::granted(terms, is_replicated, claiming, before, was_textable);
                if matches!(claiming, Claiming::First | Claiming::TakenOver) {
                    serving.lease_at = self.now;
                }
                self.books.count(match claiming {
                    Claiming::First => "claimed first",
                    Claiming::Renewed => "claimed for longer",
                    Claiming::TakenOver => "claimed of another",
                    Claiming::Held => "a claim was held",
                    Claiming::Outdated(_) => "a claim was outdated",
                });
                if claiming == Claiming::Held {
                    serving.busy_until = self.now + Duration::from_secs(5);
                }
                self.nodes[node].rows.insert(id, row);
                if begins && matches!(row.stage, Stage::Ringing { .. }) {
                    self.rings(node, row);
                }
            }
            Answer::Kept(is_replicated) => {
                serving.busy_until = self.now;
                // What one copy alone has may be forgotten: it is looked up again.
                if let (false, Some(lease)) = (is_replicated, &mut serving.lease) {
                    lease.is_settled = false;
                }
            }
            Answer::Stale => serving.busy_until = self.now,
            Answer::Away => {}
            Answer::Ruled(_) | Answer::Row(_) | Answer::Rows(_) => unreachable!("of no promise"),
        }
    }
}
