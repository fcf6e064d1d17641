//! The log of one call: a line for its start, a line for its end, and little between them.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::counts::{Count, Counts};
use crate::core::call::effect::EndReason;
use crate::core::call::input::Ignored;
use crate::core::fault::Refusal;
use crate::core::ids::{CallId, CallSid};
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// Refused messages with less than this between them are one burst, and worth one line.
const BURST_GAP: Duration = Duration::from_secs(10);

/// Tells about one call.
#[derive(Debug)]
pub struct CallLog {
    counts: Arc<Counts>,
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
    barge_ins: u32,
    refused: u32,
    late: u32,
    dropped_bytes: u64,
    first_audio: Option<Duration>,
    slowest_answer: Option<Duration>,
}

impl CallLog {
    pub(super) fn new(counts: Arc<Counts>, call: CallId) -> Self {
        Self {
            counts,
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
        self.counts.add(Count::UnknownAgents, 1);
        warn!(call = %self.call, "the stream names no agent that there is; the default answers");
    }

    /// Counts an observation, and logs it if it is not of the frequent kind.
    pub fn observe(&mut self, now: Instant, observation: &Observation) {
        let call = self.call;
        match observation {
            Observation::CallStarted {
                call: carrier_call,
                stream,
            } => {
                self.count(Count::CallsStarted);
                self.carrier_call = Some(*carrier_call);
                info!(%call, carrier_call = %carrier_call, %stream, "call started");
            }
            Observation::SessionReady { attempt, after } => {
                self.count(Count::SessionsReady);
                self.tally.sessions += 1;
                debug!(%call, %attempt, after_ms = millis(*after), "session ready");
            }
            Observation::AttemptFailed { attempt, fault } => {
                self.counts.faults.add(fault.name());
                warn!(%call, %attempt, %fault, "session failed");
            }
            Observation::Dialled {
                attempt,
                provider,
                key,
                tier,
                charge,
            } => {
                debug!(%call, %attempt, %provider, %key, %tier, ?charge, "dialling");
            }
            Observation::NotAdmitted(why) => {
                warn!(%call, ?why, "nobody is left who could take the call")
            }
            Observation::FailingOver { attempt, fault } => {
                info!(%call, %attempt, %fault, "seeking another session");
            }
            Observation::FailedOver { attempt, after } => {
                info!(%call, %attempt, after_ms = millis(*after), "the call goes on with another session");
            }
            Observation::AskedAgain { fault } => info!(%call, %fault, "asked for the answer again"),
            Observation::HedgeWon { attempt } => {
                debug!(%call, %attempt, "the second dial was faster")
            }
            Observation::HedgeWasted { attempt } => {
                debug!(%call, %attempt, "the second dial was not needed")
            }
            Observation::Prompted(prompt) => debug!(%call, prompt = prompt.name(), "prompt played"),
            Observation::Gap { after } => debug!(%call, after_ms = millis(*after), "gap"),
            Observation::DeadAir { lasted } => {
                warn!(%call, lasted_ms = millis(*lasted), "dead air")
            }
            Observation::Apologized { after } => {
                warn!(%call, after_ms = millis(*after), "no model is left; the caller hears an apology");
            }
            Observation::FirstAudio { after } => {
                self.tally.first_audio = Some(*after);
                debug!(%call, after_ms = millis(*after), "first audio");
            }
            Observation::Answered { after } => {
                self.tally.slowest_answer = self.tally.slowest_answer.max(Some(*after));
                debug!(%call, after_ms = millis(*after), "answered");
            }
            Observation::BargedIn { heard } => {
                self.count(Count::BargeIns);
                self.tally.barge_ins += 1;
                debug!(%call, heard_ms = millis(*heard), "caller interrupted");
            }
            Observation::Rotated { attempt } => {
                self.count(Count::Rotations);
                info!(%call, %attempt, "moved to a fresh session");
            }
            Observation::ResponseFailed { fault } => {
                self.count(Count::ResponsesFailed);
                if let Some(fault) = fault {
                    self.counts.faults.add(fault.name());
                }
                let fault = fault.map_or("unknown", |fault| fault.name());
                warn!(%call, fault, "response failed");
            }
            Observation::HeldOverflowed => {
                self.count(Count::HeldOverflows);
                warn!(%call, "more audio than may be held; the response is cancelled");
            }
            Observation::UplinkOverflowed { bytes } => {
                let bytes = u64::try_from(*bytes).unwrap_or(u64::MAX);
                self.counts.add(Count::UplinkBytesDropped, bytes);
                self.tally.dropped_bytes += bytes;
            }
            Observation::LateAudio => {
                self.count(Count::LateAudio);
                self.tally.late += 1;
            }
            Observation::LateEvent => {
                self.count(Count::LateEvents);
                self.tally.late += 1;
            }
            Observation::UnknownMark => self.count(Count::UnknownMarks),
            Observation::UnknownCarrierEvent => self.count(Count::UnknownCarrierEvents),
            Observation::ProviderIgnored(what) => self.ignored(*what),
            Observation::MessageRefused(refusal) => self.refused(now, *refusal),
            Observation::CallEnded { reason, lasted } => self.ended(*reason, *lasted),
        }
    }

    fn refused(&mut self, now: Instant, refusal: Refusal) {
        self.counts.refused.add(refusal.name());
        self.tally.refused += 1;
        let last = self.refused_at.replace(now);
        if last.is_none_or(|last| now.since(last) >= BURST_GAP) {
            warn!(call = %self.call, %refusal, "refused a message of the carrier");
        }
    }

    fn ignored(&self, what: Ignored) {
        self.count(match what {
            Ignored::HarmlessError | Ignored::AlreadyResponding => Count::HarmlessErrors,
            Ignored::UnknownEvent => Count::UnknownProviderEvents,
            Ignored::UndeclaredTool => Count::UndeclaredTools,
            Ignored::RejectedEvent => {
                warn!(call = %self.call, "the provider refused an event of ours");
                Count::RejectedEvents
            }
        });
    }

    fn count(&self, count: Count) {
        self.counts.add(count, 1);
    }

    fn ended(&self, reason: EndReason, lasted: Duration) {
        self.counts.ended.add(reason.name());
        let cause = match reason {
            EndReason::Refused(refusal) => refusal.to_string(),
            EndReason::CallerHungUp
            | EndReason::Goodbye
            | EndReason::CarrierGone
            | EndReason::CarrierSilent
            | EndReason::CarrierStuck
            | EndReason::NeverStarted
            | EndReason::Apologized
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
            barge_ins = tally.barge_ins,
            refused = tally.refused,
            late = tally.late,
            dropped_bytes = tally.dropped_bytes,
            first_audio_ms = tally.first_audio.map(millis),
            slowest_answer_ms = tally.slowest_answer.map(millis),
            "call ended"
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
