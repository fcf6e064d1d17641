//! How the third call is told: in the words of its recorded prompts, with the texts and the ring that follow it.
//!
//! Owns the sentences that are not the same in other calls.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use loadtest::call::told;
use loadtest::carrier::{Happening, KnownPrompts};
use loadtest::recording::Recording;
use loadtest::twilio::network::Overheard;
use loadtest::twilio::note::Note;
use loadtest::twilio::voice_call::Told;
use loadtest::twilio::{Account, VoiceReport};
use ringback::audio::prompts::bundled::Bundled;
use ringback::audio::prompts::{Language, Name};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::demo::models::Story;

/// How often is looked whether a text has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who tells it.
pub(super) struct Teller {
    story: Arc<Story>,
    prompts: Arc<KnownPrompts>,
    /// When the last recorded prompt was told.
    recorded_at: Cell<Option<Duration>>,
}

impl Teller {
    pub(super) fn new(story: &Arc<Story>, prompts: &Arc<KnownPrompts>) -> Self {
        Self {
            story: Arc::clone(story),
            prompts: Arc::clone(prompts),
            recorded_at: Cell::new(None),
        }
    }

    /// Tells of the ring and of what follows; the call that it became. `None`: there was none.
    pub(super) async fn ring(
        &self,
        overheard: &mut mpsc::Receiver<Overheard>,
        says: &Recording,
    ) -> Option<VoiceReport> {
        while let Some(event) = overheard.recv().await {
            match event {
                Overheard::Rings => self.story.tell("the caller's phone rings"),
                Overheard::Told(_, Told::Note(Note::Answered)) => {
                    self.story.tell("the caller picks up");
                }
                Overheard::Told(at, told) => {
                    if let Some(sentence) = self.sentence(at, &told, says) {
                        self.story.tell(&sentence);
                    }
                }
                Overheard::Over(report) => return Some(*report),
            }
        }
        None
    }

    /// Tells of texts that reach the carrier, as long as anybody listens.
    pub(super) async fn texts(&self, account: &Account) -> Infallible {
        let mut count = 0;
        loop {
            let newest: Vec<_> = {
                let messages = account.messages();
                messages.newest().map(|text| text.body.clone()).collect()
            };
            let new = newest.len().saturating_sub(count);
            for body in newest.iter().take(new).rev() {
                self.story.tell(&format!("text message: {body}"));
            }
            count = newest.len();
            sleep(LOOK_EVERY).await;
        }
    }

    /// What is told of an event, with the words of recorded prompts. Documents and streams were told of the calls before.
    pub(super) fn sentence(
        &self,
        at: Duration,
        event: &Told,
        recording: &Recording,
    ) -> Option<String> {
        match event {
            Told::Happening(Happening::PromptBegan { known }) => {
                self.recorded_at.set(Some(at));
                let name = self.prompts.name(*known).and_then(Name::parse)?;
                let bundled = Bundled::find(&Language::english(), name)?;
                Some(format!("agent, recorded: {}", bundled.words))
            }
            Told::Happening(Happening::MenuKey) => Some("caller presses 1".to_owned()),
            Told::Happening(Happening::AgentBegan { .. }) if self.is_recorded(at) => None,
            Told::Note(
                Note::Answered | Note::Failed { .. } | Note::Warns { .. } | Note::Ended(_),
            )
            | Told::Happening(_) => told(event, recording),
            Told::Note(
                Note::Asks { .. }
                | Note::Document { .. }
                | Note::Begins { .. }
                | Note::Keys { .. }
                | Note::Opens { .. }
                | Note::Opened { .. }
                | Note::NotOpened { .. }
                | Note::StreamOver { .. }
                | Note::Dialled { .. }
                | Note::Updated,
            ) => None,
        }
    }

    /// Whether what is heard from then on is the recording that was told of just before.
    fn is_recorded(&self, at: Duration) -> bool {
        const JUST_BEFORE: Duration = Duration::from_millis(200);
        let recorded_at = self.recorded_at.get();
        recorded_at.is_some_and(|recorded_at| at.abs_diff(recorded_at) < JUST_BEFORE)
    }
}
