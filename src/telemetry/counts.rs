//! The list of counts: fixed arrays of atomics, so that counting takes no lock and looks nothing up by hash.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::family::Family;
use super::labels::{ENDED, FAULTS, REFUSED};
use super::names::{Kind, Spec};
use crate::core::call::effect::EndReason;
use crate::core::fault::{Fault, Refusal};

macro_rules! counts {
    ($(#[doc = $help:literal] $variant:ident = $name:literal,)*) => {
        /// What is counted one by one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count {
            $(#[doc = $help] $variant,)*
        }

        impl Count {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Its name in logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What is said of it as a metric.
            pub const fn spec(self) -> Spec {
                match self {
                    $(Self::$variant => Spec {
                        name: concat!("ringback_", $name, "_total"),
                        kind: Kind::Counter,
                        labels: &[],
                        help: $help,
                    },)*
                }
            }
        }
    };
}

counts! {
    /// Streams that started.
    CallsStarted = "calls_started",
    /// Provider sessions that became ready.
    SessionsReady = "sessions_ready",
    /// Live sessions that were lost while another was sought.
    Failovers = "failovers",
    /// Failed answers that were asked for again on the same session.
    AskedAgain = "asked_again",
    /// Sessions that replaced one about to expire.
    Rotations = "rotations",
    /// Calls that went on with a model that came back while the menu was heard.
    ReturnsToModel = "returns_to_model",
    /// Times a caller interrupted the agent.
    BargeIns = "barge_ins",
    /// Responses that failed or were cut by the provider.
    ResponsesFailed = "responses_failed",
    /// Bytes of callers' audio that were dropped because no session took them.
    UplinkBytesDropped = "uplink_bytes_dropped",
    /// Responses that were cancelled because more audio came than may be held.
    HeldOverflows = "held_overflows",
    /// Audio of cut items that was dropped.
    LateAudio = "late_audio",
    /// Events of abandoned attempts that were dropped.
    LateEvents = "late_events",
    /// Marks that came back and were never sent.
    UnknownMarks = "unknown_marks",
    /// Carriers' events that we do not know.
    UnknownCarrierEvents = "unknown_carrier_events",
    /// Providers' errors that harm nothing.
    HarmlessErrors = "harmless_errors",
    /// Providers' events that we do not know.
    UnknownProviderEvents = "unknown_provider_events",
    /// Tools that a model called and was never given.
    UndeclaredTools = "undeclared_tools",
    /// Events of ours that a provider refused.
    RejectedEvents = "rejected_events",
    /// Streams that named an agent that there is not.
    UnknownAgents = "unknown_agents",
    /// Connections that had to go before they were served, because there were too many.
    ConnectionsDropped = "connections_dropped",
    /// Connections that were dropped because their address had too many.
    ConnectionsOverAddress = "connections_over_address_max",
    /// Requests that were refused unread because their address had been refused too often.
    RequestsImpatient = "requests_impatient",
    /// Webhooks that had no signature.
    WebhooksUnsigned = "webhooks_unsigned",
    /// Webhooks whose signature did not fit.
    WebhooksForged = "webhooks_forged",
    /// Webhooks of an account that is not ours.
    WebhooksForeign = "webhooks_foreign",
    /// Webhooks with a body over the limit.
    WebhooksOversized = "webhooks_oversized",
    /// Webhooks that lack what they must say, or say it in no form that we know.
    WebhooksMalformed = "webhooks_malformed",
    /// Webhooks that were asked a second time and answered with the same document.
    WebhooksRepeated = "webhooks_repeated",
    /// Webhooks that were left to another process because this one was on its way out, or had no seat or nobody to talk to.
    WebhooksLeaving = "webhooks_leaving",
    /// Tickets that were not ours, or no longer good; the question was answered without.
    TicketsRefused = "tickets_refused",
    /// Streams that the carrier could not open.
    StreamErrors = "stream_errors",
    /// Upgrades that had no signature.
    UpgradesUnsigned = "upgrades_unsigned",
    /// Upgrades whose signature did not fit.
    UpgradesForged = "upgrades_forged",
    /// Upgrades without a signature that were refused because their address had too many.
    UpgradesOverAddress = "upgrades_over_address_max",
    /// Streams that brought neither a token nor a secret.
    TokensMissing = "tokens_missing",
    /// Streams whose token or secret was not ours.
    TokensForged = "tokens_forged",
    /// Streams whose token had expired.
    TokensExpired = "tokens_expired",
    /// Streams whose token was for another call.
    TokensOfOthers = "tokens_of_others",
    /// Streams whose token had been used.
    TokensUsed = "tokens_used",
    /// Streams that were refused because too many tokens are in use.
    TokensOverMax = "tokens_over_max",
    /// Streams that gave way to a newer one of their call.
    StreamsSuperseded = "streams_superseded",
    /// Streams that were closed because a store says that their call has ended or is elsewhere.
    StreamsLetGo = "streams_let_go",
    /// Upgrades that were refused because something forwarded them.
    UpgradesForwarded = "upgrades_forwarded",
    /// Upgrades that were refused because a web page asked for them.
    UpgradesFromPages = "upgrades_from_pages",
    /// Upgrades that were refused because too many sockets had not started.
    UpgradesOverUnstarted = "upgrades_over_unstarted_max",
    /// Upgrades that were refused because there were too many calls.
    UpgradesOverCalls = "upgrades_over_calls_max",
    /// Upgrades that were refused because the process had too much to do.
    UpgradesOverloaded = "upgrades_overloaded",
    /// Upgrades that were refused because the process was on its way out.
    UpgradesLeaving = "upgrades_leaving",
    /// Calls that were taken over from the store, since nothing was known of them in memory.
    CallsRecalled = "calls_recalled",
    /// Calls that were put together again after their stream was lost, by what nodes know of them.
    CallsResumed = "calls_resumed",
    /// Calls that a node has handed over, and that another one goes on with.
    CallsTakenOver = "calls_taken_over",
    /// Requests to the store that its disk refused.
    StoreRefused = "store_refused",
    /// Requests to the store that were not answered in time.
    StoreLate = "store_late",
    /// Requests to the store that were refused because too many waited.
    StoreOverloaded = "store_overloaded",
    /// Records of the store that could not be read, and bugs of its own.
    StoreFaults = "store_faults",
    /// Questions to other nodes that were not answered in time.
    PeersSilent = "peers_silent",
    /// Questions to other nodes that were refused there.
    PeersRefusing = "peers_refusing",
    /// Answers of other nodes that were not theirs.
    PeersMistaken = "peers_mistaken",
    /// Questions to other nodes that were not asked because too many were under way.
    PeersUnasked = "peers_unasked",
    /// Questions of nodes whose seal was none, or whose words were not.
    PeersMalformed = "peers_malformed",
    /// Questions of nodes that were signed with another key.
    PeersForged = "peers_forged",
    /// Questions of nodes that were too old, or from a clock that is too far ahead.
    PeersStale = "peers_stale",
    /// Questions of nodes that came a second time.
    PeersRepeated = "peers_repeated",
    /// Questions of nodes that are not in the list, or that were for another one.
    PeersUnknown = "peers_unknown",
    /// Questions of nodes that were too long.
    PeersOversized = "peers_oversized",
    /// Questions of nodes that were refused because there were too many at once.
    PeersCrowded = "peers_crowded",
    /// New calls whose stream was given to another node.
    CallsGivenAway = "calls_given_away",
    /// Words on a provider that other nodes were told.
    AdviceTold = "advice_told",
    /// Words on a provider that were heard from other nodes.
    AdviceHeard = "advice_heard",
    /// Times that the region of this node became active, or was not any more.
    RoleChanges = "role_changes",
    /// Pleas for a vote that count by other regions or leases than this node.
    PleasMismatched = "pleas_mismatched",
    /// Times that two processes of one name were noticed.
    NodesNamedTwice = "nodes_named_twice",
    /// Messages after the tone that could not be kept.
    MessagesNotKept = "messages_not_kept",
    /// Messages after the tone that their receiver took.
    MessagesDelivered = "messages_delivered",
    /// Deliveries of messages that failed, and are tried again.
    MessagesPostponed = "messages_postponed",
    /// Messages that are delivered no more, since that failed for too long.
    MessagesGivenUp = "messages_given_up",
    /// Messages after the tone that were written down.
    MessagesTranscribed = "messages_transcribed",
    /// Sessions that were to write down a message and did not.
    TranscriptionsFailed = "transcriptions_failed",
    /// Messages that nobody writes down any more, since that failed too often or for too long.
    TranscriptionsGivenUp = "transcriptions_given_up",
    /// Transcripts of messages that their receiver took.
    TranscriptsDelivered = "transcripts_delivered",
    /// Transcripts that are delivered no more, since that failed for too long.
    TranscriptsGivenUp = "transcripts_given_up",
    /// Messages on disk that cannot be read.
    MessagesUnreadable = "messages_unreadable",
    /// Calls that were ended by REST.
    RestEnded = "rest_calls_ended",
    /// Orders to the carrier by REST that were not carried out, or of which that is not known.
    RestFailed = "rest_failed",
    /// Texts of callers that came in, repetitions included.
    CallbackTexts = "callback_texts",
    /// Texts of callers that were not taken, so that the carrier asks again.
    CallbackTextsPutOff = "callback_texts_put_off",
    /// Status callbacks and outcomes that belong to no promise.
    CallbackStrangers = "callback_strangers",
    /// Status callbacks and questions about rings whose path was not ours.
    CallbackPathsForged = "callback_paths_forged",
    /// Status callbacks that were dropped because there was too much to do.
    CallbacksDropped = "callbacks_dropped",
    /// Changes of promises that were not kept, and tried again.
    CallbackWritesFailed = "callback_writes_failed",
    /// Outcomes of requests that came too late to be believed.
    CallbackOutcomesLate = "callback_outcomes_late",
    /// Rings that the carrier refused because of our side.
    CallbackRingsRefused = "callback_rings_refused",
    /// Connections whose TLS handshake failed.
    HandshakesFailed = "handshakes_failed",
    /// Certificates that were read anew and are in use.
    CertificatesReloaded = "certificates_reloaded",
    /// Certificates that were read anew and refused; the one before stays.
    CertificatesRefused = "certificates_refused",
    /// Tasks that panicked.
    Panics = "panics",
}

/// All counts of the process.
#[derive(Debug)]
pub struct Counts {
    single: [AtomicU64; Count::ALL.len()],
    /// Ends of calls, by reason.
    pub(super) ended: Family<12>,
    /// Refused messages, by refusal.
    pub(super) refused: Family<13>,
    /// Failed attempts and responses, by fault.
    pub(super) faults: Family<32>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            single: [const { AtomicU64::new(0) }; Count::ALL.len()],
            ended: Family::new(ENDED),
            refused: Family::new(REFUSED),
            faults: Family::new(FAULTS),
        }
    }
}

