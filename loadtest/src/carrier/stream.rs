//! One media stream while it runs.
//!
//! Owns the order in which things happen on the line: what is due is played and heard, then the caller decides, then the frame
//! leaves. The parts decide; this couples them. Beginning and end are [`Phone`](super::Phone)'s.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    caller::{Act, Caller, Moment, audio_of, keys_of},
    cuts::{self, Cuts},
    hearing::{Heard, Hearing},
    items::Ledger,
    known::{KnownPrompts, Recognition},
    log::Log,
    menu::{Due, Menu},
    play_out::PlayOut,
    prompts::Prompts,
    report::{Arrival, CallReport, Ended, Happening, Timeline, Violation},
    settings::CarrierSettings,
    waiting::Waiting,
    wire::{self, Command, Wire},
};
use crate::{
    g711,
    peer::{Action, Outbox},
    recording::Recording,
    stamp::{BLOCK_BYTES, Stamp},
};

/// From one frame to the next.
const FRAME: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Stream {
    recording: Arc<Recording>,
    settings: Arc<CarrierSettings>,
    /// The call's number, in its stamps.
    number: u32,
    rng: fastrand::Rng,
    pub(super) wire: Wire,
    began: Duration,
    /// Frames of time that have passed, sent or not.
    frames: u32,
    /// How many had passed when the stream opened: its time begins there.
    opened_at: u32,
    /// There is a socket: what the caller says is sent, and marks go back.
    is_open: bool,
    play_out: PlayOut,
    ledger: Ledger,
    hearing: Hearing,
    waiting: Waiting,
    caller: Caller,
    prompts: Prompts,
    recognition: Recognition,
    menu: Menu,
    cuts: Cuts,
    /// Decoded audio, kept for its memory.
    audio: Vec<u8>,
}

impl Stream {
    pub(super) fn new(
        recording: Arc<Recording>,
        settings: Arc<CarrierSettings>,
        number: u32,
        mut rng: fastrand::Rng,
    ) -> Self {
        let began = Duration::ZERO;
        Self {
            number,
            wire: Wire::new(&settings, &mut rng),
            began,
            frames: 0,
            opened_at: 0,
            is_open: false,
            play_out: PlayOut::new(&settings, &mut rng),
            ledger: Ledger::default(),
            hearing: Hearing::new(&settings),
            waiting: Waiting::default(),
            caller: Caller::new(&recording, &settings, began),
            prompts: Prompts::default(),
            recognition: Recognition::default(),
            menu: Menu::new(&settings.menu, settings.key_gap_ms),
            cuts: Cuts::new(&settings.cuts),
            audio: Vec::new(),
            recording,
            settings,
            rng,
        }
    }

    pub(super) fn know(&mut self, prompts: Arc<KnownPrompts>) {
        self.recognition.know(prompts);
    }

    /// The caller is on the line.
    pub(super) fn begin(&mut self, now: Duration, log: &mut Log) {
        self.began = now;
        self.play_out.start(now);
        self.caller = Caller::new(&self.recording, &self.settings, now);
        if self.settings.greeting_expected || self.caller.is_listening() {
            self.hearing.await_greeting(now);
            self.waiting.owe(now);
        }
        log.report.began = now;
        log.arrivals = self.settings.record;
        if self.settings.record {
            let longest = Duration::from_millis(self.settings.record_max_ms);
            log.report.said = Timeline::new(longest);
        }
    }

    /// There is a socket: the stream starts.
    pub(super) fn open(&mut self, now: Duration, log: &mut Log, out: &mut Outbox) {
        (self.is_open, self.opened_at) = (true, self.frames);
        self.prompts.open(now);
        log.tell(now, Happening::Started);
        out.push(Action::Send(Wire::connected()));
        out.push(Action::Send(self.wire.start(&self.settings)));
    }

    /// The socket is gone, and with it what was not played.
    pub(super) fn close(&mut self, now: Duration, log: &mut Log) {
        self.play_and_hear(now, log);
        self.play_out.clear(now);
        self.recognition.cut(now);
        let until = self.play_out.sounded_until(now);
        self.ledger.lose(until, self.play_out.place());
        self.is_open = false;
    }

