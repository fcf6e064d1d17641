//! Who may come into a house, and how the others are kept out.

use std::time::Duration;

use super::Upgrade;
use crate::{
    model::{
        ModelSession,
        house::{self, Door, ModelHouse},
    },
    peer::{Outbox, Peer},
};

/// Decides about each visitor of a house, first when he comes and again when he has said what he wants.
pub trait Keeper: Send + 'static {
    /// The double that a visitor meets inside.
    type Guest: Peer + Send + 'static;

    /// Somebody connects; nothing is known of him.
    fn arrive(&mut self, now: Duration) -> Arrival;

    /// Somebody asks for an upgrade.
    fn enter(&mut self, now: Duration, upgrade: &Upgrade) -> Entry<Self::Guest>;
}

/// What a visitor meets who has said nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// He is listened to, after this.
    ComeIn {
        /// How long he waits.
        after: Duration,
    },
    /// The connection stays as it is, and nothing is read or said.
    Hang,
    /// The connection is reset.
    Reset,
}

/// What a visitor meets who asks for an upgrade.
pub enum Entry<P> {
    /// A double: made when the socket is open.
    Open(Open<P>),
    /// An HTTP answer.
    Refuse {
        /// Its status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
        /// Its body.
        body: String,
    },
    /// No answer.
    Hang,
}

/// Makes a double, and says what it sends first.
pub type Open<P> = Box<dyn FnOnce(Duration, &mut Outbox) -> P + Send>;

impl<P> std::fmt::Debug for Entry<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(_) => f.write_str("Open"),
            Self::Refuse { status, .. } => write!(f, "Refuse({status})"),
            Self::Hang => f.write_str("Hang"),
        }
    }
}

/// The model's own rules, over sockets.
impl Keeper for ModelHouse {
    type Guest = ModelSession;

    fn arrive(&mut self, now: Duration) -> Arrival {
        match Self::arrive(self, now) {
            house::Arrival::ComeIn(after) => Arrival::ComeIn { after },
            house::Arrival::Hang(_stage) => Arrival::Hang,
            house::Arrival::Reset => Arrival::Reset,
        }
    }

    fn enter(&mut self, now: Duration, upgrade: &Upgrade) -> Entry<ModelSession> {
        match Self::enter(self, now, upgrade.key) {
            Door::Open(mut session) => Entry::Open(Box::new(move |now, out| {
                session.start(now, out);
                *session
            })),
            Door::Refuse(refusal) => Entry::Refuse {
                status: refusal.status,
                retry_after: refusal.retry_after,
                body: refusal.body,
            },
            // At the upgrade nothing can be reset but what hangs for ever.
            Door::Hang(_) | Door::Reset => Entry::Hang,
        }
    }
}
