//! A fault happens: one arm for each.

use std::time::Duration;

use serde_json::{Value, json};

use super::ModelSession;
use super::agenda::{Due, Storm};
use super::condition::{Failing, Lasting, Voice};
use super::faults::{Failure, Moment, OVERSIZE_MAX, What};
use super::report::AskedBy;
use super::response::{Asked, Flood, Stage};
use super::wire::Place;
use crate::peer::{Action, Outbox};

impl ModelSession {
    /// Does what waits for this moment.
    pub(super) fn reach(&mut self, now: Duration, moment: Moment, out: &mut Outbox) {
        while !self.is_over()
            && let Some(what) = self.faults.take(moment)
        {
            self.go_wrong(now, what, out);
        }
    }

    pub(super) fn go_wrong(&mut self, now: Duration, what: What, out: &mut Outbox) {
        self.report.faults += 1;
        self.report.first_fault.get_or_insert(now);
        match what {
            What::Garbage => out.push(Action::Send("\u{fffd}!<html>502</html>".to_owned())),
            What::HalfMessage => self.send_half_a_message(out),
            What::BadBase64 => self.send_bad_base64(out),
            What::Binary => out.push(Action::SendBinary(vec![0xff; 160])),
            What::Oversize { bytes } => {
                // An event that clients do not know, and ignore if they have read it.
                let filler = " ".repeat(bytes.min(OVERSIZE_MAX));
                self.send(out, "x.oversize", &json!({"filler": filler}));
            }
            What::Close { code } if !self.condition.has(Lasting::Frozen) => {
                self.close(now, code, String::new(), out);
            }
            // What is frozen says no goodbye.
            What::Cut | What::Close { .. } => {
                out.push(Action::Cut);
                self.end(now, true, None);
            }
            What::Expire => self.expire(now, out),
            What::Reject { code } => self.reject(now, code, out),
            What::Freeze => {
                self.condition.get(Lasting::Frozen);
                self.agenda.keep_ends();
                out.push(Action::Freeze);
            }
            What::Stall => self.condition.get(Lasting::Stalled),
            What::BlackHole => self.condition.get(Lasting::BlackHole),
            What::Deaf => self.condition.get(Lasting::Deaf),
            What::NoAnswer => self.condition.get(Lasting::NoAnswer),
            What::Untranscribed => self.condition.get(Lasting::Untranscribed),
            What::Mute => self.speak_in(Voice::Mute),
            What::Noise => self.speak_in(Voice::Noise),
            What::Recites(mishap) => self.condition.recites = Some(mishap),
            What::ServerError { times } => {
                self.fail_answers(now, Failing::by_error(Failure::ServerError, times), out);
            }
            What::ResponseFailed { times } => {
                self.fail_answers(now, Failing::by_done(Failure::ServerError, times), out);
            }
            What::RateLimited { times } => {
                self.fail_answers(now, Failing::by_done(Failure::RateLimited, times), out);
            }
            What::ContentFilter { times } => {
                self.fail_answers(now, Failing::by_done(Failure::ContentFilter, times), out);
            }
            What::ContextTooLong { times } => {
                self.fail_answers(now, Failing::by_done(Failure::ContextTooLong, times), out);
            }
            What::Quota { via, close } => {
                self.fail_answers(now, Failing::for_ever(Failure::Quota, via, close), out);
            }
            What::Flood { speed, lasts_ms } => self.flood(now, Flood { speed, lasts_ms }),
            What::ErrorStorm {
                per_second,
                lasts_ms,
            } => self.storm(now, Storm::new(true, per_second, lasts_ms), out),
            What::UnknownEvents {
                per_second,
                lasts_ms,
            } => self.storm(now, Storm::new(false, per_second, lasts_ms), out),
        }
    }

    fn send_half_a_message(&mut self, out: &mut Outbox) {
        let mut event = self.wire.event("response.done", &json!({"response": {}}));
        event.truncate(event.len() / 2);
        out.push(Action::Send(event));
    }

    fn send_bad_base64(&mut self, out: &mut Outbox) {
        let place = Place {
            response_id: "resp_bad",
            item_id: "item_bad",
            output_index: 0,
        };
        let fields = place.event(json!({"delta": "*not base64*"}));
        self.send(out, "response.output_audio.delta", &fields);
    }

    fn flood(&mut self, now: Duration, flood: Flood) {
        if self.response.is_none() {
            self.ask(now, AskedBy::Fault, Value::Null, Asked::Line);
        }
        let Some(response) = &mut self.response else {
            return;
        };
        if let Stage::Speaking(speech) = &mut response.stage {
            response.speed = flood.speed.into();
            speech.prolong(speech.sent() + flood.bytes());
        } else {
            response.flood = Some(flood);
        }
    }

    fn speak_in(&mut self, voice: Voice) {
        self.condition.voice = voice;
        if let Some(response) = &mut self.response
            && let Stage::Speaking(speech) = &mut response.stage
        {
            speech.speak_in(voice);
        }
    }

    /// One message of a storm; the next one is planned.
    pub(super) fn storm(&mut self, now: Duration, storm: Storm, out: &mut Outbox) {
        if storm.left == 0 {
            return;
        }
        if storm.errors {
            self.tell_nothing(out);
        } else {
            let fields = json!({"load": storm.left, "nested": {"and": ["so", "on"]}});
            self.send(out, "x.heartbeat", &fields);
        }
        let left = storm.left - 1;
        self.plan(now + storm.gap, Due::Storm(Storm { left, ..storm }));
    }
}