    /// The caller hears somebody for so long, from now on: there is no more to know of it than that it can be heard.
    pub(super) fn hear_voice(&mut self, now: Duration, length: Duration) {
        let audio = voice(length);
        if self.play_out.admit(now).is_ok() {
            self.play_out.queue(now, &audio, false, &mut self.rng);
        }
    }

    /// Nothing more is heard of what is buffered.
    pub(super) fn hush(&mut self, now: Duration, log: &mut Log) {
        self.play_and_hear(now, log);
        self.play_out.clear(now);
    }

    /// When the next frame or mark leaves.
    pub(super) fn deadline(&self) -> Duration {
        let frame = self.next_frame_at();
        let mark = self.play_out.next_mark_due();
        mark.map_or(frame, |due| due.min(frame))
    }

    /// Time passes until `now`: what is due is played, heard and sent.
    pub(super) fn pass(&mut self, now: Duration, log: &mut Log, out: &mut Outbox) -> Option<Ended> {
        while self.next_frame_at() <= now {
            let at = self.next_frame_at();
            self.sound(at, log, out);
            let ended = self.frame(now, at, log, out);
            if ended.is_some() {
                return ended;
            }
        }
        self.sound(now, log, out);
        None
    }

    /// A text message came.
    pub(super) fn receive(&mut self, now: Duration, text: &str, log: &mut Log) {
        let command = wire::parse(text, &self.wire.stream_sid);
        let done = command.and_then(|command| match command {
            Command::Media(payload) => self.on_media(now, &payload, log),
            Command::Mark(name) => {
                log.arrive(now, Arrival::Mark);
                self.play_out.mark(now, name.into_owned())
            }
            Command::Clear => {
                self.on_clear(now, log);
                Ok(())
            }
        });
        if let Err(violation) = done {
            log.complain(now, violation);
        }
    }

    /// The call is over: nothing more is owed, played or said.
    pub(super) fn end(&mut self, now: Duration, log: &mut Log) {
        self.play_and_hear(now, log);
        self.hearing.interrupt(now);
        self.waiting.give_up(now);
        self.recognition.cut(now);
        log.report.lasted = now.saturating_sub(self.began);
    }

    /// Puts the parts' own figures into a report.
    pub(super) fn fill_in(&self, report: &mut CallReport) {
        let ends = report.began + report.lasted;
        report.heard = self.play_out.heard.clone().unwrap_or_default();
        report.heard.cut(report.lasted);
        report.echo_delay = self.play_out.echo_delay;
        report.turns_said = self.caller.turns_said;
        report.turns_repeated = self.caller.turns_repeated;
        report.barge_ins = self.caller.barge_ins;
        report.keys_pressed = self.caller.keys_pressed + self.menu.keys_pressed;
        report.prompts = self.recognition.heard(ends);
        let first_sound = self.hearing.first_sound;
        report.first_sound = first_sound.map(|at| at.saturating_sub(report.began));
        report.prompted = self.hearing.prompted();
        report.answer_latencies.clone_from(&self.hearing.latencies);
        report.turns_unanswered = self.hearing.unanswered;
        let dead_air = self.hearing.dead_air_until(ends);
        report.dead_air_max = dead_air.lasted;
        report.dead_air_ended = dead_air.ended;
        report.gaps.clone_from(&self.waiting.gaps);
        report.turns.clone_from(&self.waiting.turns);
        report.greeted_again = self.prompts.greeted_again();
        report.items.clone_from(&self.ledger.items);
        report.downlink_latencies.clone_from(&self.ledger.latencies);
    }

    /// When the frame that is being spoken is whole, and leaves.
    fn next_frame_at(&self) -> Duration {
        self.began + FRAME * (self.frames + 1)
    }

    fn on_media(&mut self, now: Duration, payload: &str, log: &mut Log) -> Result<(), Violation> {
        self.audio.clear();
        let decoded = STANDARD.decode_vec(payload, &mut self.audio);
        if decoded.is_err() || self.audio.is_empty() {
            return Err(Violation::BadPayload);
        }
        log.arrive(now, Arrival::Media(self.audio.len()));
        if self.audio.starts_with(b"RIFF") || self.audio.starts_with(b".snd") {
            log.complain(now, Violation::FileHeader);
        }
        if !self.audio.len().is_multiple_of(BLOCK_BYTES) {
            log.complain(now, Violation::PartialFrame);
        }
        self.play_out.admit(now)?;
        let place = self.play_out.place();
        let stamped = self.ledger.receive(now, place, &self.audio);
        if stamped.late {
            log.complain(now, Violation::LateAudio);
        }
        if stamped.any {
            let after = now.saturating_sub(self.began);
            log.report.first_model_media.get_or_insert(after);
        }
        let behind = self.play_out.has_sound();
        self.prompts.receive(now, &self.audio, stamped.any, behind);
        self.play_out
            .queue(now, &self.audio, stamped.any, &mut self.rng);
        let begins = self
            .play_out
            .ends()
            .saturating_sub(g711::duration(self.audio.len()));
        let known = self.recognition.receive(&self.audio, begins, stamped.any);
        for (name, begins) in known {
            self.menu.hear(&name, begins, &mut self.rng);
        }
        Ok(())
    }

