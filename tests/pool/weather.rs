//! How providers behave, and which policies a swarm runs with.
#![expect(clippy::wildcard_enum_match_arm, reason = "a mode is about one thing")]

use std::time::Duration;

use ringback::core::fault::{DialStage, Fault};
use ringback::core::ids::Tier;
use ringback::core::pool::{Chance, PoolPolicy, ProviderPolicy, Share, TenantPolicy};

use crate::desk::{ms, secs};

/// How a provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    Refuses,
    Flaky,
    Slow,
    BlackHole,
    Limits,
    NoQuota,
    OtherDialect,
    Drops,
    AnswersFail,
    OurFault,
    Crashed,
    BadNode,
}

const MODES: [Mode; 13] = [
    Mode::Well,
    Mode::Refuses,
    Mode::Flaky,
    Mode::Slow,
    Mode::BlackHole,
    Mode::Limits,
    Mode::NoQuota,
    Mode::OtherDialect,
    Mode::Drops,
    Mode::AnswersFail,
    Mode::OurFault,
    Mode::Crashed,
    Mode::BadNode,
];

impl Mode {
    /// Well, or anything.
    pub(crate) fn any(chance: &mut Chance) -> Self {
        let place = usize::try_from(chance.bits() % 19).unwrap();
        MODES.get(place).copied().unwrap_or(Self::Well)
    }

    /// How many of its live sessions are lost as it begins.
    pub(crate) const fn kills_percent(self) -> usize {
        match self {
            Self::Crashed => 100,
            Self::BadNode => 30,
            _ => 0,
        }
    }

    /// How a dial ends, and when.
    pub(crate) fn outcome(self, chance: &mut Chance) -> (Duration, Result<(), Fault>) {
        let quick = ms(1) + chance.up_to(ms(20));
        let usual = ms(30) + chance.up_to(ms(250));
        let is_hit = |chance: &mut Chance, of: u64| chance.bits().is_multiple_of(of);
        match self {
            Self::Refuses | Self::Crashed => (quick, Err(Fault::ConnectFailed)),
            Self::Flaky if is_hit(chance, 3) => (quick, Err(Fault::Refused { status: 503 })),
            Self::Slow => (ms(1_200) + chance.up_to(ms(1_500)), Ok(())),
            Self::BlackHole => (secs(3), Err(Fault::DialTimedOut(DialStage::Upgrade))),
            Self::Limits if is_hit(chance, 2) => {
                let asks = chance.up_to(secs(4));
                let retry_after = Some(asks).filter(|_| asks > secs(1));
                (quick, Err(Fault::RateLimited { retry_after }))
            }
            Self::OtherDialect => (usual, Err(Fault::WrongDialect)),
            Self::OurFault if is_hit(chance, 2) => (usual, Err(Fault::RequestRejected)),
            _ => (usual, Ok(())),
        }
    }
}

/// Any policy that is allowed, small enough for its limits to be met.
pub(crate) fn any_policy(chance: &mut Chance) -> PoolPolicy {
    let mut below = |count: u64| u32::try_from(chance.bits() % count).unwrap();
    let providers = 1 + below(4);
    let mut entries = Vec::new();
    for place in 0..providers {
        let tier = Tier(u8::try_from(below(3)).unwrap());
        let mut entry = ProviderPolicy::new(&format!("provider-{place}"), tier);
        entry.vendor = format!("vendor-{}", below(3));
        entry.model = format!("model-{}", below(2));
        entry.keys = u8::try_from(1 + below(3)).unwrap();
        entry.sessions_max = [4, 20, 200][usize::try_from(below(3)).unwrap()];
        entry.starts_per_second = 1 + below(20);
        entry.burst = 1 + below(20);
        entry.window_tokens = [28_000, 128_000][usize::try_from(below(2)).unwrap()];
        entry.spares = [0, 0, 1, 2][usize::try_from(below(4)).unwrap()];
        entry.share = match below(5) {
            0 if place > 0 => Share::Canary(200),
            _ => Share::Weight(1 + u16::try_from(below(100)).unwrap()),
        };
        entries.push(entry);
    }
    let mut policy = PoolPolicy::new(entries);
    // Short, so that a run sees many openings and everything is well again before its end.
    policy.breaker.cool_down = secs(5);
    policy.breaker.cool_down_max = secs(40);
    policy.breaker.slow_start = secs(10);
    policy.tenants = vec![TenantPolicy::default(), TenantPolicy { sessions_max: 8 }];
    policy
}
