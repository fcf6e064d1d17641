//! What the client asks for, event by event; what cannot be done is refused as a real server refuses it.

use std::time::Duration;

use serde_json::{Value, json};

use super::ModelSession;
use super::agenda::Due;
use super::conversation::{Body, Item};
use super::report::{AskedBy, Deletion, Outcome, Truncation};
use super::requests::EVENT;
use super::response::Asked;
use super::seed;
use super::shape::Refusal;
use crate::peer::Outbox;

impl ModelSession {
    /// Takes any event but a plain append.
    pub(super) fn take(&mut self, now: Duration, text: &str, out: &mut Outbox) {
        let Ok(event) = serde_json::from_str::<Value>(text) else {
            self.report.violations.not_json += 1;
            let message = "The server could not parse the JSON body of your request.";
            self.refuse(&Refusal::new("invalid_event", message), None, out);
            return;
        };
        let kind = text_of(&event, "type").to_owned();
        let event_id = event.get("event_id").and_then(Value::as_str);
        self.note_event_id(event_id, kind == "input_audio_buffer.append");
        let done = match EVENT.check(&event, "") {
            Ok(()) => self.serve(now, &kind, &event, out),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = done {
            self.refuse(&refusal, event_id, out);
        }
    }

    fn serve(
        &mut self,
        now: Duration,
        kind: &str,
        event: &Value,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let item_id = text_of(event, "item_id");
        if self.agenda.is_full() {
            let message = "Too many requests at once.";
            return Err(Refusal::new("rate_limit_exceeded", message));
        }
        match kind {
            "session.update" => self.update(now, event)?,
            "input_audio_buffer.append" => {
                let event_id = event.get("event_id").and_then(Value::as_str);
                self.hear(now, text_of(event, "audio"), event_id, out);
            }
            "input_audio_buffer.commit" => self.commit_buffer(now, out)?,
            "input_audio_buffer.clear" => self.clear_buffer(out),
            "conversation.item.create" => self.create_item(now, event, out)?,
            "conversation.item.retrieve" => self.retrieve(item_id, out)?,
            "conversation.item.truncate" => {
                let end_ms = event.get("audio_end_ms").and_then(Value::as_u64);
                let index = event.get("content_index").and_then(Value::as_u64);
                self.truncate(now, item_id, index, end_ms.unwrap_or(0), out)?;
            }
            "conversation.item.delete" => self.delete(now, item_id, out)?,
            "response.create" => self.create_response(now, event)?,
            "response.cancel" => self.cancel(now, event, out)?,
            other => unreachable!("the shape of events lets no {other} through"),
        }
        Ok(())
    }

    fn update(&mut self, now: Duration, event: &Value) -> Result<(), Refusal> {
        let session = event.get("session").unwrap_or(&Value::Null);
        self.config.check(session, self.has_spoken)?;
        let delay = self.settings.updated_delay_ms.pick(&mut self.rng);
        // Never before an earlier one: the last update is the one that holds.
        self.updated_at = self.updated_at.max(now + delay);
        self.plan(self.updated_at, Due::Update(session.clone()));
        Ok(())
    }

    fn create_item(
        &mut self,
        now: Duration,
        event: &Value,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let item = event.get("item").unwrap_or(&Value::Null);
        let body = seed::body(item)?;
        let audio = seed::audio(item)?;
        if let Body::FunctionOutput { call_id, .. } = &body
            && !self.conversation.has_call(call_id)
        {
            let message = format!("Tool call ID '{call_id}' not found in conversation.");
            return Err(Refusal::new("invalid_tool_call_id", message));
        }
        let id = match item.get("id").and_then(Value::as_str) {
            Some(id) if self.conversation.find(id).is_some() => {
                let message =
                    format!("Error adding item: an item with ID '{id}' is there already.");
                return Err(Refusal::of("item.id", "item_create_duplicate_id", message));
            }
            Some(id) => id.to_owned(),
            None => self.wire.id("item"),
        };
        let after = event.get("previous_item_id").and_then(Value::as_str);
        if let Some(after) = after.filter(|&after| after != "root")
            && self.conversation.find(after).is_none()
        {
            return Err(not_found("item_create_invalid_previous_item_id", after));
        }
        let item = Item { id, body };
        self.report.seeds.push(item.said());
        if !audio.is_empty() {
            self.report.seeded_audio.append(now, &audio);
        }
        self.add_item(item, after, out);
        Ok(())
    }

    /// Adds a finished item and tells of it.
    pub(super) fn add_item(&mut self, item: Item, after: Option<&str>, out: &mut Outbox) {
        let json = item.json();
        let previous = match after {
            None => self.conversation.push(item),
            Some(after) => match self.conversation.insert_after(after, item) {
                Ok(previous) => previous,
                Err(item) => self.conversation.push(item),
            },
        };
        let event = json!({"previous_item_id": previous, "item": json});
        self.send(out, "conversation.item.added", &event);
        self.send(out, "conversation.item.done", &event);
    }

    fn retrieve(&mut self, item_id: &str, out: &mut Outbox) -> Result<(), Refusal> {
        let item = self.conversation.find(item_id);
        let item = item.ok_or_else(|| not_found("item_retrieve_invalid_item_id", item_id))?;
        let event = json!({"item": item.json()});
        self.send(out, "conversation.item.retrieved", &event);
        Ok(())
    }

    fn truncate(
        &mut self,
        now: Duration,
        item_id: &str,
        content_index: Option<u64>,
        end_ms: u64,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let item = self.conversation.find_mut(item_id);
        let item = item.ok_or_else(|| not_found("item_truncate_invalid_item_id", item_id))?;
        let refuses_zero = self.settings.refuse_truncate_at_zero;
        let spoken = match &mut item.body {
            Body::Spoken(spoken) if end_ms > 0 || !refuses_zero => spoken,
            Body::Spoken(_)
            | Body::Heard { .. }
            | Body::Text { .. }
            | Body::FunctionCall { .. }
            | Body::FunctionOutput { .. } => {
                let message = "Only model output audio messages can be truncated";
                return Err(Refusal::new("unsupported_content_type", message));
            }
        };
        if content_index != Some(0) {
            let message = "Invalid 'content_index': the item has one content part.";
            return Err(Refusal::of("content_index", "invalid_value", message));
        }
        let audio_ms = spoken.audio_ms();
        if end_ms > audio_ms {
            let message =
                format!("Audio content of {audio_ms}ms is already shorter than {end_ms}ms");
            return Err(Refusal::new(&self.settings.truncate_error_code, message));
        }
        spoken.truncate(end_ms);
        self.report.truncations.push(Truncation {
            session: self.number,
            item: spoken.number,
            audio_end_ms: end_ms,
            at: now,
        });
        let event = json!({"item_id": item_id, "content_index": 0, "audio_end_ms": end_ms});
        self.send(out, "conversation.item.truncated", &event);
        Ok(())
    }

    fn delete(&mut self, now: Duration, item_id: &str, out: &mut Outbox) -> Result<(), Refusal> {
        let item = self.conversation.remove(item_id);
        let item = item.ok_or_else(|| not_found("item_delete_invalid_item_id", item_id))?;
        let number = match &item.body {
            Body::Spoken(spoken) => Some(spoken.number),
            Body::Heard { .. }
            | Body::Text { .. }
            | Body::FunctionCall { .. }
            | Body::FunctionOutput { .. } => None,
        };
        self.report.deletions.push(Deletion {
            session: self.number,
            item: number,
            at: now,
        });
        self.send(
            out,
            "conversation.item.deleted",
            &json!({"item_id": item_id}),
        );
        Ok(())
    }

    fn create_response(&mut self, now: Duration, event: &Value) -> Result<(), Refusal> {
        if let Some(active) = &self.response {
            let message = format!(
                "Conversation already has an active response in progress: {}. Wait until the response is finished before creating a new one.",
                active.id
            );
            return Err(Refusal::new(
                "conversation_already_has_active_response",
                message,
            ));
        }
        let metadata = event.pointer("/response/metadata");
        let metadata = metadata.cloned().unwrap_or(Value::Null);
        let is_told_how = event.pointer("/response/instructions").is_some();
        let what = match self.recital(event)? {
            Some(line) => Asked::Recital(line),
            None if is_told_how && self.conversation.is_empty() => Asked::Greeting,
            None => Asked::Line,
        };
        self.ask(now, AskedBy::Client, metadata, what);
        self.report_response(self.responses, |report| report.instructed = is_told_how);
        Ok(())
    }

    fn cancel(&mut self, now: Duration, event: &Value, out: &mut Outbox) -> Result<(), Refusal> {
        let wanted = event.get("response_id").and_then(Value::as_str);
        self.report.violations.unnamed_cancels += u64::from(wanted.is_none());
        let active = self.response.as_ref().map(|response| response.id.as_str());
        let is_meant = wanted.is_none() || wanted == active;
        if is_meant && self.cut(now, Outcome::ClientCancelled, out) {
            return Ok(());
        }
        Err(Refusal::new(
            "response_cancel_not_active",
            "Cancellation failed: no active response found",
        ))
    }

    /// Counts events that could not be told apart by their ids.
    pub(super) fn note_event_id(&mut self, event_id: Option<&str>, is_append: bool) {
        let violations = &mut self.report.violations;
        match event_id {
            None if is_append => violations.unnamed_appends += 1,
            None => violations.unnamed_events += 1,
            Some(id) if self.event_ids.is_repeated(id) => violations.repeated_event_ids += 1,
            Some(_) => {}
        }
    }

    /// Returns an error.
    pub(super) fn refuse(&mut self, refusal: &Refusal, event_id: Option<&str>, out: &mut Outbox) {
        self.report.count_error(&refusal.code);
        let code = Some(&refusal.code).filter(|code| !code.is_empty());
        let error = json!({
            "type": "invalid_request_error", "code": code, "message": refusal.message,
            "param": refusal.param, "event_id": event_id,
        });
        self.send(out, "error", &json!({"error": error}));
    }
}

fn not_found(code: &str, item_id: &str) -> Refusal {
    let message = format!("Item with item_id not found: {item_id}");
    Refusal::of("item_id", code, message)
}

fn text_of<'a>(event: &'a Value, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}
