//! How nodes prove to each other who they are: a tag over all that is said, with a key that all of them have.
//!
//! A question's is over who asks whom, when, at which path and what, and a number that is used once; an answer's over the tag of its
//! question and what is said. So a question is of no use to anybody else, at another node, later, or twice, and an answer to no other
//! question. Tags are compared in constant time. It must not decide who is known: [`super::door`] and [`super::peers`] do.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};

use crate::core::region::Node;
use crate::core::time::Utc;

/// Where questions go.
pub(super) const PATH: &str = "/peer/v1/ask";

/// The header that a question is signed in, and an answer.
pub(super) const HEADER: &str = "x-ringback-peer";

/// How old a question may be, or how far ahead its clock: clocks of regions are seconds apart, and it was not long on its way.
pub(super) const STAMP_APART_MAX: Duration = Duration::from_secs(30);

/// A longer header is none of ours.
const HEADER_BYTES_MAX: usize = 300;

/// What a question says of itself, before its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// Who asks.
    pub(super) from: Node,
    /// Who is asked.
    pub(super) to: Node,
    /// When, by the clock of who asks.
    pub(super) stamp: Utc,
    /// Tells it from all others.
    pub(super) nonce: u64,
}

/// The tag of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag([u8; TAG_BYTES]);

const TAG_BYTES: usize = 32;

/// A question whose seal is good; its words are still to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) seal: Seal,
    pub(super) tag: Tag,
    digest: [u8; TAG_BYTES],
}

/// Why a seal is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It has another form.
    Malformed,
    /// It is not signed with our key.
    Forged,
    /// It is too old, or from too far ahead.
    Stale,
}

impl Seal {
    /// The header of a question with these words, and the tag that its answer is bound to.
    pub(super) fn write(&self, key: &hmac::Key, body: &[u8]) -> (String, Tag) {
        let digest = digest_of(body);
        let fields = self.fields(&digest);
        let tag = sign(key, &[QUESTION, fields.as_bytes()]);
        (format!("{fields} {}", URL_SAFE_NO_PAD.encode(tag.0)), tag)
    }

    /// The question that this header belongs to, if it is signed with our key and of now.
    pub(super) fn open(key: &hmac::Key, now: Utc, header: &str) -> Result<Opened, Broken> {
        let opened = read(header).ok_or(Broken::Malformed)?;
        let fields = opened.seal.fields(&opened.digest);
        verify(key, &[QUESTION, fields.as_bytes()], &opened.tag.0)?;
        let stamp = opened.seal.stamp;
        if now.since(stamp).max(stamp.since(now)) > STAMP_APART_MAX {
            return Err(Broken::Stale);
        }
        Ok(opened)
    }

    fn fields(&self, digest: &[u8; TAG_BYTES]) -> String {
        let Self {
            from,
            to,
            stamp,
            nonce,
        } = self;
        let mut fields = format!("{PATH} {from} {to} {} {nonce:016x} ", stamp.millis());
        for byte in digest {
            write!(fields, "{byte:02x}").expect("a String takes everything");
        }
        fields
    }
}

impl Opened {
    /// Whether these are the words that were signed.
    pub(super) fn covers(&self, body: &[u8]) -> bool {
        self.digest == digest_of(body)
    }
}

impl Tag {
    /// The header of an answer with these words to the question of this tag.
    pub(super) fn answer(&self, key: &hmac::Key, body: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(sign(key, &[ANSWER, &self.0, body]).0)
    }

    /// Whether this header belongs to an answer with these words to the question of this tag.
    pub(super) fn is_answered(&self, key: &hmac::Key, header: &str, body: &[u8]) -> bool {
        let tag = decode(header);
        tag.is_some_and(|tag| verify(key, &[ANSWER, &self.0, body], &tag).is_ok())
    }
}

/// What a tag is for, so that none stands for another.
const QUESTION: &[u8] = b"ringback peer question 1\n";
const ANSWER: &[u8] = b"ringback peer answer 1\n";

