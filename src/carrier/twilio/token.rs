//! What we sign ourselves: the token that lets a media stream in, and the ticket by which Twilio asks what comes after it.
//!
//! It owns their form, and the keys. It must not remember which token was used: [`crate::core::front`] does. A text is
//! `key.fields.signature`; its purpose is signed with it, so that a ticket is no token. The fields of tokens and tickets begin with
//! the version of their form: those of the form before are read as well, since a deploy mixes both.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::signature::hex;
use crate::core::callback::promise::{SendId, SendKind};
use crate::core::front::{Card, Direction};
use crate::core::ids::{CallId, CallSid};
use crate::core::region::resume::Resumed;
use crate::core::region::{Life, Node, Peer, Region};
use crate::core::time::Utc;

/// How long a token may be on its way from the document to the stream.
pub const TOKEN_LIFE: Duration = Duration::from_mins(1);

/// How long a ticket holds: no call lasts longer than a day.
pub const TICKET_LIFE: Duration = Duration::from_hours(25);

/// How many keys may hold at a time.
pub const TOKEN_KEYS_MAX: usize = 4;

/// A longer text is none of ours.
const TEXT_BYTES_MAX: usize = 400;

/// The keys: the first signs, all of them are accepted. To rotate, the new one is put first and the old one stays for a day.
#[derive(Clone)]
pub struct Keyring(Vec<(Box<str>, hmac::Key)>);

/// The version of the form of tokens and tickets. The form before has none, and `.` between its fields: it begins with the call.
const VERSION: &str = "2";

/// Lets one media stream in, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamToken {
    /// The call that it is for.
    pub call: CallSid,
    /// What the call is known by here, and which of its documents this is.
    pub card: Card,
    /// Who called whom.
    pub direction: Direction,
    /// The node that wrote it.
    pub node: Box<str>,
    /// Until when it holds.
    pub expires: Utc,
    /// Tells it from all other tokens.
    pub nonce: u64,
    /// Whether the call begins with it: one that goes on greets nobody.
    pub is_fresh: bool,
    /// When the call was put together again.
    pub resumed: Resumed,
}

/// Says which document of which call has run its course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The call.
    pub call: CallSid,
    /// What the call is known by here, and which of its documents it was.
    pub card: Card,
    /// Who was to hold the document's stream; `None`: the form before does not say so.
    pub home: Option<Peer>,
    /// When the call was put together again.
    pub resumed: Resumed,
    /// When it was written.
    pub issued: Utc,
}

/// Why a text is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It has another form.
    Malformed,
    /// It names a key that is not, or no longer, ours.
    UnknownKey,
    /// It is not signed by that key, or for another purpose.
    Forged,
    /// Its time is over.
    Expired,
    /// It is for another call.
    OtherCall,
}

#[derive(Clone, Copy)]
enum Purpose {
    Stream,
    Next,
    Text,
    Ring,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Stream => "ringback stream token 1",
            Self::Next => "ringback next ticket 1",
            Self::Text => "ringback text callback 1",
            Self::Ring => "ringback ring callback 1",
        }
    }
}

impl From<SendKind> for Purpose {
    fn from(kind: SendKind) -> Self {
        match kind {
            SendKind::Text => Self::Text,
            SendKind::Ring => Self::Ring,
        }
    }
}