    fn on_clear(&mut self, now: Duration, log: &mut Log) {
        let unplayed = self.play_out.clear(now);
        self.recognition.cut(now);
        let until = self.play_out.sounded_until(now);
        self.ledger.cut(until, self.play_out.place());
        log.arrive(now, Arrival::Clear);
        log.tell(now, Happening::Cleared { unplayed });
    }

    /// What is due until `now` sounds, and its marks go back.
    fn sound(&mut self, now: Duration, log: &mut Log, out: &mut Outbox) {
        self.play_and_hear(now, log);
        while let Some(name) = self.play_out.next_mark(now) {
            if !self.is_open {
                continue;
            }
            out.push(Action::Send(self.wire.mark(&name)));
            log.report.marks_returned += 1;
        }
    }

    fn play_and_hear(&mut self, now: Duration, log: &mut Log) {
        let until = self.play_out.sounded_until(now);
        self.ledger.play(until, self.play_out.played(now));
        while let Some(window) = self.play_out.next_window(now) {
            tell(log, self.hearing.pass(window.begins));
            tell(log, self.hearing.hear(&window));
            self.waiting.hear(&window);
        }
        tell(log, self.hearing.pass(now));
        while let Some((at, known)) = self.recognition.next_begun(now) {
            log.tell(at, Happening::PromptBegan { known });
        }
    }

    /// The frame that is whole `at` this time leaves `now`.
    fn frame(
        &mut self,
        now: Duration,
        at: Duration,
        log: &mut Log,
        out: &mut Outbox,
    ) -> Option<Ended> {
        if self.menu.is_in(at) {
            self.caller.rest();
            if self.choose(at, log, out) {
                return Some(Ended::HungUp);
            }
        }
        let moment = Moment {
            now: at,
            began: self.began,
            hearing: &self.hearing,
            sound_buffered: self.play_out.has_sound(),
            recording: &self.recording,
            settings: &self.settings,
        };
        let act = self.caller.act(moment);
        let mut frame = [g711::SILENCE; BLOCK_BYTES];
        if self.settings.comfort_noise {
            hiss(&mut frame, &mut self.rng);
        }
        let mut speaks = false;
        match act {
            Act::Listen => {}
            Act::Say {
                turn, ref bytes, ..
            } => {
                speaks = true;
                let said = audio_of(&self.recording, turn).get(bytes.clone());
                for (place, &byte) in frame.iter_mut().zip(said.unwrap_or_default()) {
                    *place = byte;
                }
                let farewell = moment.is_farewell(turn);
                self.on_words(at, &act, farewell, log);
            }
            Act::Press { turn, nth } => {
                self.hearing.key_pressed(at);
                self.waiting.key_pressed(at);
                let key = keys_of(&self.recording, turn).and_then(|keys| keys.chars().nth(nth));
                if let Some(key) = key.filter(|_| self.is_open) {
                    out.push(Action::Send(self.wire.dtmf(key)));
                    log.tell(at, Happening::Key { turn, nth });
                }
            }
            Act::HangUp(ended) => return Some(ended),
        }
        if self.is_open && (speaks || self.settings.frames_in_silence) {
            self.send(now, at, &mut frame, log, out);
        }
        log.report.said.lay(FRAME * self.frames, &frame);
        self.frames += 1;
        self.cut(at, speaks, log, out);
        None
    }

