//! The third call: it loses both its providers, and its caller is rung back.
//!
//! Owns what happens when, and tells it. The edge is one of its own, with a store and credentials for the carrier's interface
//! ([`edge`]); the text and the ring go through the carrier double to a phone that picks up. Whether it went as it should is
//! [`verdict`](super::verdict)'s to say.

mod door;
mod edge;
mod telling;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loadtest::call::write_heard;
use loadtest::carrier::{CarrierSettings, Happening, KnownPrompts, MenuChoice, Phone};
use loadtest::net::Clock;
use loadtest::plan::ACCOUNT_SID;
use loadtest::recording::Recording;
use loadtest::twilio::network::Overheard;
use loadtest::twilio::number::Parties;
use loadtest::twilio::rest;
use loadtest::twilio::settings::TwilioSettings;
use loadtest::twilio::voice_call::Told;
use loadtest::twilio::{Account, VoiceCall, VoiceReport};
use ringback::server::Server;
use ringback::telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use self::door::Door;
use self::edge::Folder;
use self::telling::Teller;
use super::models::{Fate, Model, Story};
use super::verdict::{self, RungBack};
use super::{beside, line, number, tell};

/// The turns of the caller before the line is lost. The offer of an appointment answers them.
const TURNS_BEFORE: usize = 1;

/// How much of that offer is heard before both providers die. They have sent a little more.
const HEARD_BEFORE: Duration = Duration::from_secs(3);

/// The caller has heard by then what the 1 is for.
const PRESSES_AFTER_MS: u64 = 5_500;

/// What waits to be told of the call back at most: far more than ever happens at once.
const OVERHEARD_MAX: usize = 256;

/// Longer than all of it takes on a busy machine; whoever waits for it has failed.
const LONGEST: Duration = Duration::from_mins(2);

