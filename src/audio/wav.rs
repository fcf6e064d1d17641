//! WAV files: µ-law and 16-bit PCM are read, µ-law is written, each with the words that are kept inside.
//!
//! Owns the container and every sentence about what is wrong with one. What is in it is [`super::loudness`]'s to judge. A file
//! that is shorter than it says is refused, whatever it holds: it was torn, and half a sentence is worse than none. The
//! parser is ours because the well-kept ones know no µ-law and skip the chunk that the words are in.

use std::collections::BTreeMap;
use std::path::Path;

use super::{g711, resample};

/// The largest file that is read: half a minute of 24 kHz takes 1.4 MB.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// The name of an entry of the `INFO` list, as in `ICMT`.
pub type Tag = [u8; 4];

/// What is wrong with a file, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is too long to be one.
    #[error("has {0} bytes; allowed: {FILE_BYTES_MAX}")]
    Size(u64),
    /// It holds nothing.
    #[error("is empty; allowed: a WAV file")]
    Empty,
    /// It is something else.
    #[error("is no WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// It has no such part.
    #[error("is a WAV file without a whole `{0}` chunk")]
    NoChunk(&'static str),
    /// It ends before it should.
    #[error("is torn: it ends within its `{0}` chunk")]
    Torn(String),
    /// An encoding other than those that are read.
    #[error("is encoded as {code} with {bits} bits; allowed: µ-law (7) with 8, PCM (1) with 16")]
    Encoding {
        /// The code of the encoding.
        code: u16,
        /// Bits of a sample.
        bits: u16,
    },
    /// A rate other than those that are read.
    #[error("has {rate} samples a second; allowed: {allowed}")]
    Rate {
        /// Its rate.
        rate: u32,
        /// Those that are read in its encoding.
        allowed: &'static str,
    },
    /// More voices than one.
    #[error("has {0} channels; allowed: 1")]
    Channels(u16),
}

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// A byte each, 8 kHz.
    Mulaw,
    /// Two bytes each, at this multiple of 8 kHz.
    Pcm { factor: usize },
}

/// A file that was taken: whole, mono, of an encoding and a rate that we read.
#[derive(Clone, PartialEq, Eq)]
pub struct Wav<'a> {
    encoding: Encoding,
    data: &'a [u8],
    info: BTreeMap<Tag, String>,
}

/// Without its audio and its words.
impl std::fmt::Debug for Wav<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wav({:?}, {} bytes)", self.encoding, self.data.len())
    }
}

impl<'a> Wav<'a> {
    /// Reads what is in a file. Nothing in it makes this panic.
    pub fn parse(file: &'a [u8]) -> Result<Self, Wrong> {
        if file.is_empty() {
            return Err(Wrong::Empty);
        }
        let head = file.first_chunk::<12>().ok_or(Wrong::NotWav)?;
        if !head.starts_with(b"RIFF") || !head.ends_with(b"WAVE") {
            return Err(Wrong::NotWav);
        }
        let mut encoding = None;
        let mut info = BTreeMap::new();
        let mut rest = file.get(12..).unwrap_or_default();
        while let Some(((name, content), after)) = next_chunk(rest)? {
            match &name {
                b"fmt " => encoding = Some(parse_format(content)?),
                b"LIST" => read_info(content, &mut info),
                b"data" => {
                    return Ok(Self {
                        encoding: encoding.ok_or(Wrong::NoChunk("fmt "))?,
                        data: content,
                        info,
                    });
                }
                _ => {} // Chunks of others: cue points, pictures, the length in samples.
            }
            rest = after;
        }
        Err(Wrong::NoChunk(if encoding.is_none() {
            "fmt "
        } else {
            "data"
        }))
    }

    /// Its audio, if it is µ-law as it is.
    pub const fn mulaw(&self) -> Option<&'a [u8]> {
        match self.encoding {
            Encoding::Mulaw => Some(self.data),
            Encoding::Pcm { .. } => None,
        }
    }

    /// Its audio as samples of 8 kHz.
    pub fn samples(&self) -> Vec<i16> {
        match self.encoding {
            Encoding::Mulaw => self.data.iter().map(|&byte| g711::decode(byte)).collect(),
            Encoding::Pcm { factor } => {
                let (pairs, _) = self.data.as_chunks::<2>();
                let samples: Vec<_> = pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
                resample::decimate(&samples, factor)
            }
        }
    }

    /// An entry of its `INFO` list that stands before the audio.
    pub fn info(&self, tag: Tag) -> Option<&str> {
        self.info.get(&tag).map(String::as_str)
    }
}

/// The bytes of a file that may be a WAV.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Wrong> {
    let unreadable = |error: std::io::Error| Wrong::Unreadable(error.to_string());
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(Wrong::Unreadable("it is not a file".to_owned()));
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(Wrong::Size(about.len()));
    }
    std::fs::read(path).map_err(unreadable)
}

