//! Prompts that a caller knows when they hear them: which one it was, from when on, and how much of it was played.
//!
//! Owns the comparison. A recorded prompt is the same bytes each time, however it is cut into messages: a short piece from where it is
//! loud tells it from all others. What a caller does then is in [`menu`](super::menu).

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use memchr::memmem::Finder;

use crate::{
    g711,
    listen::{WINDOW_BYTES, is_loud},
    wav::{self, Wav, WavError},
};

/// So much of a prompt tells it from others: 30 ms.
const NEEDLE_BYTES: usize = 240;
/// Prompts of one call that are told; those behind them are not.
const HEARD_MAX: usize = 256;
/// Prompts that can be known.
const PROMPTS_MAX: usize = 1_024;
/// From which level on a piece is loud enough to be told from others.
const LOUD_DBFS: f64 = -35.0;

/// Prompts that can be told apart.
pub struct KnownPrompts {
    prompts: Vec<Known>,
}

struct Known {
    name: String,
    length: Duration,
    /// Where in the prompt the piece is that is looked for.
    offset: usize,
    piece: Finder<'static>,
}

/// Why prompts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// A folder could not be read.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not.
    #[error(transparent)]
    File(#[from] WavError),
}

/// A prompt that a caller has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptHeard {
    /// Its name: `apology`, `promised`.
    pub name: String,
    /// When it began to sound.
    pub began: Duration,
    /// How much of it was played.
    pub played: Duration,
}

impl KnownPrompts {
    /// All prompts of a folder that has one for each language: `LANGUAGE/NAME.wav`.
    pub fn load(folder: &Path) -> Result<Self, PromptsError> {
        let mut prompts = Vec::new();
        for language in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            for file in entries(&language)? {
                if file.extension().is_none_or(|extension| extension != "wav") {
                    continue;
                }
                let name = file.file_stem().unwrap_or_default().to_string_lossy();
                let audio = match wav::read_file(&file)? {
                    Wav::Mono(audio) | Wav::Stereo { left: audio, .. } => audio,
                };
                prompts.push((name.into_owned(), audio));
            }
        }
        Ok(Self::new(&prompts))
    }

    /// These prompts, by their names; µ-law. One that is nowhere loud is not known, nor one that is nowhere unlike all others (a goodbye
    /// with which another one ends), nor are those behind the first 1,024.
    pub fn new(prompts: &[(String, Vec<u8>)]) -> Self {
        let known = prompts
            .iter()
            .take(PROMPTS_MAX)
            .filter_map(|(name, audio)| {
                let offset = telling_place(name, audio, prompts)?;
                let piece = audio.get(offset..offset + NEEDLE_BYTES)?;
                Some(Known {
                    name: name.clone(),
                    length: g711::duration(audio.len()),
                    offset,
                    piece: Finder::new(piece).into_owned(),
                })
            });
        Self {
            prompts: known.collect(),
        }
    }

    /// The name of the one at this place; several places have the same where several languages have it.
    pub fn name(&self, known: usize) -> Option<&str> {
        self.prompts.get(known).map(|known| known.name.as_str())
    }

    /// Whether one of this name is known.
    pub fn has(&self, name: &str) -> bool {
        self.prompts.iter().any(|known| known.name == name)
    }
}

/// The first place of a prompt that is loud, and that no other prompt has.
fn telling_place(name: &str, audio: &[u8], all: &[(String, Vec<u8>)]) -> Option<usize> {
    let places = (0..audio.len().saturating_sub(NEEDLE_BYTES)).step_by(WINDOW_BYTES);
    places.into_iter().find(|&place| {
        let Some(piece) = audio.get(place..place + NEEDLE_BYTES) else {
            return false;
        };
        let finder = Finder::new(piece);
        let others = all.iter().filter(|(other, _)| other != name);
        is_loud(piece, LOUD_DBFS)
            && others
                .into_iter()
                .all(|(_, other)| finder.find(other).is_none())
    })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, PromptsError> {
    let refused = |source| PromptsError::Folder {
        path: folder.into(),
        source,
    };
    let entries = std::fs::read_dir(folder).map_err(refused)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(refused)?.path());
    }
    paths.sort();
    Ok(paths)
}

impl fmt::Debug for KnownPrompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnownPrompts({})", self.prompts.len())
    }
}

/// What one caller recognises.
#[derive(Debug, Default)]
pub(super) struct Recognition {
    known: Option<Arc<KnownPrompts>>,
    /// The end of what came: a piece may be cut in two.
    rest: Vec<u8>,
    heard: Vec<Playing>,
    /// How many of those were told.
    told: usize,
}

#[derive(Debug)]
struct Playing {
    known: usize,
    name: String,
    began: Duration,
    ends: Duration,
}

impl Recognition {
    pub(super) fn know(&mut self, known: Arc<KnownPrompts>) {
        self.known = Some(known);
    }

