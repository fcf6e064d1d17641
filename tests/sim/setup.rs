//! How a simulated call is set up, and what is known of it when it is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loadtest::carrier::{CallReport, CarrierSettings, Happening};
use loadtest::model::report::SessionReport;
use loadtest::model::settings::ModelSettings;
use loadtest::recording::Recording;
use ringback::core::call::CallSettings;
use ringback::core::call::effect::EndReason;
use ringback::core::call::prompt::{Greeting, Prompt, Prompts};
use ringback::core::fault::Fault;
use ringback::core::front::Next;
use ringback::core::ids::{AttemptId, KeyId, ProviderId};
use ringback::core::observation::Observation;
use ringback::core::pool::{Charge, PoolPolicy, ProviderPolicy, Transition};

use crate::doors::{BrokenWay, Met, Probe};
use crate::menu::desk::{DeskSetup, Seen};
use crate::streams::{Carriage, StreamLife};

/// The wall clock's seconds at the beginning of every call.
pub(crate) const EPOCH_S: u64 = 1_700_000_000;

/// How a call is set up: everything else follows from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) recording: Arc<Recording>,
    pub(crate) carrier: CarrierSettings,
    /// The doubles behind the rungs of the ladder, in the order of the policy.
    pub(crate) models: Vec<ModelSettings>,
    pub(crate) policy: PoolPolicy,
    pub(crate) call: CallSettings,
    /// Dials that fail on their way.
    pub(crate) broken_ways: Vec<BrokenWay>,
    /// How long a dial may take that is not answered; the session's own stage is the call's.
    pub(crate) upgrade_timeout: Duration,
    /// What may wait for a model that does not read.
    pub(crate) unread_max: usize,
    /// For how long a session that was abandoned goes on, and is heard: as by a reader that runs beside the call.
    pub(crate) lingers: Duration,
    /// How the carrier goes on where a stream is over; without it the end of the stream is the end of the call.
    pub(crate) carriage: Option<Carriage>,
    /// Who keeps promises and messages.
    pub(crate) desk: DeskSetup,
    /// What happens beside the doubles, in order.
    pub(crate) interludes: Vec<(Duration, Interlude)>,
    /// The least and the most that a parcel takes on its way.
    pub(crate) latency: (Duration, Duration),
    /// Whether the story is written down.
    pub(crate) tells: bool,
}

/// What happens to a call beside its doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interlude {
    /// The carrier's socket is gone without a word.
    CarrierGone,
    /// It is open, and nothing comes of it.
    CarrierSilent,
    /// The carrier does not read.
    CarrierStuck,
    /// The process is told to go.
    Drain,
    /// It is about to.
    HandOver,
    /// An operator takes every provider out.
    AllIsolated,
    /// They take calls again, and the call is told.
    ModelsBack,
}

/// What became of a call.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) lasted: Duration,
    pub(crate) reason: Option<EndReason>,
    pub(crate) phone: CallReport,
    pub(crate) legs: BTreeMap<AttemptId, LegReport>,
    pub(crate) observations: Vec<(Duration, Observation)>,
    /// What breakers did.
    pub(crate) transitions: Vec<(Duration, Transition)>,
    /// The synthetic sessions.
    pub(crate) probes: Vec<Probe>,
    /// Attempts that were dialled and were neither abandoned nor lost when the call ended.
    pub(crate) leaked: Vec<AttemptId>,
    /// Sessions that the pool still counts when all is over.
    pub(crate) seated: u32,
    /// The streams of a call that may have several, and what the carrier was answered each time it asked.
    pub(crate) streams: Vec<StreamLife>,
    pub(crate) answers: Vec<(Duration, Next)>,
    /// What the caller did and heard, and when.
    pub(crate) happenings: Vec<(Duration, Happening)>,
    /// What went in and out of a call that has a menu, in order.
    pub(crate) menu: Vec<(Duration, Seen)>,
    pub(crate) frames: u64,
    /// A digest of every input and effect, in order.
    pub(crate) trace: u64,
    pub(crate) story: Vec<String>,
}

/// What became of one dial.
#[derive(Debug)]
pub(crate) struct LegReport {
    pub(crate) provider: ProviderId,
    pub(crate) key: KeyId,
    pub(crate) charge: Charge,
    pub(crate) dialled_at: Duration,
    pub(crate) met: Met,
    /// When the server knew that the session is there.
    pub(crate) ready_at: Option<Duration>,
    /// When the server let go of it, or lost it.
    pub(crate) released_at: Option<Duration>,
    /// What the double knows; `None`: the dial never got that far.
    pub(crate) session: Option<SessionReport>,
}

impl Life {
    /// The sessions that were opened, by the attempt that they were dialled for.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (AttemptId, &SessionReport)> {
        self.legs
            .iter()
            .filter_map(|(&attempt, leg)| Some((attempt, leg.session.as_ref()?)))
    }

    /// Whether another session stood ready when this one reached its end: it was in the middle of an answer.
    pub(crate) fn was_expected(&self, attempt: AttemptId) -> bool {
        let expired = Observation::AttemptFailed {
            attempt,
            fault: Fault::Expired,
        };
        let mut seen = self.observations.iter();
        let ended = seen.find(|(_, seen)| *seen == expired);
        let next = seen.find(|(_, seen)| matches!(seen, Observation::Rotated { .. }));
        matches!((ended, next), (Some((ended, _)), Some((next, _))) if ended == next)
    }
}

/// A policy of providers that stand one below the other.
pub(crate) fn ladder(rungs: u8) -> PoolPolicy {
    let provider =
        |tier| ProviderPolicy::new(&format!("provider-{tier}"), ringback::core::ids::Tier(tier));
    PoolPolicy::new((1..=rungs).map(provider).collect())
}

/// Prompts that sound, and are told from a model's speech by having no stamps.
pub(crate) fn prompts(greeting: Greeting) -> Prompts {
    let tone = |ms: usize| -> Bytes {
        (0..ms * 8)
            .map(|n| if n / 8 % 2 == 0 { 0x30 } else { 0xB0 })
            .collect()
    };
    Prompts::new(greeting, |prompt| match prompt {
        Prompt::OneMoment => tone(800),
        Prompt::ApologyOnly => tone(2_500),
        Prompt::Apology => tone(4_000),
        _ => tone(1_000),
    })
}