/// Plays it, tells it, and judges it: `true` if the caller was served as promised.
pub(super) async fn play(
    out: &Path,
    recording: &Arc<Recording>,
    clock: Clock,
) -> Result<bool, String> {
    let folder = Folder::create(clock)?;
    let story = Arc::new(Story::new(clock));
    let fates = || vec![Fate::healthy(recording).unhurried()];
    let first = Model::open("first", fates(), &story).await?;
    let standby = Model::open("standby", fates(), &story).await?;
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(|error| error.to_string())?;
    let rest_url = format!(
        "http://{}",
        listener.local_addr().map_err(|error| error.to_string())?
    );
    let config = edge::settings(&[&first, &standby], &rest_url, &folder)?;
    let server = Server::bind(config, Telemetry::default())
        .await
        .map_err(|error| error.to_string())?;
    let prompts = Arc::new(edge::prompts());
    let rest_of_it = Arc::new(behind(recording));
    let (overheard, listening) = mpsc::channel(OVERHEARD_MAX);
    let account = edge::account(clock, &prompts, &rest_of_it, overheard);
    let lost = Lost {
        url: format!("http://{}", server.address()),
        caller: edge::CALLER,
        account: Arc::clone(&account),
        teller: Teller::new(&story, &prompts),
        story,
        recording: Arc::clone(recording),
        rest_of_it,
        prompts,
        is_offered: Notify::new(),
    };
    tell(&format!("\n{}", edge::INTRODUCTION));
    let edge = server.handle();
    let playing = async {
        let played = timeout(LONGEST, lost.through([first, standby], listening)).await;
        edge.stop();
        let over = || format!("the third call was not over after {} s", LONGEST.as_secs());
        played.map_err(|_elapsed| over())?
    };
    let serving = async { tokio::join!(playing, server.run()).0 };
    let outcome = tokio::select! {
        outcome = serving => outcome?,
        never = rest::serve(account, listener) => match never {},
        never = lost.teller.texts(&lost.account) => match never {},
    };
    let heard = [beside(out, "lost"), beside(out, "rung-back")];
    for (report, path) in [&outcome.lost, &outcome.back].into_iter().zip(&heard) {
        write_heard(&report.call, path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(verdict::rung_back(&outcome, recording, &heard))
}

/// What the caller says, and hears from the model, when they are rung back: they take one of the appointments.
fn behind(recording: &Recording) -> Recording {
    let mut rest = recording.clone();
    let taken = rest.caller.iter().skip(TURNS_BEFORE).take(1);
    rest.caller = taken.chain(rest.caller.last()).cloned().collect();
    rest.agent = rest.agent.into_iter().skip(TURNS_BEFORE + 1).collect();
    rest
}

/// A model that says little, which does for trying whether it is well.
fn shortly(recording: &Recording) -> Recording {
    let mut short = recording.clone();
    short.agent = short.agent.pop().into_iter().collect();
    short
}

/// The call, and those whom it passes.
struct Lost {
    /// The edge's public URL.
    url: String,
    /// The caller's number.
    caller: &'static str,
    account: Arc<Account>,
    story: Arc<Story>,
    teller: Teller,
    recording: Arc<Recording>,
    rest_of_it: Arc<Recording>,
    prompts: Arc<KnownPrompts>,
    /// The caller begins to hear the offer.
    is_offered: Notify,
}

impl Lost {
    async fn through(
        &self,
        models: [Model; 2],
        mut overheard: mpsc::Receiver<Overheard>,
    ) -> Result<RungBack, String> {
        let (lost, outage) = tokio::join!(self.call(), self.outage(models));
        let (killed, [first, standby]) = outage?;
        self.story.tell("*** both providers are well again ***");
        let tried = "the edge tries them with short sessions of its own, so that no caller has to";
        // No caller comes to either before it was tried so often.
        let probed = Fate::healthy(&shortly(&self.rest_of_it));
        let fates = |first: &Fate| {
            let tried = [first, &probed, &probed].into_iter().cloned();
            tried.chain([Fate::healthy(&self.rest_of_it)]).collect()
        };
        let first = first.open(fates(&probed.clone().telling(tried)), &self.story)?;
        let standby = standby.open(fates(&probed), &self.story)?;
        let ringing = async {
            let back = self.teller.ring(&mut overheard, &self.rest_of_it).await;
            // Whichever is well first has the call.
            let session = tokio::select! {
                Some(session) = first.conversation() => Some(session),
                Some(session) = standby.conversation() => Some(session),
                else => None,
            };
            first.close();
            standby.close();
            (back, session)
        };
        let ((back, session), (), ()) = tokio::join!(ringing, first.visits(), standby.visits());
        let phone = self.account.network.tally().phone(self.caller).cloned();
        Ok(RungBack {
            lost,
            killed,
            phone: phone.unwrap_or_default(),
            back: back.ok_or("nobody was rung back")?,
            session,
        })
    }

    /// The call that is lost, to its end.
    async fn call(&self) -> VoiceReport {
        const SEED: u64 = 1;
        let carrier = CarrierSettings {
            from: self.caller.to_owned(),
            // More patient than others: on a busy machine a pause is no end.
            answer_end_ms: 1_200,
            menu: vec![MenuChoice {
                press: "1".to_owned(),
                after_ms: PRESSES_AFTER_MS,
                ..MenuChoice::default()
            }],
            ..CarrierSettings::default()
        };
        let call = VoiceCall {
            account: Arc::clone(&self.account),
            number: number(&self.url),
            settings: Arc::new(TwilioSettings::default()),
            parties: Parties::of_seed(ACCOUNT_SID, &carrier.from, &carrier.to, SEED),
            seed: SEED,
        };
        let phone = Phone::new(Arc::clone(&self.recording), Arc::new(carrier), 1, SEED);
        let phone = phone.knowing(Arc::clone(&self.prompts));
        self.story.begin();
        let mut answers = 0;
        let tell = |at: Duration, event: Told| {
            if let Told::Happening(Happening::AgentBegan { after: Some(_) }) = event {
                answers += 1;
                // The first one is the greeting.
                if answers == TURNS_BEFORE + 1 {
                    self.is_offered.notify_one();
                }
            }
            if let Some(sentence) = self.teller.sentence(at, &event, &self.recording) {
                line(at, &sentence);
            }
        };
        call.live(phone, tell).await
    }

    /// Lets both models live until the offer is being made, then kills them; and when that was.
    async fn outage(&self, [first, standby]: [Model; 2]) -> Result<(Duration, [Door; 2]), String> {
        let offered = async {
            self.is_offered.notified().await;
            sleep(HEARD_BEFORE).await;
        };
        let alive = async { tokio::join!(first.visits(), standby.visits()) };
        tokio::select! {
            _closed = alive => {}
            () = offered => {}
        }
        let killed = self.account.clock.now();
        let doors = [Door::shut(&first)?, Door::shut(&standby)?];
        self.story
            .tell("*** both providers are killed in the middle of the sentence ***");
        Ok((killed, doors))
    }
}
