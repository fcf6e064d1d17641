//! The demo's models: doubles that listen, and what awaits their sessions.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadtest::g711;
use loadtest::model::ModelSession;
use loadtest::model::faults::{FaultRow, Faults, What, When};
use loadtest::model::report::SessionReport;
use loadtest::model::settings::{Between, ModelSettings};
use loadtest::net::{Clock, House, host};
use loadtest::recording::{Line, Recording};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::line;

/// The answer in which the provider dies, by its place in the script: it confirms the appointment.
const KILLED_IN: usize = 2;

/// How much of that answer it says before.
const SAID_BEFORE: Duration = Duration::from_millis(2_500);

/// When the call that is being played began, for those who tell of it from the model's side.
pub(super) struct Story {
    clock: Clock,
    began: Mutex<Duration>,
}

impl Story {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            began: Mutex::new(Duration::ZERO),
        }
    }

    /// A call begins.
    pub(super) fn begin(&self) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.now();
    }

    /// Says what happens now.
    pub(super) fn tell(&self, sentence: &str) {
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        line(self.clock.now().saturating_sub(began), sentence);
    }
}

/// What awaits a session.
#[derive(Clone)]
pub(super) struct Fate {
    settings: Arc<ModelSettings>,
    script: Arc<Vec<Line>>,
    /// What is said when it opens.
    opens: Option<&'static str>,
    /// What is said when its end was its own.
    dies: Option<&'static str>,
}

impl Fate {
    /// It answers as the recording's agent does.
    pub(super) fn healthy(recording: &Recording) -> Self {
        Self::new(recording, recording.agent.clone())
    }

    /// The same, and its connection is cut in the middle of an answer.
    pub(super) fn killed(recording: &Recording) -> Self {
        let mut fate = Self::healthy(recording);
        let audio_ms = u64::try_from(SAID_BEFORE.as_millis()).unwrap_or(u64::MAX);
        let response = u32::try_from(KILLED_IN + 1).unwrap_or(u32::MAX);
        let settings = ModelSettings {
            faults: Faults(vec![FaultRow {
                when: When::MidResponse { response, audio_ms },
                what: What::Cut,
                share: 1.0,
            }]),
            ..(*fate.settings).clone()
        };
        fate.settings = Arc::new(settings);
        fate.dies = Some("*** the provider is killed in the middle of the sentence ***");
        fate.slowly()
    }

    /// It speaks hardly faster than is heard: what is buffered would hide a death.
    fn slowly(mut self) -> Self {
        self.settings = Arc::new(ModelSettings {
            speed_min: 1.0,
            speed_max: 1.05,
            ..(*self.settings).clone()
        });
        self
    }

    /// It speaks a little faster than is heard, and in longer pieces: a busy machine must not make it stutter.
    pub(super) fn unhurried(mut self) -> Self {
        self.settings = Arc::new(ModelSettings {
            speed_min: 1.3,
            speed_max: 1.3,
            delta_ms: Between::new(400, 400),
            ..(*self.settings).clone()
        });
        self
    }

    /// This is told when a session opens.
    pub(super) fn telling(mut self, opens: &'static str) -> Self {
        self.opens = Some(opens);
        self
    }

    /// It says the rest of that answer, and what comes after.
    pub(super) fn goes_on(recording: &Recording) -> Self {
        let mut script: Vec<_> = recording.agent.iter().skip(KILLED_IN).cloned().collect();
        if let Some(line) = script.first_mut() {
            *line = rest(line, SAID_BEFORE);
        }
        Self::new(recording, script).telling("a standby takes the call over")
    }

    fn new(recording: &Recording, script: Vec<Line>) -> Self {
        let texts = recording.caller.iter().map(|turn| turn.line.text.clone());
        let settings = ModelSettings {
            caller_texts: texts.collect(),
            transcription_delay_ms: Between::new(100, 300),
            delta_ms: Between::new(100, 100),
            several_items_share: 0.0,
            ..ModelSettings::default()
        };
        Self {
            settings: Arc::new(settings),
            script: Arc::new(script),
            opens: None,
            dies: None,
        }
    }
}

