//! The model's side: making a response step by step, and cutting it off.

use std::time::Duration;

use serde_json::{Value, json};

use super::ModelSession;
use super::agenda::Due;
use super::condition::Lasting;
use super::config::Format;
use super::conversation::{Body, Item, Spoken};
use super::faults::Moment;
use super::report::{self, AskedBy, Outcome, SpokenItem};
use super::response::{Asked, Delta, Response, Speech, Stage, delta_bytes, split};
use super::wire::Place;
use crate::g711;
use crate::peer::{Action, Outbox};
use crate::recording::Line;

impl ModelSession {
    /// Begins a response; the client hears of it a moment later.
    pub(super) fn ask(&mut self, now: Duration, asked_by: AskedBy, metadata: Value, what: Asked) {
        assert!(self.response.is_none(), "there is one response at a time");
        let place = self.next_line;
        let is_recital = matches!(what, Asked::Recital(_));
        let (line, is_last) = self.choose_line(what);
        self.responses += 1;
        self.report.responses.push(report::Response {
            asked_by,
            asked: now,
            instructed: false,
            created: None,
            first_audio: None,
            done: None,
        });
        if self.condition.has(Lasting::NoAnswer) {
            self.next_line = place;
            return;
        }
        self.response = Some(Response {
            id: self.wire.id("resp"),
            number: self.responses,
            metadata,
            line: place,
            plan: 0,
            stage: Stage::Asked,
            pieces: line.map_or_else(Default::default, |line| {
                split(&line, &self.settings, &mut self.rng)
            }),
            output: Vec::new(),
            items: 0,
            speed: self.settings.speed(&mut self.rng),
            says_goodbye: is_last && self.settings.goodbye && self.config.has_end_call,
            bytes: 0,
            flood: None,
            is_recital,
        });
        let delay = self.settings.response_delay_ms.pick(&mut self.rng);
        self.plan_step(now + delay);
    }

    /// The line that is said next, and whether it is the script's last one.
    fn choose_line(&mut self, what: Asked) -> (Option<Line>, bool) {
        match (what, &self.settings.greeting) {
            (Asked::Recital(line), _) => return (Some(line), false),
            (Asked::Greeting, Some(greeting)) => return (Some(greeting.clone()), false),
            (Asked::Greeting, None) | (Asked::Line, _) => {}
        }
        let line = self.script.get(self.next_line).cloned();
        let is_last = self.next_line + 1 >= self.script.len();
        self.next_line = if is_last { 0 } else { self.next_line + 1 };
        (line, is_last)
    }

    pub(super) fn plan_step(&mut self, at: Duration) {
        if let Some(response) = &mut self.response {
            response.plan += 1;
            let plan = (u64::from(response.number) << 32) + response.plan;
            self.plan(at, Due::Step { plan });
        }
    }

    /// The planned step of the active response, if it is still the plan.
    pub(super) fn step(&mut self, now: Duration, plan: u64, out: &mut Outbox) {
        if self.condition.has(Lasting::Stalled) {
            return; // No plan follows: the response stays as it is.
        }
        let is_current =
            |response: &Response| (u64::from(response.number) << 32) + response.plan == plan;
        let Some(mut response) = self.response.take_if(|response| is_current(response)) else {
            return;
        };
        let stage = std::mem::replace(&mut response.stage, Stage::BetweenItems);
        match stage {
            Stage::Asked => {
                if let Some(failing) = self.condition.next_failure() {
                    self.fail(now, response, failing, false, out);
                    return;
                }
                self.announce(now, &response, out);
                let delay = self.settings.answer_delay_ms.pick(&mut self.rng);
                self.resume(response, now + delay);
            }
            Stage::BetweenItems => self.begin_item(now, response, out),
            Stage::Speaking(speech) => self.speak(now, response, speech, out),
            Stage::Cut {
                speech,
                outcome,
                late,
            } => self.trail_off(now, response, speech, outcome, late, out),
        }
    }

    fn resume(&mut self, response: Response, next_at: Duration) {
        self.response = Some(response);
        self.plan_step(next_at);
    }

