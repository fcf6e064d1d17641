//! Twilio's REST interface: ends, changes, makes and looks up calls, makes and looks up messages.
//!
//! It owns what a request looks like, its time-outs and what stands before it ([`RestLimits`], a breaker). It makes each request
//! once and never again by itself: whether a write may be repeated is decided by whoever knows what it was for, from
//! [`RestError::advice`]. It prints no number, no word and no secret. Where messages are accounted for is [`crate::store`].

mod address;
mod call;
mod error;
mod form;
mod gate;
mod list;
mod message;
mod send;

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::redirect;
use tokio_rustls::rustls::ClientConfig;

pub use self::address::{ApiHost, Credentials};
pub use self::call::{Answer, Call, CallChange, CallStatus, MachineDetection, NewCall};
pub use self::error::{Advice, Code, Lost, NotSent, Refusal, RestError};
pub use self::form::Private;
use self::gate::Gate;
pub use self::gate::RestLimits;
pub use self::list::{Page, parse_date};
pub use self::message::{Message, MessageStatus, NewMessage, Sender};
use crate::core::time::Instant;

/// How to reach the interface, and how fast.
#[derive(Clone, Debug)]
pub struct RestSettings {
    /// Where it is.
    pub host: ApiHost,
    /// Whose requests they are.
    pub credentials: Credentials,
    /// How long a connection may take. Default: 1 s.
    pub connect_timeout: Duration,
    /// How long all of a request may take. Default: 5 s.
    pub timeout: Duration,
    /// How fast and how many.
    pub limits: RestLimits,
}

impl RestSettings {
    /// The defaults for everything else.
    pub fn new(host: ApiHost, credentials: Credentials) -> Self {
        Self {
            host,
            credentials,
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            limits: RestLimits::default(),
        }
    }
}

/// How the interface is told the time.
pub type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// A client of the interface. See the module. Share one: it keeps connections, rates and the breaker.
pub struct Rest {
    http: reqwest::Client,
    settings: RestSettings,
    gate: Mutex<Gate>,
    clock: Clock,
}

impl Rest {
    /// A client that trusts what `tls` trusts.
    pub fn new(settings: RestSettings, tls: ClientConfig, clock: Clock) -> Self {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            // Shorter than what servers keep: one that closes just then leaves it unknown what became of the request.
            .pool_idle_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(8)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("ringback/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the client's settings are constant, and the TLS configuration is of the version that it knows");
        Self {
            http,
            gate: Mutex::new(Gate::new(settings.limits)),
            settings,
            clock,
        }
    }

    /// For health: how long the breaker is still open; `None`: it is closed, and requests pass.
    pub fn open_for(&self) -> Option<Duration> {
        let now = (self.clock)();
        self.gate().open_for(now)
    }

    /// For health: when something was last answered, if only with a no.
    pub fn answered_at(&self) -> Option<Instant> {
        self.gate().answered_at()
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rest({:?})", self.settings)
    }
}
