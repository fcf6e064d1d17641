//! What becomes of those who are rung back: `/twiml/ring` says what whoever answers gets, `/ring/status` how a ring goes on.
//! The former is the fallback URL of the call as well.
//!
//! A person gets the agent, who remembers the call that was lost; a machine gets nothing. Each ring is a call with a name of its
//! own, made of the ring's, so that the end of the call that was lost is not its end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;

use super::receive::Received;
use super::texts::{received, told};
use super::{Hook, Spoken, go_on, introduce, is_for_others, keep_end, xml};
use crate::carrier::twilio::twiml::Document;
use crate::carrier::twilio::webhook::Voice;
use crate::core::callback::input::{Input, RingStatus};
use crate::core::callback::promise::{Promise, SendId, SendKind};
use crate::core::front::{Card, Failed, House, Next, Progress, receive as welcome};
use crate::core::ids::{CallId, PromiseId};
use crate::core::region::owner::Tenure;
use crate::core::region::resume::{Fate, Resumed};
use crate::server::Shared;
use crate::server::addresses::Peer;
use crate::server::callbacks::{AnsweredBy, Callbacks, NoAnswer, answered_by, ring_status};
use crate::server::checkpoints::Left;
use crate::server::front::{About, Front, Opening};
use crate::server::keeper::CallState;
use crate::telemetry::Count;

/// How long somebody who has answered waits for the ledger: it is one message away, and the carrier waits far longer.
const PATIENCE: Duration = Duration::from_secs(1);

const DOCUMENT: &str = "/twiml/ring";

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/twiml/ring/{send}/{token}", post(document))
        .route("/ring/status/{send}/{token}", post(status))
}

/// A ring that the carrier asks or tells about.
struct Ring<'a> {
    shared: &'a Arc<Shared>,
    front: &'a Front,
    callbacks: &'a Callbacks,
    send: SendId,
    voice: Voice,
    received: Received,
}

type SendPath = Path<(String, String)>;

async fn document(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    path: SendPath,
    request: Request,
) -> Response {
    match Ring::read(&shared, peer, path, request).await {
        Ok(ring) if ring.goes_on() => ring.next().await,
        Ok(ring) => xml(&ring.document().await),
        Err(status) => status.into_response(),
    }
}

