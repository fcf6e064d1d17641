//! The caller's audio, without a JSON tree, a copy or an allocation.
//!
//! It reads a small part of JSON, and reads that part whole: objects of plain strings and whole numbers. Whatever else it
//! meets, it gives up, and [`super::parse`] decides. So it never guesses: a payload that is named inside a string, under another
//! key or twice is not mistaken for the audio.

use std::ops::Range;
use std::str;

use bytes::Bytes;

use super::Message;
use super::parse::OUTBOUND;
use crate::core::audio::Frame;
use crate::core::ids::StreamSid;

/// The audio of a `media` message that is written in the usual way, as [`super::parse`] would read it; `None`: ask that.
pub fn scan(text: &Bytes) -> Option<Message> {
    let mut found = Found::default();
    let mut scanner = Scanner { text, at: 0 };
    scanner.object(|scanner, key| found.member(scanner, key))?;
    scanner.end()?;

    found.event?;
    let stream = StreamSid::parse(str::from_utf8(found.stream?).ok()?)?;
    let frame = Frame::from_base64(text.slice(found.payload?))?;
    Some(Message::Media(stream, frame))
}

/// What has been found of a `media` message.
#[derive(Default)]
struct Found<'a> {
    /// It is `media`.
    event: Option<()>,
    stream: Option<&'a [u8]>,
    media: Option<()>,
    /// It is the caller's.
    track: Option<()>,
    payload: Option<Range<usize>>,
}

impl<'a> Found<'a> {
    /// Takes a member of the message. A second one of the same name is for the parser to refuse.
    fn member(&mut self, scanner: &mut Scanner<'a>, key: &[u8]) -> Option<()> {
        match key {
            b"event" => {
                once(&mut self.event, ())?;
                (scanner.string()? == b"media").then_some(())
            }
            b"streamSid" => once(&mut self.stream, scanner.string()?),
            b"media" => {
                once(&mut self.media, ())?;
                scanner.object(|scanner, key| self.media_member(scanner, key))
            }
            _ => scanner.skip(),
        }
    }

    /// Takes a member of the object `media`.
    fn media_member(&mut self, scanner: &mut Scanner<'a>, key: &[u8]) -> Option<()> {
        match key {
            b"payload" => once(&mut self.payload, scanner.payload()?),
            b"track" => {
                once(&mut self.track, ())?;
                let outbound = scanner.string()?.starts_with(OUTBOUND.as_bytes());
                (!outbound).then_some(())
            }
            _ => scanner.skip(),
        }
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// Reads a text from left to right. `None` from any of its functions: not the plain kind, give up.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// An object of at least one member. `member` reads the value of each key.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.eat(b'{')?;
        loop {
            let key = self.string()?;
            self.eat(b':')?;
            member(self, key)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A string of printable ASCII without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let rest = self.text.get(self.at..)?;
        let special = |&c: &u8| c == b'"' || c == b'\\' || !(b' '..=b'~').contains(&c);
        let len = rest.iter().position(special)?;
        self.at += len + 1;
        (rest.get(len) == Some(&b'"')).then(|| rest.get(..len))?
    }

    /// Where a string lies whose characters are checked by another: base64 has no escapes and no quotes.
    fn payload(&mut self) -> Option<Range<usize>> {
        self.eat(b'"')?;
        let start = self.at;
        let len = memchr::memchr(b'"', self.text.get(start..)?)?;
        self.at += len + 1;
        Some(start..start + len)
    }

    /// A string or a whole number that nobody wants.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'1'..=b'9' => {
                let rest = self.text.get(self.at..)?;
                self.at += rest.iter().position(|c| !c.is_ascii_digit())?;
                Some(())
            }
            _ => None,
        }
    }

    /// Nothing but space is left.
    fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    fn eat(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// The next byte that is not space, taken.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is not space, which then stands at `at`.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }
}
