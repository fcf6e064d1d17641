//! Ogg Opus: a caller's voice at a fifteenth of the line's rate of bits and less, in a file that every browser and telephone plays.
//!
//! Owns the encoder's settings and what stands in the file beside the sound (RFC 7845). The codec is libopus, the container the
//! `ogg` crate. It knows nothing of whose voice it is, and it is on the path of no call: a minute takes it a moment of a core.

use std::io;

use audiopus::coder::Encoder;
use audiopus::{Application, Bitrate, Channels, SampleRate, Signal};
use ogg::{PacketWriteEndInfo, PacketWriter};

use super::g711;
use crate::core::audio::FRAME_BYTES;

/// What such a file is called among browsers.
pub const MEDIA_TYPE: &str = "audio/ogg; codecs=opus";

/// What its name ends on.
pub const EXTENSION: &str = "ogg";

/// Bits a second, more or less: a voice of the line's band is as good as it came.
const BITRATE: i32 = 16_000;

/// How hard the encoder tries, of 10: beyond it, a voice of 8 kHz gains nothing that anybody hears.
const COMPLEXITY: u8 = 5;

/// Opus counts in samples of 48 kHz, whatever it is given.
const TICKS_PER_SAMPLE: u64 = 6;

/// Packets of a page: a second, so that a player can find its place.
const PACKETS_PER_PAGE: u64 = 50;

/// No packet of 20 ms is longer (RFC 6716).
const PACKET_BYTES_MAX: usize = 1_275;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum OpusFault {
    /// The codec refuses.
    #[error("libopus: {0}")]
    Codec(#[from] audiopus::Error),
    /// The container cannot be written.
    #[error("ogg: {0}")]
    Container(#[from] io::Error),
}

/// A file of this µ-law audio. Played back it is as long as the audio, to the sample.
pub fn write_mulaw(audio: &[u8]) -> Result<Vec<u8>, OpusFault> {
    let mut encoder = Encoder::new(SampleRate::Hz8000, Channels::Mono, Application::Voip)?;
    encoder.set_bitrate(Bitrate::BitsPerSecond(BITRATE))?;
    encoder.set_signal(Signal::Voice)?;
    encoder.set_complexity(COMPLEXITY)?;
    // What the codec puts before the sound, and a player leaves out.
    let skipped = u64::from(encoder.lookahead()?);
    let samples = skipped + audio.len() as u64;
    let packets = samples.div_ceil(FRAME_BYTES as u64).max(1);
    let mut file = File::begin(skipped * TICKS_PER_SAMPLE)?;
    let mut frames = audio.chunks(FRAME_BYTES);
    for packet in 1..=packets {
        let frame = frames.next().unwrap_or_default();
        // Silence fills the last frame, and gives the codec what it needs to let the end of the sound out.
        let heard: [i16; FRAME_BYTES] =
            std::array::from_fn(|place| frame.get(place).map_or(0, |&byte| g711::decode(byte)));
        let mut space = [0; PACKET_BYTES_MAX];
        let length = encoder.encode(&heard, &mut space)?;
        let end = if packet == packets {
            PacketWriteEndInfo::EndStream
        } else if packet.is_multiple_of(PACKETS_PER_PAGE) {
            PacketWriteEndInfo::EndPage
        } else {
            PacketWriteEndInfo::NormalPacket
        };
        // The last position cuts off what was filled up.
        let so_far = (packet * FRAME_BYTES as u64).min(samples);
        file.push(
            space.get(..length).unwrap_or_default(),
            end,
            so_far * TICKS_PER_SAMPLE,
        )?;
    }
    Ok(file.writer.into_inner())
}

/// The file while it is written.
struct File {
    writer: PacketWriter<'static, Vec<u8>>,
}

impl File {
    /// The two packets before the sound, on pages of their own.
    fn begin(skipped: u64) -> Result<Self, OpusFault> {
        let skipped = u16::try_from(skipped).unwrap_or(u16::MAX);
        let head = [
            &b"OpusHead"[..],
            &[1], // the version
            &[1], // one channel
            &skipped.to_le_bytes(),
            &g711::RATE.to_le_bytes(),
            &0_i16.to_le_bytes(), // as loud as it is
            &[0],                 // one channel, needing no table
        ];
        let vendor = concat!("ringback ", env!("CARGO_PKG_VERSION"));
        let length = u32::try_from(vendor.len()).unwrap_or_default();
        let tags = [
            &b"OpusTags"[..],
            &length.to_le_bytes(),
            vendor.as_bytes(),
            &0_u32.to_le_bytes(), // no further words
        ];
        let mut file = Self {
            writer: PacketWriter::new(Vec::new()),
        };
        file.push(&head.concat(), PacketWriteEndInfo::EndPage, 0)?;
        file.push(&tags.concat(), PacketWriteEndInfo::EndPage, 0)?;
        Ok(file)
    }

    fn push(
        &mut self,
        packet: &[u8],
        end: PacketWriteEndInfo,
        position: u64,
    ) -> Result<(), OpusFault> {
        /// There is one stream in the file: any number names it.
        const STREAM: u32 = 1;
        self.writer
            .write_packet(packet.to_vec(), STREAM, end, position)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
