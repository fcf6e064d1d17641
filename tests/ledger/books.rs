//! The checkers: what must hold in every life, judged by what the doubles see and not by what the ledger says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringback::core::callback::caps::Cap;
use ringback::core::callback::effect::{
    Answer, Cannot, Reply, RingRequest, Seen, TextRequest, Told, Write,
};
use ringback::core::callback::input::{InboundText, Input, Models, RingStatus, Stored};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::{Number, Prefix};
use ringback::core::callback::promise::{End, Promise, SendId, Source, Stage, Why};
use ringback::core::callback::settings::Settings;
use ringback::core::ids::{CallId, MessageSid, PromiseId};
use ringback::core::time::Utc;

use crate::keeper::Keeper;
use crate::world::variant;

const TELL_WITHIN: Duration = Duration::from_millis(300);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A request is counted when it is made, and seen when it is taken on.
const TAKEN_LATE: Duration = Duration::from_mins(2);

#[derive(Debug, Default)]
pub(crate) struct Books {
    /// What was broken, and how.
    pub(crate) findings: Vec<(&'static str, String)>,
    pub(crate) counts: BTreeMap<String, u64>,
    waiting: BTreeMap<CallId, Duration>,
    told: BTreeSet<PromiseId>,
    /// Numbers whose STOP this process has heard, and those whose STOP was answered for.
    stopping: BTreeSet<Number>,
    stopped: BTreeSet<Number>,
    stops_heard: BTreeSet<MessageSid>,
    at_the_carrier: BTreeSet<Number>,
    confirmed: BTreeSet<Number>,
    served: BTreeMap<PromiseId, Number>,
    replied: BTreeSet<MessageSid>,
    sends: BTreeMap<SendId, PromiseId>,
    texts: Vec<(Duration, Number, PromiseId)>,
    rings: Vec<(Duration, Number, PromiseId)>,
    last_text: Option<Duration>,
    forgotten: BTreeSet<Number>,
    is_clock_stepped: bool,
}

impl Books {
    pub(crate) fn find(&mut self, checker: &'static str, what: String) {
        self.findings.push((checker, what));
    }

    fn must(&mut self, holds: bool, checker: &'static str, what: &str) {
        if !holds {
            self.find(checker, what.to_owned());
        }
    }

