//! One media stream: the order of its messages, and whose they are.

use std::mem;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Parameters;
use super::wire::{self, Message};
use crate::core::call::effect::CarrierCommand;
use crate::core::call::input::{CarrierEvent, Started};
use crate::core::fault::Refusal;
use crate::core::ids::{AccountSid, StreamSid};

/// How many bytes may come before the stream has started, `start` included: whoever it is has proved nothing yet.
pub const UNSTARTED_BYTES_MAX: usize = 64 * 1024;

/// The protocol of one socket, without the socket: texts in, [`CarrierEvent`]s out, and back.
///
/// What breaks the protocol becomes [`CarrierEvent::Refused`]; whether the stream outlives it is the call's to decide.
#[derive(Debug)]
pub struct Stream {
    accounts: Arc<[AccountSid]>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Only `connected` may come, and nothing can be sent. So many bytes have come.
    BeforeStart(usize),
    /// Everything is addressed to this stream.
    Started {
        stream: StreamSid,
        parameters: Parameters,
    },
}

impl Stream {
    /// A stream that has not started; it must belong to one of `accounts`, or to anybody if there are none.
    pub const fn new(accounts: Arc<[AccountSid]>) -> Self {
        Self {
            accounts,
            state: State::BeforeStart(0),
        }
    }

    /// What a text says at this point of the stream. Audio shares the memory of `text`.
    pub fn receive(&mut self, text: &Bytes) -> CarrierEvent {
        if let State::BeforeStart(bytes) = &mut self.state {
            *bytes = bytes.saturating_add(text.len());
            if *bytes > UNSTARTED_BYTES_MAX {
                return CarrierEvent::Refused(Refusal::Oversized);
            }
        }
        let event = wire::read(text).and_then(|message| self.accept(message));
        event.unwrap_or_else(CarrierEvent::Refused)
    }

    /// Appends the text of a command.
    ///
    /// A command before `start` has no address: nothing is written, and that is a bug of the caller's.
    pub fn write(&self, command: &CarrierCommand, out: &mut BytesMut) {
        match &self.state {
            State::BeforeStart(_) => debug_assert!(false, "{command:?} before `start`"),
            State::Started { stream, .. } => wire::write(command, stream, out),
        }
    }

    /// Takes out the parameters that came with `start`; none before it, and none the second time.
    pub fn take_parameters(&mut self) -> Parameters {
        match &mut self.state {
            State::BeforeStart(_) => Parameters::none(),
            State::Started { parameters, .. } => mem::take(parameters),
        }
    }

    fn accept(&mut self, message: Message) -> Result<CarrierEvent, Refusal> {
        match message {
            Message::Connected => Ok(CarrierEvent::Connected),
            Message::Unknown => Ok(CarrierEvent::Unknown),
            Message::Start(started, parameters) => self.start(started, parameters),
            Message::Media(sid, frame) => self.ours(sid, CarrierEvent::Media(frame)),
            Message::Mark(sid, Some(mark)) => self.ours(sid, CarrierEvent::Mark(mark)),
            Message::Mark(sid, None) => self.ours(sid, CarrierEvent::UnknownMark),
            Message::Key(sid, key) => self.ours(sid, CarrierEvent::Key(key)),
            Message::Stop(sid) => match self.state {
                // The caller hung up before the stream had begun: no less an end.
                State::BeforeStart(_) => Ok(CarrierEvent::Stopped),
                State::Started { .. } => self.ours(sid, CarrierEvent::Stopped),
            },
        }
    }

    fn start(&mut self, started: Started, parameters: Parameters) -> Result<CarrierEvent, Refusal> {
        if matches!(self.state, State::Started { .. }) {
            return Err(Refusal::SecondStart);
        }
        if !self.accounts.is_empty() && !self.accounts.contains(&started.account) {
            return Err(Refusal::ForeignAccount);
        }
        self.state = State::Started {
            stream: started.stream,
            parameters,
        };
        Ok(CarrierEvent::Started(started))
    }

    /// The event, if it came with this stream's SID.
    fn ours(&self, sid: StreamSid, event: CarrierEvent) -> Result<CarrierEvent, Refusal> {
        match &self.state {
            State::BeforeStart(_) => Err(Refusal::BeforeStart),
            State::Started { stream, .. } if *stream != sid => Err(Refusal::WrongStream),
            State::Started { .. } => Ok(event),
        }
    }
}