fn digest_of(body: &[u8]) -> [u8; TAG_BYTES] {
    let digest = digest::digest(&digest::SHA256, body);
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> Tag {
    let tag = context(key, parts).sign();
    Tag(*tag.as_ref().first_chunk().expect("a tag has 32 bytes"))
}

fn verify(key: &hmac::Key, parts: &[&[u8]], tag: &[u8]) -> Result<(), Broken> {
    let whole = parts.concat();
    hmac::verify(key, &whole, tag).map_err(|_| Broken::Forged)
}

fn context(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Context {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context
}

fn read(header: &str) -> Option<Opened> {
    if header.len() > HEADER_BYTES_MAX {
        return None;
    }
    let mut fields = header.split(' ');
    let path = fields.next()?;
    let seal = Seal {
        from: Node::parse(fields.next()?)?,
        to: Node::parse(fields.next()?)?,
        stamp: Utc::from_millis(fields.next()?.parse().ok()?),
        nonce: u64::from_str_radix(fields.next()?, 16).ok()?,
    };
    let digest = read_hex(fields.next()?)?;
    let tag = Tag(decode(fields.next()?)?);
    let is_whole = path == PATH && fields.next().is_none();
    is_whole.then_some(Opened { seal, tag, digest })
}

fn read_hex(text: &str) -> Option<[u8; TAG_BYTES]> {
    let mut bytes = [0; TAG_BYTES];
    if text.len() != 2 * TAG_BYTES || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn decode(text: &str) -> Option<[u8; TAG_BYTES]> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Utc = Utc::from_millis(1_900_000_000_000);

    fn key(secret: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
    }

    fn seal() -> Seal {
        Seal {
            from: Node::parse(&"a".repeat(64)).unwrap(),
            to: Node::parse(&"b".repeat(64)).unwrap(),
            stamp: NOW,
            nonce: u64::MAX,
        }
    }

    #[test]
    fn what_was_sealed_is_opened_and_its_answer_is_bound_to_it() {
        let key = key("swordfish");
        let (header, tag) = seal().write(&key, b"how are you");
        assert!(header.len() <= HEADER_BYTES_MAX, "{}", header.len());
        let opened = Seal::open(&key, NOW, &header).unwrap();
        assert_eq!((opened.seal, opened.tag), (seal(), tag));
        assert!(opened.covers(b"how are you") && !opened.covers(b"how are they"));
        let answer = tag.answer(&key, b"well");
        assert!(tag.is_answered(&key, &answer, b"well"));
        assert!(!tag.is_answered(&key, &answer, b"ill"));
        let other = Seal { nonce: 1, ..seal() };
        let (_, other) = other.write(&key, b"how are you");
        assert!(!other.is_answered(&key, &answer, b"well"));
        // A question is no answer.
        let (_, signed) = header.rsplit_once(' ').unwrap();
        assert!(!tag.is_answered(&key, signed, b"how are you"));
    }

    #[test]
    fn another_key_another_time_and_another_character_are_noticed() {
        let ours = key("swordfish");
        let (header, _) = seal().write(&ours, b"words");
        let open = |header: &str| Seal::open(&ours, NOW, header);
        let forged = Seal::open(&key("Swordfish"), NOW, &header);
        assert_eq!(forged, Err(Broken::Forged));
        for (place, character) in header.char_indices() {
            let other = if character == 'b' { 'c' } else { 'b' };
            let mut changed = header.clone();
            changed.replace_range(place..=place, &other.to_string());
            assert!(open(&changed).is_err(), "{changed}");
        }
        let apart = u64::try_from(STAMP_APART_MAX.as_millis()).unwrap();
        for (millis, is_good) in [(apart, true), (apart + 1, false)] {
            for now in [NOW.millis() + millis, NOW.millis() - millis] {
                let opened = Seal::open(&ours, Utc::from_millis(now), &header);
                assert_eq!(opened.is_ok(), is_good, "{now}");
            }
        }
        for nonsense in ["", " ", "a b c d e f g", "\u{e9}", &"k".repeat(10_000)] {
            assert_eq!(open(nonsense), Err(Broken::Malformed), "{nonsense}");
        }
        let whole = format!("{header} more");
        assert_eq!(open(&whole), Err(Broken::Malformed));
    }
}
