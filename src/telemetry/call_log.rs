//! The log of one call: a line for its start, a line for its end, and little between them.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::call_metrics::CallMetrics;
use super::counts::Count;
use crate::core::call::effect::EndReason;
use crate::core::call::input::Ignored;
use crate::core::fault::{Fault, Refusal};
use crate::core::ids::{AttemptId, CallId, CallSid, KeyId, Tier};
use crate::core::observation::Observation;
use crate::core::pool::Charge;
use crate::core::time::Instant;

/// Refused messages with less than this between them are one burst, and worth one line.
const BURST_GAP: Duration = Duration::from_secs(10);

/// Tells about one call.
#[derive(Debug)]
pub struct CallLog {
    metrics: CallMetrics,
    call: CallId,
    carrier_call: Option<CallSid>,
    refused_at: Option<Instant>,
    tally: Tally,
}

/// What the line at the end tells.
#[derive(Debug, Default)]
struct Tally {
    frames_in: u64,
    frames_out: u64,
    sessions: u32,
    failovers: u32,
    barge_ins: u32,
    refused: u32,
    late: u32,
    dropped_bytes: u64,
    first_audio: Option<Duration>,
    slowest_answer: Option<Duration>,
    longest_gap: Option<Duration>,
    longest_dead_air: Option<Duration>,
}

impl CallLog {
    pub(super) fn new(metrics: CallMetrics, call: CallId) -> Self {
        Self {
            metrics,
            call,
            carrier_call: None,
            refused_at: None,
            tally: Tally::default(),
        }
    }

    /// A frame of the caller's came.
    pub const fn frame_in(&mut self) {
        self.tally.frames_in += 1;
    }

    /// Audio for the caller was sent.
    pub const fn frame_out(&mut self) {
        self.tally.frames_out += 1;
    }

    /// The stream named an agent or a number that no agent has; the default answers.
    pub fn unknown_agent(&self) {
        self.metrics.counts.add(Count::UnknownAgents, 1);
        warn!(call = %self.call, "the stream names no agent that there is; the default answers");
    }

    /// Counts an observation, and logs it if it is not of the frequent kind.
    pub fn observe(&mut self, now: Instant, observation: &Observation) {
        self.metrics.observe(now, observation);
        self.tally.observe(observation);
        let call = self.call;
        match observation {
            Observation::CallStarted { call: sid, stream } => {
                self.carrier_call = Some(*sid);
                info!(%call, carrier_call = %sid, %stream, "call started");
            }
            Observation::Dialled {
                attempt,
                key,
                tier,
                charge,
                ..
            } => self.dialling(*attempt, *key, *tier, *charge),
            Observation::NotAdmitted(why) => {
                warn!(%call, why = why.name(), "nobody is left who could take the call");
            }
            Observation::AttemptFailed { attempt, fault } => {
                warn!(%call, %attempt, provider = self.provider(*attempt), %fault, "session failed");
            }
            Observation::FailingOver { attempt, fault } => {
                info!(%call, %attempt, %fault, "seeking another session");
            }
            Observation::FailedOver { attempt, after }
            | Observation::Returned { attempt, after } => self.goes_on(*attempt, *after),
            Observation::Rotated { attempt } => info!(%call, %attempt, "moved to a fresh session"),
            Observation::ResponseFailed { fault } => {
                warn!(%call, fault = fault.map_or("unknown", Fault::name), "response failed");
            }
            Observation::AskedAgain { fault } => info!(%call, %fault, "asked for the answer again"),
            Observation::Apologized { after } => {
                warn!(%call, after_ms = millis(*after), "no model is left; the caller hears an apology");
            }
            Observation::Chose(choice) => self.menu("choice", choice.name()),
            Observation::CallBackTold { told, .. } => self.menu("told of a call back", told.name()),
            Observation::MessageOver(left) => self.menu("message", left.name()),
            Observation::DeadAir { lasted } => {
                warn!(%call, lasted_ms = millis(*lasted), "dead air");
            }
            Observation::HeldOverflowed => {
                warn!(%call, "more audio than may be held; the response is cancelled");
            }
            Observation::ProviderIgnored(Ignored::RejectedEvent) => {
                warn!(%call, "the provider refused an event of ours");
            }
            Observation::MessageRefused(refusal) => self.refused(now, *refusal),
            Observation::CallEnded { reason, lasted } => self.ended(*reason, *lasted),
            Observation::Prompted(_)
            | Observation::SessionReady { .. }
            | Observation::FirstAudio { .. }
            | Observation::Answered { .. }
            | Observation::Gap { .. }
            | Observation::HedgeWon { .. }
            | Observation::HedgeWasted { .. }
            | Observation::BargedIn { .. } => debug!(%call, what = ?observation, "observed"),
            // Of the frequent kind: the line at the end tells how many.
            Observation::UplinkOverflowed { .. }
            | Observation::LateAudio
            | Observation::LateEvent
            | Observation::UnknownMark
            | Observation::UnknownCarrierEvent
            | Observation::ProviderIgnored(
                Ignored::HarmlessError
                | Ignored::AlreadyResponding
                | Ignored::UnknownEvent
                | Ignored::UndeclaredTool
                | Ignored::NotTranscribed,
            ) => {}
        }
    }

