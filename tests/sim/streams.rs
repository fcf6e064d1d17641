//! A call of several streams: what the carrier does when one is over, and what the front door answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadtest::carrier::{Ended, Identity};
use loadtest::peer::Outbox;
use ringback::carrier::twilio::Stream;
use ringback::core::call::Call;
use ringback::core::call::checkpoint::{Checkpoint, Origin};
use ringback::core::call::effect::EndReason;
use ringback::core::call::input::Input;
use ringback::core::desk::Desk;
use ringback::core::front::{self, Card, Endings, House, Next, Over, Progress};
use ringback::core::ids::{CallId, CallSid, TenantId};
use ringback::core::time::Utc;

use crate::setup::EPOCH_S;
use crate::world::World;

/// How a carrier goes on with a call whose stream is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carriage {
    /// How long it takes to notice that a socket is gone.
    pub(crate) notices_after: Duration,
    /// How long it then takes to have a document.
    pub(crate) asks_for: Duration,
}

/// The carrier and the front door, between streams.
#[derive(Debug)]
pub(crate) struct Door {
    carriage: Carriage,
    endings: Endings,
    sid: CallSid,
    id: CallId,
    card: Option<Card>,
    kept: Option<Checkpoint>,
    asks_at: Option<Duration>,
    pub(crate) streams: Vec<StreamLife>,
    /// What the carrier was answered each time.
    pub(crate) answers: Vec<(Duration, Next)>,
}

/// What became of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLife {
    pub(crate) opened_at: Duration,
    pub(crate) reason: Option<EndReason>,
}

const WELL: House = House {
    is_full: false,
    has_provider: true,
    has_menu: false,
};

impl Door {
    pub(crate) fn new(carriage: Carriage, id: CallId) -> Self {
        Self {
            carriage,
            endings: Endings::default(),
            sid: CallSid::parse(&format!("CA{:032x}", id.bits())).unwrap(),
            id,
            card: None,
            kept: None,
            asks_at: None,
            streams: Vec::new(),
            answers: Vec::new(),
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Duration> {
        self.asks_at
    }

    pub(crate) fn keep(&mut self, checkpoint: Checkpoint) {
        self.kept = Some(checkpoint);
    }
}

impl World {
    /// The call comes in.
    pub(crate) fn ring(&mut self, out: &mut Outbox) {
        self.phone.answer(self.now);
        let now = self.instant();
        let Some(door) = &mut self.door else { return };
        let next = front::receive(
            &mut door.endings,
            now,
            door.sid,
            door.id,
            Progress::Ringing,
            WELL,
        );
        self.go_on(next, out);
    }

    /// The server has ended a stream's call.
    pub(crate) fn stream_ended(&mut self, reason: EndReason) {
        let now = self.instant();
        let Some(door) = &mut self.door else { return };
        if let Some(stream) = door.streams.last_mut() {
            stream.reason = Some(reason);
        }
        if let Some(card) = door.card.filter(|_| !reason.may_go_on()) {
            door.endings.ended(now, door.sid, card);
        }
    }

    /// The socket is gone at the carrier's end, with or without a word.
    pub(crate) fn stream_lost(&mut self, has_said_so: bool) {
        if let Some(door) = self.door.as_mut().filter(|_| !self.phone.is_over()) {
            let notices_after = if has_said_so {
                Duration::ZERO
            } else {
                door.carriage.notices_after
            };
            door.asks_at = Some(self.now + notices_after + door.carriage.asks_for);
        }
    }

    /// The carrier asks what comes next, if it is time.
    pub(crate) fn ask_next(&mut self, out: &mut Outbox) -> bool {
        let (now, at) = (self.instant(), self.now);
        let Some(door) = self.door.as_mut() else {
            return false;
        };
        if door.asks_at.is_none_or(|asks_at| asks_at > at) {
            return false;
        }
        door.asks_at = None;
        if self.phone.is_over() {
            return true;
        }
        let next = front::next(
            &mut door.endings,
            now,
            door.sid,
            (door.card, door.id),
            (Progress::Answered, Over::Stream),
            WELL,
        );
        self.go_on(next, out);
        true
    }

    fn go_on(&mut self, next: Next, out: &mut Outbox) {
        let Some(door) = &mut self.door else { return };
        let card = if let Next::Stream(card) = next {
            Some(card)
        } else {
            None
        };
        door.answers.push((self.now, next));
        match card {
            Some(card) => self.open_stream(card, out),
            None => self
                .phone
                .hang_up(self.now, Ended::ServerClosed { code: None }),
        }
    }

    fn open_stream(&mut self, card: Card, out: &mut Outbox) {
        let now = self.instant();
        let millis = u64::try_from(self.now.as_millis()).unwrap();
        let utc = Utc::from_millis(EPOCH_S * 1_000 + millis);
        self.call = Call::new(card.id, now, utc, self.setup.call.clone());
        self.desk = Desk::new(now, card.id, TenantId::default());
        self.stream = Stream::new(Arc::new([]));
        (self.stream_open, self.phone_open) = (true, true);
        self.life.reason = None;
        let Some(door) = &mut self.door else { return };
        door.card = Some(card);
        door.streams.push(StreamLife {
            opened_at: self.now,
            reason: None,
        });
        let hex = |prefix: &str, bits: u128| format!("{prefix}{bits:032x}");
        let identity = Identity {
            account_sid: hex("AC", 1),
            call_sid: door.sid.as_str().to_owned(),
            stream_sid: hex("MZ", door.streams.len() as u128),
            parameters: BTreeMap::new(),
        };
        let kept = door.kept.clone();
        if let Some(kept) = kept {
            self.input(Input::Resumed(Origin::LineLost, Box::new(kept)));
        }
        self.phone.connect(self.now, identity, out);
        self.carry_phone(out);
    }
}
