//! What Twilio asks before, between and after streams, and what it is answered.
//!
//! Read, check, decide, write: [`receive`] turns a request into a question of Twilio's, [`crate::core::front`] decides,
//! [`super::front`] writes the document. Nothing here waits for anybody but the request's own body, and for a moment for what others
//! know of a call ([`next`]).

mod next;
mod passing;
mod receive;
mod rings;
mod texts;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tracing::field::display;

use self::next::{Given, ask, follow, is_new, keep_end};
use self::passing::{leave, pass_on, successor};
pub(super) use self::receive::check_upgrade;
use self::receive::{Received, receive};
use super::Shared;
use super::addresses::Peer;
use super::callers::Caller;
use super::drain::Stage;
use super::front::{About, Front, Opening, new_call};
use super::menu::{has_provider, offers};
use super::region::routing::{self, Elsewhere, Successor};
use crate::audio::prompts::{Name, PromptCache};
use crate::carrier::twilio::twiml::{Document, Words};
use crate::carrier::twilio::webhook::{StreamError, Voice};
use crate::config::Agent;
use crate::core::call::checkpoint::Checkpoint;
use crate::core::front::{Direction, House, Next, Progress, fallback, next, receive as welcome};
use crate::core::region::resume::Verdict;
use crate::telemetry::Count;

/// A path that Twilio asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    Answer,
    Next,
    Fallback,
    Whisper,
    StreamStatus,
    CallStatus,
}

const HOOKS: [Hook; 6] = [
    Hook::Answer,
    Hook::Next,
    Hook::Fallback,
    Hook::Whisper,
    Hook::StreamStatus,
    Hook::CallStatus,
];

/// The routes of all hooks; without Twilio there are none.
pub(super) fn router() -> Router<Arc<Shared>> {
    let others = texts::router().merge(rings::router());
    HOOKS.into_iter().fold(others, |router, hook| {
        let handle = async move |State(shared): State<Arc<Shared>>,
                                 Extension(peer): Extension<Peer>,
                                 request: Request| {
            handle(hook, &shared, peer, request).await
        };
        router.route(hook.path(), get(handle).post(handle))
    })
}

