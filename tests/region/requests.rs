//! What a node requests of the carrier for a promise, and what becomes of it.

use std::time::Duration;

use ringback::core::ids::PromiseId;
use ringback::core::region::claim::Leave;
use ringback::core::region::role::Role;

use crate::carrier::{Ring, RingState};
use crate::promises::Serving;
use crate::store::{PromiseRow, Stage};
use crate::world::{Arrival, CLAIMS, Event, World};

/// How long what was taken on may be missing in the carrier's lists.
const LIST_LAG: Duration = Duration::from_secs(3);

const RINGS_MAX: u8 = 3;

impl World {
    pub(crate) fn texts(&mut self, node: usize, row: PromiseRow) {
        let at = self.now;
        self.busy(node, &row, 5_000).texted = Some(at);
        self.say(|| format!("text    {:?} by node {node}", row.id));
        let to = self.whom(node);
        let promise = row.id;
        // It is taken on or not, and whoever asked hears of it or not.
        let roll = self.rng.u8(..20);
        if roll > 0 {
            let double = self.carrier.texts.iter().any(|(id, _)| *id == promise);
            self.books
                .must(!double, "no double ring", || "a text twice".to_owned());
            self.books.is_contacted(self.now, row.caller, "a text");
            let visible_at = self.now + LIST_LAG;
            self.carrier.texts.push((promise, visible_at));
        }
        let is_known = roll > 1;
        let by = if is_known { 200 } else { 4_000 };
        self.after(
            Duration::from_millis(by),
            Event::At(to, Arrival::Texted { promise, is_known }),
        );
    }

    pub(crate) fn has_texted(&mut self, node: usize, promise: PromiseId, is_known: bool) {
        let Some(row) = self.nodes[node].rows.get(&promise).copied() else {
            return;
        };
        if row.stage != Stage::Promised {
            return;
        }
        if is_known {
            self.change(node, row, Stage::Due { rings: 0 });
        } else {
            self.looks_up(node, row);
        }
    }

    /// Requests a ring that is noted: it stands on solid ground, or is taken back.
    pub(crate) fn rings(&mut self, node: usize, row: PromiseRow) {
        let Stage::Ringing { rings } = row.stage else {
            return;
        };
        let (now, _) = self.clocks(node);
        let ground = self.ground(node, &row);
        let leave = ground.ring(now, &CLAIMS);
        if leave != Leave::Go {
            self.books.count("a ring was taken back");
            self.change(node, row, Stage::Due { rings: rings - 1 });
            return;
        }
        let at = self.now;
        self.busy(node, &row, 4_500).rung = Some(at);
        self.check_ring(node, &row);
        let (to, promise) = (self.whom(node), row.id);
        let roll = self.rng.u8(..12);
        if roll > 0 {
            self.books
                .is_rung(self.now, &self.carrier.rings, row.id, rings, row.caller);
            let state = RingState::Ringing;
            let visible_at = self.now + LIST_LAG;
            self.carrier.rings.push(Ring {
                promise,
                number: rings,
                state,
                visible_at,
            });
            self.soon(
                4_000,
                9_000,
                Event::RingOver {
                    promise,
                    number: rings,
                },
            );
        }
        let by = if roll > 1 { 200 } else { 4_000 };
        self.after(
            Duration::from_millis(by),
            Event::At(to, Arrival::Rung { promise }),
        );
    }

    fn check_ring(&mut self, node: usize, row: &PromiseRow) {
        let (now, _) = self.clocks(node);
        let me = &self.nodes[node];
        let Role::Active(epoch) = me.keeper.role(now) else {
            self.books
                .find("the minority never rings", "a standby rang".to_owned());
            return;
        };
        let alone = self.now.saturating_sub(me.majority_at());
        self.books
            .rings_by(me.peer.node, epoch, me.peer.region, alone);
        self.say(|| format!("ring    {:?} by node {node}", row.id));
        self.books.count("rings");
    }

    pub(crate) fn has_rung(&mut self, node: usize, promise: PromiseId) {
        if let Some(serving) = self.nodes[node].serving.get_mut(&promise) {
            serving.busy_until = self.now;
        }
    }

    /// Somebody picks up, or nobody does.
    pub(crate) fn ring_over(&mut self, promise: PromiseId, number: u8) {
        let picks_up = self.rng.u8(..5) < 3;
        let ring = self.carrier.rings.iter_mut();
        for ring in ring.filter(|ring| ring.promise == promise && ring.number == number) {
            ring.state = if picks_up {
                RingState::Person
            } else {
                RingState::Nobody
            };
        }
    }

    pub(crate) fn looks_up(&mut self, node: usize, row: PromiseRow) {
        self.busy(node, &row, 2_000);
        self.books.count("looked up");
        let (to, promise, asked) = (self.whom(node), row.id, self.now);
        let seen = |at: Duration| at <= self.now;
        let text = self
            .carrier
            .texts
            .iter()
            .any(|(id, at)| *id == promise && seen(*at));
        let rings = self.carrier.rings.iter().rev();
        let ring = rings.filter(|ring| ring.promise == promise && seen(ring.visible_at));
        let ring = ring
            .map(|ring| (ring.number, ring.state))
            .max_by_key(|(number, _)| *number);
        self.soon(
            50,
            300,
            Event::At(
                to,
                Arrival::Found {
                    promise,
                    asked,
                    text,
                    ring,
                },
            ),
        );
    }

    pub(crate) fn has_found(
        &mut self,
        node: usize,
        promise: PromiseId,
        asked: Duration,
        text: bool,
        ring: Option<(u8, RingState)>,
    ) {
        let Some(row) = self.nodes[node].rows.get(&promise).copied() else {
            return;
        };
        let serving = self.nodes[node]
            .serving
            .entry(promise)
            .or_insert_with(Serving::new);
        let requested = serving.rung.max(serving.texted).unwrap_or_default();
        let since = serving.lease_at.max(requested);
        // Whatever was requested before is in the list by then.
        let is_sure = asked >= since + CLAIMS.request_timeout + LIST_LAG;
        if is_sure && let Some(lease) = &mut serving.lease {
            lease.is_settled = true;
        }
        match (row.stage, ring) {
            (Stage::Promised, _) if text => self.change(node, row, Stage::Due { rings: 0 }),
            (Stage::Promised, _) if is_sure => self.busy(node, &row, 1_000).texted = None,
            (Stage::Due { .. } | Stage::Ringing { .. }, Some((_, RingState::Person))) => {
                self.change(node, row, Stage::Ended);
            }
            (
                Stage::Due { rings } | Stage::Ringing { rings },
                Some((number, RingState::Nobody)),
            ) if number >= RINGS_MAX && number >= rings => {
                self.change(node, row, Stage::Ended);
            }
            (Stage::Due { rings }, Some((number, _))) if number > rings => {
                self.change(node, row, Stage::Due { rings: number });
            }
            (Stage::Ringing { rings }, Some((number, RingState::Nobody))) if number == rings => {
                self.change(node, row, Stage::Due { rings });
            }
            (Stage::Ringing { rings }, found)
                if is_sure && found.is_none_or(|(number, _)| number < rings) =>
            {
                self.change(node, row, Stage::Due { rings: rings - 1 });
            }
            (Stage::Promised | Stage::Due { .. } | Stage::Ringing { .. } | Stage::Ended, _) => {}
        }
    }
}