    pub(super) fn announce(&mut self, now: Duration, response: &Response, out: &mut Outbox) {
        let body = self.response_json(response, "in_progress", &Value::Null);
        self.send(out, "response.created", &json!({"response": body}));
        let limit = 400_000;
        let remaining = limit - self.rng.u32(0..20_000);
        let limits =
            json!([{"name": "tokens", "limit": limit, "remaining": remaining, "reset_seconds": 0}]);
        self.send(out, "rate_limits.updated", &json!({"rate_limits": limits}));
        self.report_response(response.number, |report| report.created = Some(now));
    }

    fn begin_item(&mut self, now: Duration, mut response: Response, out: &mut Outbox) {
        let Some(mut line) = response.pieces.pop_front() else {
            if response.says_goodbye {
                self.call_end_call(&mut response, out);
            }
            self.finish(now, &response, Outcome::Completed, out);
            return;
        };
        line.audio = self.condition.voice.of(line.audio);
        self.audio_items = self.audio_items.saturating_add(1);
        let item_id = self.wire.id("item");
        let mut speech = Speech::new(item_id.clone(), self.audio_items, response.items, line);
        response.items += 1;
        if let Some(flood) = response.flood {
            response.speed = flood.speed.into();
            speech.prolong(flood.bytes());
        }
        self.report.spoken.push(SpokenItem {
            item: speech.number,
            bytes: 0,
            words: String::new(),
        });
        let spoken = Body::Spoken(Spoken {
            number: speech.number,
            transcript: String::new(),
            bytes: 0,
            end_ms: None,
            status: "in_progress",
        });
        self.add_output(&response, item_id, spoken, speech.output_index, out);
        let part = json!({"type": "audio", "transcript": ""});
        self.send_part(
            &response,
            &speech,
            "response.content_part.added",
            &part,
            out,
        );
        self.speak(now, response, speech, out);
    }

    /// Adds an output item to the conversation and tells of it.
    fn add_output(
        &mut self,
        response: &Response,
        id: String,
        body: Body,
        output_index: usize,
        out: &mut Outbox,
    ) {
        let item = Item { id, body };
        let json = item.json();
        let previous = self.conversation.push(item);
        self.send(
            out,
            "response.output_item.added",
            &json!({"response_id": response.id, "output_index": output_index, "item": json}),
        );
        if !response.is_recital {
            self.send(
                out,
                "conversation.item.added",
                &json!({"previous_item_id": previous, "item": json}),
            );
        }
    }

    fn speak(
        &mut self,
        now: Duration,
        mut response: Response,
        mut speech: Speech,
        out: &mut Outbox,
    ) {
        if speech.is_over() {
            self.end_item(&mut response, &speech, "completed", out);
            self.resume(response, now);
            return;
        }
        let bytes = self.send_delta(now, &mut response, &mut speech, out);
        // Uneven, but on average as fast as the response is.
        let unevenness = 0.4 + 1.2 * self.rng.f64();
        let pause = g711::duration(bytes).mul_f64(unevenness / response.speed);
        response.stage = Stage::Speaking(speech);
        let moment = Moment::MidResponse(response.number, response.bytes / 8);
        self.resume(response, now + pause);
        self.reach(now, moment, out);
    }