type Chunk<'a> = ([u8; 4], &'a [u8]);

/// The next chunk and what follows it; none at the end.
fn next_chunk(rest: &[u8]) -> Result<Option<(Chunk<'_>, &[u8])>, Wrong> {
    let Some((&[a, b, c, d, length @ ..], content)) = rest.split_first_chunk::<8>() else {
        return Ok(None);
    };
    let name = [a, b, c, d];
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    let Some((content, after)) = content.split_at_checked(length) else {
        let name = name.escape_ascii().to_string();
        return Err(Wrong::Torn(name));
    };
    // Chunks begin at even places; the last one often goes without its padding.
    let after = match after.split_first() {
        Some((_, padded)) if !length.is_multiple_of(2) => padded,
        Some(_) | None => after,
    };
    Ok(Some(((name, content), after)))
}

fn parse_format(chunk: &[u8]) -> Result<Encoding, Wrong> {
    const EXTENSIBLE: u16 = 0xFFFE;
    let short = |at: usize| {
        let bytes = chunk.get(at..).and_then(|rest| rest.first_chunk::<2>());
        bytes.map(|&bytes| u16::from_le_bytes(bytes))
    };
    let missing = || Wrong::NoChunk("fmt ");
    let rate = chunk.get(4..).and_then(|rest| rest.first_chunk::<4>());
    let rate = u32::from_le_bytes(*rate.ok_or_else(missing)?);
    let (code, channels, bits) = match (short(0), short(2), short(14)) {
        // The longer form has the code where its own begins.
        (Some(EXTENSIBLE), Some(channels), Some(bits)) => {
            (short(24).ok_or_else(missing)?, channels, bits)
        }
        (Some(code), Some(channels), Some(bits)) => (code, channels, bits),
        _ => return Err(missing()),
    };
    let wrong_rate = |allowed| Err(Wrong::Rate { rate, allowed });
    let encoding = match (code, bits, rate) {
        (7, 8, g711::RATE) => Encoding::Mulaw,
        (7, 8, _) => return wrong_rate("8000 in µ-law"),
        (1, 16, 8_000) => Encoding::Pcm { factor: 1 },
        (1, 16, 16_000) => Encoding::Pcm { factor: 2 },
        (1, 16, 24_000) => Encoding::Pcm { factor: 3 },
        (1, 16, _) => return wrong_rate("8000, 16000, 24000 in PCM"),
        (code, bits, _) => return Err(Wrong::Encoding { code, bits }),
    };
    match channels {
        1 => Ok(encoding),
        channels => Err(Wrong::Channels(channels)),
    }
}

/// Takes over the entries of an `INFO` list; what is wrong with one is left out.
fn read_info(list: &[u8], info: &mut BTreeMap<Tag, String>) {
    /// More entries than the standard knows are none of ours.
    const ENTRIES_MAX: usize = 64;
    let Some(mut rest) = list.strip_prefix(b"INFO") else {
        return;
    };
    while let Ok(Some(((tag, text), after))) = next_chunk(rest) {
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        if let Ok(text) = str::from_utf8(text)
            && info.len() < ENTRIES_MAX
        {
            info.insert(tag, text.to_owned());
        }
        rest = after;
    }
}

/// A file of this µ-law audio and these words, which stand before the audio. A word must not hold a zero byte.
pub fn write_mulaw(audio: &[u8], info: &[(Tag, &str)]) -> Vec<u8> {
    let mut words = b"INFO".to_vec();
    for (tag, text) in info {
        let text = [text.as_bytes(), b"\0"].concat();
        push_chunk(&mut words, *tag, &text);
    }
    let rate = g711::RATE.to_le_bytes();
    let format = [
        &7_u16.to_le_bytes()[..], // µ-law
        &1_u16.to_le_bytes(),     // one channel
        &rate,                    // samples a second
        &rate,                    // bytes a second
        &1_u16.to_le_bytes(),     // bytes of a sample
        &8_u16.to_le_bytes(),     // bits of a sample
        &0_u16.to_le_bytes(),     // nothing further
    ];
    let mut body = b"WAVE".to_vec();
    push_chunk(&mut body, *b"fmt ", &format.concat());
    push_chunk(&mut body, *b"fact", &length_of(audio));
    if !info.is_empty() {
        push_chunk(&mut body, *b"LIST", &words);
    }
    push_chunk(&mut body, *b"data", audio);
    let mut file = Vec::with_capacity(body.len() + 8);
    push_chunk(&mut file, *b"RIFF", &body);
    file
}

fn push_chunk(out: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    out.extend(name);
    out.extend(length_of(content));
    out.extend(content);
    if !content.len().is_multiple_of(2) {
        out.push(0);
    }
}

fn length_of(content: &[u8]) -> [u8; 4] {
    u32::try_from(content.len())
        .expect("what is written is minutes of audio at most")
        .to_le_bytes()
}

#[cfg(test)]
mod tests;
