//! How pleas and votes travel: as [`super::words`], and under the same rule. What they mean: [`crate::core::region::ballot`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::region::ballot::{Plea, Vote};
use crate::core::region::{Epoch, Region};

/// A region asks for a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct PleaWords {
    epoch: u64,
    plea: PleaForm,
    /// For how long a vote holds there: both have to count alike.
    lease_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum PleaForm {
    Lease,
    Decree,
    Release,
}

impl PleaWords {
    pub(super) fn new(epoch: Epoch, plea: Plea, lease: Duration) -> Self {
        let plea = match plea {
            Plea::Lease => PleaForm::Lease,
            Plea::Decree => PleaForm::Decree,
            Plea::Release => PleaForm::Release,
        };
        Self {
            epoch: epoch.0,
            plea,
            lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) const fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    pub(super) const fn plea(&self) -> Plea {
        match self.plea {
            PleaForm::Lease => Plea::Lease,
            PleaForm::Decree => Plea::Decree,
            PleaForm::Release => Plea::Release,
        }
    }

    pub(super) const fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// What a voter answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) enum VoteWords {
    /// The region has the vote.
    Granted,
    /// It has not.
    Refused {
        /// As in [`Vote::Refused`].
        highest: u64,
        /// As above.
        holder: Option<String>,
    },
    /// As in [`Vote::Deposed`].
    Deposed(u64),
}

impl VoteWords {
    /// `None`: the holder's name is none.
    pub(super) fn read(self) -> Option<Vote> {
        Some(match self {
            Self::Granted => Vote::Granted,
            Self::Refused { highest, holder } => Vote::Refused {
                highest: Epoch(highest),
                holder: match holder {
                    Some(holder) => Some(Region::parse(&holder)?),
                    None => None,
                },
            },
            Self::Deposed(epoch) => Vote::Deposed(Epoch(epoch)),
        })
    }
}

impl From<Vote> for VoteWords {
    fn from(vote: Vote) -> Self {
        match vote {
            Vote::Granted => Self::Granted,
            Vote::Refused { highest, holder } => Self::Refused {
                highest: highest.0,
                holder: holder.map(|holder| holder.as_str().to_owned()),
            },
            Vote::Deposed(epoch) => Self::Deposed(epoch.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pleas_and_votes_come_out_as_they_went_in() {
        let lease = Duration::from_secs(10);
        for plea in [Plea::Lease, Plea::Decree, Plea::Release] {
            let words = PleaWords::new(Epoch(7), plea, lease);
            let read = (words.epoch(), words.plea(), words.lease());
            assert_eq!(read, (Epoch(7), plea, lease));
        }
        let highest = Epoch(9);
        for holder in [None, Region::parse("west")] {
            let vote = Vote::Refused { highest, holder };
            assert_eq!(VoteWords::from(vote).read(), Some(vote));
        }
        for vote in [Vote::Granted, Vote::Deposed(highest)] {
            assert_eq!(VoteWords::from(vote).read(), Some(vote));
        }
        let holder = Some("no name".to_owned());
        assert_eq!(VoteWords::Refused { highest: 1, holder }.read(), None);
    }
}