async fn status(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    path: SendPath,
    request: Request,
) -> Response {
    let ring = match Ring::read(&shared, peer, path, request).await {
        Ok(ring) => ring,
        Err(status) => return status.into_response(),
    };
    let callbacks = ring.callbacks;
    if ring.voice.progress == Progress::Over {
        let (now, call) = (shared.clock.now(), ring.voice.call);
        ring.front.memory().endings.is_told_over(now, call);
        keep_end(&shared, ring.front, call);
    }
    let detects_machines = callbacks.settings().detects_machines;
    match ring_status(&ring.received.form, detects_machines) {
        Some((call, status)) => told(
            &shared,
            callbacks,
            Input::RingStatus(ring.send, call, status),
        ),
        // A word that is new: what it means is looked up.
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

impl<'a> Ring<'a> {
    async fn read(
        shared: &'a Arc<Shared>,
        peer: Peer,
        Path((send, token)): SendPath,
        request: Request,
    ) -> Result<Self, StatusCode> {
        let (Some(front), Some(callbacks)) = (&shared.front, &shared.callbacks) else {
            return Err(StatusCode::NOT_FOUND);
        };
        let received = received(shared, front, peer, request).await?;
        let Some(send) = front.sent(SendKind::Ring, &send, &token) else {
            shared.telemetry.refused(Count::CallbackPathsForged);
            return Err(StatusCode::FORBIDDEN);
        };
        let voice = Voice::read(&received.form).map_err(|_| {
            shared.telemetry.refused(Count::WebhooksMalformed);
            StatusCode::BAD_REQUEST
        })?;
        Ok(Self {
            shared,
            front,
            callbacks,
            send,
            voice,
            received,
        })
    }

    /// Whether the carrier asks here because of something later in the call, or because it cannot carry out what it got here: then this
    /// is the fallback URL like any other.
    fn goes_on(&self) -> bool {
        let failed = self.received.form.get("ErrorUrl");
        let is_later = failed.is_some_and(|url| !url.contains(DOCUMENT));
        is_later || self.voice.failed == Failed::Document
    }

    async fn next(&self) -> Response {
        let Self {
            shared,
            front,
            voice,
            received,
            ..
        } = self;
        go_on(Hook::Fallback, shared, front, voice, received).await
    }

    /// What whoever answers gets: what they got before, if the carrier asks again.
    async fn document(&self) -> Arc<str> {
        let now = self.shared.clock.now();
        let question = self.received.named(DOCUMENT, self.voice.call);
        let before = question
            .as_ref()
            .and_then(|question| self.front.memory().answered(now, question));
        if let Some(before) = before {
            self.shared.telemetry.count(Count::WebhooksRepeated);
            return before;
        }
        let document: Arc<str> = self.new_document().await.into();
        if let Some(question) = question {
            let memory = &mut self.front.memory();
            memory.answer(now, question, Arc::clone(&document));
        }
        document
    }

    async fn new_document(&self) -> String {
        let call = self.voice.call;
        if answered_by(&self.received.form) == AnsweredBy::Machine {
            let machine = Input::RingStatus(self.send, call, RingStatus::Machine);
            if !self.callbacks.heard(machine) {
                self.shared.telemetry.count(Count::CallbacksDropped);
            }
            return Document::Hangup.render();
        }
        let is_full = !self.shared.overload.stage().allows_calls() || !self.shared.calls.has_room();
        // A stream would be let go again at once.
        let is_leaving = is_for_others(Hook::Fallback, self.shared.tasks.stage());
        if is_full || is_leaving {
            // The ledger hears that this call ended before anybody spoke, and rings again.
            return self.apology();
        }
        match self.callbacks.answered(self.send, call, PATIENCE).await {
            Ok(Some(promise)) => {
                let durability = self.callbacks.settings().durability;
                let context = self.shared.keeper.context(promise.id, durability).await;
                self.serve(&promise, context)
            }
            // It was called off while it rang.
            Ok(None) => Document::Hangup.render(),
            // There is a person on the line, whatever is wrong with the ledger.
            Err(NoAnswer) => self.stream(PromiseId::from_bits(self.send.bits())),
        }
    }

    /// The agent goes on from where the call was lost: it speaks first.
    fn serve(&self, promise: &Promise, context: Option<CallState>) -> String {
        let (shared, call) = (self.shared, self.voice.call);
        let now = shared.clock.now();
        tracing::info!(carrier_call = %call, promise = %promise.id, of = %promise.call, "whom was rung back has answered");
        introduce(shared, &self.voice, &self.received, None);
        let mut state = context.unwrap_or_default();
        if !state.checkpoint.memory.is_empty() {
            let checkpoint = &mut state.checkpoint;
            checkpoint.is_mid_turn = true;
            checkpoint.waited = Duration::ZERO;
            checkpoint.streams_before = 0;
            let card = Card {
                id: self.id(),
                epoch: 0,
            };
            state.resumed = Resumed::default();
            state.fate = Fate::GoesOn;
            // The process may die before the stream is there.
            shared.keeper.keep_call(call, (card, 0), &state);
            let left = Left {
                by: Tenure {
                    card,
                    owner: shared.me,
                },
                turn: 0,
                fate: state.fate,
                resumed: state.resumed,
                checkpoint: state.checkpoint,
            };
            shared.checkpoints.recall(now, call, left);
        }
        self.stream(promise.id)
    }

    fn stream(&self, promise: PromiseId) -> String {
        let (shared, front, call) = (self.shared, self.front, self.voice.call);
        let now = shared.clock.now();
        let house = House {
            is_full: false,
            // Without one the call says so itself, and asks to be rung again.
            has_provider: true,
            has_menu: true,
        };
        let progress = self.voice.progress;
        let endings = &mut front.memory().endings;
        match welcome(endings, now, call, self.id(), progress, house) {
            Next::Stream(card) => self.about(|about| front.callback(about, card, promise)),
            Next::Hangup | Next::Busy | Next::Apologize | Next::Dial(..) => {
                Document::Hangup.render()
            }
        }
    }

    fn apology(&self) -> String {
        self.about(|about| self.front.document(about, &Next::Apologize))
    }

    fn about(&self, write: impl FnOnce(&About<'_>) -> String) -> String {
        let (agent, _) = self.shared.agents.find(None, Some(&self.voice.ours));
        let prompts = self.shared.prompts.now();
        let apology = Spoken::find(&prompts, &agent.name, "apology_only");
        write(&About {
            call: self.voice.call,
            direction: self.voice.direction,
            ours: &self.voice.ours,
            agent: &agent.name,
            persons_timeout: agent.persons.timeout,
            apology: apology.words(),
            moment: None,
            opening: Opening {
                is_fresh: true,
                ..Opening::default()
            },
        })
    }

    /// The name of the call that this ring is.
    const fn id(&self) -> CallId {
        CallId::from_bits(self.send.bits())
    }
}