async fn handle(hook: Hook, shared: &Arc<Shared>, peer: Peer, request: Request) -> Response {
    let Some(front) = &shared.front else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let received = match receive(shared, front, peer, request).await {
        Ok(received) => received,
        Err(status) => return status.into_response(),
    };
    if hook == Hook::StreamStatus {
        return stream_status(shared, &received);
    }
    let voice = match Voice::read(&received.form) {
        Ok(voice) => voice,
        Err(malformed) => {
            shared.telemetry.refused(Count::WebhooksMalformed);
            return (StatusCode::BAD_REQUEST, format!("{malformed}\n")).into_response();
        }
    };
    if !front.serves(voice.account) {
        shared.telemetry.refused(Count::WebhooksForeign);
        return StatusCode::FORBIDDEN.into_response();
    }
    let is_left = is_for_others(hook, shared.tasks.stage());
    if !is_left && let Some(before) = before(hook, shared, front, (&voice, &received)) {
        return xml(&before); // Nobody else is asked again.
    }
    match hook {
        Hook::Answer => begin(shared, front, &voice, &received).await,
        Hook::Next | Hook::Fallback => go_on(hook, shared, front, &voice, &received).await,
        Hook::Whisper => xml(&whisper(shared, &received)),
        Hook::CallStatus => {
            if voice.progress == Progress::Over {
                let now = shared.clock.now();
                front.memory().endings.is_told_over(now, voice.call);
                keep_end(shared, front, voice.call);
            }
            StatusCode::NO_CONTENT.into_response()
        }
        Hook::StreamStatus => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A call comes to its number.
async fn begin(
    shared: &Arc<Shared>,
    front: &Front,
    voice: &Voice,
    received: &Received,
) -> Response {
    let hook = Hook::Answer;
    // One that comes to its number again after it was answered may be one that goes on.
    let verdict = ask(hook, shared, front, voice, received).await;
    let elsewhere = match &verdict {
        None => elsewhere(shared, front, voice),
        Some(_) => None,
    };
    if elsewhere.is_none() && is_for_others(hook, shared.tasks.stage()) {
        return leave(shared);
    }
    introduce(shared, voice, received, elsewhere);
    let ground = Ground {
        elsewhere,
        verdict,
        is_at_end: false,
    };
    xml(&document(hook, shared, front, (voice, received), ground))
}

/// A call goes on, or is over.
async fn go_on(
    hook: Hook,
    shared: &Arc<Shared>,
    front: &Front,
    voice: &Voice,
    received: &Received,
) -> Response {
    let is_at_end = is_for_others(hook, shared.tasks.stage());
    // One that has not begun goes where it would have gone at first.
    let elsewhere = if is_new(hook, voice) {
        elsewhere(shared, front, voice)
    } else {
        None
    };
    if elsewhere.is_none() && is_at_end {
        match successor(shared, voice, received) {
            // A balancer or the fallback URL may know one.
            Successor::Unknown => return leave(shared),
            Successor::At(place) => return pass_on(hook, shared, place),
            Successor::Nobody => {}
        }
    }
    introduce(shared, voice, received, elsewhere);
    let verdict = ask(hook, shared, front, voice, received).await;
    let is_to_be_here = matches!(verdict, Some(Verdict::Here { .. }));
    if is_to_be_here && !can_take(shared, voice) {
        // A node that can has the call's memory of those who were asked here.
        let is_over = front
            .memory()
            .endings
            .is_over(shared.clock.now(), voice.call);
        if !is_over && let Successor::At(place) = successor(shared, voice, received) {
            return pass_on(hook, shared, place);
        }
    }
    let ground = Ground {
        elsewhere,
        verdict,
        is_at_end,
    };
    let document = document(hook, shared, front, (voice, received), ground);
    if voice.progress == Progress::Over {
        keep_end(shared, front, voice.call);
    }
    xml(&document)
}

/// Whether a call that goes on here has a seat, and somebody or something to talk to.
fn can_take(shared: &Shared, voice: &Voice) -> bool {
    let (agent, _) = shared.agents.find(None, Some(&voice.ours));
    shared.calls.has_room() && house(shared, agent).has_words()
}

/// What is known when a question is decided.
struct Ground<'a> {
    /// Who gets a new call in our place.
    elsewhere: Option<Elsewhere<'a>>,
    /// What follows from what others know of the call, where they were asked.
    verdict: Option<Verdict<Checkpoint>>,
    /// A stream here would soon be let go again, and nobody else is there.
    is_at_end: bool,
}

/// Whether another process is to be asked, for this one is on its way out: for a new call at once, for one that goes on when its
/// stream would soon be let go again. The carrier then asks the fallback URL, or a balancer somebody who is ready.
fn is_for_others(hook: Hook, stage: Stage) -> bool {
    match hook {
        Hook::Answer => stage > Stage::Serving,
        Hook::Next | Hook::Fallback => stage > Stage::Stopping,
        Hook::Whisper | Hook::StreamStatus | Hook::CallStatus => false,
    }
}

/// Who is on the other end, for the menu of a call, here or at the node that gets it: a stream does not say.
fn introduce(
    shared: &Arc<Shared>,
    voice: &Voice,
    received: &Received,
    elsewhere: Option<Elsewhere<'_>>,
) {
    let form = &received.form;
    let caller = match voice.direction {
        Direction::Inbound => Caller::new(form.get("From"), form.get("StirVerstat")),
        // Whom we rang is who answers.
        Direction::Outbound => Caller::new(form.get("To"), None),
    };
    shared
        .callers
        .introduce(shared.clock.now(), voice.call, caller);
    if let Some(Elsewhere { peer, .. }) = elsewhere
        && let Some(caller) = shared.callers.find(shared.clock.now(), voice.call)
    {
        routing::introduce(shared, peer.node, voice, &caller);
    }
}

/// The node that gets a new call's stream in our place, if there is one that should.
fn elsewhere<'a>(shared: &'a Shared, front: &Front, voice: &Voice) -> Option<Elsewhere<'a>> {
    let nodes = shared.nodes.as_ref()?;
    let (agent, _) = shared.agents.find(None, Some(&voice.ours));
    routing::elsewhere(shared, nodes, front, voice, house(shared, agent))
}

