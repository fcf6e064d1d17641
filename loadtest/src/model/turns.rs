//! The caller's side: audio that is appended, and the turns that are heard in it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::agenda::Due;
use super::condition::Lasting;
use super::config::Format;
use super::conversation::{Body, Item};
use super::faults::Moment;
use super::report::{AskedBy, Outcome, Utterance};
use super::response::Asked;
use super::shape::Refusal;
use super::vad::Heard;
use super::{ModelSession, append};
use crate::peer::Outbox;

impl ModelSession {
    /// Takes the audio of one append.
    pub(super) fn hear(
        &mut self,
        now: Duration,
        base64: &str,
        event_id: Option<&str>,
        out: &mut Outbox,
    ) {
        let mut audio = std::mem::take(&mut self.audio);
        audio.clear();
        if STANDARD.decode_vec(base64, &mut audio).is_ok() {
            self.hear_bytes(now, &audio, out);
        } else {
            self.report.violations.undecodable_appends += 1;
            let message =
                "Invalid 'audio'. Expected base64-encoded audio bytes, but got an invalid value.";
            self.refuse(
                &Refusal::of("audio", "invalid_value", message),
                event_id,
                out,
            );
        }
        self.audio = audio;
    }

    fn hear_bytes(&mut self, now: Duration, mut audio: &[u8], out: &mut Outbox) {
        if self.config.input != Format::Pcmu {
            self.report.violations.misread_appends += 1;
        }
        self.report.uplink.append(now, audio);
        self.buffered_bytes += audio.len() as u64;
        while self.listens()
            && let Some(heard) = self.vad.hear(&mut audio, self.config.input)
        {
            match heard {
                Heard::Started { audio_start } => self.on_speech_started(now, audio_start, out),
                Heard::Stopped { audio_end, spoken } => {
                    self.on_speech_stopped(now, audio_end, spoken, out);
                }
            }
        }
    }

    fn listens(&self) -> bool {
        let cannot = [Lasting::Deaf, Lasting::BlackHole, Lasting::Frozen];
        !self.is_over() && !cannot.iter().any(|&it| self.condition.has(it))
    }

    /// Takes a message that nothing follows from: of its audio is noted that it came.
    pub(super) fn swallow(&mut self, now: Duration, text: &str) {
        let mut audio = std::mem::take(&mut self.audio);
        audio.clear();
        if let Some(append) = append::parse(text)
            && STANDARD.decode_vec(append.audio, &mut audio).is_ok()
        {
            self.report.uplink.append(now, &audio);
        }
        self.audio = audio;
    }

    fn on_speech_started(&mut self, now: Duration, audio_start: Duration, out: &mut Outbox) {
        let item_id = self.wire.id("item");
        let event = json!({"audio_start_ms": millis(audio_start), "item_id": item_id});
        self.speaking = Some(item_id);
        self.send(out, "input_audio_buffer.speech_started", &event);
        self.report.speech_started.push(now);
        self.reach(
            now,
            Moment::SpeechStart(self.report.speech_started.count()),
            out,
        );
        if !self.listens() {
            return;
        }
        if self
            .config
            .turns
            .is_some_and(|turns| turns.interrupt_response)
        {
            self.owes_answer = false;
            self.cut(now, Outcome::TurnDetected, out);
        }
    }

    fn on_speech_stopped(
        &mut self,
        now: Duration,
        audio_end: Duration,
        spoken: Duration,
        out: &mut Outbox,
    ) {
        // Without the item the speech was cleared or committed by the client meanwhile.
        let Some(item_id) = self.speaking.take() else {
            return;
        };
        let event = json!({"audio_end_ms": millis(audio_end), "item_id": item_id});
        self.send(out, "input_audio_buffer.speech_stopped", &event);
        self.commit(now, item_id, spoken, out);
        if !self.listens() {
            return; // The end of this turn was the end of something else too.
        }
        if !self.config.turns.is_some_and(|turns| turns.create_response) {
            return;
        }
        if self.response.is_some() {
            self.owes_answer = true;
        } else {
            self.ask(now, AskedBy::Turn, Value::Null, Asked::Line);
        }
    }

