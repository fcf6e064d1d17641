//! Everything that a run measures, by name.

use std::collections::BTreeMap;

macro_rules! figures {
    ($($variant:ident, $name:literal, $unit:literal, $worst:ident, $about:literal;)+) => {
        /// Something that a run measures.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Figure {
            $(#[doc = $about] $variant,)+
        }

        impl Figure {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in plans and in JSON, with its unit.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Its unit for people.
            pub fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit,)+ }
            }

            /// One bad round is not outvoted by four good ones where it is about what must never happen.
            fn worst(self) -> Worst {
                match self { $(Self::$variant => Worst::$worst,)+ }
            }

            /// What it says.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)+ }
            }
        }
    };
}

figures! {
    CallsStarted, "calls_started", "", Lowest, "Calls that were dialled.";
    CallsCompleted, "calls_completed", "", Lowest, "Calls that their callers ended, at the end of the recording or of the run.";
    CallsFailed, "calls_failed", "", Highest, "Calls that were refused, broke, or were ended by the server before their time.";
    CallsApologized, "calls_apologized", "", Highest, "Calls that the server ended in order, after words of its own.";
    CallsSilent, "calls_silent", "", Highest, "Calls in which nothing was ever heard.";
    CallsElsewhere, "calls_elsewhere", "", Median, "Calls whose first session was not at the first of the models, by name.";
    CallsStranded, "calls_stranded", "", Highest, "Calls that went on for seconds after their session had ended by a fault, without another one.";
    FramesUp, "frames_up", "", Median, "The callers' frames of 20 ms.";
    FramesDown, "frames_down", "", Median, "The model's blocks of 20 ms that reached a phone.";
    FramesLost, "frames_lost", "", Highest, "Gaps in what arrived, both ways: a later block of the same stream or item came, this one did not.";
    FramesLostStart, "frames_lost_start", "", Highest, "Callers' frames before the first that the model got.";
    FramesLostEnd, "frames_lost_end", "", Highest, "Callers' frames after the last that the model got; what is said into a hang-up is lost on no one.";
    FramesTwice, "frames_twice", "", Highest, "Blocks that came more than once or out of order, both ways.";
    FramesMisread, "frames_misread", "", Highest, "Frames that the model took for another audio format: they came before the session was configured.";
    UpP50, "up_p50_ms", "ms", Median, "Added latency, caller to model, median.";
    UpP99, "up_p99_ms", "ms", Median, "Added latency, caller to model, 99 %.";
    UpP999, "up_p99_9_ms", "ms", Median, "Added latency, caller to model, 99.9 %.";
    DownP50, "down_p50_ms", "ms", Median, "Added latency, model to caller, median.";
    DownP99, "down_p99_ms", "ms", Median, "Added latency, model to caller, 99 %.";
    DownP999, "down_p99_9_ms", "ms", Median, "Added latency, model to caller, 99.9 %.";
    FirstAudioP50, "first_audio_p50_ms", "ms", Median, "From the start of a call to its first audio, median.";
    FirstAudioP99, "first_audio_p99_ms", "ms", Median, "From the start of a call to its first audio, 99 %.";
    FirstModelP50, "first_model_p50_ms", "ms", Median, "From the start of a call to the first audio of a model, median.";
    FirstModelP99, "first_model_p99_ms", "ms", Median, "The same, 99 %.";
    FirstModelOpenP50, "first_model_open_p50_ms", "ms", Median, "The same of calls that began while a breaker was to be open, by the plan's `[breaker]`, median.";
    FirstModelOpenP99, "first_model_open_p99_ms", "ms", Median, "The same of these, 99 %.";
    AnswerP50, "answer_p50_ms", "ms", Median, "From the end of a caller's turn to the first sound of the answer, median.";
    AnswerP99, "answer_p99_ms", "ms", Median, "From the end of a caller's turn to the first sound of the answer, 99 %.";
    DeadAirMax, "dead_air_ms", "ms", Highest, "The longest time that a caller who was owed an answer, or the rest of one, heard nothing.";
    GapP50, "gap_p50_ms", "ms", Median, "After a fault of a session that was owed to be heard, with nothing buffered: from then until the model is heard, median.";
    GapP99, "gap_p99_ms", "ms", Median, "The same, 99 %.";
    GapMax, "gap_max_ms", "ms", Highest, "The same, the longest.";
    GapSpeakingP50, "gap_speaking_p50_ms", "ms", Median, "Of faults while the caller spoke: from the end of the turn until the model is heard, median.";
    GapSpeakingP99, "gap_speaking_p99_ms", "ms", Median, "The same, 99 %.";
    GapSpeakingMax, "gap_speaking_max_ms", "ms", Highest, "The same, the longest.";
    GapWaitingP50, "gap_waiting_p50_ms", "ms", Median, "Of faults while the caller waited: from the fault until the model is heard, median.";
    GapWaitingP99, "gap_waiting_p99_ms", "ms", Median, "The same, 99 %.";
    GapWaitingMax, "gap_waiting_max_ms", "ms", Highest, "The same, the longest.";
    GapMidAnswerP50, "gap_mid_answer_p50_ms", "ms", Median, "Of faults in the middle of an answer: how long it broke off, whatever was buffered, median.";
    GapMidAnswerP99, "gap_mid_answer_p99_ms", "ms", Median, "The same, 99 %.";
    GapMidAnswerMax, "gap_mid_answer_max_ms", "ms", Highest, "The same, the longest.";
    GapsUnanswered, "gaps_unanswered", "", Highest, "Faults after which the model was not heard for four seconds or more, until the caller spoke again or left.";
    StruckSpeaking, "struck_speaking", "", Lowest, "Sessions that went wrong while the caller spoke.";
    StruckWaiting, "struck_waiting", "", Lowest, "Sessions that went wrong while the caller waited.";
    StruckMidAnswer, "struck_mid_answer", "", Lowest, "Sessions that went wrong in the middle of an answer.";
    NoticedAfter, "noticed_after_ms", "ms", Highest, "From a fault of a session that was owed to be heard, or from the end of the turn after it, until the call had another session, the longest.";
    TurnsTorn, "turns_torn", "", Highest, "Turns that were not answered when their session went wrong, and that did not reach the next one whole.";
    AnswersBrokenOff, "answers_broken_off", "", Highest, "Answers that were being made when their session went wrong, and that nobody went on with before the caller spoke again.";
    RememberedUnheard, "remembered_unheard_ms", "ms", Highest, "The most by which the next session believed more of a cut answer to be said than was played, by the length of its text.";
    Overtaken, "overtaken", "", Highest, "Calls that waited for a session while one that had lost its own later was given one.";
    ApologyAfter, "apology_after_ms", "ms", Highest, "From when the model was owed to the apology, the longest.";
    Dials, "dials", "", Median, "Dials to all models.";
    DialsFailed, "dials_failed", "", Highest, "Dials that were refused, reset or never answered.";
    DialsPeak, "dials_peak", "", Highest, "The most dials to one model in one second.";
    ExtraDials, "extra_dials_percent", "%", Highest, "Dials beyond one for each call and one for each session that went wrong under a call.";
    DialsPeakAfter, "dials_peak_after_outage", "", Highest, "The most dials in one second to a model that had been out, after its breaker should first have opened.";
    BreakerOpens, "breaker_opens_ms", "ms", Highest, "From the first dial that failed to the last before a breaker should be open, by the plan's `[breaker]`, the longest.";
    CallersAsProbes, "callers_as_probes", "", Highest, "Calls whose session was opened at a model whose breaker should have been half-open: before enough probes were good.";
    DialsWhileOpen, "dials_while_open", "", Highest, "Dials to a model whose breaker should have been open, by the plan's `[breaker]`.";
    TurnsSaid, "turns_said", "", Median, "Turns that callers said.";
    TurnsUnanswered, "turns_unanswered", "", Highest, "Turns whose answer was still owed when the caller spoke again or the call ended.";
    BargeIns, "barge_ins", "", Lowest, "Turns that callers began while the agent was heard.";
    Truncations, "truncations", "", Lowest, "Answers of which the server told the model how much was heard.";
    TruncationErrorP95, "truncation_error_p95_ms", "ms", Median, "How far what it told is from what was played, beyond the call's own delay of mark echoes, 95 %.";
    TruncationOver, "truncation_over_ms", "ms", Highest, "The most by which the server claimed more to be heard than was played.";
    ClearP50, "clear_p50_ms", "ms", Median, "From the model's `speech_started` to the clear at the phone, median.";
    ClearP99, "clear_p99_ms", "ms", Median, "From the model's `speech_started` to the clear at the phone, 99 %.";
    CpuPerCallSecond, "cpu_ms_per_call_second", "ms", Median, "CPU time of the server for a second of one call, in the steady window.";
    RssPerCall, "rss_kib_per_call", "KiB", Median, "Memory of the server for a call: at the end of the steady window, less what it held idle before.";
    RssIdle, "rss_idle_kib", "KiB", Median, "Memory of the server before the first call.";
    RssSteady, "rss_steady_kib", "KiB", Median, "Memory of the server at the end of the steady window.";
    Documents, "documents", "", Median, "Documents that carriers fetched and carried out.";
    DocumentsFailed, "documents_failed", "", Highest, "Documents that could not be fetched or carried out.";
    VoiceUrlP50, "voice_url_p50_ms", "ms", Median, "From asking the Voice URL to its document, connection included, median.";
    VoiceUrlP99, "voice_url_p99_ms", "ms", Median, "The same, 99 %.";
    StreamsOpened, "streams_opened", "", Median, "Streams that carriers opened.";
    StreamsLost, "streams_lost", "", Highest, "Streams that were cut, or did not open.";
    CallsResumed, "calls_resumed", "", Lowest, "Calls that went on with another stream.";
    BetweenStreams, "between_streams_ms", "ms", Highest, "From the end of a call's stream to the opening of its next one, the longest.";
    BetweenStreamsP99, "between_streams_p99_ms", "ms", Highest, "From the end of a call's stream to the opening of its next one, 99 %.";
    CallsStruck, "calls_struck", "", Lowest, "Calls whose stream was lost, or closed by the server so that it goes on elsewhere.";
    CallsLost, "calls_lost", "", Highest, "Calls that did not go on after their stream was gone, although their callers stayed.";
    AudibleP50, "audible_p50_ms", "ms", Highest, "From when a carrier noticed that a stream was gone, or from the end of what its caller was saying then, until the model is heard: median.";
    AudibleP99, "audible_p99_ms", "ms", Highest, "From when a carrier noticed that a stream was gone until the model is heard: 99 %.";
    AudibleMax, "audible_max_ms", "ms", Highest, "From when a carrier noticed that a stream was gone until the model is heard: the longest.";
    CallsForgotten, "calls_forgotten", "", Highest, "Calls that went on with a model that was not told of a turn which had been answered, the answer heard to its end a second before.";
    TurnsLost, "turns_lost", "", Highest, "The most turns of one caller that the next model was not told of, answered or not.";
    CallsUnanswered, "calls_unanswered", "", Highest, "Calls that came in and got no document at all.";
    AnsweredMax, "answered_max_ms", "ms", Highest, "From a call's coming in to its first document, by the fallback URL where it took that: the longest.";
    Fallbacks, "fallbacks", "", Median, "Documents that were asked for at the fallback URL.";
    SessionsLeft, "sessions_left", "", Highest, "Sessions of callers that were still open when all calls had been over for seconds.";
    GreetedTwice, "greeted_twice", "", Highest, "Calls that were greeted again.";
    CallbacksFailed, "callbacks_failed", "", Highest, "Status callbacks that were not answered well.";
    StrangerSockets, "stranger_sockets", "", Lowest, "Strangers' sockets that were opened, over the window.";
    ForgedAsked, "forged_webhooks", "", Lowest, "Webhooks with a wrong signature.";
    ForgedServed, "forged_served", "", Highest, "Those of them that were answered with a document.";
    Answers, "answers", "", Lowest, "Calls that only rang, and got their document.";
    AnswersFailed, "answers_failed", "", Highest, "Those that got none.";
    AnswersP50, "answers_p50_ms", "ms", Median, "From such a call's coming in to its document, connection included, median.";
    AnswersP99, "answers_p99_ms", "ms", Median, "The same, 99 %.";
    Hurried, "hurried", "", Lowest, "Callers who wanted to be called back, pressed their keys without listening, and were gone.";
    HurriedFailed, "hurried_failed", "", Highest, "Those who came to no stream, or whose stream was cut.";
    Promises, "promises", "", Lowest, "Callers who heard that they are texted and called back.";
    PromisesLost, "promises_lost", "", Highest, "Those of them whose phone got neither a text nor a ring by the end.";
    Texts, "texts", "", Median, "Texts that Twilio took in.";
    TextsDouble, "texts_double", "", Highest, "Those of them beyond one for each lost call.";
    TextsAfterStop, "texts_after_stop", "", Highest, "Texts that were asked for after their phone's STOP had been answered, refused or not.";
    TextsToOne, "texts_to_one", "", Highest, "The most texts to one phone.";
    TextAnswers, "text_answers", "", Median, "Answers to what phones had written.";
    Rings, "rings", "", Median, "Calls that Twilio was asked to make, and took in.";
    RingsDouble, "rings_double", "", Highest, "Those of them beside or right behind another one of the same phone, or behind a conversation.";
    RingsInVain, "rings_in_vain", "", Highest, "Those of them before any model was back.";
    RingsOutsideHours, "rings_outside_hours", "", Highest, "Those of them when people there are asleep, by the plan's `[phones]`.";
    RingsAfterStop, "rings_after_stop", "", Highest, "Those of them after their phone's STOP had been answered.";
    RingsUnasked, "rings_unasked", "", Highest, "Those of them to phones that were keyed in, or that nobody vouches for, without their YES.";
    RingsToOne, "rings_to_one", "", Highest, "The most rings of one phone.";
    PhonesStopped, "phones_stopped", "", Lowest, "Phones whose STOP was answered.";
    Money, "money_cents", "ct", Highest, "What texts, answers and rings cost, by the plan's `[phones]`.";
    Harms, "harms", "", Lowest, "Rows of the timetable that were carried out while callers were there.";
    DrainsFailed, "drains_failed", "", Highest, "Nodes that were asked to end, and did not in order and in time.";
    NodesFell, "nodes_fell", "", Highest, "Nodes whose process ended though nobody had ended it.";
    NeverReady, "never_ready", "", Highest, "Versions that were deployed and never ready.";
    WithdrawnAfter, "withdrawn_after_ms", "ms", Highest, "From when a version was ready until it had withdrawn by itself, the longest.";
    CallsTouched, "calls_touched_percent", "%", Highest, "Calls that failed, or of which a session ended by a fault, of all calls.";
    StreamsLostParted, "streams_lost_parted", "", Highest, "Streams that were lost, or moved by the server, while regions were parted and for seconds after it.";
    UpP99Before, "up_p99_before_ms", "ms", Median, "Added latency, caller to model, 99 %, of sessions that were over before any harm.";
    UpP99During, "up_p99_during_ms", "ms", Median, "The same of sessions between the first harm and the last.";
    UpRatioToBefore, "up_p99_ratio_to_before", "×", Median, "The one against the other.";
    Kills, "kills", "", Lowest, "How often the server was killed and started again.";
    Violations, "violations", "", Highest, "Messages to the carrier that it would have warned about.";
    Errors, "model_errors", "", Highest, "Requests that the model refused.";
    CpuRatioToRelay, "cpu_ratio_to_relay", "×", Median, "CPU time against the bare relay.";
    UpRatioToRelay, "up_p99_ratio_to_relay", "×", Median, "99 % of added latency, caller to model, against the bare relay.";
    DownRatioToRelay, "down_p99_ratio_to_relay", "×", Median, "99 % of added latency, model to caller, against the bare relay.";
    CpuRatioToPlain, "cpu_ratio_to_plain", "×", Median, "CPU time against the same server with a model that speaks no TLS.";
    UpRatioToQuiet, "up_p99_ratio_to_quiet", "×", Median, "99 % of added latency, caller to model, against the same server with nobody beside the callers.";
    DownRatioToQuiet, "down_p99_ratio_to_quiet", "×", Median, "99 % of added latency, model to caller, against the same.";
    RssRatioToQuiet, "rss_ratio_to_quiet", "×", Median, "Memory at the end of the steady window against the same.";
    CpuRatioToWell, "cpu_ratio_to_well", "×", Median, "CPU time for a second of one call against the same server with models that are well.";
    CpuRatioToFewer, "cpu_ratio_to_fewer", "×", Median, "CPU time for a second of one call against the same server with fewer calls.";
    UpRatioToFewer, "up_p99_ratio_to_fewer", "×", Median, "99 % of added latency, caller to model, against the same.";
    DownRatioToFewer, "down_p99_ratio_to_fewer", "×", Median, "99 % of added latency, model to caller, against the same.";
    RssRatioToPlain, "rss_ratio_to_plain", "×", Median, "Memory against the same server with a model that speaks no TLS.";
}