impl Counts {
    /// Adds to a count; what it is now.
    pub(super) fn add(&self, count: Count, number: u64) -> u64 {
        self.of(count).fetch_add(number, Ordering::Relaxed) + number
    }

    /// A count.
    pub fn get(&self, count: Count) -> u64 {
        self.of(count).load(Ordering::Relaxed)
    }

    /// How many calls ended for this reason.
    pub fn ended(&self, reason: EndReason) -> u64 {
        self.ended.get(reason.name())
    }

    /// How many messages were refused for this reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused.get(refusal.name())
    }

    /// How often this fault happened.
    pub fn faults(&self, fault: Fault) -> u64 {
        self.faults.get(fault.name())
    }

    fn of(&self, count: Count) -> &AtomicU64 {
        self.single
            .get(count as usize)
            .expect("there is a number for each count")
    }
}

/// Those that are not zero.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for count in Count::ALL {
            let number = self.get(count);
            if number > 0 {
                write!(f, "{separator}{}={number}", count.name())?;
                separator = " ";
            }
        }
        let ended = self.ended.iter().map(|named| ("ended", named));
        let refused = self.refused.iter().map(|named| ("refused", named));
        let faults = self.faults.iter().map(|named| ("fault", named));
        for (family, (name, number)) in ended.chain(refused).chain(faults) {
            if number > 0 {
                write!(f, "{separator}{family}.{name}={number}")?;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_and_nothing_else() {
        let counts = Counts::default();
        counts.add(Count::CallsStarted, 2);
        counts.faults.add(Fault::Closed { code: 1006 }.name());
        counts.ended.add(EndReason::Goodbye.name());
        assert_eq!(
            counts.to_string(),
            "calls_started=2 ended.goodbye=1 fault.closed=1"
        );
        assert_eq!(counts.faults(Fault::Closed { code: 1000 }), 1);
    }
}
