//! What we sign ourselves: the token that lets a media stream in, and the ticket by which Twilio asks what comes after it.
//!
//! It owns their form, and the keys. It must not remember which token was used: [`crate::core::front`] does. A text is
//! `key.fields.signature`; its purpose is signed with it, so that a ticket is no token.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::signature::hex;
use crate::core::callback::promise::{SendId, SendKind};
use crate::core::front::{Card, Direction};
use crate::core::ids::{CallId, CallSid};
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
}

/// Says which document of which call has run its course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The call.
    pub call: CallSid,
    /// What the call is known by here, and which of its documents it was.
    pub card: Card,
    /// The node that wrote it.
    pub node: Box<str>,
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
        } = token;
        let (id, epoch, direction) = (card.id.bits(), card.epoch, direction.name());
        let expires = expires.millis();
        self.seal(
            Purpose::Stream,
            &format!("{call}.{id:032x}.{epoch}.{direction}.{node}.{expires}.{nonce:016x}"),
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
            node,
            issued,
        } = ticket;
        let (id, epoch, issued) = (card.id.bits(), card.epoch, issued.millis());
        self.seal(
            Purpose::Next,
            &format!("{call}.{id:032x}.{epoch}.{node}.{issued}"),
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

fn read_token(fields: &str) -> Option<StreamToken> {
    let mut fields = fields.split('.');
    let token = StreamToken {
        call: CallSid::parse(fields.next()?)?,
        card: read_card(&mut fields)?,
        direction: Direction::parse(fields.next()?)?,
        node: fields.next()?.into(),
        expires: Utc::from_millis(fields.next()?.parse().ok()?),
        nonce: u64::from_str_radix(fields.next()?, 16).ok()?,
    };
    fields.next().is_none().then_some(token)
}

fn read_ticket(fields: &str) -> Option<Ticket> {
    let mut fields = fields.split('.');
    let ticket = Ticket {
        call: CallSid::parse(fields.next()?)?,
        card: read_card(&mut fields)?,
        node: fields.next()?.into(),
        issued: Utc::from_millis(fields.next()?.parse().ok()?),
    };
    fields.next().is_none().then_some(ticket)
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
mod tests {
    use super::*;

    const NOW: Utc = Utc::from_millis(1_700_000_000_000);

    fn sid(digit: char) -> CallSid {
        CallSid::parse(&format!("CA{}", digit.to_string().repeat(32))).unwrap()
    }

    fn after(life: Duration) -> Utc {
        Utc::from_millis(NOW.millis() + u64::try_from(life.as_millis()).unwrap())
    }

    fn token() -> StreamToken {
        StreamToken {
            call: sid('a'),
            card: Card {
                id: CallId::from_bits(u128::MAX),
                epoch: u32::MAX,
            },
            direction: Direction::Inbound,
            node: "a-node-with-the-longest-name-of-".into(),
            expires: after(TOKEN_LIFE),
            nonce: u64::MAX,
        }
    }

    fn ticket() -> Ticket {
        let StreamToken {
            call, card, node, ..
        } = token();
        Ticket {
            call,
            card,
            node,
            issued: NOW,
        }
    }

    #[test]
    fn what_was_sealed_is_opened_as_it_was_and_fits_into_a_parameter() {
        let keys = Keyring::new([("the-longest-id-of-a-key-has-32--", "secret")]);
        let text = keys.seal_token(&token());
        assert_eq!(keys.open_token(NOW, sid('a'), &text), Ok(token()));
        assert!(text.len() <= TEXT_BYTES_MAX, "{}", text.len());
        let text = keys.seal_ticket(&ticket());
        assert_eq!(keys.open_ticket(NOW, sid('a'), &text), Ok(ticket()));
    }

    #[test]
    fn a_token_holds_for_its_call_and_its_time_and_its_purpose_only() {
        let keys = Keyring::new([("k", "secret")]);
        let text = keys.seal_token(&token());
        let open = |now, call, text: &str| keys.open_token(now, call, text).unwrap_err();
        assert_eq!(open(NOW, sid('b'), &text), TokenError::OtherCall);
        assert!(keys.open_token(after(TOKEN_LIFE), sid('a'), &text).is_ok());
        let late = after(TOKEN_LIFE + Duration::from_millis(1));
        assert_eq!(open(late, sid('a'), &text), TokenError::Expired);
        assert_eq!(
            open(NOW, sid('a'), &keys.seal_ticket(&ticket())),
            TokenError::Forged
        );
        let ticket_text = keys.seal_ticket(&ticket());
        let late = after(TICKET_LIFE + Duration::from_millis(1));
        let opened = keys.open_ticket(late, sid('a'), &ticket_text);
        assert_eq!(opened, Err(TokenError::Expired));
    }

    #[test]
    fn a_path_of_a_text_leads_to_it_and_to_nothing_else() {
        let keys = Keyring::new([("k", "secret")]);
        let id = SendId::from_bits(u128::MAX / 7);
        let path = keys.seal_send(SendKind::Text, id);
        let (send, token) = path.split_once('/').unwrap();
        assert_eq!(keys.open_send(SendKind::Text, send, token), Ok(id));
        let open = |kind, send: &str, token: &str| keys.open_send(kind, send, token).unwrap_err();
        assert_eq!(open(SendKind::Ring, send, token), TokenError::Forged);
        let other = SendId::from_bits(1).to_string();
        assert_eq!(open(SendKind::Text, &other, token), TokenError::Forged);
        for (send, token) in [
            ("", ""),
            (send, ""),
            (send, "k."),
            (send, "x.y"),
            ("é", token),
        ] {
            assert!(keys.open_send(SendKind::Text, send, token).is_err());
        }
        let long = "k".repeat(10_000);
        assert_eq!(open(SendKind::Text, &long, token), TokenError::Malformed);
    }

    #[test]
    fn one_changed_character_is_noticed_wherever_it_is() {
        let keys = Keyring::new([("k", "secret")]);
        let text = keys.seal_token(&token());
        for (place, character) in text.char_indices() {
            let other = if character == 'b' { 'c' } else { 'b' };
            let mut forged = text.clone();
            forged.replace_range(place..=place, &other.to_string());
            assert!(keys.open_token(NOW, sid('a'), &forged).is_err(), "{forged}");
        }
        for nonsense in ["", ".", "..", "k..", "k.x.y", "é.é.é", &"k".repeat(10_000)] {
            assert!(
                keys.open_token(NOW, sid('a'), nonsense).is_err(),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn keys_rotate_by_id() {
        let old = Keyring::new([("old", "1")]);
        let both = Keyring::new([("new", "2"), ("old", "1")]);
        let new = Keyring::new([("new", "2")]);
        let text = old.seal_token(&token());
        assert!(both.open_token(NOW, sid('a'), &text).is_ok());
        assert_eq!(
            new.open_token(NOW, sid('a'), &text),
            Err(TokenError::UnknownKey)
        );
        assert!(
            new.open_token(NOW, sid('a'), &both.seal_token(&token()))
                .is_ok()
        );
        let other = Keyring::new([("old", "2")]);
        assert_eq!(
            other.open_token(NOW, sid('a'), &text),
            Err(TokenError::Forged)
        );

        let before = Keyring::derived(["auth token"]);
        let rotated = Keyring::derived(["its successor", "auth token"]);
        let text = before.seal_token(&token());
        assert!(rotated.open_token(NOW, sid('a'), &text).is_ok());
        assert!(!format!("{rotated:?}{text}").contains("auth token"));
    }
}