impl Figure {
    /// The figure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|figure| figure.name() == name)
    }
}

/// What was measured. A figure that is not in it could not be measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(BTreeMap<Figure, f64>);

impl Figures {
    /// Notes a figure.
    pub fn set(&mut self, figure: Figure, value: f64) {
        self.0.insert(figure, value);
    }

    /// Notes a figure if it could be measured.
    pub fn set_some(&mut self, figure: Figure, value: Option<f64>) {
        if let Some(value) = value {
            self.set(figure, value);
        }
    }

    /// Reads a figure.
    pub fn get(&self, figure: Figure) -> Option<f64> {
        self.0.get(&figure).copied()
    }

    /// All that were measured, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Figure, f64)> {
        self.0.iter().map(|(&figure, &value)| (figure, value))
    }

    /// Of each figure the median of the rounds, but for counts of what must not happen: of them the worst round.
    pub fn median(rounds: &[Self]) -> Self {
        let mut all: BTreeMap<Figure, Vec<f64>> = BTreeMap::new();
        for (figure, value) in rounds.iter().flat_map(Self::iter) {
            all.entry(figure).or_default().push(value);
        }
        let of_rounds = |(figure, mut values): (Figure, Vec<f64>)| {
            values.sort_by(f64::total_cmp);
            let value = match figure.worst() {
                Worst::Highest => values.last(),
                Worst::Lowest => values.first(),
                Worst::Median => values.get(values.len() / 2),
            };
            value.map(|&value| (figure, value))
        };
        Self(all.into_iter().filter_map(of_rounds).collect())
    }
}

/// Which round counts.
enum Worst {
    Highest,
    Lowest,
    /// The median.
    Median,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_hides_a_slow_round_but_never_a_lost_frame() {
        let round = |latency, lost| {
            let mut figures = Figures::default();
            figures.set(Figure::UpP99, latency);
            figures.set(Figure::FramesLost, lost);
            figures
        };
        let median = Figures::median(&[round(9.0, 0.0), round(1.0, 3.0), round(2.0, 0.0)]);
        assert_eq!(median.get(Figure::UpP99), Some(2.0));
        assert_eq!(median.get(Figure::FramesLost), Some(3.0));
        assert_eq!(median.get(Figure::Violations), None);
    }

    #[test]
    fn names_are_unique() {
        for &figure in Figure::ALL {
            assert_eq!(Figure::named(figure.name()), Some(figure));
        }
    }
}