    fn send_delta(
        &mut self,
        now: Duration,
        response: &mut Response,
        speech: &mut Speech,
        out: &mut Outbox,
    ) -> usize {
        let format = self.config.output;
        // What is recorded is played again in other calls, where its stamps would be lies.
        let stamped = self.settings.stamps && format == Format::Pcmu && !response.is_recital;
        let stream = stamped.then_some(self.number);
        let length = delta_bytes(&self.settings, &mut self.rng);
        let (item_id, number) = (speech.item_id.clone(), speech.number);
        let output_index = speech.output_index;
        let Delta { mulaw, words } = speech.next(length, now, stream);
        let place = Place {
            response_id: &response.id,
            item_id: &item_id,
            output_index,
        };
        if !words.is_empty() {
            let event = place.event(json!({"delta": words}));
            let kind = "response.output_audio_transcript.delta";
            out.push(Action::Send(self.wire.event(kind, &event)));
        }
        out.push(Action::Send(self.wire.audio_delta(place, mulaw, format)));
        let bytes = mulaw.len();
        self.has_spoken = true;
        response.bytes += bytes as u64;
        if let Some(Body::Spoken(spoken)) = self.conversation.find_mut(&item_id).map(Item::body_mut)
        {
            spoken.bytes += bytes as u64;
            if spoken.end_ms.is_none() {
                spoken.transcript.push_str(words);
            }
        }
        let index = usize::from(number) - 1;
        if let Some(item) = self.report.spoken.list.get_mut(index) {
            item.bytes += bytes as u64;
            item.words.push_str(words);
        }
        self.report.first_audio.get_or_insert(now);
        self.report_response(response.number, |report| {
            report.first_audio.get_or_insert(now);
        });
        bytes
    }

    /// Tells that an item has ended, whole or not.
    pub(super) fn end_item(
        &mut self,
        response: &mut Response,
        speech: &Speech,
        status: &'static str,
        out: &mut Outbox,
    ) {
        let none = json!({});
        self.send_part(response, speech, "response.output_audio.done", &none, out);
        let transcript = speech.told();
        self.send_part(
            response,
            speech,
            "response.output_audio_transcript.done",
            &json!({"transcript": transcript}),
            out,
        );
        let part = json!({"type": "audio", "transcript": transcript});
        self.send_part(response, speech, "response.content_part.done", &part, out);
        let Some(item) = self.conversation.find_mut(&speech.item_id) else {
            return; // The client has deleted it meanwhile.
        };
        if let Body::Spoken(spoken) = &mut item.body {
            spoken.status = status;
        }
        self.tell_done(response, &speech.item_id, speech.output_index, out);
    }

    fn tell_done(
        &mut self,
        response: &mut Response,
        item_id: &str,
        output_index: usize,
        out: &mut Outbox,
    ) {
        let Some(json) = self.conversation.find(item_id).map(Item::json) else {
            return;
        };
        self.send(
            out,
            "response.output_item.done",
            &json!({"response_id": response.id, "output_index": output_index, "item": json}),
        );
        if response.is_recital {
            // It was in no conversation: it only was found there while it was made.
            self.conversation.remove(item_id);
        } else {
            self.send(out, "conversation.item.done", &json!({"item": json}));
        }
        response.output.push(json);
    }

    fn call_end_call(&mut self, response: &mut Response, out: &mut Outbox) {
        let (item_id, call_id) = (self.wire.id("item"), self.wire.id("call"));
        let output_index = response.items;
        response.items += 1;
        let call = Body::FunctionCall {
            call_id: call_id.clone(),
            name: "end_call".to_owned(),
            arguments: "{}".to_owned(),
        };
        self.add_output(response, item_id.clone(), call, output_index, out);
        let fields = |what: Value| {
            let mut fields = json!({
                "response_id": response.id, "item_id": item_id,
                "output_index": output_index, "call_id": call_id,
            });
            if let (Some(fields), Value::Object(what)) = (fields.as_object_mut(), what) {
                fields.extend(what);
            }
            fields
        };
        let delta = fields(json!({"delta": "{}"}));
        let done = fields(json!({"name": "end_call", "arguments": "{}"}));
        self.send(out, "response.function_call_arguments.delta", &delta);
        self.send(out, "response.function_call_arguments.done", &done);
        self.tell_done(response, &item_id, output_index, out);
    }

