//! The list of metrics: name, type, labels and help of each. `docs/metrics.md` says when to look at which.
//!
//! A name ends on its unit, a counter's on `_total`. What has no label beside is counted by [`Count`], whose names are part of
//! the list.

use super::counts::Count;

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times, sorted into buckets.
    Histogram,
}

impl Kind {
    /// Its name in the exposition.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What is said of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name, with its unit.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// The names of its labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// What it tells, in one sentence.
    pub help: &'static str,
}

/// All metrics that there are.
pub fn all() -> impl Iterator<Item = Spec> {
    let metrics = Metric::ALL.into_iter().map(Metric::spec);
    metrics.chain(Count::ALL.into_iter().map(Count::spec))
}

macro_rules! metrics {
    ($(#[doc = $help:literal] $variant:ident = $kind:ident $name:literal [$($label:literal),*],)*) => {
        /// What is more than a count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric {
            $(#[doc = $help] $variant,)*
        }

        impl Metric {
            /// All of them, in the order in which they are told.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// What is said of it.
            pub const fn spec(self) -> Spec {
                match self {
                    $(Self::$variant => Spec {
                        name: $name,
                        kind: Kind::$kind,
                        labels: &[$($label),*],
                        help: $help,
                    },)*
                }
            }
        }
    };
}

metrics! {
    /// The version that runs; always 1.
    BuildInfo = Gauge "ringback_build_info" ["version"],
    /// Time since the process began.
    Uptime = Gauge "ringback_uptime_seconds" [],
    /// Calls whose stream has started and not ended.
    CallsLive = Gauge "ringback_calls_live" [],
    /// Sockets of carriers that are open, those whose stream has not started included.
    Sockets = Gauge "ringback_carrier_sockets" [],
    /// Sockets of carriers that may be open.
    SocketsMax = Gauge "ringback_carrier_sockets_max" [],
    /// What is left out because there is too much to do: 0 nothing, 1 what no caller misses, 2 new calls.
    Overload = Gauge "ringback_overload_stage" [],
    /// Whether new calls are to come here: 1 if so.
    Ready = Gauge "ringback_ready" [],
    /// How each part stands: 0 ok, 1 degraded, 2 failed; nothing while nobody knows.
    HealthState = Gauge "ringback_health_state" ["check"],
    /// How old the last result of a part is; of a provider that answers, how long ago it did.
    HealthAge = Gauge "ringback_health_age_seconds" ["check"],
    /// Looks at parts that ended, by what was found.
    HealthLooks = Counter "ringback_health_looks_total" ["check", "state"],
    /// Calls that ended, by reason.
    CallsEnded = Counter "ringback_calls_ended_total" ["reason"],
    /// Calls that ended, by who served them last: a tier's number, the apology, or none.
    CallsServed = Counter "ringback_calls_served_total" ["tier"],
    /// Messages of carriers that were refused, by reason.
    MessagesRefused = Counter "ringback_messages_refused_total" ["reason"],
    /// From the start of a stream to the first audio for the caller.
    FirstAudio = Histogram "ringback_first_audio_seconds" [],
    /// From the end of a caller's turn to the first audio of the answer.
    Answer = Histogram "ringback_answer_seconds" ["provider"],
    /// Owed time without model speech, where it ended.
    Gap = Histogram "ringback_gap_seconds" [],
    /// Owed time without model speech that a failover fell into, where it ended.
    FailoverGap = Histogram "ringback_failover_gap_seconds" [],
    /// Owed time of more than a second without any sound.
    DeadAir = Histogram "ringback_dead_air_seconds" [],
    /// From the loss of a live session to the next one.
    Failover = Histogram "ringback_failover_seconds" [],
    /// From the start of a stream to its apology.
    Apology = Histogram "ringback_apology_seconds" [],
    /// Prompts that were played from the cache.
    Prompts = Counter "ringback_prompts_total" ["prompt"],
    /// What callers for whom no model was left chose.
    MenuChoices = Counter "ringback_menu_choices_total" ["choice"],
    /// What calls told callers who wanted to be called back, time-outs included.
    CallBacksTold = Counter "ringback_call_backs_told_total" ["told"],
    /// From the wish to be called back to what the caller is told of it.
    PromiseAnswer = Histogram "ringback_promise_answer_seconds" [],
    /// Messages after the tone that are over, by what became of them.
    Messages = Counter "ringback_messages_total" ["outcome"],
    /// Dials that were admitted, by how they were paid for.
    Attempts = Counter "ringback_attempts_total" ["provider", "tier", "charge"],
    /// Attempts that failed, whether dialled or live, by fault.
    AttemptFaults = Counter "ringback_attempt_faults_total" ["provider", "fault"],
    /// Answers that failed on a session that goes on, by fault.
    AnswerFaults = Counter "ringback_answer_faults_total" ["provider", "fault"],
    /// From a dial to a configured session.
    SessionReady = Histogram "ringback_session_ready_seconds" ["provider"],
    /// From a call's first dial to its first session, by whether anything was dialled again or beside.
    SessionWait = Histogram "ringback_session_wait_seconds" ["retried"],
    /// Requests for a session that were answered with nothing, by reason.
    NotAdmitted = Counter "ringback_not_admitted_total" ["why"],
    /// What was dialled because something had failed, by how it was paid for and what became of it.
    Retries = Counter "ringback_retries_total" ["charge", "outcome"],
    /// Second dials beside a slow one, by what became of them.
    Hedges = Counter "ringback_hedges_total" ["outcome"],
    /// Synthetic sessions that looked whether a provider is well again.
    Probes = Counter "ringback_probes_total" ["provider", "outcome"],
    /// Sessions that were dialled before a call needed one, by what became of them.
    Spares = Counter "ringback_spares_total" ["provider", "outcome"],
    /// Sessions that were to speak a prompt for its recording, by what became of them.
    Renderings = Counter "ringback_renderings_total" ["provider", "outcome"],
    /// The breaker of an endpoint or a key: 0 closed, 1 half-open, 2 open, 3 isolated.
    BreakerState = Gauge "ringback_breaker_state" ["provider", "key"],
    /// Changes of breakers.
    BreakerTransitions = Counter "ringback_breaker_transitions_total" ["provider", "key", "from", "to", "cause"],
    /// The share of calls that a provider takes, if they come: less than 1 in the slow start, 0 while its breaker is open.
    Admits = Gauge "ringback_provider_admits_ratio" ["provider"],
    /// Sessions at a provider, those being dialled included, spares not.
    SessionsLive = Gauge "ringback_sessions_live" ["provider"],
    /// Spares that wait for a call.
    SparesReady = Gauge "ringback_spares_ready" ["provider"],
    /// Sessions that could start at once with a key.
    KeyStarts = Gauge "ringback_key_starts_left" ["provider", "key"],
    /// For how long the provider still wants no more sessions with a key.
    KeyRest = Gauge "ringback_key_rest_seconds" ["provider", "key"],
    /// Calls that wait for a session.
    CallsWaiting = Gauge "ringback_calls_waiting" [],
    /// Extra dials that the fleet's budget still allows.
    ExtraLeft = Gauge "ringback_extra_dials_left" [],
    /// Redials of live calls that the reserve still holds.
    ReserveLeft = Gauge "ringback_reserve_redials_left" [],
    /// Whether the store does not keep what it should: 1 if so.
    StoreTrouble = Gauge "ringback_store_trouble" [],
    /// Transactions of the store that are on disk.
    StoreCommits = Counter "ringback_store_commits_total" [],
    /// Writes in them.
    StoreWrites = Counter "ringback_store_writes_total" [],
    /// How often the file of the store was opened anew after its disk had refused.
    StoreMended = Counter "ringback_store_mended_total" [],
    /// Whether the store that nodes share is away: 1 if so.
    SharedTrouble = Gauge "ringback_shared_trouble" [],
    /// Calls whose newest checkpoint or end the shared store does not know yet.
    SharedWaiting = Gauge "ringback_shared_waiting" [],
    /// Requests of calls to the shared store that failed; what was to be written is tried again.
    SharedFailed = Counter "ringback_shared_failed_total" [],
    /// Checkpoints and ends that were left out because too many waited.
    SharedLeftOut = Counter "ringback_shared_left_out_total" [],
    /// Commands that were sent to the shared store.
    SharedCommands = Counter "ringback_shared_commands_total" [],
    /// Other nodes that there should be.
    NodesKnown = Gauge "ringback_nodes_known" [],
    /// Other nodes that said how they are within the last seconds.
    NodesHeard = Gauge "ringback_nodes_heard" [],
    /// Whether the region of this node is active, so that it rings: 1 if so.
    RegionActive = Gauge "ringback_region_active" [],
    /// Promises that are open.
    CallbacksOpen = Gauge "ringback_callbacks_open" [],
    /// Whether nothing is texted or rung because it is not certain what time it is: 1 if so.
    CallbacksClock = Gauge "ringback_callbacks_clock_unsure" [],
    /// What the ledger answered to wishes to be called back, with its reason.
    CallbacksTold = Counter "ringback_callbacks_told_total" ["told"],
    /// Promises that ended, by how.
    CallbacksEnded = Counter "ringback_callbacks_ended_total" ["end"],
    /// Times a cap was reached, by which.
    CallbacksCapped = Counter "ringback_callbacks_capped_total" ["cap"],
    /// Texts and rings that were requested of the carrier, and what became of the requests.
    CallbackRequests = Counter "ringback_callback_requests_total" ["kind", "outcome"],
    /// Messages after the tone that wait for somebody to take them.
    MessagesWaiting = Gauge "ringback_messages_waiting" [],
    /// From when on the listener's certificate is of no use, in seconds since 1970.
    CertificateExpires = Gauge "ringback_certificate_expires_timestamp_seconds" [],
    /// How late the event loop woke a sleeper.
    LoopLag = Histogram "ringback_event_loop_lag_seconds" [],
    /// Memory that is resident.
    Memory = Gauge "process_resident_memory_bytes" [],
    /// Time that processors spent on the process.
    Cpu = Counter "process_cpu_seconds_total" [],
    /// File descriptors that are open.
    OpenFds = Gauge "process_open_fds" [],
    /// File descriptors that may be open.
    MaxFds = Gauge "process_max_fds" [],
}