impl Keyring {
    /// These keys, by id (letters, digits, `-` and `_`); at least one, at most [`TOKEN_KEYS_MAX`].
    pub fn new<'a>(keys: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let key = |secret: &str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let keys = keys.into_iter().take(TOKEN_KEYS_MAX);
        Self(keys.map(|(id, secret)| (id.into(), key(secret))).collect())
    }

    /// Keys that follow from auth tokens: who can sign for Twilio could let streams in anyway.
    pub fn derived<'a>(auth_tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let derive = |token: &str| {
            let token = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
            let id = hmac::sign(&token, b"ringback token key id");
            let id = hex(id.as_ref().first_chunk::<4>().expect("a tag has 32 bytes"));
            let secret = hmac::sign(&token, b"ringback token key");
            (
                id.into(),
                hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()),
            )
        };
        let tokens = auth_tokens.into_iter().take(TOKEN_KEYS_MAX);
        Self(tokens.map(derive).collect())
    }

    /// The token as it stands in a document; at most 400 bytes of letters, digits, `.`, `-` and `_`.
    pub fn seal_token(&self, token: &StreamToken) -> String {
        let StreamToken {
            call,
            card,
            direction,
            node,
            expires,
            nonce,
            is_fresh,
            resumed,
        } = token;
        let (id, epoch, direction) = (card.id.bits(), card.epoch, direction.name());
        let (expires, begins) = (expires.millis(), begins(*is_fresh));
        let resumed = times(*resumed);
        self.seal(
            Purpose::Stream,
            &format!(
                "{VERSION}~{call}~{id:032x}~{epoch}~{direction}~{node}~{expires}~{nonce:016x}~{begins}~{resumed}"
            ),
        )
    }

    /// The token that this text is, if it is one for this call and still holds. Compares in constant time.
    pub fn open_token(
        &self,
        now: Utc,
        call: CallSid,
        text: &str,
    ) -> Result<StreamToken, TokenError> {
        let fields = self.open(Purpose::Stream, text)?;
        let token = read_token(fields).ok_or(TokenError::Malformed)?;
        if token.call != call {
            return Err(TokenError::OtherCall);
        }
        if now > token.expires {
            return Err(TokenError::Expired);
        }
        Ok(token)
    }

    /// The ticket as it stands in a URL.
    pub fn seal_ticket(&self, ticket: &Ticket) -> String {
        let Ticket {
            call,
            card,
            home,
            resumed,
            issued,
        } = ticket;
        let (id, epoch, issued) = (card.id.bits(), card.epoch, issued.millis());
        let home =
            home.map(|Peer { region, node, life }| format!("{region}~{node}~{:016x}", life.0));
        let (home, resumed) = (home.as_deref().unwrap_or("~~"), times(*resumed));
        self.seal(
            Purpose::Next,
            &format!("{VERSION}~{call}~{id:032x}~{epoch}~{home}~{issued}~{resumed}"),
        )
    }

    /// The ticket that this text is, if it is one for this call and still holds.
    pub fn open_ticket(&self, now: Utc, call: CallSid, text: &str) -> Result<Ticket, TokenError> {
        let fields = self.open(Purpose::Next, text)?;
        let ticket = read_ticket(fields).ok_or(TokenError::Malformed)?;
        if ticket.call != call {
            return Err(TokenError::OtherCall);
        }
        if now.since(ticket.issued) > TICKET_LIFE {
            return Err(TokenError::Expired);
        }
        Ok(ticket)
    }

    /// What stands behind the name of a text or a ring in the paths that Twilio asks about it: two segments that nobody else
    /// can make, good for as long as the key.
    pub fn seal_send(&self, kind: SendKind, send: SendId) -> String {
        let sealed = self.seal(kind.into(), &send.to_string());
        let (id, rest) = sealed.split_once('.').unwrap_or_default();
        let (send, tag) = rest.rsplit_once('.').unwrap_or_default();
        format!("{send}/{id}.{tag}")
    }

    /// The name in such a path. Compares in constant time.
    pub fn open_send(&self, kind: SendKind, send: &str, token: &str) -> Result<SendId, TokenError> {
        let (id, tag) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let text = format!("{id}.{send}.{tag}");
        let send = self.open(kind.into(), &text)?;
        let bits = u128::from_str_radix(send, 16).map_err(|_| TokenError::Malformed)?;
        Ok(SendId::from_bits(bits))
    }

    fn seal(&self, purpose: Purpose, fields: &str) -> String {
        let (id, key) = self.0.first().expect("a keyring has at least one key");
        let tag = hmac::sign(key, &signed(purpose, id, fields));
        format!("{id}.{fields}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn open<'t>(&self, purpose: Purpose, text: &'t str) -> Result<&'t str, TokenError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (id, rest) = text.split_once('.').ok_or(TokenError::Malformed)?;
        let (fields, tag) = rest.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let tag = URL_SAFE_NO_PAD
            .decode(tag)
            .map_err(|_| TokenError::Malformed)?;
        let key = self.0.iter().find(|(known, _)| **known == *id);
        let (_, key) = key.ok_or(TokenError::UnknownKey)?;
        hmac::verify(key, &signed(purpose, id, fields), &tag).map_err(|_| TokenError::Forged)?;
        Ok(fields)
    }
}

