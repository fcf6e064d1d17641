//! How two desks share promises: what each sees of the other's, takes over, and counts.

use std::time::Duration;

use ringback::core::callback::input::Input;
use ringback::core::ids::PromiseId;

use super::purse::KNOWN_AFTER;
use super::{Desks, Event, LEASE, LOOK_EVERY, Name};

impl Desks {
    /// Asks for the claim, then looks through the store.
    pub(super) fn look(&mut self, name: Name) {
        self.after(LOOK_EVERY, Event::Look(name));
        let Some(place) = self.place(name).filter(|_| !self.is_away) else {
            return;
        };
        self.leases.insert(name, self.now + LEASE);
        self.both[place].claimed = Some(self.now);
        let all = self.keeper.promises.iter();
        let all: Vec<_> = all
            .map(|(id, (promise, revision))| (*id, *revision, promise.stage.is_open()))
            .collect();
        for (id, revision, is_open) in all {
            let by = self.serves[&id];
            let is_here = self.both[place].ledger.revision_of(id).is_some();
            if by != name {
                if is_here {
                    self.tell(place, Input::LetGo(id, revision));
                }
                self.sight(place, id);
            }
            if !is_here && is_open && (by == name || !self.holds(by)) {
                self.count("followed");
                self.take_over(place, id);
            }
        }
        let there = self.keeper.promises.keys().copied().collect();
        self.tell(place, Input::LookedThrough(there));
    }

    /// What is not known yet is told.
    fn sight(&mut self, place: usize, id: PromiseId) {
        let (promise, revision) = self.keeper.promises[&id].clone();
        if !self.both[place].ledger.knows(id, revision) {
            self.count("sighted");
            self.tell(place, Input::Sighted(Box::new(promise), revision));
        }
    }

    fn holds(&self, name: Name) -> bool {
        self.leases
            .get(&name)
            .is_some_and(|until| self.now < *until)
    }

    /// A change that changes nothing but who serves the promise.
    pub(super) fn take_over(&mut self, place: usize, id: PromiseId) {
        let name = self.both[place].name;
        let Some((promise, revision)) = self.keeper.promises.get_mut(&id) else {
            return;
        };
        *revision += 1;
        let restored = Input::Restored(Box::new(promise.clone()), *revision);
        self.serves.insert(id, name);
        // The answer takes its time.
        let after = self.some(0, 50);
        self.after(after, Event::Told(name, restored));
    }

    /// A desk may not hear until then what the other one does.
    pub(super) fn unaware(&mut self, place: usize, until: Duration) {
        let known = &mut self.unaware_until[place];
        *known = (*known).max(until + KNOWN_AFTER);
    }

    /// A desk has done what breaks these caps.
    pub(super) fn caps_hold(&mut self, place: usize, broken: &[&'static str]) {
        let is_aware = self.now >= self.unaware_until[place] && !self.is_away;
        for what in broken.iter().filter(|_| is_aware) {
            self.find(
                "caps hold over all desks",
                format!("{what}, by desk {place}"),
            );
        }
    }
}