    fn goes_on(&self, attempt: AttemptId, after: Duration) {
        let (call, provider) = (self.call, self.provider(attempt));
        info!(%call, %attempt, provider, after_ms = millis(after), "the call goes on with another session");
    }

    /// What a caller for whom no model is left chose, or was told.
    fn menu(&self, what: &str, outcome: &str) {
        info!(call = %self.call, what, outcome, "menu");
    }

    fn dialling(&self, attempt: AttemptId, key: KeyId, tier: Tier, charge: Charge) {
        let (provider, charge) = (self.provider(attempt), charge.name());
        debug!(call = %self.call, %attempt, provider, %key, %tier, charge, "dialling");
    }

    fn provider(&self, attempt: AttemptId) -> Option<&str> {
        self.metrics.provider_name(attempt)
    }

    fn refused(&mut self, now: Instant, refusal: Refusal) {
        let last = self.refused_at.replace(now);
        if last.is_none_or(|last| now.since(last) >= BURST_GAP) {
            warn!(call = %self.call, %refusal, "refused a message of the carrier");
        }
    }

    fn ended(&self, reason: EndReason, lasted: Duration) {
        let cause = match reason {
            EndReason::Refused(refusal) => refusal.to_string(),
            EndReason::CallerHungUp
            | EndReason::Goodbye
            | EndReason::CarrierGone
            | EndReason::CarrierSilent
            | EndReason::CarrierStuck
            | EndReason::NeverStarted
            | EndReason::Apologized
            | EndReason::Promised
            | EndReason::MessageLeft
            | EndReason::Transferred
            | EndReason::Drained => String::new(),
        };
        let tally = &self.tally;
        info!(
            call = %self.call,
            carrier_call = self.carrier_call.as_ref().map(CallSid::as_str),
            reason = reason.name(),
            cause,
            lasted_ms = millis(lasted),
            frames_in = tally.frames_in,
            frames_out = tally.frames_out,
            sessions = tally.sessions,
            failovers = tally.failovers,
            barge_ins = tally.barge_ins,
            refused = tally.refused,
            late = tally.late,
            dropped_bytes = tally.dropped_bytes,
            first_audio_ms = tally.first_audio.map(millis),
            slowest_answer_ms = tally.slowest_answer.map(millis),
            longest_gap_ms = tally.longest_gap.map(millis),
            longest_dead_air_ms = tally.longest_dead_air.map(millis),
            "call ended"
        );
    }
}

impl Tally {
    fn observe(&mut self, observation: &Observation) {
        match observation {
            Observation::SessionReady { .. } => self.sessions += 1,
            Observation::FailingOver { .. } => self.failovers += 1,
            Observation::BargedIn { .. } => self.barge_ins += 1,
            Observation::MessageRefused(_) => self.refused += 1,
            Observation::LateAudio | Observation::LateEvent => self.late += 1,
            Observation::UplinkOverflowed { bytes } => {
                self.dropped_bytes += u64::try_from(*bytes).unwrap_or(u64::MAX);
            }
            Observation::FirstAudio { after } => self.first_audio = Some(*after),
            Observation::Answered { after } => {
                self.slowest_answer = self.slowest_answer.max(Some(*after));
            }
            Observation::Gap { after } => self.longest_gap = self.longest_gap.max(Some(*after)),
            Observation::DeadAir { lasted } => {
                self.longest_dead_air = self.longest_dead_air.max(Some(*lasted));
            }
            Observation::CallStarted { .. }
            | Observation::Dialled { .. }
            | Observation::NotAdmitted(_)
            | Observation::AttemptFailed { .. }
            | Observation::FailedOver { .. }
            | Observation::Rotated { .. }
            | Observation::Prompted(_)
            | Observation::AskedAgain { .. }
            | Observation::HedgeWon { .. }
            | Observation::HedgeWasted { .. }
            | Observation::Apologized { .. }
            | Observation::Chose(_)
            | Observation::CallBackTold { .. }
            | Observation::MessageOver(_)
            | Observation::Returned { .. }
            | Observation::HeldOverflowed
            | Observation::UnknownMark
            | Observation::UnknownCarrierEvent
            | Observation::ProviderIgnored(_)
            | Observation::ResponseFailed { .. }
            | Observation::CallEnded { .. } => {}
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