/// The document that answered this question before.
fn before(
    hook: Hook,
    shared: &Shared,
    front: &Front,
    (voice, received): (&Voice, &Received),
) -> Option<Arc<str>> {
    let question = received.question(hook, voice.call)?;
    let before = front.memory().answered(shared.clock.now(), &question)?;
    shared.telemetry.count(Count::WebhooksRepeated);
    Some(before)
}

/// The document that answers this question: the one that answered it before, or a new one.
fn document(
    hook: Hook,
    shared: &Shared,
    front: &Front,
    (voice, received): (&Voice, &Received),
    ground: Ground<'_>,
) -> Arc<str> {
    let now = shared.clock.now();
    // It may have come a second time while others were asked.
    if let Some(before) = before(hook, shared, front, (voice, received)) {
        return before;
    }
    let (agent, _) = shared.agents.find(None, Some(&voice.ours));
    let given = if let Some(Elsewhere { peer, url }) = ground.elsewhere {
        // Nothing is remembered of it here: it is the other node's.
        shared.telemetry.count(Count::CallsGivenAway);
        Given::away(new_call(), (peer, url))
    } else {
        let known = (ground.verdict, &**agent);
        let given = decide(hook, shared, front, voice, received, known);
        if ground.is_at_end {
            given.at_end(front, now, voice.call)
        } else {
            given
        }
    };
    let Given { next, opening } = given;
    let prompts = shared.prompts.now();
    let apology = Spoken::find(&prompts, &agent.name, "apology_only");
    let moment = Spoken::find(&prompts, &agent.name, "one_moment");
    // Twilio has tried for seconds before it asks here. Whose call rings hears Twilio say a word, for nobody else has yet; whose call goes
    // on hears one of ours, and nobody waits for the end of it.
    let has_waited = hook == Hook::Fallback && voice.progress == Progress::Ringing;
    if hook == Hook::Fallback {
        shared.checkpoints.has_waited(&voice.call, FALLBACK_AFTER);
    }
    let about = About {
        call: voice.call,
        direction: voice.direction,
        ours: &voice.ours,
        agent: &agent.name,
        persons_timeout: agent.persons.timeout,
        apology: apology.words(),
        moment: has_waited.then(|| moment.words()),
        opening,
    };
    let document: Arc<str> = front.document(&about, &next).into();
    let node = opening.home.map(|(home, _)| display(home.node));
    tracing::info!(carrier_call = %voice.call, asked = hook.path(), answer = answer_name(&next), node, "document");
    if let Some(question) = received.question(hook, voice.call) {
        front.memory().answer(now, question, Arc::clone(&document));
    }
    document
}

fn decide<'a>(
    hook: Hook,
    shared: &'a Shared,
    front: &Front,
    voice: &Voice,
    received: &Received,
    (verdict, agent): (Option<Verdict<Checkpoint>>, &Agent),
) -> Given<'a> {
    let now = shared.clock.now();
    let house = house(shared, agent);
    let card = received.ticket.as_ref().and_then(|text| {
        let ticket = front.ticket(voice.call, text);
        if ticket.is_none() {
            // Twilio asks, so there is a caller: whatever became of the ticket, they are answered.
            shared.telemetry.refused(Count::TicketsRefused);
        }
        ticket.map(|ticket| ticket.card)
    });
    if let Some(verdict) = verdict {
        return follow(verdict, shared, front, voice, (house, agent));
    }
    let Voice {
        call,
        progress,
        over,
        failed,
        ..
    } = *voice;
    // It was answered, and by us: it comes to its number again.
    let is_known = front.memory().endings.known(now, call).is_some();
    let goes_on = progress == Progress::Answered && is_known;
    let next = {
        let endings = &mut front.memory().endings;
        match hook {
            Hook::Fallback => fallback(endings, now, call, new_call(), (progress, failed), house),
            Hook::Next => {
                let cards = (card, new_call());
                next(endings, now, call, cards, (progress, over), house)
            }
            Hook::Answer | Hook::Whisper | Hook::StreamStatus | Hook::CallStatus => {
                welcome(endings, now, call, new_call(), progress, house)
            }
        }
    };
    let opening = Opening {
        home: None,
        resumed: front.resumed(now, call),
        is_fresh: is_new(hook, voice) && !goes_on,
    };
    Given { next, opening }
}