fn signed(purpose: Purpose, id: &str, fields: &str) -> Vec<u8> {
    format!("{}\n{id}\n{fields}", purpose.name()).into_bytes()
}

/// Whether a call begins, as it is written.
const fn begins(is_fresh: bool) -> &'static str {
    if is_fresh { "new" } else { "on" }
}

/// When a call was put together again, as it is written: nothing in the place of a time that there is not.
fn times(resumed: Resumed) -> String {
    let text = |at: Option<Utc>| at.map(|at| at.millis().to_string()).unwrap_or_default();
    resumed.0.map(text).join("~")
}

/// The fields of this form; else those of the form before.
fn split(fields: &str) -> Result<std::str::Split<'_, char>, std::str::Split<'_, char>> {
    match fields.split_once('~') {
        Some((VERSION, rest)) => Ok(rest.split('~')),
        Some(_) | None => Err(fields.split('.')),
    }
}

fn read_token(text: &str) -> Option<StreamToken> {
    let (mut fields, is_of_now) = match split(text) {
        Ok(fields) => (fields, true),
        Err(fields) => (fields, false),
    };
    let mut token = StreamToken {
        call: CallSid::parse(fields.next()?)?,
        card: read_card(&mut fields)?,
        direction: Direction::parse(fields.next()?)?,
        node: fields.next()?.into(),
        expires: Utc::from_millis(fields.next()?.parse().ok()?),
        nonce: u64::from_str_radix(fields.next()?, 16).ok()?,
        is_fresh: false,
        resumed: Resumed::default(),
    };
    if is_of_now {
        let word = fields.next()?;
        token.is_fresh = word == begins(true);
        token.resumed = read_times(&mut fields)?;
        if word != begins(token.is_fresh) {
            return None;
        }
    } else {
        token.is_fresh = token.card.epoch <= 1;
    }
    fields.next().is_none().then_some(token)
}

fn read_ticket(text: &str) -> Option<Ticket> {
    let (mut fields, is_of_now) = match split(text) {
        Ok(fields) => (fields, true),
        Err(fields) => (fields, false),
    };
    let mut ticket = Ticket {
        call: CallSid::parse(fields.next()?)?,
        card: read_card(&mut fields)?,
        home: None,
        resumed: Resumed::default(),
        issued: Utc::from_millis(0),
    };
    if is_of_now {
        ticket.home = match (fields.next()?, fields.next()?, fields.next()?) {
            ("", "", "") => None,
            (region, node, life) => Some(Peer {
                region: Region::parse(region)?,
                node: Node::parse(node)?,
                life: Life(u64::from_str_radix(life, 16).ok()?),
            }),
        };
    } else {
        fields.next()?; // The node that wrote it, without its region: of no use.
    }
    ticket.issued = Utc::from_millis(fields.next()?.parse().ok()?);
    if is_of_now {
        ticket.resumed = read_times(&mut fields)?;
    }
    fields.next().is_none().then_some(ticket)
}

fn read_times<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<Resumed> {
    let mut resumed = Resumed::default();
    for place in &mut resumed.0 {
        *place = match fields.next()? {
            "" => None,
            text => Some(Utc::from_millis(text.parse().ok()?)),
        };
    }
    Some(resumed)
}

fn read_card<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<Card> {
    let id = u128::from_str_radix(fields.next()?, 16).ok()?;
    Some(Card {
        id: CallId::from_bits(id),
        epoch: fields.next()?.parse().ok()?,
    })
}

/// Without the keys.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.0.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

#[cfg(test)]
mod tests;
