//! Files are read back by the codec's other half and judged by what is heard.

use std::f64::consts::PI;
use std::io::Cursor;

use audiopus::coder::Decoder;
use ogg::PacketReader;

use super::*;
use crate::audio::resample::to_sample;

/// What a player makes of a file.
struct Played {
    samples: Vec<i16>,
    pages_end_at: Vec<u64>,
    skipped: u64,
}

fn play(file: &[u8]) -> Played {
    let mut reader = PacketReader::new(Cursor::new(file));
    let head = reader.read_packet_expected().unwrap();
    assert!(head.data.starts_with(b"OpusHead\x01\x01"));
    assert_eq!(head.data.len(), 19);
    assert!(head.first_in_stream());
    assert_eq!(head.data[12..16], 8_000_u32.to_le_bytes());
    let skipped = u64::from(u16::from_le_bytes([head.data[10], head.data[11]]));
    let tags = reader.read_packet_expected().unwrap();
    assert!(tags.data.starts_with(b"OpusTags") && tags.last_in_page());
    let mut decoder = Decoder::new(SampleRate::Hz8000, Channels::Mono).unwrap();
    let mut samples = Vec::new();
    let mut pages_end_at = Vec::new();
    let mut has_ended = false;
    while let Some(packet) = reader.read_packet().unwrap() {
        assert!(!has_ended, "nothing follows the end");
        let mut space = [0; 960];
        let count = decoder
            .decode(
                Some((&packet.data).try_into().unwrap()),
                (&mut space[..]).try_into().unwrap(),
                false,
            )
            .unwrap();
        assert_eq!(count, 160, "20 ms");
        samples.extend_from_slice(&space[..count]);
        if packet.last_in_page() {
            pages_end_at.push(packet.absgp_page());
        }
        has_ended = packet.last_in_stream();
    }
    assert!(has_ended, "the end is told");
    let end = *pages_end_at.last().unwrap();
    let until = usize::try_from(end / TICKS_PER_SAMPLE).unwrap();
    assert!(until <= samples.len(), "all that it says is there");
    samples.truncate(until);
    samples.drain(..usize::try_from(skipped / TICKS_PER_SAMPLE).unwrap());
    Played {
        samples,
        pages_end_at,
        skipped,
    }
}

/// A tone that swells, so that each part of it is like no other.
fn swelling(samples: usize) -> Vec<i16> {
    let wave = (0..samples).map(|at| {
        let at = f64::from(u32::try_from(at).unwrap()) / 8_000.0;
        to_sample(3_000.0 * (1.0 + at) * (2.0 * PI * 440.0 * at).sin())
    });
    wave.collect()
}

fn mulaw(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|&sample| g711::encode(sample)).collect()
}

/// How alike two sounds are when one is moved by so many samples: 1 is alike.
fn likeness(one: &[i16], other: &[i16], moved: usize) -> f64 {
    let pairs = one
        .iter()
        .zip(other.iter().skip(moved))
        .map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let (mut both, mut first, mut second) = (0.0, 1.0, 1.0);
    for (a, b) in pairs {
        both += a * b;
        first += a * a;
        second += b * b;
    }
    both / f64::sqrt(first * second)
}

#[test]
fn what_is_played_is_as_long_as_what_was_said_and_sounds_like_it() {
    for length in [8_000, 8_001, 12_345, 3 * 8_000 - 1] {
        let said = swelling(length);
        let file = write_mulaw(&mulaw(&said)).unwrap();
        let played = play(&file);
        assert_eq!(played.samples.len(), length);
        assert!(played.skipped > 0, "the codec's own delay is told");
        let here = likeness(&said, &played.samples, 0);
        assert!(here > 0.9, "{length}: {here}");
        // A quarter of the tone's wave further it is another sound: nothing was moved.
        let moved = likeness(&said, &played.samples, 4);
        assert!(moved < 0.5, "{length}: {moved}");
        let third = file.len() * 3;
        assert!(third < length, "{} bytes of {length}", file.len());
    }
}

#[test]
fn a_page_ends_after_each_second() {
    let file = write_mulaw(&mulaw(&swelling(5 * 8_000))).unwrap();
    let ends = play(&file).pages_end_at;
    assert_eq!(ends[..5], [48_000, 96_000, 144_000, 192_000, 240_000]);
    assert_eq!(
        ends.len(),
        6,
        "what the codec holds back has a page: {ends:?}"
    );
}

#[test]
fn the_shortest_sounds_are_files_too() {
    for length in [0, 1, 159, 160, 161] {
        let file = write_mulaw(&vec![0xFF; length]).unwrap();
        assert_eq!(play(&file).samples.len(), length);
    }
}
