//! What files are taken, and what is said of the others.

use proptest::prelude::*;

use super::*;

/// A PCM file of these samples.
fn pcm(rate: u32, channels: u16, bits: u16, samples: &[i16]) -> Vec<u8> {
    let mut format = Vec::new();
    for part in [1_u16.to_le_bytes(), channels.to_le_bytes()] {
        format.extend(part);
    }
    format.extend(rate.to_le_bytes());
    format.extend((rate * 2).to_le_bytes());
    format.extend(2_u16.to_le_bytes());
    format.extend(bits.to_le_bytes());
    let data: Vec<_> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut body = b"WAVE".to_vec();
    push_chunk(&mut body, *b"fmt ", &format);
    push_chunk(&mut body, *b"junk", b"odd");
    push_chunk(&mut body, *b"data", &data);
    let mut file = Vec::new();
    push_chunk(&mut file, *b"RIFF", &body);
    file
}

fn wrong(file: &[u8]) -> String {
    Wav::parse(file).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_again_with_its_words() {
    let audio = [0x00, 0x7F, 0x80, 0xFF, 0x12];
    let words = [(*b"ICMT", "¿En qué puedo ayudarle?"), (*b"IART", "")];
    let file = write_mulaw(&audio, &words);
    let wav = Wav::parse(&file).unwrap();
    assert_eq!(wav.mulaw(), Some(&audio[..]));
    assert_eq!(wav.info(*b"ICMT"), Some("¿En qué puedo ayudarle?"));
    assert_eq!(wav.info(*b"IART"), Some(""));
    assert_eq!(wav.info(*b"INAM"), None);
    let said = u32::from_le_bytes(file[4..8].try_into().unwrap());
    assert_eq!(said as usize, file.len() - 8);
}

#[test]
fn pcm_becomes_samples_of_the_line() {
    let samples: Vec<i16> = (0..240).map(|i| i * 40).collect();
    for (rate, count) in [(8_000, 240), (16_000, 120), (24_000, 80)] {
        let file = pcm(rate, 1, 16, &samples);
        let wav = Wav::parse(&file).unwrap();
        assert_eq!(wav.mulaw(), None);
        assert_eq!(wav.samples().len(), count, "{rate}");
    }
}

#[test]
fn a_refusal_says_what_is_allowed() {
    assert_eq!(wrong(b""), "is empty; allowed: a WAV file");
    assert!(wrong(b"ID3\x04 an MP3").contains("no WAV file"));
    assert_eq!(
        wrong(&pcm(44_100, 1, 16, &[0])),
        "has 44100 samples a second; allowed: 8000, 16000, 24000 in PCM"
    );
    assert_eq!(
        wrong(&pcm(8_000, 2, 16, &[0])),
        "has 2 channels; allowed: 1"
    );
    assert_eq!(
        wrong(&pcm(8_000, 1, 24, &[0])),
        "is encoded as 1 with 24 bits; allowed: µ-law (7) with 8, PCM (1) with 16"
    );
    let missing = read_bytes(Path::new("/nowhere/hello.wav")).unwrap_err();
    assert!(missing.to_string().starts_with("cannot be read: "));
    let folder = read_bytes(Path::new("/")).unwrap_err();
    assert_eq!(folder.to_string(), "cannot be read: it is not a file");
}

#[test]
fn a_torn_file_is_refused_wherever_it_was_cut() {
    let file = write_mulaw(&[0x55; 400], &[(*b"ICMT", "One moment, please.")]);
    Wav::parse(&file).unwrap();
    for end in 0..file.len() {
        assert!(Wav::parse(&file[..end]).is_err(), "cut at {end}");
    }
    assert_eq!(
        wrong(&file[..file.len() - 1]),
        "is torn: it ends within its `data` chunk"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(wav) = Wav::parse(&bytes) {
            wav.samples();
        }
    }

    #[test]
    fn a_file_with_a_few_wrong_bytes_never_panics(
        at in proptest::collection::vec((0_usize..200, any::<u8>()), 1..6),
    ) {
        let mut file = write_mulaw(&[0x55; 100], &[(*b"ICMT", "One moment."), (*b"IART", "x")]);
        for (at, byte) in at {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(wav) = Wav::parse(&file) {
            wav.samples();
        }
    }
}
