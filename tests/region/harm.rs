//! What goes wrong, done to the world.

use std::time::Duration;

use ringback::core::region::{Epoch, Life, Role};

use crate::carrier::Phase;
use crate::sites::Site;
use crate::weather::Harm;
use crate::world::{Event, World, name};

impl World {
    pub(crate) fn harm(&mut self, harm: Harm, begins: bool) {
        self.say(|| {
            format!(
                "harm    {harm:?} {}",
                if begins { "begins" } else { "ends" }
            )
        });
        if begins {
            self.books.count(&format!("harm {}", harm.name()));
        }
        if harm.is_stores_or_between_regions() {
            self.books.ails(self.now, begins);
        }
        match harm {
            Harm::NodeKilled(node) => self.is_killed(node, begins),
            Harm::NodeSleeps(node) => self.sleeps(node, begins),
            Harm::Deploy if begins => self.deploys(),
            Harm::Drained(node) if begins => self.drains(node),
            Harm::RegionLost(site) => self.loses(site, begins),
            Harm::Partition => self.net.cut(Site::East, Site::West, begins),
            Harm::Isolated(site) => {
                self.net.cut(site, site.other(), begins);
                self.net.cut(site, Site::Witness, begins);
            }
            Harm::WitnessLost => self.net.lose(Site::Witness, begins),
            Harm::CarrierCut(site) => {
                self.net.cut(Site::Carrier, site, begins);
                if begins {
                    self.resets(Some(site), 1_000, 5_000);
                }
            }
            Harm::StoreAway => change(&mut self.store.away, begins),
            Harm::StoreReadOnly => change(&mut self.store.read_only, begins),
            Harm::StoreSlow => change(&mut self.store.slow, begins),
            Harm::StoreLags => change(&mut self.store.lagging, begins),
            Harm::FollowerLags => change(&mut self.store.follower_lags, begins),
            Harm::StoreFailsOver => self.store_fails(begins),
            Harm::StreamsReset if begins => self.resets(None, 0, 500),
            Harm::NameTwice(node) => self.is_doubled(node, begins),
            Harm::NoProvider(site) => {
                let place = usize::from(site == Site::West);
                change(&mut self.no_provider[place], begins);
            }
            Harm::Promoted { node, is_forced } if begins => self.is_promoted(node, is_forced),
            Harm::Demoted(node) if begins => self.is_demoted(node),
            Harm::Rests { node, life, epoch } => self.rests(node, life, epoch),
            Harm::Noticed { node, since } => self.is_noticed(node, since),
            Harm::Mended => self.mends(),
            // They have no end.
            Harm::Deploy
            | Harm::Drained(_)
            | Harm::StreamsReset
            | Harm::Promoted { .. }
            | Harm::Demoted(_) => {}
        }
    }

    fn is_killed(&mut self, node: usize, begins: bool) {
        if begins {
            self.kill(node);
            return;
        }
        // Now and then it comes back as a newer one.
        if self.rng.u8(..4) == 0 {
            self.nodes[node].form = 2;
        }
        self.boot(node);
    }

    /// Whichever is the primary when it begins; whoever failed first comes back first.
    fn store_fails(&mut self, begins: bool) {
        let instances = &self.store.instances;
        let newest = (0..2).max_by_key(|place| instances[*place].term).unwrap();
        if begins {
            self.failed.push_back(newest);
        }
        let back = (!begins).then(|| self.failed.pop_front().unwrap());
        let place = back.unwrap_or(newest);
        change(&mut self.store.instances[place].downs, begins);
    }

    fn is_doubled(&mut self, node: usize, begins: bool) {
        if !begins {
            let place = self.doubled.iter().position(|doubled| *doubled == node);
            self.doubled.remove(place.unwrap());
            return;
        }
        self.doubled.push(node);
        self.books.noticed.remove(&name(node));
        let noticed = Harm::Noticed {
            node,
            since: self.now,
        };
        self.after(Duration::from_secs(12), Event::Harm(noticed, true));
        self.books.is_doubled(self.now + Duration::from_mins(2));
    }

    fn mends(&mut self) {
        let is_active = |node: usize| {
            let (now, _) = self.clocks(node);
            self.nodes[node].keeper.role(now) != Role::Standby
        };
        if !(0..4).any(is_active) {
            self.is_promoted(0, false);
        }
    }

    fn sleeps(&mut self, node: usize, begins: bool) {
        if begins {
            let by = Duration::from_millis(self.rng.u64(1_000..15_000));
            self.nodes[node].sleeps_until = self.now + by;
            self.streams_of(node, 3_000, 8_000);
        }
    }

