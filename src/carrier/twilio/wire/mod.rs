//! The messages of a media stream: text to [`Message`], [`CarrierCommand`] to text. Lenient in, strict out.
//!
//! It owns every name of the wire. It must not remember anything between two messages: their order is
//! [`super::Stream`]'s. Audio takes the fast path of [`scan`], everything else [`parse`].

mod parse;
mod scalar;
mod scan;

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};

use crate::core::audio::Frame;
use crate::core::call::effect::CarrierCommand;
use crate::core::call::input::{Key, Mark, Started};
use crate::core::fault::Refusal;
use crate::core::ids::StreamSid;

use super::Parameters;
pub use parse::parse;
use scalar::Scalar;
pub use scan::scan;

/// One message of a carrier's, whatever came before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The socket speaks the protocol.
    Connected,
    /// The stream starts.
    Start(Started, Parameters),
    /// Audio of the caller's.
    Media(StreamSid, Frame),
    /// A mark comes back; `None`: not one of ours.
    Mark(StreamSid, Option<Mark>),
    /// A key was pressed.
    Key(StreamSid, Key),
    /// The stream stops.
    Stop(StreamSid),
    /// An event that we do not know, or audio that is not the caller's.
    Unknown,
}

/// What a message says; its audio shares the memory of `text`.
pub fn read(text: &Bytes) -> Result<Message, Refusal> {
    scan(text).map_or_else(|| parse(text), Ok)
}

/// Appends the text of `command` to `out`, addressed to `stream`: the documented fields and nothing else, since the carrier
/// answers one field too many with a warning. Base64 is spliced, never decoded.
pub fn write(command: &CarrierCommand, stream: &StreamSid, out: &mut BytesMut) {
    match command {
        CarrierCommand::Media(frame) => {
            out.reserve(ENVELOPE_BYTES + frame.len().div_ceil(3) * 4);
            open("media", stream, out);
            out.extend_from_slice(br#","media":{"payload":""#);
            frame.write_base64(out);
            out.extend_from_slice(br#""}}"#);
        }
        CarrierCommand::Mark(mark) => {
            out.reserve(ENVELOPE_BYTES);
            open("mark", stream, out);
            out.extend_from_slice(br#","mark":{"name":""#);
            write_mark(*mark, out);
            out.extend_from_slice(br#""}}"#);
        }
        CarrierCommand::Clear => {
            out.reserve(ENVELOPE_BYTES);
            open("clear", stream, out);
            out.extend_from_slice(b"}");
        }
    }
}

/// What any message has at most besides its audio, so that one reservation is enough.
const ENVELOPE_BYTES: usize = 128;

fn open(event: &str, stream: &StreamSid, out: &mut BytesMut) {
    out.extend_from_slice(br#"{"event":""#);
    out.extend_from_slice(event.as_bytes());
    out.extend_from_slice(br#"","streamSid":""#);
    out.extend_from_slice(stream.as_str().as_bytes());
    out.extend_from_slice(br#"""#);
}

fn write_mark(mark: Mark, out: &mut BytesMut) {
    write!(out, "g{}-{}", mark.generation, mark.number).expect("a `BytesMut` grows as needed");
}

/// The mark of this name; `None` unless it is, to the letter, a name that [`write`] writes.
fn read_mark(name: &str) -> Option<Mark> {
    let (generation, number) = name.strip_prefix('g')?.split_once('-')?;
    Some(Mark {
        generation: read_number(generation)?,
        number: read_number(number)?,
    })
}

fn read_number(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mark_comes_back_as_it_went_out(generation: u32, number: u32) {
            let mark = Mark { generation, number };
            let mut name = BytesMut::new();
            write_mark(mark, &mut name);
            prop_assert_eq!(read_mark(std::str::from_utf8(&name).unwrap()), Some(mark));
        }

        #[test]
        fn a_name_that_is_read_is_the_name_that_is_written(name in "g?[-+0-9]{0,6}[-g][-+ 0-9]{0,11}") {
            if let Some(mark) = read_mark(&name) {
                let mut written = BytesMut::new();
                write_mark(mark, &mut written);
                prop_assert_eq!(name.as_bytes(), &written[..]);
            }
        }
    }

    #[test]
    fn one_reservation_is_enough_for_the_longest_names() {
        let stream = StreamSid::parse(&format!("MZ{}", "0".repeat(32))).unwrap();
        let mark = Mark {
            generation: u32::MAX,
            number: u32::MAX,
        };
        let frame = Frame::from_raw(Bytes::from_static(&[0xFF; 161]));
        for (command, audio) in [
            (CarrierCommand::Mark(mark), 0),
            (CarrierCommand::Media(frame), 216),
            (CarrierCommand::Clear, 0),
        ] {
            let mut text = BytesMut::new();
            write(&command, &stream, &mut text);
            assert!(text.len() <= ENVELOPE_BYTES + audio, "{command:?}");
        }
    }
}
