//! One call, heard and told: for people who want to listen, and for demonstrations.
//!
//! Owns the words of the story. Many calls at a time, measured and not told: [`crate::run`].

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio_rustls::rustls::ClientConfig;

use crate::{
    carrier::{CallReport, CarrierSettings, Ended, Happening, Phone},
    net::{Clock, Coupled, DialError, couple, dial},
    peer::Outbox,
    recording::{Recording, Then},
    twilio::{VoiceReport, note::End, voice_call::Told},
    wav,
};

/// A call to make.
#[derive(Clone, Debug)]
pub struct OneCall {
    /// Where to: `ws://HOST:PORT/PATH`.
    pub url: String,
    /// Whom to trust if that is `wss`.
    pub tls: Option<Arc<ClientConfig>>,
    /// What is said.
    pub recording: Arc<Recording>,
    /// How phone and caller behave.
    pub settings: Arc<CarrierSettings>,
    /// What chance is drawn from.
    pub seed: u64,
}

/// Makes the call and waits for its end; `story` is told what happens, as it happens, by the time since the call began.
pub async fn call(
    call: OneCall,
    clock: Clock,
    mut story: impl FnMut(Duration, Happening),
) -> Result<(CallReport, Coupled), DialError> {
    let socket = dial(&call.url, call.tls).await?;
    let mut phone = Phone::new(call.recording, call.settings, 1, call.seed);
    let began = clock.now();
    let mut out = Outbox::new();
    phone.start(began, &mut out);
    let tell = |phone: &mut Phone, _now| {
        for (at, happening) in phone.take_happenings() {
            story(at.saturating_sub(began), happening);
        }
    };
    let coupled = couple(socket, &mut phone, clock, out, tell).await;
    Ok((phone.into_report(), coupled))
}

/// What a call through a number tells, in a sentence; `None` where the carrier tells the same in other words.
pub fn told(told: &Told, recording: &Recording) -> Option<String> {
    match told {
        // The carrier has told the end already, and why; and that a stream is open.
        Told::Happening(Happening::Ended(_) | Happening::Started) => None,
        Told::Happening(happening) => Some(sentence(happening, recording)),
        Told::Note(note) => Some(note.sentence()),
    }
}

/// Why a call through a number was not a good one; empty if it was.
pub fn voice_complaints(voice: &VoiceReport) -> Vec<String> {
    let mut complaints = complaints(&voice.call);
    if voice.end.is_none_or(End::is_lost) {
        complaints.push("the call was lost".into());
    }
    if voice.call.greeted_again > 0 {
        complaints.push("the caller was greeted again".into());
    }
    let untold = voice.deliveries.iter().filter(|it| !it.is_good());
    complaints.extend(untold.map(|delivery| format!("{} could not be told", delivery.what)));
    complaints
}

/// What happened, in a sentence. `recording` has the words and keys, which no report has.
pub fn sentence(happening: &Happening, recording: &Recording) -> String {
    match *happening {
        Happening::Started => "the line is open".into(),
        Happening::TurnBegan {
            turn,
            again,
            barges_in,
        } => {
            let words = recording
                .caller
                .get(turn)
                .map_or("", |turn| turn.line.text.as_str());
            let how = match (again, barges_in) {
                (_, true) => "caller interrupts",
                (true, false) => "caller says again",
                (false, false) => "caller",
            };
            format!("{how}: {words}")
        }
        Happening::TurnEnded { .. } => "caller is silent".into(),
        Happening::Key { turn, nth } => {
            let turn = recording.caller.get(turn);
            let key = match turn.map(|turn| &turn.then) {
                Some(Then::Keys(keys)) => keys.chars().nth(nth),
                Some(Then::Wait | Then::BargeIn { .. } | Then::Pause(_) | Then::HangUp) | None => {
                    None
                }
            };
            format!("caller presses {}", key.unwrap_or('?'))
        }
        Happening::MenuKey => "caller presses a key".into(),
        Happening::PromptBegan { .. } => "caller hears a recorded prompt".into(),
        Happening::AgentBegan { after: Some(after) } => {
            format!("agent answers after {} ms", after.as_millis())
        }
        Happening::AgentBegan { after: None } => "agent speaks".into(),
        Happening::AgentEnded => "agent is silent".into(),
        Happening::Cleared { unplayed } => {
            format!(
                "agent is cut off, {} ms are never heard",
                unplayed.as_millis()
            )
        }
        Happening::Violated(violation) => format!("the server breaks the protocol: {violation:?}"),
        Happening::Ended(ended) => ending(ended).into(),
    }
}

fn ending(ended: Ended) -> &'static str {
    match ended {
        Ended::HungUp => "caller hangs up",
        Ended::GaveUp => "caller gives up: there is no answer",
        Ended::TooLong => "the call has reached its longest time",
        Ended::ServerClosed { .. } => "the server ends the call",
    }
}

/// Writes what was heard: caller left, agent right, as it sounded in time.
pub fn write_heard(report: &CallReport, path: &Path) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    wav::write_stereo(&mut file, report.said.audio(), report.heard.audio())?;
    io::Write::flush(&mut file)
}

/// Why the call was not a good one; empty if it was.
pub fn complaints(report: &CallReport) -> Vec<String> {
    let mut complaints = Vec::new();
    match report.ended {
        Some(Ended::HungUp | Ended::ServerClosed { code: Some(1000) }) => {}
        Some(ended @ (Ended::GaveUp | Ended::TooLong | Ended::ServerClosed { .. })) => {
            complaints.push(ending(ended).to_owned());
        }
        None => complaints.push("the call never ended".into()),
    }
    if report.first_sound.is_none() {
        complaints.push("nothing was heard".into());
    }
    let violations: u64 = report.violations.values().sum();
    if violations > 0 {
        complaints.push(format!("the server broke the protocol {violations} times"));
    }
    let missing: u32 = report
        .items
        .iter()
        .filter(|item| !item.cut)
        .map(|item| item.missing)
        .sum();
    if missing > 0 {
        complaints.push(format!("{missing} frames of the agent were lost"));
    }
    complaints
}
