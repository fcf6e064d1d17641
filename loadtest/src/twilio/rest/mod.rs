//! The carrier's REST interface: calls and messages of one account.
//!
//! Owns paths, authentication and errors: [`answer`] is told a request and says what is answered. Sockets and what goes wrong
//! with them are in [`serve`], [`faults`] and [`shares`], the resources in [`calls`] and [`messages`]. What a call does when it is
//! changed is [`super::interpreter`]'s; what becomes of texts and calls that were taken in, [`super::network`]'s.

pub(super) mod calls;
mod faults;
mod list;
pub(super) mod messages;
mod serve;
mod shares;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub use faults::{FaultWindow, Faults, Resource, RestFault};
pub use messages::{Message, Messages};
pub(super) use serve::Accepting;
pub use serve::serve;
pub use shares::{Refused, RestShares, Trouble};

use super::{account::Account, form::Form};

/// A request that was read. It shows neither parameters nor passwords.
#[derive(Clone)]
pub struct Request {
    /// Whether it changes something: a POST.
    pub writes: bool,
    /// Its path.
    pub path: String,
    /// Its query.
    pub query: Form,
    /// Its body.
    pub form: Form,
    /// `Authorization`.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({}, writes: {})", self.path, self.writes)
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Value,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl Reply {
    fn done(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            retry_after: None,
        }
    }

    /// An error in the carrier's words.
    fn error(status: u16, code: u32, message: &str) -> Self {
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        let body = json!({"code": code, "message": message, "more_info": more, "status": status});
        Self::done(status, body)
    }

    fn not_found() -> Self {
        Self::error(404, 20_404, "The requested resource was not found")
    }

    fn invalid(parameter: &str) -> Self {
        Self::error(400, 20_001, &format!("Invalid parameter: {parameter}"))
    }

    fn too_many(retry_after: Option<u32>) -> Self {
        Self {
            retry_after,
            ..Self::error(429, 20_429, "Too many concurrent requests")
        }
    }
}

/// A path that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Calls,
    Call(String),
    Messages,
    Message(String),
}

impl Place {
    fn of(account: &Account, path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/2010-04-01/Accounts/")?;
        let rest = rest.strip_prefix(account.sid.as_str())?;
        let rest = rest.strip_prefix('/')?.strip_suffix(".json")?;
        match rest.split_once('/') {
            None if rest == "Calls" => Some(Self::Calls),
            None if rest == "Messages" => Some(Self::Messages),
            Some(("Calls", sid)) => Some(Self::Call(sid.to_owned())),
            Some(("Messages", sid)) => Some(Self::Message(sid.to_owned())),
            Some(_) | None => None,
        }
    }

    fn resource(&self) -> Resource {
        match self {
            Self::Calls | Self::Call(_) => Resource::Calls,
            Self::Messages | Self::Message(_) => Resource::Messages,
        }
    }
}

/// What goes wrong with this request now: as a window says, else by chance. Asked once a request.
pub fn trouble_of(account: &Account, request: &Request) -> Trouble {
    let Some(place) = Place::of(account, &request.path) else {
        return Trouble::default();
    };
    account.trouble(place.resource(), request.writes)
}

/// Does what a request asks for, and says what is answered.
pub fn answer(account: &Account, request: &Request) -> Reply {
    if !is_known(account, request) {
        return Reply::error(401, 20_003, "Authenticate");
    }
    let Some(place) = Place::of(account, &request.path) else {
        return Reply::not_found();
    };
    match (place, request.writes) {
        (Place::Call(sid), false) => calls::one(account, &sid),
        (Place::Call(sid), true) => calls::update(account, &sid, &request.form),
        (Place::Calls, false) => calls::list(account, &request.query),
        (Place::Calls, true) => calls::create(account, &request.form),
        (Place::Messages, false) => messages::list(account, &request.query),
        (Place::Messages, true) => messages::create(account, &request.form),
        (Place::Message(sid), false) => messages::one(account, &sid),
        (Place::Message(_), true) => Reply::error(405, 20_004, "Method not allowed"),
    }
}

fn is_known(account: &Account, request: &Request) -> bool {
    let credentials = request.authorization.as_deref().and_then(|header| {
        let (scheme, coded) = header.split_once(' ')?;
        let coded = scheme.eq_ignore_ascii_case("basic").then_some(coded)?;
        String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()
    });
    let Some((user, password)) = credentials.as_deref().and_then(|c| c.split_once(':')) else {
        return false;
    };
    let fits = |(sid, secret): &(String, String)| sid == user && secret == password;
    account.keys.iter().any(fits)
}