    /// Ends the active response before its time; false if there is none, or if it is ending anyway.
    pub(super) fn cut(&mut self, now: Duration, outcome: Outcome, out: &mut Outbox) -> bool {
        let Some(mut response) = self.response.take() else {
            return false;
        };
        if self.condition.has(Lasting::Stalled) {
            self.response = Some(response);
            return true; // It is heard, and nothing comes of it.
        }
        let stage = std::mem::replace(&mut response.stage, Stage::BetweenItems);
        let speech = match stage {
            Stage::Asked => {
                self.announce(now, &response, out);
                None
            }
            Stage::BetweenItems => None,
            Stage::Speaking(speech) => Some(speech),
            Stage::Cut { .. } => {
                response.stage = stage;
                self.response = Some(response);
                return false;
            }
        };
        if response.says_goodbye {
            // Nobody heard it: it is said again.
            self.next_line = self.script.len().saturating_sub(1);
        }
        let late = if speech.is_some() {
            self.rng.u32(0..=self.settings.late_deltas_max)
        } else {
            0
        };
        let before = self.rng.u32(0..=late);
        self.trail_off(now, response, speech, outcome, (before, late - before), out);
        true
    }

    /// What is under way of a response that was cut: late deltas, the end, later deltas.
    fn trail_off(
        &mut self,
        now: Duration,
        mut response: Response,
        mut speech: Option<Speech>,
        outcome: Outcome,
        (before, after): (u32, u32),
        out: &mut Outbox,
    ) {
        if before > 0
            && let Some(speech) = speech.take_if(|speech| !speech.is_over())
        {
            let mut speech = speech;
            self.send_delta(now, &mut response, &mut speech, out);
            response.stage = Stage::Cut {
                speech: Some(speech),
                outcome,
                late: (before - 1, after),
            };
            let gap = self.settings.late_delta_gap_ms.pick(&mut self.rng);
            self.resume(response, now + gap);
            return;
        }
        if let Some(speech) = &speech {
            self.end_item(&mut response, speech, "incomplete", out);
        }
        let mut later = Outbox::new();
        let mut at = now;
        if let Some(mut speech) = speech {
            for _ in 0..after {
                if speech.is_over() {
                    break;
                }
                at += self.settings.late_delta_gap_ms.pick(&mut self.rng);
                self.send_delta(at, &mut response, &mut speech, &mut later);
                for action in later.drain(..) {
                    self.plan(at, Due::Act(action));
                }
            }
        }
        self.finish(now, &response, outcome, out);
    }

    fn finish(&mut self, now: Duration, response: &Response, outcome: Outcome, out: &mut Outbox) {
        self.tell_done_so(response, outcome, out);
        self.settle(now, response.number, outcome);
    }

    pub(super) fn response_json(
        &self,
        response: &Response,
        status: &str,
        details: &Value,
    ) -> Value {
        let output = self.config.session.pointer("/audio/output");
        let usage = (status != "in_progress").then(|| {
            // A failed response costs nothing.
            let (input, text, audio) = if status == "failed" { (0, 0, 0) } else { (120, 20, 100) };
            let spoken = response.bytes / 400;
            json!({
                "total_tokens": input + spoken, "input_tokens": input, "output_tokens": spoken,
                "input_token_details": {
                    "text_tokens": text, "audio_tokens": audio, "image_tokens": 0, "cached_tokens": 0,
                    "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
                },
                "output_token_details": {"text_tokens": 0, "audio_tokens": spoken},
            })
        });
        let mut body = json!({
            "object": "realtime.response", "id": response.id, "status": status,
            "status_details": details, "output": response.output,
            "conversation_id": self.conversation_id, "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": {
                "format": output.and_then(|output| output.get("format")),
                "voice": output.and_then(|output| output.get("voice")),
            }},
            "usage": usage, "metadata": response.metadata,
        });
        if response.is_recital
            && let Some(fields) = body.as_object_mut()
        {
            fields.remove("conversation_id");
        }
        body
    }

    fn send_part(
        &mut self,
        response: &Response,
        speech: &Speech,
        kind: &str,
        fields: &Value,
        out: &mut Outbox,
    ) {
        let place = Place {
            response_id: &response.id,
            item_id: &speech.item_id,
            output_index: speech.output_index,
        };
        // Of the events of a part only those that carry the part itself nest it.
        let fields = if kind.starts_with("response.content_part") {
            json!({"part": fields})
        } else {
            fields.clone()
        };
        self.send(out, kind, &place.event(fields));
    }
}
