//! The fast path of the model's audio: one pass over the message, no tree, no copy, no decoding.
//!
//! Sound by being narrow: it takes a message only if it has read every byte of it and it is the plainest JSON (one object of
//! unescaped ASCII strings, whole numbers, `true`, `false` and `null`, no key twice). Anything else is left to serde.

use bytes::Bytes;
use memchr::{memchr, memchr2};
use std::borrow::Cow;

use crate::core::audio::Frame;
use crate::provider::openai::wire::read::{AudioDelta, is_audio_delta};

/// The audio delta that `text` is, or `None` if that cannot be told in one plain pass.
pub fn audio_delta(text: &Bytes) -> Option<AudioDelta<'_>> {
    let mut fields = Fields::default();
    let mut scanner = Scanner { text, at: 0 };
    scanner.punctuation(b'{')?;
    loop {
        scanner.skip_space();
        let key = scanner.string()?;
        scanner.punctuation(b':')?;
        scanner.skip_space();
        fields.take(key, &mut scanner)?;
        scanner.skip_space();
        match scanner.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    scanner.skip_space();
    if scanner.at != text.len() || !fields.is_delta {
        return None;
    }
    Some(AudioDelta {
        response_id: Cow::Borrowed(fields.response_id?),
        item_id: Cow::Borrowed(fields.item_id?),
        content_index: fields.content_index.unwrap_or(0),
        frame: Some(fields.frame?),
    })
}

#[derive(Default)]
struct Fields<'a> {
    is_delta: bool,
    response_id: Option<&'a str>,
    item_id: Option<&'a str>,
    content_index: Option<u32>,
    frame: Option<Frame>,
}

impl<'a> Fields<'a> {
    /// Reads the value of `key`; `None` if it is not plain, or there is a second one.
    fn take(&mut self, key: &str, scanner: &mut Scanner<'a>) -> Option<()> {
        match key {
            "type" if !self.is_delta => self.is_delta = is_audio_delta(scanner.string()?),
            "response_id" => set(&mut self.response_id, scanner.string()?)?,
            "item_id" => set(&mut self.item_id, scanner.string()?)?,
            "content_index" => {
                let index = scanner.number()?.parse().ok()?;
                set(&mut self.content_index, index)?;
            }
            "delta" => set(&mut self.frame, scanner.base64()?)?,
            // A second type, or a type that is not ours: serde sees to it.
            "type" => return None,
            _ => scanner.skip_value()?,
        }
        // Any other event leaves here as soon as its type is read.
        (key != "type" || self.is_delta).then_some(())
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    match slot.replace(value) {
        None => Some(()),
        Some(_) => None,
    }
}

struct Scanner<'a> {
    text: &'a Bytes,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn skip_space(&mut self) {
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().iter().take_while(space).count();
    }

    fn punctuation(&mut self, wanted: u8) -> Option<()> {
        self.skip_space();
        (self.next()? == wanted).then_some(())
    }

    /// A string of printable ASCII without escapes.
    fn string(&mut self) -> Option<&'a str> {
        (self.next()? == b'"').then_some(())?;
        let rest = self.rest();
        let end = memchr2(b'"', b'\\', rest)?;
        let (content, tail) = rest.split_at_checked(end)?;
        let is_plain = content.iter().all(|byte| (b' '..=b'~').contains(byte));
        (is_plain && tail.first() == Some(&b'"')).then_some(())?;
        self.at += end + 1;
        std::str::from_utf8(content).ok()
    }

    /// A string of base64, not empty.
    fn base64(&mut self) -> Option<Frame> {
        (self.next()? == b'"').then_some(())?;
        let start = self.at;
        let end = start + memchr(b'"', self.rest())?;
        self.at = end + 1;
        // All of base64's symbols are themselves in JSON: a frame has no escapes.
        Frame::from_base64(self.text.slice(start..end))
    }

    /// A whole number that is not negative, as its digits.
    fn number(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = rest.get(..digits)?;
        self.at += digits;
        let is_plain = match number {
            [] => false,
            [b'0', more @ ..] => more.is_empty(),
            _ => true,
        };
        // A fraction or an exponent would follow at once: whatever reads on stops there.
        is_plain.then_some(())?;
        std::str::from_utf8(number).ok()
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.rest().first()? {
            b'"' => self.string().map(|_| ()),
            b'0'..=b'9' => self.number().map(|_| ()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest().starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }
}
