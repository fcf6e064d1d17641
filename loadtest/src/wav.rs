//! WAV files of telephone calls: read as µ-law, whatever they hold, and written so that every player plays them.
//!
//! Owns the container. Samples are [`g711`]'s.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::g711;

/// The largest file that is read: two hours of a call in stereo. A larger one is refused.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// Audio as µ-law, 8 kHz.
#[derive(Clone, PartialEq, Eq)]
pub enum Wav {
    /// One voice, or both mixed.
    Mono(Vec<u8>),
    /// A side each, equally long.
    Stereo {
        /// The first channel.
        left: Vec<u8>,
        /// The second channel.
        right: Vec<u8>,
    },
}

impl std::fmt::Debug for Wav {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mono(audio) => write!(f, "Mono({:?})", g711::duration(audio.len())),
            Self::Stereo { left, .. } => write!(f, "Stereo({:?})", g711::duration(left.len())),
        }
    }
}

/// Why a WAV file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what we take.
    #[error("{}: {wrong}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what is allowed.
        wrong: Wrong,
    },
}

/// What is wrong with a WAV, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Not a WAV at all.
    #[error("not a WAV file: it must begin with RIFF….WAVE")]
    NotWav,
    /// A part is missing.
    #[error("the WAV file has no `{0}` chunk, or not all of it")]
    NoChunk(&'static str),
    /// An encoding other than those we read.
    #[error("encoding {code} with {bits} bits: allowed are µ-law (7) with 8 and PCM (1) with 16")]
    Encoding {
        /// The format code of the file.
        code: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// Another sample rate.
    #[error("{0} samples per second: allowed are 8000, as on the line")]
    Rate(u32),
    /// Neither mono nor stereo.
    #[error("{0} channels: allowed are 1 and 2")]
    Channels(u16),
    /// Too long.
    #[error("{0} bytes: allowed are {FILE_BYTES_MAX}")]
    Size(u64),
}

/// Reads a file.
pub fn read_file(path: &Path) -> Result<Wav, WavError> {
    let io_error = |source| WavError::Io {
        path: path.to_owned(),
        source,
    };
    let refused = |wrong| WavError::Refused {
        path: path.to_owned(),
        wrong,
    };
    let size = fs::metadata(path).map_err(io_error)?.len();
    if size > FILE_BYTES_MAX {
        return Err(refused(Wrong::Size(size)));
    }
    read(&fs::read(path).map_err(io_error)?).map_err(refused)
}

/// Reads what is in a file.
pub fn read(file: &[u8]) -> Result<Wav, Wrong> {
    let chunks = file
        .strip_prefix(b"RIFF")
        .and_then(|rest| rest.get(4..))
        .and_then(|rest| rest.strip_prefix(b"WAVE"))
        .ok_or(Wrong::NotWav)?;
    let format = Format::parse(chunk(chunks, *b"fmt ").ok_or(Wrong::NoChunk("fmt "))?)?;
    let data = chunk(chunks, *b"data").ok_or(Wrong::NoChunk("data"))?;
    let samples: Vec<u8> = if format.is_pcm {
        let (pairs, _) = data.as_chunks::<2>();
        pairs
            .iter()
            .map(|&pair| g711::encode(i16::from_le_bytes(pair)))
            .collect()
    } else {
        data.to_vec()
    };
    if !format.is_stereo {
        return Ok(Wav::Mono(samples));
    }
    let (pairs, _) = samples.as_chunks::<2>();
    let (left, right) = pairs.iter().map(|&[left, right]| (left, right)).unzip();
    Ok(Wav::Stereo { left, right })
}

struct Format {
    is_pcm: bool,
    is_stereo: bool,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, Wrong> {
        let short = |at: usize| {
            let bytes = chunk.get(at..)?.first_chunk::<2>()?;
            Some(u16::from_le_bytes(*bytes))
        };
        let missing = Wrong::NoChunk("fmt ");
        let code = match short(0).ok_or_else(|| missing.clone())? {
            // The extensible format holds the code at the head of a longer name.
            0xfffe => short(24).ok_or_else(|| missing.clone())?,
            code => code,
        };
        let channels = short(2).ok_or_else(|| missing.clone())?;
        let rate = chunk.get(4..).and_then(|rest| rest.first_chunk::<4>());
        let rate = u32::from_le_bytes(*rate.ok_or_else(|| missing.clone())?);
        let bits = short(14).ok_or(missing)?;
        let is_pcm = match (code, bits) {
            (1, 16) => true,
            (7, 8) => false,
            (code, bits) => return Err(Wrong::Encoding { code, bits }),
        };
        if rate != g711::RATE {
            return Err(Wrong::Rate(rate));
        }
        match channels {
            1 | 2 => Ok(Self {
                is_pcm,
                is_stereo: channels == 2,
            }),
            channels => Err(Wrong::Channels(channels)),
        }
    }
}

/// The content of the first chunk of this name. A length that is longer than the file means "to the end": recorders that were
/// cut off, or wrote to a pipe, leave such.
fn chunk(mut rest: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    loop {
        let (head, content) = rest.split_first_chunk::<8>()?;
        let [a, b, c, d, length @ ..] = *head;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if [a, b, c, d] == name {
            return Some(content.get(..length).unwrap_or(content));
        }
        // Chunks begin at even places.
        rest = content.get(length.checked_add(length % 2)?..)?;
    }
}

/// Writes a call as 16-bit PCM: the caller to the left, the agent to the right. The shorter side is filled with silence.
pub fn write_stereo(out: &mut impl Write, caller: &[u8], agent: &[u8]) -> io::Result<()> {
    let frames = caller.len().max(agent.len());
    let mut samples = Vec::with_capacity(frames * 4);
    for (left, right) in filled(caller, frames).zip(filled(agent, frames)) {
        samples.extend(g711::decode(left).to_le_bytes());
        samples.extend(g711::decode(right).to_le_bytes());
    }
    write(out, 1, 2, 16, &samples)
}

fn filled(side: &[u8], frames: usize) -> impl Iterator<Item = u8> {
    let silence = std::iter::repeat_n(g711::SILENCE, frames - side.len());
    side.iter().copied().chain(silence)
}

/// Writes µ-law as it is, mono.
pub fn write_mulaw(out: &mut impl Write, audio: &[u8]) -> io::Result<()> {
    write(out, 7, 1, 8, audio)
}

fn write(out: &mut impl Write, code: u16, channels: u16, bits: u16, data: &[u8]) -> io::Result<()> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a WAV file ends at 4 GiB");
    let length = u32::try_from(data.len()).map_err(|_| too_long())?;
    // A chunk of odd length is followed by a byte that does not count.
    let padding: &[u8] = if data.len().is_multiple_of(2) {
        &[]
    } else {
        &[0]
    };
    let whole = length
        .checked_add(4 + 8 + 18 + 8 + 1)
        .ok_or_else(too_long)?;
    let whole = if padding.is_empty() { whole - 1 } else { whole };
    let frame_bytes = channels * bits / 8;
    let mut head = Vec::with_capacity(46);
    head.extend(b"RIFF");
    head.extend(whole.to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(18_u32.to_le_bytes());
    head.extend(code.to_le_bytes());
    head.extend(channels.to_le_bytes());
    head.extend(g711::RATE.to_le_bytes());
    head.extend((g711::RATE * u32::from(frame_bytes)).to_le_bytes());
    head.extend(frame_bytes.to_le_bytes());
    head.extend(bits.to_le_bytes());
    head.extend(0_u16.to_le_bytes());
    head.extend(b"data");
    head.extend(length.to_le_bytes());
    out.write_all(&head)?;
    out.write_all(data)?;
    out.write_all(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mulaw(audio: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        write_mulaw(&mut file, audio).unwrap();
        file
    }

    #[test]
    fn what_is_written_is_read_again() {
        let audio = [0, 1, 0x7e, 0x80, 0xff];
        let file = mulaw(&audio);
        assert_eq!(read(&file), Ok(Wav::Mono(audio.to_vec())));
        assert_eq!(
            u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize,
            file.len() - 8
        );

        let mut file = Vec::new();
        write_stereo(&mut file, &audio, &[0x10; 7]).unwrap();
        let mut left = audio.to_vec();
        left.extend([0xff; 2]);
        let right = vec![0x10; 7];
        assert_eq!(read(&file), Ok(Wav::Stereo { left, right }));
    }

    #[test]
    fn foreign_chunks_and_open_lengths_are_no_hindrance() {
        let plain = mulaw(&[1, 2, 3, 4]);
        let mut file = plain[..12].to_vec();
        file.extend(b"LIST\x03\0\0\0abc\0");
        file.extend(&plain[12..]);
        let open = file.len() - 8..file.len() - 4;
        file[open].fill(0xff);
        assert_eq!(read(&file), Ok(Wav::Mono(vec![1, 2, 3, 4])));
    }

    #[test]
    fn a_refusal_says_what_is_allowed() {
        let mut file = mulaw(&[1, 2]);
        assert_eq!(read(b"MP3"), Err(Wrong::NotWav));
        assert_eq!(read(&file[..30]), Err(Wrong::NoChunk("fmt ")));
        assert_eq!(read(&file[..38]), Err(Wrong::NoChunk("data")));
        file[22] = 6;
        assert_eq!(read(&file), Err(Wrong::Channels(6)));
        file[24..28].copy_from_slice(&44_100_u32.to_le_bytes());
        assert_eq!(
            read(&file).unwrap_err().to_string(),
            "44100 samples per second: allowed are 8000, as on the line"
        );
        file[20] = 3;
        assert_eq!(read(&file), Err(Wrong::Encoding { code: 3, bits: 8 }));
        let error = read_file(Path::new("/nowhere/call.wav")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/call.wav: "));
    }
}
