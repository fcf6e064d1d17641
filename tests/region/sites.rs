//! Where things stand, and who reaches whom.

use std::collections::BTreeMap;

/// Places that share a fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    East,
    West,
    Witness,
    Carrier,
}

impl Site {
    pub(crate) const REGIONS: [Self; 2] = [Self::East, Self::West];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::East => "east",
            Self::West => "west",
            Self::Witness => "witness",
            Self::Carrier => "carrier",
        }
    }

    pub(crate) fn other(self) -> Self {
        if self == Self::East {
            Self::West
        } else {
            Self::East
        }
    }
}

/// Which ways are cut, and by how many harms at once.
#[derive(Debug, Default)]
pub(crate) struct Net {
    cuts: BTreeMap<(Site, Site), u32>,
    lost: BTreeMap<Site, u32>,
}

impl Net {
    pub(crate) fn reaches(&self, from: Site, to: Site) -> bool {
        let is_lost = [from, to].iter().any(|site| self.is_lost(*site));
        !is_lost
            && self
                .cuts
                .get(&(from.min(to), from.max(to)))
                .is_none_or(|cuts| *cuts == 0)
    }

    pub(crate) fn cut(&mut self, from: Site, to: Site, is_cut: bool) {
        let cuts = self.cuts.entry((from.min(to), from.max(to))).or_default();
        *cuts = if is_cut { *cuts + 1 } else { *cuts - 1 };
    }

    pub(crate) fn lose(&mut self, site: Site, is_lost: bool) {
        let lost = self.lost.entry(site).or_default();
        *lost = if is_lost { *lost + 1 } else { *lost - 1 };
    }

    pub(crate) fn is_lost(&self, site: Site) -> bool {
        self.lost.get(&site).is_some_and(|lost| *lost > 0)
    }

    /// How many of the regions and the witness see this site.
    pub(crate) fn seen_by(&self, site: Site) -> usize {
        let all = [Site::East, Site::West, Site::Witness];
        all.into_iter()
            .filter(|from| self.reaches(*from, site))
            .count()
    }
}