    /// Audio has come that will sound from `begins` on. Returns the prompts that are in it, and when they begin.
    pub(super) fn receive(
        &mut self,
        audio: &[u8],
        begins: Duration,
        stamped: bool,
    ) -> Vec<(String, Duration)> {
        let Some(known) = &self.known else {
            return Vec::new();
        };
        if stamped {
            self.rest.clear();
            return Vec::new();
        }
        let before = self.rest.len();
        self.rest.extend_from_slice(audio);
        let mut found = Vec::new();
        for (nth, prompt) in known.prompts.iter().enumerate() {
            let Some(place) = prompt.piece.find(&self.rest) else {
                continue;
            };
            // Where the prompt begins, from the beginning of this message: before it, mostly.
            let piece_at = begins + g711::duration(place);
            let began = piece_at.saturating_sub(g711::duration(before + prompt.offset));
            found.push((prompt.name.clone(), began));
            if self.heard.len() < HEARD_MAX {
                self.heard.push(Playing {
                    known: nth,
                    name: prompt.name.clone(),
                    began,
                    ends: began + prompt.length,
                });
            }
        }
        let keep = self.rest.len().saturating_sub(NEEDLE_BYTES - 1);
        self.rest.drain(..keep);
        found
    }

    /// What was to sound from now on does not.
    pub(super) fn cut(&mut self, now: Duration) {
        self.rest.clear();
        self.heard.retain(|playing| playing.began < now);
        self.told = self.told.min(self.heard.len());
        for playing in &mut self.heard {
            playing.ends = playing.ends.min(now);
        }
    }

    /// The next prompt that has begun to sound by now, and was not told yet: when it did, and its place among the known ones.
    pub(super) fn next_begun(&mut self, now: Duration) -> Option<(Duration, usize)> {
        let playing = self.heard.get(self.told)?;
        if playing.began > now {
            return None;
        }
        self.told += 1;
        Some((playing.began, playing.known))
    }

    /// What was heard until now.
    pub(super) fn heard(&self, now: Duration) -> Vec<PromptHeard> {
        let begun = self.heard.iter().filter(|playing| playing.began < now);
        let heard = begun.map(|playing| PromptHeard {
            name: playing.name.clone(),
            began: playing.began,
            played: playing.ends.min(now).saturating_sub(playing.began),
        });
        heard.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn voice(seed: u64, bytes: usize) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let silence = vec![g711::SILENCE; 400];
        let loud = (0..bytes).map(|_| g711::encode(rng.i16(2_000..9_000)));
        [silence, loud.collect()].concat()
    }

    fn recognition() -> (Recognition, Vec<u8>, Vec<u8>) {
        let (apology, promised) = (voice(1, 16_000), voice(2, 8_000));
        let known = KnownPrompts::new(&[
            ("apology".into(), apology.clone()),
            ("promised".into(), promised.clone()),
            ("silence".into(), vec![g711::SILENCE; 4_000]),
        ]);
        assert!(known.has("apology") && !known.has("silence"));
        let mut recognition = Recognition::default();
        recognition.know(Arc::new(known));
        (recognition, apology, promised)
    }

    #[test]
    fn a_prompt_is_known_however_it_is_cut_and_right_behind_another() {
        for size in [160, 333, 4_000, 40_000] {
            let (mut recognition, apology, promised) = recognition();
            let mut found = Vec::new();
            let mut begins = MS(100);
            for piece in [apology, promised].concat().chunks(size) {
                found.extend(recognition.receive(piece, begins, false));
                begins += g711::duration(piece.len());
            }
            let expected = [
                ("apology".to_owned(), MS(100)),
                ("promised".to_owned(), MS(2_150)),
            ];
            assert_eq!(found, expected, "{size}");
            // Each is told once, and not before it is heard.
            assert_eq!(recognition.next_begun(MS(99)), None, "{size}");
            assert_eq!(recognition.next_begun(MS(2_149)), Some((MS(100), 0)));
            assert_eq!(recognition.next_begun(MS(2_149)), None, "{size}");
            assert_eq!(recognition.next_begun(MS(2_150)), Some((MS(2_150), 1)));
            recognition.cut(MS(2_500));
            let heard = recognition.heard(MS(9_000));
            let played: Vec<_> = heard.iter().map(|heard| heard.played).collect();
            assert_eq!(played, [MS(2_050), MS(350)], "{size}");
        }
    }

    #[test]
    fn what_is_cleared_before_it_sounds_was_not_heard() {
        let (mut recognition, apology, promised) = recognition();
        recognition.receive(&apology, MS(0), false);
        recognition.receive(&promised, MS(2_050), false);
        recognition.cut(MS(1_000));
        assert_eq!(recognition.next_begun(MS(9_000)), Some((MS(0), 0)));
        assert_eq!(recognition.next_begun(MS(9_000)), None, "it was cut before");
        let heard = recognition.heard(MS(9_000));
        assert_eq!(heard.len(), 1);
        assert_eq!(
            (heard[0].name.as_str(), heard[0].played),
            ("apology", MS(1_000))
        );
    }

    #[test]
    fn the_projects_prompts_are_known_in_each_language() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/prompts");
        let known = KnownPrompts::load(&folder).unwrap();
        for name in ["ask_number", "confirm_keys", "digit_7", "already_promised"] {
            assert!(known.has(name), "{name}");
        }
        let languages = entries(&folder).unwrap();
        let languages = languages.iter().filter(|path| path.is_dir()).count();
        for name in [
            "greeting",
            "apology",
            "promised",
            "ring_back",
            "transferring",
        ] {
            let all = known.prompts.iter().filter(|known| known.name == name);
            assert_eq!(all.count(), languages, "{name}");
        }
    }
}
