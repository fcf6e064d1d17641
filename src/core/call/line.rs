//! The carrier's side of a started call, and what was said on it: it outlives every session.

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::checkpoint::{CallBack, Checkpoint};
use crate::core::call::downlink::{Cut, Downlink, HeldOverflow};
use crate::core::call::ear::{Ear, Edge};
use crate::core::call::effect::{Effects, Occasion, ProviderCommand};
use crate::core::call::floor::{Debt, Due, Floor, Owed};
use crate::core::call::keypad::Keypad;
use crate::core::call::memory::{Memory, Speaker, Voice};
use crate::core::call::prompt::{Greeting, Prompt};
use crate::core::call::settings::CallSettings;
use crate::core::call::uplink::Uplink;
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// Sound this long after the end of a turn is no echo of its last word.
const SAID_MORE_MIN: Duration = Duration::from_millis(300);

/// Silence that is told, while something is owed.
const DEAD_AIR_MIN: Duration = Duration::from_secs(1);

/// What every phase of a started call has.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) started_at: Instant,
    pub(super) downlink: Downlink,
    /// What the caller says and no session has answered.
    pub(super) uplink: Uplink,
    /// Where the answer to it begins, among all that was played.
    answer_from: u64,
    /// Since when that answer was owed.
    answer_owed_since: Instant,
    pub(super) ear: Ear,
    pub(super) floor: Floor,
    pub(super) keypad: Keypad,
    pub(super) memory: Memory,
    /// Whether the caller has heard anything yet.
    has_spoken: bool,
    /// How many streams the call had before this one.
    streams_before: u16,
    /// What is known of a call back.
    pub(super) call_back: CallBack,
    /// When the carrier last sent anything.
    heard_at: Instant,
    /// When to look at `heard_at` again: once a silence, not once a frame.
    check_at: Instant,
    silence_max: Duration,
}

/// The caller has waited for as long as anybody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfPatience;

impl Line {
    pub(super) fn new(now: Instant, settings: &CallSettings) -> Self {
        Self {
            started_at: now,
            downlink: Downlink::new(now, settings.ahead_max, settings.held_max),
            uplink: Uplink::new(settings.uplink_max),
            answer_from: 0,
            answer_owed_since: now,
            ear: Ear::new(now),
            floor: Floor::Agent,
            keypad: Keypad::new(now, settings.keys_timeout),
            memory: Memory::default(),
            has_spoken: false,
            streams_before: 0,
            call_back: CallBack::Open,
            heard_at: now,
            check_at: now + settings.carrier_silence_max,
            silence_max: settings.carrier_silence_max,
        }
    }