    /// Does what is due in a menu. Whether the caller hangs up.
    fn choose(&mut self, at: Duration, log: &mut Log, out: &mut Outbox) -> bool {
        match self.menu.due(at) {
            Some(Due::HangUp) => return true,
            Some(Due::Press(key)) => {
                self.hearing.key_pressed(at);
                self.waiting.key_pressed(at);
                if self.is_open {
                    out.push(Action::Send(self.wire.dtmf(key)));
                    log.tell(at, Happening::MenuKey);
                }
            }
            None => {}
        }
        false
    }

    /// Cuts the stream if it is time.
    fn cut(&mut self, at: Duration, caller_speaks: bool, log: &mut Log, out: &mut Outbox) {
        let now = cuts::Now {
            caller_speaks,
            agent_speaks: self.hearing.is_speaking(),
            turns: self.caller.turns_said,
            is_owed: self.caller.is_listening() && self.hearing.answered().is_none(),
        };
        if self.is_open && self.cuts.is_due(at, now) {
            log.report.streams_cut += 1;
            out.push(Action::Cut);
        }
    }

    fn send(
        &mut self,
        now: Duration,
        at: Duration,
        frame: &mut [u8; BLOCK_BYTES],
        log: &mut Log,
        out: &mut Outbox,
    ) {
        if self.settings.stamps {
            let stamp = Stamp {
                stream: self.number,
                item: 0,
                // Beyond 24 bits a stamp begins again: after 93 hours.
                block: u32::try_from(log.report.frames_sent & 0xff_ffff).unwrap_or_default(),
                sent: now,
            };
            stamp.write(frame);
        }
        log.report.frames_sent += 1;
        log.report.frame_late_max = log.report.frame_late_max.max(now.saturating_sub(at));
        let first = Duration::from_millis(self.settings.first_timestamp_ms);
        let text = self
            .wire
            .media(first + FRAME * (self.frames - self.opened_at), frame);
        out.push(Action::Send(text));
    }

    /// A frame with words, whole `at` this time, is being said.
    fn on_words(&mut self, at: Duration, act: &Act, farewell: bool, log: &mut Log) {
        let Act::Say {
            turn,
            manner,
            begins,
            ends,
            ..
        } = *act
        else {
            return;
        };
        let frame_began = at.saturating_sub(FRAME);
        if let Some(manner) = manner {
            let (again, barges_in) = (manner.again, manner.barges_in);
            let began = Happening::TurnBegan {
                turn,
                again,
                barges_in,
            };
            log.tell(at, began);
        }
        if let Some(place) = begins {
            let began = frame_began + g711::duration(place);
            self.hearing.interrupt(began);
            self.waiting.turn_began(began);
        }
        if let Some(place) = ends {
            let ended = frame_began + g711::duration(place);
            self.hearing.turn_ended(ended);
            self.waiting.turn_ended(ended);
            if farewell {
                self.hearing.excuse();
                self.waiting.excuse();
            }
            log.tell(ended, Happening::TurnEnded { turn });
        }
    }
}

/// Somebody's voice: a tone as loud as speech. What the carrier's buffer cannot hold is not heard.
fn voice(length: Duration) -> Vec<u8> {
    const LONGEST: Duration = Duration::from_mins(10);
    /// Half a period of 200 Hz.
    const HALF: usize = 20;
    let (up, down) = (g711::encode(3_000), g711::encode(-3_000));
    let bytes = g711::bytes_in(length.min(LONGEST));
    let byte = |place: usize| {
        if (place / HALF).is_multiple_of(2) {
            up
        } else {
            down
        }
    };
    (0..bytes).map(byte).collect()
}

fn tell(log: &mut Log, heard: Option<Heard>) {
    match heard {
        Some(Heard::Began { at, after }) => log.tell(at, Happening::AgentBegan { after }),
        Some(Heard::Ended { at }) => log.tell(at, Happening::AgentEnded),
        None => {}
    }
}

/// The noise of an open line: a few steps around zero, more than 20 dB below speech.
fn hiss(frame: &mut [u8; BLOCK_BYTES], rng: &mut fastrand::Rng) {
    const STEPS: [u8; 8] = [0xff, 0xfe, 0xfd, 0xfc, 0x7f, 0x7e, 0x7d, 0x7c];
    for samples in frame.chunks_mut(16) {
        let mut bits = rng.u64(..);
        for sample in samples {
            let step = STEPS.get((bits & 7) as usize);
            *sample = step.copied().unwrap_or(g711::SILENCE);
            bits >>= 3;
        }
    }
}
