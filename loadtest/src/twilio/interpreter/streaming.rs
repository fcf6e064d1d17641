//! `<Connect><Stream>`: a stream from its opening to what follows its end.

use std::time::Duration;

use super::{Form, Interpreter, Open, State, Step, sid};
use crate::twilio::{
    address::Address,
    fault::{BROKEN_PIPE, StreamFault},
    note::{End, Note, StreamOver, Why},
    settings::{After, StreamQuery},
    twiml::{Connect, Link, Stream},
};

/// A stream that is being opened, or open.
#[derive(Debug)]
pub(super) struct Streaming {
    pub(super) stream_sid: String,
    pub(super) name: String,
    pub(super) action: Option<Link>,
    pub(super) status: Option<Link>,
    pub(super) is_open: bool,
}

impl Interpreter {
    pub(super) fn connect(&mut self, now: Duration, connect: Connect, steps: &mut Vec<Step>) {
        let Some(stream) = connect.stream else {
            return self.run(now, steps); // The document's warning has said it.
        };
        let before = std::mem::replace(&mut self.connected_in, self.documents);
        if before == self.documents && !self.settings.sequential_connects {
            return self.finish(now, End::StreamLost, steps);
        }
        let stream_sid = sid("MZ", &mut self.rng);
        self.state = State::Streaming(Streaming {
            stream_sid: stream_sid.clone(),
            name: stream.name.clone(),
            action: connect.action,
            status: stream.status.clone(),
            is_open: false,
        });
        match self.stream_address(&stream) {
            Ok(address) => {
                let url = address.shown();
                let opens = Note::Opens {
                    stream_sid: stream_sid.clone(),
                    url,
                };
                self.note(now, opens);
                steps.push(Step::Open(Open {
                    address,
                    stream_sid,
                    parameters: stream.parameters,
                }));
            }
            Err(fault) => self.on_not_opened(now, fault, steps),
        }
    }

    fn stream_address(&self, stream: &Stream) -> Result<Address, StreamFault> {
        let joined = match &self.base {
            // A relative URL of a stream is at the document's host, with the scheme of streams.
            Some(base) => base.join(&stream.url).map(|mut address| {
                if !stream.url.contains("://") {
                    let scheme = if base.is_tls() { "wss" } else { "ws" };
                    scheme.clone_into(&mut address.scheme);
                }
                address
            }),
            None => Address::parse(&stream.url),
        };
        let mut address = joined.ok_or(StreamFault::Url)?;
        let plain = self.settings.plain_streams_on_loopback && address.is_loopback();
        if address.scheme != "wss" && !(address.scheme == "ws" && plain) {
            return Err(StreamFault::Scheme);
        }
        if stream
            .track
            .as_deref()
            .is_some_and(|track| track != "inbound_track")
        {
            return Err(StreamFault::Track);
        }
        if address.has_query() {
            match self.settings.stream_query {
                StreamQuery::Fail => return Err(StreamFault::Handshake(None)),
                StreamQuery::Strip => {
                    let path = address.path.split('?').next().unwrap_or("/");
                    address.path = path.to_owned();
                }
            }
        }
        Ok(address)
    }

    pub(super) fn on_opened(&mut self, now: Duration, steps: &mut Vec<Step>) {
        let State::Streaming(streaming) = &mut self.state else {
            return;
        };
        streaming.is_open = true;
        let stream_sid = streaming.stream_sid.clone();
        let (name, status) = (streaming.name.clone(), streaming.status.clone());
        self.note(
            now,
            Note::Opened {
                stream_sid: stream_sid.clone(),
            },
        );
        self.tell_stream(
            (&stream_sid, &name),
            status.as_ref(),
            "stream-started",
            None,
            steps,
        );
    }

    pub(super) fn on_not_opened(
        &mut self,
        now: Duration,
        fault: StreamFault,
        steps: &mut Vec<Step>,
    ) {
        let Some(streaming) = self.take_stream() else {
            return;
        };
        let stream_sid = streaming.stream_sid.clone();
        self.note(now, Note::NotOpened { stream_sid, fault });
        let error = Some(format!("{} - {fault}", fault.code()));
        let (sid, name) = (&streaming.stream_sid, &streaming.name);
        let status = streaming.status.as_ref();
        self.tell_stream((sid, name), status, "stream-error", error, steps);
        match self.settings.after_failed_stream {
            After::GoOn => self.follow(now, streaming, steps),
            After::End => self.finish(now, End::StreamLost, steps),
        }
    }

    pub(super) fn on_stream_over(
        &mut self,
        now: Duration,
        over: StreamOver,
        steps: &mut Vec<Step>,
    ) {
        let Some(streaming) = self.take_stream() else {
            return;
        };
        self.tell_stream_over(now, &streaming, over, steps);
        match (over, self.settings.after_lost_stream) {
            (StreamOver::Lost, After::End) => self.finish(now, End::StreamLost, steps),
            (StreamOver::Lost, After::GoOn)
            | (StreamOver::Closed(_) | StreamOver::ByCarrier, _) => {
                self.follow(now, streaming, steps);
            }
        }
    }

    /// Notes and tells the end of a stream, whoever ended it.
    pub(super) fn tell_stream_over(
        &mut self,
        now: Duration,
        streaming: &Streaming,
        over: StreamOver,
        steps: &mut Vec<Step>,
    ) {
        let stream_sid = streaming.stream_sid.clone();
        self.note(now, Note::StreamOver { stream_sid, over });
        if !streaming.is_open {
            return;
        }
        let this = (streaming.stream_sid.as_str(), streaming.name.as_str());
        let status = streaming.status.as_ref();
        if over == StreamOver::Lost {
            let error = Some(format!("{BROKEN_PIPE} - Connection Broken Pipe"));
            self.tell_stream(this, status, "stream-error", error, steps);
        }
        self.tell_stream(this, status, "stream-stopped", None, steps);
    }

    /// What follows a stream: its action, or the next verb.
    fn follow(&mut self, now: Duration, streaming: Streaming, steps: &mut Vec<Step>) {
        let Some(action) = streaming.action else {
            return self.run(now, steps);
        };
        let mut form = Form::new();
        if self.settings.stream_parameters_in_action {
            form.push("StreamSid", streaming.stream_sid);
            form.push("StreamName", streaming.name);
        }
        self.ask(now, Why::Action("Connect"), &action, form, steps);
    }

    fn take_stream(&mut self) -> Option<Streaming> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Streaming(streaming) => Some(streaming),
            other @ (State::Idle
            | State::Asking(_)
            | State::Waiting(_)
            | State::Dialling(_)
            | State::Over(_)) => {
                self.state = other;
                None
            }
        }
    }
}