/// What a person hears before the caller: who is calling, and why. The leg to them has their number and the caller's, and not ours.
fn whisper(shared: &Shared, received: &Received) -> String {
    let (agent, _) = shared.agents.find(received.agent.as_deref(), None);
    let caller = received.form.get("From").unwrap_or_default();
    let digits: Vec<_> = caller
        .chars()
        .filter(char::is_ascii_digit)
        .take(CALLER_DIGITS_MAX)
        .map(String::from)
        .collect();
    // Digit by digit: a voice would read a number of millions.
    let words = format!("{} {}.", agent.persons.whisper, digits.join(" "));
    let language = agent.language.as_deref().unwrap_or("en");
    let language = &spoken(language);
    let words = &words;
    Document::Whisper(Words { language, words }).render()
}

/// How long a caller has heard nothing at least when Twilio asks the fallback URL: one attempt to connect, and a second one.
const FALLBACK_AFTER: Duration = Duration::from_millis(1_500);

/// No number has more digits (E.164).
const CALLER_DIGITS_MAX: usize = 15;

/// How the house stands, for callers of this agent.
fn house(shared: &Shared, agent: &Agent) -> House {
    let now = shared.clock.now();
    House {
        is_full: !shared.overload.stage().allows_calls() || !shared.calls.has_room(),
        has_provider: has_provider(shared, now),
        has_menu: offers(shared, agent).offers_anything(),
    }
}

fn stream_status(shared: &Shared, received: &Received) -> Response {
    match StreamError::read(&received.form) {
        Ok(None) => {}
        Ok(Some(StreamError { call, words })) => {
            shared.telemetry.count(Count::StreamErrors);
            tracing::warn!(carrier_call = %call, error = words, "the carrier lost a stream, or could not open it");
        }
        Err(malformed) => {
            shared.telemetry.refused(Count::WebhooksMalformed);
            return (StatusCode::BAD_REQUEST, format!("{malformed}\n")).into_response();
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

fn xml(document: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
    (kind, document.to_owned()).into_response()
}

impl Hook {
    const fn path(self) -> &'static str {
        match self {
            Self::Answer => "/twiml/answer",
            Self::Next => "/twiml/next",
            Self::Fallback => "/twiml/fallback",
            Self::Whisper => "/twiml/whisper",
            Self::StreamStatus => "/stream/status",
            Self::CallStatus => "/calls/status",
        }
    }
}

const fn answer_name(next: &Next) -> &'static str {
    match next {
        Next::Hangup => "hangup",
        Next::Busy => "busy",
        Next::Stream(_) => "stream",
        Next::Apologize => "apology",
        Next::Dial(..) => "person",
    }
}

/// Words of an agent, for Twilio to say.
struct Spoken {
    language: String,
    words: Arc<str>,
}

impl Spoken {
    /// The words of this prompt in the agent's language; in English where there are none.
    fn find(prompts: &PromptCache, agent: &str, prompt: &str) -> Self {
        let found = Name::parse(prompt).and_then(|name| prompts.find(agent, None, name));
        match found {
            Some(found) => Self {
                language: spoken(found.language.tag()),
                words: found.text,
            },
            None => Self {
                language: "en-US".to_owned(),
                words: "Sorry, we cannot take your call right now. Please try again later.".into(),
            },
        }
    }

    fn words(&self) -> Words<'_> {
        Words {
            language: &self.language,
            words: &self.words,
        }
    }
}

/// The language as Twilio's voices name it: always with a country.
fn spoken(tag: &str) -> String {
    let country = match tag {
        "en" => "en-US",
        "es" => "es-ES",
        "fr" => "fr-FR",
        "it" => "it-IT",
        "de" => "de-DE",
        "pt" => "pt-BR",
        other => other,
    };
    country.to_owned()
}