    pub(crate) fn count(&mut self, what: &str) {
        let what = what
            .split(|c: char| c.is_ascii_digit() || c == '-')
            .next()
            .unwrap_or(what);
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn sees(&mut self, seen: &Seen) {
        match seen {
            Seen::Ended(id, end) => {
                self.count(&format!("ended {}", end.name()));
                if *end == End::GaveUp(Why::Unanswered) {
                    let was_rung = self.rings.iter().any(|(_, _, rung)| rung == id);
                    self.must(
                        was_rung,
                        "nobody is lost",
                        "given up as unanswered, and never rung",
                    );
                }
            }
            Seen::Told(_) => {}
            Seen::Requested(kind)
            | Seen::Unknown(kind)
            | Seen::Found(kind)
            | Seen::Lost(kind)
            | Seen::LookUpFailed(kind)
            | Seen::Refused(kind)
            | Seen::Double(kind) => self.count(&format!("{} {kind:?}", variant(seen))),
            Seen::Capped(cap) => self.count(&format!("capped {cap:?}")),
            Seen::Waits(cap) => self.count(&format!("waits {cap:?}")),
            Seen::ClockUnsure | Seen::ClockSane | Seen::WriteFailed | Seen::Stranger => {
                self.count(&variant(seen));
            }
        }
        if let Seen::Double(kind) = seen {
            self.find("no doubles", format!("{kind:?}"));
        }
        // Who is alone has the money for what was promised, unless it is another day all of a sudden.
        if *seen == Seen::Waits(Cap::Money) && !self.is_clock_stepped {
            self.find("what is promised is paid for", "a request waits".to_owned());
        }
    }

    // Promises and what is told.

    pub(crate) fn wishes(&mut self, now: Duration, call: CallId) {
        self.waiting.insert(call, now);
    }

    pub(crate) fn every_wish_is_answered_in_time(&mut self, now: Duration) {
        let is_late = |since: &Duration| now > *since + TELL_WITHIN;
        if self.waiting.values().any(is_late) {
            self.waiting.retain(|_, since| !is_late(since));
            self.find("told in time", "a call was not told".to_owned());
        }
    }

    pub(crate) fn tells(
        &mut self,
        now: Duration,
        call: CallId,
        told: Told,
        to: Number,
        keeper: &Keeper,
    ) {
        match self.waiting.remove(&call) {
            Some(since) => self.must(now <= since + TELL_WITHIN, "told in time", "late"),
            None => self.find("told in time", "twice".to_owned()),
        }
        let open = keeper.open_of(to);
        match told {
            Told::Promised { asks } => match open.filter(|open| open.call == call) {
                Some(open) => {
                    self.told.insert(open.id);
                    let is_so = asks == open.needs_yes();
                    self.must(is_so, "no ring promised where YES is needed", "promised");
                }
                None => self.find("nothing told that is not durable", "promised".to_owned()),
            },
            Told::Already { asks } => match open {
                Some(open) => {
                    let is_so = asks || !open.needs_yes();
                    self.must(is_so, "no ring promised where YES is needed", "already");
                }
                None => self.find("nothing told that is not durable", "already".to_owned()),
            },
            Told::Cannot(Cannot::Capped(_)) => self.count("refused by a cap"),
            Told::Cannot(_) => {}
        }
    }

    pub(crate) fn is_kept(&mut self, what: &Write, stored: Stored) {
        if stored != Stored::Kept {
            self.count(&format!("stored {}", variant(&stored)));
            return;
        }
        let (Write::Promise(promise, _) | Write::Change { promise, .. }) = what else {
            return;
        };
        self.sends.insert(SendId::text(promise.id), promise.id);
        if let Some(send) = promise.flight() {
            self.sends.insert(send, promise.id);
        }
        if matches!(promise.stage, Stage::Connected { .. }) {
            self.served.insert(promise.id, promise.to);
        }
    }

    pub(crate) fn crash(&mut self) {
        self.waiting.clear();
        self.stopping.clear();
        self.stops_heard.clear();
        self.last_text = None;
    }

    // Texts of callers.

    pub(crate) fn hears(&mut self, text: &InboundText) {
        self.count(&format!("heard {}", variant(&text.intent)));
        match text.intent {
            Intent::Stop => {
                if self.stops_heard.insert(text.message) {
                    self.stopping.insert(text.from);
                }
            }
            Intent::Start => {
                self.stopping.remove(&text.from);
                self.stopped.remove(&text.from);
                self.at_the_carrier.remove(&text.from);
            }
            Intent::Yes | Intent::Call | Intent::At(_) => {
                self.confirmed.insert(text.from);
            }
            Intent::Help | Intent::No | Intent::Free => {}
        }
    }

    pub(crate) fn answers(&mut self, text: &InboundText, answer: Answer, keeper: &Keeper) {
        if text.intent == Intent::Stop && self.stopping.contains(&text.from) {
            self.stopped.insert(text.from);
            let is_kept = keeper.opted_out.contains(&text.from);
            self.must(is_kept, "STOP is final", "answered for and not kept");
        }
        let (Answer::Reply(reply), open) = (answer, keeper.open_of(text.from)) else {
            return;
        };
        // Whoever asks again is told the same again, whatever has happened since.
        if !self.replied.insert(text.message) {
            return;
        }
        match reply {
            Reply::Soon | Reply::At(_) => {
                let rule = "nothing told that is not durable";
                self.must(open.is_some(), rule, "a reply promised");
            }
            Reply::Declined => self.must(
                open.is_none(),
                "nothing told that is not durable",
                "declined",
            ),
            Reply::Help | Reply::NotThen | Reply::Welcome | Reply::Unclear | Reply::CallUs => {}
        }
    }

    /// The answer to a text stands, though nobody waits for it any more.
    pub(crate) fn has_reply(&mut self, message: MessageSid, answer: Answer) {
        if matches!(answer, Answer::Reply(_)) {
            self.replied.insert(message);
        }
    }

    pub(crate) fn carrier_stops(&mut self, number: Number) {
        self.at_the_carrier.insert(number);
    }

    pub(crate) fn is_stopped_at_the_carrier(&self, number: Number) -> bool {
        self.at_the_carrier.contains(&number)
    }

    pub(crate) fn clock_steps(&mut self) {
        self.is_clock_stepped = true;
    }

    pub(crate) fn forgets(&mut self, number: Number) {
        self.forgotten.insert(number);
    }

    fn is_stopped(&self, number: Number) -> bool {
        self.stopping.contains(&number) || self.stopped.contains(&number)
    }

    // Requests.

    pub(crate) fn text_is_requested(
        &mut self,
        now: Duration,
        text: &TextRequest,
        kept: Option<&Promise>,
        keeper: &Keeper,
    ) {
        self.must(!self.is_stopped(text.to), "STOP is final", "a text");
        let is_kept = kept.is_some_and(|kept| keeper.has_begun(kept.id, text.send));
        self.must(is_kept, "in flight is kept first", "a text");
        let soon = self
            .last_text
            .is_some_and(|last| now < last + Duration::from_millis(500));
        self.must(!soon, "texts keep their pace", "two at once");
        self.last_text = Some(now);
    }

    pub(crate) fn ring_is_requested(
        &mut self,
        ring: &RingRequest,
        kept: Option<&Promise>,
        keeper: &Keeper,
    ) {
        self.must(!self.is_stopped(ring.to), "STOP is final", "a ring");
        let is_kept = kept.is_some_and(|kept| keeper.has_begun(kept.id, ring.send));
        self.must(is_kept, "in flight is kept first", "a ring");
        let Some(kept) = kept else { return };
        self.must(
            !self.served.contains_key(&kept.id),
            "no doubles",
            "rung though served",
        );
        let may = kept.source == Source::CallerId || self.confirmed.contains(&ring.to);
        self.must(may, "YES comes first", "a ring without it");
    }

    pub(crate) fn clock_is_sane(&mut self, error: i64) {
        self.must(
            error.abs() <= 5_000,
            "nothing while the clock is wrong",
            "a request",
        );
    }

    pub(crate) fn models_are_back(&mut self, models: Models) {
        let is_back = matches!(models, Models::Back { .. });
        self.must(is_back, "rings wait for models", "a ring without one");
    }

    pub(crate) fn is_at_a_fit_time(
        &mut self,
        promise: &Promise,
        utc: Utc,
        at_any_hour_within: Duration,
    ) {
        let is_soon = !at_any_hour_within.is_zero()
            && utc.since(promise.promised) <= at_any_hour_within + Duration::from_secs(5);
        // The clock may be wrong by so much.
        let near = [utc.millis() - 5_000, utc.millis(), utc.millis() + 5_000];
        let is_allowed = near
            .into_iter()
            .any(|at| promise.hours.allow(Utc::from_millis(at)));
        self.must(
            is_soon || is_allowed,
            "never outside allowed hours",
            "a request",
        );
    }

    pub(crate) fn promise_of(&self, send: SendId) -> PromiseId {
        self.sends[&send]
    }

    pub(crate) fn text_is_taken_on(
        &mut self,
        now: Duration,
        send: SendId,
        to: Number,
        settings: &Settings,
    ) {
        let promise = self
            .sends
            .get(&send)
            .copied()
            .unwrap_or(PromiseId::from_bits(0));
        let is_double = self.texts.iter().any(|(_, _, other)| *other == promise);
        self.must(!is_double, "one text a lost call", "two taken on");
        self.texts.push((now, to, promise));
        self.caps_hold(now, to, settings);
    }

    pub(crate) fn ring_is_taken_on(
        &mut self,
        now: Duration,
        promise: PromiseId,
        to: Number,
        is_ringing: bool,
        settings: &Settings,
    ) {
        self.must(!is_ringing, "no doubles", "rung while it rings");
        self.rings.push((now, to, promise));
        let rings = self
            .rings
            .iter()
            .filter(|(_, _, other)| *other == promise)
            .count();
        self.must(
            rings <= settings.rings_max.into(),
            "caps hold",
            "too many rings of a promise",
        );
        self.caps_hold(now, to, settings);
    }

    fn caps_hold(&mut self, now: Duration, to: Number, settings: &Settings) {
        if !self.forgotten.is_empty() {
            return;
        }
        let caps = &settings.caps;
        let within = |list: &[(Duration, Number, PromiseId)],
                      window: Duration,
                      fits: &dyn Fn(Number) -> bool| {
            let is_in = |at: Duration| at + window > now + TAKEN_LATE;
            let found = list
                .iter()
                .filter(|(at, number, _)| is_in(*at) && fits(*number));
            u32::try_from(found.count()).unwrap()
        };
        let to_same = |number: Number| number == to;
        let prefix: Prefix = to.prefix(caps.prefix_digits);
        let alike = |number: Number| number.begins_with(prefix);
        let any = |_: Number| true;
        let texts = within(&self.texts, DAY, &any);
        let rings = within(&self.rings, DAY, &any);
        let spent = texts * caps.text_cents + rings * caps.ring_cents;
        let held = [
            (spent <= caps.cents, "money"),
            (
                within(&self.texts, HOUR, &alike) <= caps.per_prefix,
                "texts to a prefix",
            ),
            (
                within(&self.rings, HOUR, &alike) <= caps.per_prefix,
                "rings to a prefix",
            ),
            // A promise of yesterday may still be open.
            (
                within(&self.texts, DAY, &to_same) <= caps.per_destination + 2,
                "texts to a number",
            ),
        ];
        for (holds, what) in held {
            self.must(holds, "caps hold", what);
        }
    }

    pub(crate) fn is_told(&mut self, input: &Input) {
        // A machine had answered after all.
        if let Input::RingStatus(send, _, RingStatus::Machine) = input
            && let Some(promise) = self.sends.get(send)
        {
            self.served.remove(promise);
        }
    }

    /// They call again: if they were being served, that call was lost in its turn.
    pub(crate) fn calls_again(&mut self, number: Number) {
        self.served.retain(|_, other| *other != number);
    }

    // Ends.

    pub(crate) fn at_the_end(&mut self, keeper: &Keeper, in_memory: usize, is_calm: bool) {
        self.must(
            in_memory == 0,
            "every promise reaches an end",
            "one is left in memory",
        );
        let told = std::mem::take(&mut self.told);
        for id in told {
            let Some((promise, _)) = keeper.promises.get(&id) else {
                self.must(
                    !self.forgotten.is_empty(),
                    "nobody is lost",
                    "a promise is gone",
                );
                continue;
            };
            let Stage::Ended(end) = promise.stage else {
                self.find(
                    "every promise reaches an end",
                    promise.stage.name().to_owned(),
                );
                continue;
            };
            let is_lost = end == End::Expired && !promise.needs_yes();
            self.must(
                !is_calm || !is_lost,
                "nobody is lost",
                "expired in good weather",
            );
        }
        let open = keeper
            .promises
            .values()
            .filter(|(promise, _)| promise.stage.is_open());
        let open = open.count();
        self.must(
            open == 0,
            "every promise reaches an end",
            "one is left open",
        );
        self.must(
            keeper.begun.is_empty() || !self.forgotten.is_empty(),
            "every promise reaches an end",
            "a request is left begun",
        );
    }
}
