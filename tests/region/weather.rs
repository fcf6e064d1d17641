//! What is to come in a life, and what goes wrong.

use std::time::Duration;

use ringback::core::ids::CallSid;
use ringback::core::region::{Epoch, Life};

use crate::carrier::{Call, Phase};
use crate::sites::Site;
use crate::world::{CALM_FROM, Event, World};

/// What goes wrong, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    NodeKilled(usize),
    NodeSleeps(usize),
    Deploy,
    /// A node is told to leave.
    Drained(usize),
    RegionLost(Site),
    /// The regions do not reach each other; the witness reaches both.
    Partition,
    /// A region reaches neither the other one nor the witness.
    Isolated(Site),
    WitnessLost,
    CarrierCut(Site),
    StoreAway,
    StoreReadOnly,
    StoreSlow,
    StoreLags,
    /// A copy of the store that is only read from is behind.
    FollowerLags,
    StoreFailsOver,
    StreamsReset,
    NameTwice(usize),
    NoProvider(Site),
    Promoted {
        node: usize,
        is_forced: bool,
    },
    Demoted(usize),
    /// By then a node must have heard that the one beside it was told to be a standby, and not be active by that epoch.
    Rests {
        node: usize,
        life: Life,
        epoch: Epoch,
    },
    /// By then the double of a name must be known.
    Noticed {
        node: usize,
        since: Duration,
    },
    /// The operator makes the first region active again, where an earlier word has left none.
    Mended,
}

impl World {
    /// What is to come.
    pub(crate) fn plan(&mut self) {
        let callers = self.rng.usize(1..=5);
        for number in 0..callers {
            let wants_promise = self.rng.u8(..5) < 2;
            let turns = self.rng.u32(2..=25);
            let is_cursed = self.rng.u8(..60) == 0;
            let at = Duration::from_millis(self.rng.u64(3_000..130_000));
            self.calls_in(at, turns, wants_promise, is_cursed);
            if self.rng.u8(..10) == 0 {
                let later = at + Duration::from_secs(self.rng.u64(5..60));
                self.after(later, Event::HangsUp(number));
            }
            if wants_promise && self.rng.bool() {
                let at = Duration::from_secs(self.rng.u64(40..220));
                self.after(at, Event::Stop(number));
            }
        }
        self.after(
            CALM_FROM + Duration::from_secs(5),
            Event::Harm(Harm::Mended, true),
        );
        for _ in 0..self.rng.u8(..7) {
            let harm = self.draw();
            let at = Duration::from_millis(self.rng.u64(12_000..160_000));
            let lasts = Duration::from_millis(self.rng.u64(1_000..45_000));
            let ends = (at + lasts).min(CALM_FROM);
            if harm == Harm::StoreFailsOver && self.rng.bool() {
                // It is behind when it fails.
                let before = at.saturating_sub(Duration::from_secs(self.rng.u64(1..12)));
                self.after(before, Event::Harm(Harm::StoreLags, true));
                self.after(ends, Event::Harm(Harm::StoreLags, false));
            }
            self.after(at, Event::Harm(harm, true));
            self.after(ends, Event::Harm(harm, false));
        }
    }

    /// A caller calls, and has so much to say.
    pub(crate) fn calls_in(
        &mut self,
        at: Duration,
        turns: u32,
        wants_promise: bool,
        is_cursed: bool,
    ) {
        let number = self.carrier.calls.len();
        self.carrier.calls.push(Call {
            sid: CallSid::parse(&format!("CA{:032x}", number + 1)).unwrap(),
            caller: number,
            phase: Phase::Ringing,
            is_answered: false,
            ticket: None,
            streams: 0,
            turns_left: turns,
            wants_promise,
            said_goodbye: false,
            greeted: 0,
            is_cursed,
            opened_at: Duration::ZERO,
            crashes: Vec::new(),
            handed_over: Vec::new(),
        });
        self.after(at, Event::Ring(number));
    }

    fn draw(&mut self) -> Harm {
        let node = self.rng.usize(..4);
        let site = Site::REGIONS[self.rng.usize(..2)];
        match self.rng.u8(..28) {
            24..=27 => Harm::FollowerLags,
            0..=3 => Harm::NodeKilled(node),
            4..=5 => Harm::NodeSleeps(node),
            6..=7 => Harm::Deploy,
            8..=9 => Harm::RegionLost(site),
            10 => Harm::Partition,
            11 => Harm::Isolated(site),
            12 => Harm::WitnessLost,
            13 => Harm::CarrierCut(site),
            14 => Harm::StoreAway,
            15 => Harm::StoreReadOnly,
            16 => Harm::StoreSlow,
            17 => Harm::StoreLags,
            18..=19 => Harm::StoreFailsOver,
            20 => Harm::StreamsReset,
            21 => Harm::NameTwice(node),
            22 => Harm::NoProvider(site),
            _ if self.rng.bool() => Harm::Demoted(node),
            _ => Harm::Promoted {
                node,
                is_forced: self.rng.bool(),
            },
        }
    }
}

impl Harm {
    /// Its name, without whom it strikes.
    pub(crate) fn name(self) -> String {
        let text = format!("{self:?}");
        text.chars().take_while(|c| c.is_alphanumeric()).collect()
    }

    /// Whether checkpoints may be lost by it, or not be found.
    pub(crate) fn is_stores_or_between_regions(self) -> bool {
        match self {
            Self::RegionLost(_)
            | Self::Partition
            | Self::Isolated(_)
            | Self::StoreAway
            | Self::StoreReadOnly
            | Self::StoreSlow
            | Self::StoreLags
            | Self::StoreFailsOver => true,
            Self::NodeKilled(_)
            | Self::NodeSleeps(_)
            | Self::Deploy
            | Self::Drained(_)
            | Self::WitnessLost
            | Self::CarrierCut(_)
            | Self::StreamsReset
            | Self::FollowerLags
            | Self::NameTwice(_)
            | Self::NoProvider(_)
            | Self::Promoted { .. }
            | Self::Demoted(_)
            | Self::Rests { .. }
            | Self::Noticed { .. }
            | Self::Mended => false,
        }
    }
}