/// What is left of a line when so much of it is said; the words by the length of the audio.
fn rest(line: &Line, said: Duration) -> Line {
    let bytes = g711::bytes_in(said).min(line.audio.len());
    let place = line.text.len() * bytes / line.audio.len().max(1);
    let words = line.text.get(line.text.floor_char_boundary(place)..);
    let words = words.and_then(|words| words.split_once(' '));
    Line {
        audio: line.audio.get(bytes..).unwrap_or_default().to_vec(),
        text: words.map_or_else(String::new, |(_, whole)| whole.to_owned()),
    }
}

/// A model double, listening.
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    house: Mutex<Option<House>>,
    /// What awaits its sessions, one after the other; the last one's awaits all others.
    fates: Arc<Vec<Fate>>,
    story: Arc<Story>,
    open: watch::Sender<bool>,
    /// The sessions that ended; a demo has few.
    sessions: watch::Sender<Vec<SessionReport>>,
}

impl Model {
    pub(super) async fn open(
        name: &'static str,
        fates: Vec<Fate>,
        story: &Arc<Story>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| error.to_string())?;
        Self::behind(listener, name, fates, story)
    }

    /// As [`open`](Self::open), behind a door that there is already.
    pub(super) fn behind(
        listener: TcpListener,
        name: &'static str,
        fates: Vec<Fate>,
        story: &Arc<Story>,
    ) -> Result<Self, String> {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (open, closing) = watch::channel(false);
        Ok(Self {
            name,
            address,
            house: Mutex::new(Some(House {
                listener,
                tls: None,
                clock: story.clock,
                closing,
            })),
            fates: Arc::new(fates),
            story: Arc::clone(story),
            open,
            sessions: watch::Sender::new(Vec::new()),
        })
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}/v1/realtime?model={}", self.address, self.name)
    }

    /// Serves whoever comes, until it is closed. Dropping this kills it, as a process is killed: its door and its sessions are gone.
    pub(super) async fn visits(&self) {
        let house = self
            .house
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(house) = house else { return };
        let (fates, story) = (Arc::clone(&self.fates), Arc::clone(&self.story));
        let open = move |number: u32, _: &_, now, out: &mut _| {
            let fate = fate_of(&fates, number);
            if let Some(sentence) = fate.and_then(|fate| fate.opens) {
                story.tell(sentence);
            }
            let (settings, script) = fate.map_or_else(Default::default, |fate| {
                (Arc::clone(&fate.settings), Arc::clone(&fate.script))
            });
            let mut session = ModelSession::new(settings, script, number, number.into());
            session.start(now, out);
            session
        };
        host(house, open, |session, _| self.take(session)).await;
    }

    /// A session has ended.
    fn take(&self, session: ModelSession) {
        let report = session.into_report();
        let dies = fate_of(&self.fates, report.session).and_then(|fate| fate.dies);
        let is_its_own = report.ended.is_some_and(|ended| ended.by_model);
        if let Some(sentence) = dies.filter(|_| is_its_own) {
            self.story.tell(sentence);
        }
        self.sessions.send_modify(|sessions| sessions.push(report));
    }

    /// What the session of this number, from 1, has seen, once it has ended.
    pub(super) async fn session(&self, number: u32) -> Option<SessionReport> {
        self.find(|session| session.session == number).await
    }

    /// What the first session has seen that heard a caller, once it has ended: those that only try whether it is well hear none.
    pub(super) async fn conversation(&self) -> Option<SessionReport> {
        self.find(|session| !session.utterances.list.is_empty())
            .await
    }

    async fn find(&self, fits: impl Fn(&SessionReport) -> bool) -> Option<SessionReport> {
        let of = |sessions: &Vec<SessionReport>| {
            let mut sessions = sessions.iter();
            sessions.find(|session| fits(session)).cloned()
        };
        let mut ended = self.sessions.subscribe();
        let there = ended.wait_for(|sessions| of(sessions).is_some());
        let waited = tokio::time::timeout(Duration::from_secs(5), there).await;
        of(&*waited.ok()?.ok()?)
    }

    pub(super) fn close(&self) {
        self.open.send_replace(true);
    }
}

fn fate_of(fates: &[Fate], number: u32) -> Option<&Fate> {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    fates.get(place.saturating_sub(1)).or(fates.last())
}