    fn commit(&mut self, now: Duration, item_id: String, spoken: Duration, out: &mut Outbox) {
        self.buffered_bytes = 0;
        let turn = usize::try_from(self.report.utterances.count()).unwrap_or(usize::MAX);
        self.report.utterances.push(Utterance { at: now, spoken });
        let previous = json!({
            "previous_item_id": self.conversation.last_id(), "item_id": item_id,
        });
        self.send(out, "input_audio_buffer.committed", &previous);
        let body = Body::Heard { transcript: None };
        self.add_item(
            Item {
                id: item_id.clone(),
                body,
            },
            None,
            out,
        );
        if self.config.transcribes {
            self.plan_transcript(now, turn, item_id, spoken, out);
        }
        self.reach(now, Moment::TurnEnd(self.report.utterances.count()), out);
    }

    fn plan_transcript(
        &mut self,
        now: Duration,
        turn: usize,
        item_id: String,
        spoken: Duration,
        out: &mut Outbox,
    ) {
        let seconds = spoken.as_secs_f64();
        let text = if self.settings.countable {
            self.counted(now, turn)
        } else {
            let text = self.settings.caller_texts.get(turn).cloned();
            text.unwrap_or_else(|| format!("[speech {seconds:.1} s]"))
        };
        let delay = self.settings.transcription_delay_ms.pick(&mut self.rng);
        if self.agenda.is_full() {
            return self.transcribe(&item_id, text, spoken, out);
        }
        let due = Due::Transcript {
            item_id,
            text,
            spoken,
        };
        self.plan(now + delay, due);
    }

    /// Words that nobody says in any other turn, and that tell when it was over.
    fn counted(&self, now: Duration, turn: usize) -> String {
        let call = self.report.uplink.streams.keys().next();
        let call = call.map_or_else(|| "unknown".to_owned(), u32::to_string);
        let (session, turn, at) = (self.report.session, turn + 1, now.as_millis());
        format!("This is call {call}, session {session}, turn {turn}, at {at} ms.")
    }

    pub(super) fn transcribe(
        &mut self,
        item_id: &str,
        text: String,
        spoken: Duration,
        out: &mut Outbox,
    ) {
        if self.condition.has(Lasting::Untranscribed) {
            let error = json!({
                "type": "transcription_error", "code": "audio_unintelligible",
                "message": "The audio could not be transcribed.", "param": null,
            });
            let event = json!({"item_id": item_id, "content_index": 0, "error": error});
            let kind = "conversation.item.input_audio_transcription.failed";
            return self.send(out, kind, &event);
        }
        let event = json!({
            "item_id": item_id, "content_index": 0, "transcript": text,
            "usage": {"type": "duration", "seconds": spoken.as_secs_f64()},
        });
        let kind = "conversation.item.input_audio_transcription.completed";
        self.send(out, kind, &event);
        if let Some(item) = self.conversation.find_mut(item_id)
            && let Body::Heard { transcript } = &mut item.body
        {
            *transcript = Some(text);
        }
    }

    /// `input_audio_buffer.commit`.
    pub(super) fn commit_buffer(&mut self, now: Duration, out: &mut Outbox) -> Result<(), Refusal> {
        let buffered = self.buffered();
        if buffered < Duration::from_millis(100) {
            let ms = millis(buffered);
            return Err(Refusal::new(
                "input_audio_buffer_commit_empty",
                format!(
                    "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has {ms}ms of audio."
                ),
            ));
        }
        let item_id = match self.speaking.take() {
            Some(item_id) => item_id,
            None => self.wire.id("item"),
        };
        self.vad.forget();
        self.commit(now, item_id, buffered, out);
        Ok(())
    }

    /// `input_audio_buffer.clear`.
    pub(super) fn clear_buffer(&mut self, out: &mut Outbox) {
        self.buffered_bytes = 0;
        self.speaking = None;
        self.vad.forget();
        self.send(out, "input_audio_buffer.cleared", &json!({}));
    }

    /// How much audio no item has yet.
    fn buffered(&self) -> Duration {
        Duration::from_millis(self.buffered_bytes / self.config.input.bytes_per_ms())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