    /// The caller's next audio: kept until it is answered.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        frame: &Frame,
        effects: &mut Effects,
    ) -> Option<Edge> {
        self.confirm_answer(now);
        let (lost, edge) =
            frame.with_raw(|audio| (self.uplink.keep(audio), self.ear.hear(now, audio)));
        if lost > 0 {
            effects.observe(Observation::UplinkOverflowed { bytes: lost });
        }
        edge
    }

    /// The caller speaks: from the second before it on, everything is kept.
    pub(super) fn yield_floor(&mut self, now: Instant, effects: &mut Effects) {
        self.end_dead_air(now, effects);
        self.open_turn(now);
        self.floor = Floor::Caller;
    }

    /// The caller begins to speak, or goes on: what nobody has answered yet is kept with it.
    pub(super) fn open_turn(&mut self, now: Instant) {
        self.confirm_answer(now);
        self.uplink.open();
    }

    /// Forgets what the caller said once they hear the answer.
    fn confirm_answer(&mut self, now: Instant) {
        if self.uplink.is_answered() && self.downlink.heard(now) > self.answer_from {
            self.uplink.close();
        }
    }

    /// Whether a caller who is taken to wait for an answer is speaking: a pause was taken for the end of their turn.
    pub(super) fn goes_on_speaking(&self, now: Instant) -> bool {
        let Floor::Owed(owed) = self.floor else {
            return false;
        };
        let has_said_more = self.ear.loud_at() >= owed.since + SAID_MORE_MIN;
        owed.debt == Debt::Answer && has_said_more && self.ear.hears_words(now)
    }

    /// The caller is owed something. What is owed already stays owed since then.
    pub(super) fn owe(&mut self, owed: Owed) {
        self.floor = match self.floor {
            Floor::Owed(before) if before.debt == owed.debt => Floor::Owed(Owed {
                is_doubtful: before.is_doubtful && owed.is_doubtful,
                ..before
            }),
            Floor::Agent | Floor::Caller | Floor::Owed(_) => Floor::Owed(owed),
        };
    }

    /// What was owed has come.
    pub(super) fn settle_debt(&mut self, now: Instant, effects: &mut Effects) {
        self.end_dead_air(now, effects);
        if let Floor::Owed(owed) = self.floor {
            let after = now.since(owed.since);
            effects.observe(Observation::Gap { after });
            if matches!(owed.debt, Debt::Answer | Debt::Keys) {
                effects.observe(Observation::Answered { after });
            }
            if self.memory.awaits_transcript() && owed.debt == Debt::Answer {
                self.memory.keep_audio(self.uplink.copy());
            }
            self.answer_from = self.downlink.queued();
            self.answer_owed_since = owed.since;
            self.uplink.answer();
            self.floor = Floor::Agent;
        }
    }

    /// Audio for the caller, whoever speaks.
    pub(super) fn play(
        &mut self,
        now: Instant,
        voice: Voice,
        frame: Frame,
        effects: &mut Effects,
    ) -> Result<(), HeldOverflow> {
        if !self.has_spoken {
            self.has_spoken = true;
            effects.observe(Observation::FirstAudio {
                after: now.since(self.started_at),
            });
        }
        self.end_dead_air(now, effects);
        self.downlink.play(now, voice, frame, effects)
    }

    /// Plays a prompt; `false` if there is none of that name.
    pub(super) fn prompt(
        &mut self,
        now: Instant,
        prompt: Prompt,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> bool {
        let audio = settings.prompts.audio(prompt);
        if audio.is_empty() {
            return false;
        }
        let played = self.play(now, Voice::Prompt(prompt), Frame::from_raw(audio), effects);
        self.downlink.finish(now, effects);
        effects.observe(Observation::Prompted(prompt));
        played.is_ok()
    }

    /// The first words: from the cache, where the model is told of them later, or owed by the model.
    pub(super) fn greet(&mut self, now: Instant, settings: &CallSettings, effects: &mut Effects) {
        match &settings.prompts.greeting {
            Greeting::None => {}
            Greeting::Spoken => self.owe(Owed::new(now, Debt::Greeting)),
            Greeting::Cached { text, .. } => {
                self.prompt(now, Prompt::Greeting, settings, effects);
                self.memory
                    .agent_text(Voice::Prompt(Prompt::Greeting), text);
            }
        }
    }

    /// The call had another stream: what was said on it. Returns how many there were before.
    pub(super) fn recall(&mut self, checkpoint: Checkpoint) -> u16 {
        self.memory = checkpoint.memory;
        self.memory.settle();
        self.call_back = checkpoint.call_back;
        self.streams_before = checkpoint.streams_before.saturating_add(1);
        self.streams_before
    }

    /// The call goes on where another stream of it was lost: whoever was speaking, the agent owes the next word.
    pub(super) fn resume(&mut self, now: Instant, waited: Duration) {
        // Silence goes on where it was: whoever had waited for a word hears one soon.
        let since = now - waited;
        self.downlink.rest_since(since);
        self.owe(Owed::new(since, Debt::Rest));
    }

    /// The stream is lost, and with it what the carrier had not played: nobody will hear it. An answer of which nothing was
    /// heard is owed still.
    pub(super) fn forget_unheard(&mut self, now: Instant) {
        self.confirm_answer(now);
        if self.uplink.is_answered() {
            self.floor = Floor::Owed(Owed::new(self.answer_owed_since, Debt::Answer));
        }
        for cut in self.downlink.cuts(now) {
            self.memory.cut(cut.voice, cut.heard, cut.received);
        }
    }

    /// What another stream of the call has to know.
    pub(super) fn checkpoint(&self, now: Instant) -> Checkpoint {
        let waited = match self.floor {
            Floor::Owed(owed) => now.since(owed.since),
            Floor::Agent | Floor::Caller => Duration::ZERO,
        };
        Checkpoint {
            waited,
            memory: self.memory.clone(),
            is_mid_turn: self.floor != Floor::Agent,
            streams_before: self.streams_before,
            call_back: self.call_back,
        }
    }

    /// Says something to a caller who waits, if it is time; a little later where an answer is being made.
    pub(super) fn comfort(
        &mut self,
        now: Instant,
        is_answering: bool,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Result<(), OutOfPatience> {
        let due = self.due(is_answering, settings);
        let Some((_, due)) = due.filter(|&(at, _)| now >= at) else {
            return Ok(());
        };
        let Floor::Owed(owed) = &mut self.floor else {
            return Ok(());
        };
        match due {
            Due::Apology => Err(OutOfPatience),
            Due::Filler => {
                let prompt = if owed.fillers() == 0 {
                    Prompt::OneMoment
                } else {
                    Prompt::StillHere
                };
                owed.on_filler();
                self.prompt(now, prompt, settings, effects);
                Ok(())
            }
        }
    }

    /// When [`comfort`](Self::comfort) is next to be called.
    pub(super) fn comfort_at(
        &self,
        is_answering: bool,
        settings: &CallSettings,
    ) -> Option<Instant> {
        self.due(is_answering, settings).map(|(at, _)| at)
    }

    /// Tells a session that is ready what was said, gives it what was not answered, and asks it for what is owed.
    pub(super) fn brief(&mut self, attempt: AttemptId, occasion: Occasion, effects: &mut Effects) {
        let debt = match self.floor {
            Floor::Owed(owed) => Some(owed.debt),
            Floor::Agent | Floor::Caller => None,
        };
        if let Floor::Owed(owed) = &mut self.floor {
            owed.beyond = None; // Whatever this session says is to what it is told now.
        }
        if self.uplink.is_answered() {
            self.uplink.close(); // The answer is with the carrier, and goes on playing.
        }
        if debt == Some(Debt::Answer) || self.floor == Floor::Caller {
            self.memory.forget_unanswered();
        }
        let says_all = matches!(occasion, Occasion::Resumed { .. } | Occasion::RungBack);
        if !self.memory.is_empty() || says_all {
            let memory = self.memory.clone();
            effects.to_provider(attempt, ProviderCommand::Seed { memory, occasion });
        }
        if debt == Some(Debt::Greeting) {
            effects.to_provider(attempt, ProviderCommand::Greet);
        }
        for frame in self.uplink.replay() {
            effects.to_provider(attempt, ProviderCommand::Append(frame));
        }
        match debt {
            Some(Debt::Keys) => effects.to_provider(attempt, ProviderCommand::Respond),
            Some(Debt::Rest) => effects.to_provider(attempt, ProviderCommand::Continue),
            Some(Debt::Answer | Debt::Greeting) | None => {}
        }
    }

    /// Throws away what the caller has not heard, and forgets that it was said; says what was cut.
    pub(super) fn interrupt(&mut self, now: Instant, effects: &mut Effects) -> Vec<Cut> {
        let is_speaking = self.downlink.has_unheard(now);
        self.confirm_answer(now);
        if self.uplink.is_answered() {
            self.uplink.open(); // Of that answer nothing is ever heard.
        }
        let cuts = self.downlink.interrupt(now, effects);
        if let Some(first) = cuts.first().filter(|_| is_speaking) {
            effects.observe(Observation::BargedIn { heard: first.heard });
        }
        for cut in &cuts {
            self.memory.cut(cut.voice, cut.heard, cut.received);
        }
        cuts
    }

    /// What the caller keyed in becomes part of the conversation, and an answer to it is owed.
    pub(super) fn take_keys(&mut self, now: Instant) -> Option<Box<str>> {
        let keys = self.keypad.take_complete(now)?;
        self.memory
            .push(Speaker::Caller, &format!("(keyed in: {keys})"));
        match self.floor {
            Floor::Agent => self.floor = Floor::Owed(Owed::new(now, Debt::Keys)),
            // What was said before the keys waits for the same answer.
            Floor::Owed(owed) => self.floor = Floor::Owed(Owed::new(now, owed.debt)),
            Floor::Caller => {}
        }
        Some(keys)
    }

    /// The carrier sent something.
    pub(super) const fn on_heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// Whether the carrier has sent nothing for too long.
    pub(super) fn is_silent(&mut self, now: Instant) -> bool {
        if now < self.check_at {
            return false;
        }
        self.check_at = self.heard_at + self.silence_max;
        now >= self.check_at
    }

    /// When the line next wants a tick, whatever the phase and whoever waits.
    pub(super) fn deadline(&self) -> Instant {
        let others = [self.downlink.deadline(), self.keypad.deadline()];
        others
            .into_iter()
            .flatten()
            .fold(self.check_at, Instant::min)
    }

    fn due(&self, is_answering: bool, settings: &CallSettings) -> Option<(Instant, Due)> {
        match self.floor {
            // Who is keying wants no answer yet.
            Floor::Owed(_) if self.keypad.is_busy() => None,
            Floor::Owed(owed) => {
                Some(owed.due(self.downlink.plays_until(), is_answering, settings))
            }
            Floor::Agent | Floor::Caller => None,
        }
    }

    /// Tells of the silence that ends now, if it was owed time.
    fn end_dead_air(&self, now: Instant, effects: &mut Effects) {
        if let Floor::Owed(owed) = self.floor {
            let lasted = now.since(owed.since.max(self.downlink.plays_until()));
            if lasted >= DEAD_AIR_MIN {
                effects.observe(Observation::DeadAir { lasted });
            }
        }
    }
}
