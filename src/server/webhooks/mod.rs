//! What Twilio asks before, between and after streams, and what it is answered.
//!
//! Read, check, decide, write: [`receive`] turns a request into a question of Twilio's, [`crate::core::front`] decides,
//! [`super::front`] writes the document. Nothing here waits for anybody but the request's own body, and for a moment for what others
//! know of a call ([`next`]).

mod next;
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
pub(super) use self::receive::check_upgrade;
use self::receive::{Received, receive};
use super::Shared;
use super::addresses::Peer;
use super::callers::Caller;
use super::drain::Stage;
use super::front::{About, Front, Opening, new_call};
use super::menu::{has_provider, offers};
use super::region::routing::{self, Elsewhere};
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
    let (verdict, elsewhere) = match hook {
        // A call that comes to its number again after it was answered may be one that goes on.
        Hook::Answer => match ask(hook, shared, front, &voice, &received).await {
            None => (None, elsewhere(shared, front, &voice)),
            verdict @ Some(_) => (verdict, None),
        },
        Hook::Next | Hook::Fallback | Hook::Whisper | Hook::StreamStatus | Hook::CallStatus => {
            (None, None)
        }
    };
    if elsewhere.is_none() && is_for_others(hook, shared.tasks.stage()) {
        shared.telemetry.refused(Count::WebhooksLeaving);
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match hook {
        Hook::Answer => {
            introduce(shared, &voice, &received);
            if let Some(Elsewhere { peer, .. }) = elsewhere
                && let Some(caller) = shared.callers.find(shared.clock.now(), voice.call)
            {
                routing::introduce(shared, peer.node, &voice, &caller);
            }
            let found = (elsewhere, verdict);
            xml(&document(hook, shared, front, (&voice, &received), found))
        }
        Hook::Next | Hook::Fallback => {
            introduce(shared, &voice, &received);
            let verdict = ask(hook, shared, front, &voice, &received).await;
            let found = (None, verdict);
            let document = document(hook, shared, front, (&voice, &received), found);
            if voice.progress == Progress::Over {
                keep_end(shared, front, voice.call);
            }
            xml(&document)
        }
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

/// Whether another process is to be asked, for this one is on its way out: for a new call at once, for one that goes on when its
/// stream would soon be let go again. The carrier then asks the fallback URL, or a balancer somebody who is ready.
fn is_for_others(hook: Hook, stage: Stage) -> bool {
    match hook {
        Hook::Answer => stage > Stage::Serving,
        Hook::Next | Hook::Fallback => stage > Stage::Stopping,
        Hook::Whisper | Hook::StreamStatus | Hook::CallStatus => false,
    }
}

/// Who is on the other end, for the menu of a call: a stream does not say.
fn introduce(shared: &Shared, voice: &Voice, received: &Received) {
    let form = &received.form;
    let caller = match voice.direction {
        Direction::Inbound => Caller::new(form.get("From"), form.get("StirVerstat")),
        // Whom we rang is who answers.
        Direction::Outbound => Caller::new(form.get("To"), None),
    };
    shared
        .callers
        .introduce(shared.clock.now(), voice.call, caller);
}

/// The node that gets a new call's stream in our place, if there is one that should.
fn elsewhere<'a>(shared: &'a Shared, front: &Front, voice: &Voice) -> Option<Elsewhere<'a>> {
    let nodes = shared.nodes.as_ref()?;
    let (agent, _) = shared.agents.find(None, Some(&voice.ours));
    routing::elsewhere(shared, nodes, front, voice, house(shared, agent))
}

/// The document that answers this question: the one that answered it before, or a new one. `elsewhere` is who gets a new call in our
/// place; `verdict` is what follows from what others know of the call, where they were asked.
fn document(
    hook: Hook,
    shared: &Shared,
    front: &Front,
    (voice, received): (&Voice, &Received),
    (elsewhere, verdict): (Option<Elsewhere<'_>>, Option<Verdict<Checkpoint>>),
) -> Arc<str> {
    let now = shared.clock.now();
    let question = received.question(hook, voice.call);
    let before = question
        .as_ref()
        .and_then(|question| front.memory().answered(now, question));
    if let Some(before) = before {
        shared.telemetry.count(Count::WebhooksRepeated);
        return before;
    }
    let (agent, _) = shared.agents.find(None, Some(&voice.ours));
    let Given { next, opening } = match elsewhere {
        Some(Elsewhere { peer, url }) => {
            // Nothing is remembered of it here: it is the other node's.
            shared.telemetry.count(Count::CallsGivenAway);
            Given::away(new_call(), (peer, url))
        }
        None => decide(hook, shared, front, voice, received, (verdict, agent)),
    };
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
    if let Some(question) = question {
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