    /// Every node is replaced, one by one; now and then by one that writes checkpoints of a newer form.
    fn deploys(&mut self) {
        self.form = if self.rng.u8(..3) == 0 { 1 } else { 2 };
        for (node, seconds) in [(0, 0), (1, 17), (2, 34), (3, 51)] {
            let drained = Event::Harm(Harm::Drained(node), true);
            self.after(Duration::from_secs(seconds), drained);
        }
    }

    fn drains(&mut self, node: usize) {
        if !self.nodes[node].is_up {
            return;
        }
        let (now, _) = self.clocks(node);
        let mut orders = Vec::new();
        self.nodes[node].keeper.drain();
        self.nodes[node].drain.begin(now, &mut orders);
        self.obey(node, &orders);
    }

    fn loses(&mut self, site: Site, begins: bool) {
        if begins {
            for node in 0..4 {
                if self.nodes[node].site == site {
                    self.kill(node);
                }
            }
        }
        let place = usize::from(site == Site::West);
        change(&mut self.store.instances[place].downs, begins);
        self.net.lose(site, begins);
        if !begins {
            for node in 0..4 {
                if self.nodes[node].site == site {
                    self.soon(0, 2_000, Event::Boot(node));
                }
            }
        }
    }

    /// Streams are cut: those of a region, or half of all.
    fn resets(&mut self, of: Option<Site>, from: u64, to: u64) {
        for call in 0..self.carrier.calls.len() {
            let Phase::Streaming { with, stream } = self.carrier.calls[call].phase else {
                continue;
            };
            let is_cut = match of {
                Some(site) => self.nodes[with.0].site == site,
                None => self.rng.bool(),
            };
            if is_cut {
                self.soon(from, to, Event::Noticed { call, stream });
            }
        }
    }

    fn is_promoted(&mut self, node: usize, is_forced: bool) {
        if !self.nodes[node].is_up {
            return;
        }
        let (now, _) = self.clocks(node);
        let was = self.nodes[node].keeper.role(now);
        let promoted = self.nodes[node].keeper.promote(now, is_forced);
        if promoted.is_ok() && was == Role::Standby {
            self.books.decreed(self.now, name(node));
            self.books.count("promoted by an operator");
        } else if promoted.is_err() {
            self.books.count("a promotion was refused");
        }
    }

    /// Whoever was there all the time has noticed that two go by a name, if they still do.
    fn is_noticed(&mut self, node: usize, since: Duration) {
        let was_there = |place: usize| {
            let node = &self.nodes[place];
            node.is_up && node.born <= since && node.sleeps_until <= since
        };
        let beside = node ^ 1;
        if self.doubled.contains(&node) && was_there(node) && was_there(beside) {
            let is_known = self.books.noticed.contains(&name(node));
            self.books.must(is_known, "names", || {
                "a double that nobody noticed".to_owned()
            });
        }
    }

    /// An operator's word at one of its nodes; where both hear it, nobody of the region goes on by what it acted by before.
    fn is_demoted(&mut self, node: usize) {
        if !self.nodes[node].is_up {
            return;
        }
        let (now, _) = self.clocks(node);
        let mut letters = Vec::new();
        self.nodes[node].keeper.demote(now, &mut letters);
        let whom = self.whom(node);
        self.send(whom, letters);
        self.books.count("demoted by an operator");
        let beside = node ^ 1;
        let there = &self.nodes[beside];
        let hears = there.is_up && there.sleeps_until <= self.now;
        let role = there.keeper.role(self.clocks(beside).0);
        if let (true, Role::Active(epoch)) = (hears, role) {
            let is_to_rest = Harm::Rests {
                node: beside,
                life: there.peer.life,
                epoch,
            };
            self.after(Duration::from_millis(100), Event::Harm(is_to_rest, true));
        }
    }

    /// The word has come to the node beside the one where it was given.
    fn rests(&mut self, node: usize, life: Life, epoch: Epoch) {
        let there = &self.nodes[node];
        if !there.is_up || there.peer.life != life || there.sleeps_until > self.now {
            return;
        }
        let role = there.keeper.role(self.clocks(node).0);
        self.books
            .must(role != Role::Active(epoch), "a demotion holds", || {
                format!("{} is active by {epoch} after a demotion", name(node))
            });
        self.books.count("demoted by word of another node");
    }
}

fn change(count: &mut u32, begins: bool) {
    *count = if begins {
        *count + 1
    } else {
        count.saturating_sub(1)
    };
}
