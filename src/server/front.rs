//! The front door's memory and papers: who is let in, what was answered, which calls have ended.
//!
//! It owns the lock around [`crate::core::front`], held for a decision and never across an `await`, and puts what is decided
//! into documents. It must not decide what a caller gets. Requests come to it from [`super::webhooks`], streams from
//! [`super::call_task`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::addresses::Client;
use super::clock::{Clock, draw_call_id, draw_nonce};
use super::keeper::Keeper;
use crate::carrier::twilio::Parameters;
use crate::carrier::twilio::address::PublicUrl;
use crate::carrier::twilio::signature::{AuthToken, Signatures};
use crate::carrier::twilio::token::{StreamToken, TOKEN_LIFE, Ticket, TokenError};
use crate::carrier::twilio::twiml::{Document, Stream, Transfer, Words};
use crate::config::{Mode, Twilio, UpgradeSignature};
use crate::core::call::effect::EndReason;
use crate::core::callback::promise::{SendId, SendKind};
use crate::core::front::{
    Card, Direction, Endings, Expiring, Means, Next, Person, Reach, Standing, Strangers, Wish,
};
use crate::core::ids::{AccountSid, CallId, CallSid, PromiseId};
use crate::core::region::Peer;
use crate::core::region::resume::Resumed;
use crate::core::time::Instant;
use crate::telemetry::Count;

/// How many tokens that were used are remembered: five minutes of two hundred calls a second, though a minute is enough.
const TOKENS_REMEMBERED: usize = 65_536;

/// How many documents may be asked for again, and for how long: Twilio gives up after fifteen seconds.
const ANSWERS_REMEMBERED: usize = 4_096;
const ANSWERED_FOR: Duration = Duration::from_secs(30);

/// How often an address may be refused: at once, and in a minute.
const REFUSALS_AT_ONCE: u32 = 20;
const REFUSALS_PER_MINUTE: u32 = 60;

/// The front door of a server whose carrier is Twilio.
#[derive(Debug)]
pub(super) struct Front {
    twilio: Twilio,
    pub(super) signatures: Signatures,
    accounts: Arc<[AccountSid]>,
    /// This run of this node.
    me: Peer,
    reach: Reach,
    memory: Mutex<Memory>,
}

/// What changes.
#[derive(Debug)]
pub(super) struct Memory {
    /// The calls, between their streams.
    pub(super) endings: Endings,
    /// The tokens that were used and have not expired, by their nonce.
    used: Expiring<u64, ()>,
    /// The documents that may be asked for again, by what they answered.
    answers: Expiring<String, Arc<str>>,
    strangers: Strangers<Client>,
    /// Whether some provider takes new calls, and when that was found.
    has_provider: Option<(Instant, bool)>,
}

/// How a stream was let in by a document of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    pub(super) card: Card,
    /// Whether the call begins with it.
    pub(super) is_fresh: bool,
    /// When the call was put together again.
    pub(super) resumed: Resumed,
}

/// What a document says of the stream that it connects.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening<'a> {
    /// Who is to hold it, and where that is; `None`: this node.
    pub(super) home: Option<(Peer, &'a PublicUrl)>,
    /// When the call was put together again.
    pub(super) resumed: Resumed,
    /// Whether the call begins with it.
    pub(super) is_fresh: bool,
}

/// What a document is written for.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) call: CallSid,
    pub(super) direction: Direction,
    /// Our number of the call.
    pub(super) ours: &'a str,
    /// The agent of that number: a name of letters, digits and hyphens.
    pub(super) agent: &'a str,
    /// How long it rings at a person's.
    pub(super) persons_timeout: Duration,
    /// What is said if nobody can take it.
    pub(super) apology: Words<'a>,
    /// What is said first where the caller has waited for us; `None`: nothing.
    pub(super) moment: Option<Words<'a>>,
    /// The stream, where there is one.
    pub(super) opening: Opening<'a>,
}

impl Front {
    /// The door of this node; `port` is the listener's.
    pub(super) fn new(
        mut twilio: Twilio,
        accounts: Arc<[AccountSid]>,
        me: Peer,
        port: u16,
    ) -> Self {
        twilio.public_url = twilio.public_url.with_listener_port(port);
        twilio.action_url = twilio.action_url.with_listener_port(port);
        let mut urls = vec![twilio.public_url.clone()];
        if twilio.action_url != twilio.public_url {
            urls.push(twilio.action_url.clone());
        }
        let tokens = twilio.auth_tokens.iter();
        let tokens = tokens.map(|token| AuthToken::new(token.expose())).collect();
        let reach = match (&twilio.mode, &twilio.rest) {
            // Their document says what comes after a stream; to end the call would cut it short.
            (Mode::Static(_), _) => Reach::Stream,
            (Mode::Dynamic, None) => Reach::Action,
            (Mode::Dynamic, Some(_)) => Reach::Rest,
        };
        Self {
            reach,
            signatures: Signatures::new(tokens, urls),
            twilio,
            accounts,
            me,
            memory: Mutex::new(Memory {
                endings: Endings::default(),
                used: Expiring::new(TOKENS_REMEMBERED, TOKEN_LIFE * 2),
                answers: Expiring::new(ANSWERS_REMEMBERED, ANSWERED_FOR),
                strangers: Strangers::new(REFUSALS_AT_ONCE, REFUSALS_PER_MINUTE),
                has_provider: None,
            }),
        }
    }

    /// The address that signatures are made over.
    pub(super) fn public_url(&self) -> String {
        self.twilio.public_url.to_string()
    }

    /// Whether this account's calls are ours.
    pub(super) fn serves(&self, account: AccountSid) -> bool {
        self.accounts.contains(&account)
    }

    /// Whether an upgrade without a signature may prove itself by its token alone.
    pub(super) fn needs_signed_upgrades(&self) -> bool {
        match self.twilio.upgrade_signature {
            UpgradeSignature::Required => true,
            UpgradeSignature::IfPresent => false,
        }
    }

    /// Whether a call can come without having asked for a document: then the upgrade is where it can be refused.
    pub(super) fn has_foreign_documents(&self) -> bool {
        match self.twilio.mode {
            Mode::Static(_) => true,
            Mode::Dynamic => false,
        }
    }

    /// Takes the memory: for a decision, and nothing that waits.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        // A bug in a decision cost one request; what is remembered of the others still holds.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far we reach at the carrier.
    pub(super) const fn means(&self, wish: Wish) -> Means {
        self.reach.means(wish)
    }

    /// Lets a stream in by what its document gave it; `None` if the document was not ours. Else what the refusal is counted as. A
    /// token lets in once, even across a restart, and its document is the newest that is known, whoever has written it.
    pub(super) fn admit(
        &self,
        now: Instant,
        keeper: &Keeper,
        call: CallSid,
        papers: &Parameters,
    ) -> Result<Option<Admitted>, Count> {
        if let Some(token) = papers.get("token") {
            let token = self.twilio.keyring.open_token(Clock::utc(), call, token);
            let token = token.map_err(|error| match error {
                TokenError::Malformed | TokenError::UnknownKey | TokenError::Forged => {
                    Count::TokensForged
                }
                TokenError::Expired => Count::TokensExpired,
                TokenError::OtherCall => Count::TokensOfOthers,
            })?;
            self.memory().use_token(now, token.nonce)?;
            if !keeper.claim_token(token.nonce, token.expires) {
                return Err(Count::TokensUsed);
            }
            let StreamToken {
                card,
                is_fresh,
                resumed,
                ..
            } = token;
            self.adopt(now, call, (card, Standing::Open), resumed);
            return Ok(Some(Admitted {
                card,
                is_fresh,
                resumed,
            }));
        }
        match (&self.twilio.mode, papers.get("secret")) {
            (Mode::Static(secrets), Some(given)) => {
                let is_ours = secrets
                    .iter()
                    .fold(false, |is, secret| is | secret.is(given));
                is_ours.then_some(None).ok_or(Count::TokensForged)
            }
            (Mode::Static(_), None) | (Mode::Dynamic, _) => Err(Count::TokensMissing),
        }
    }

    /// What this text is, if it is a ticket of this call; `None` as well where it is none.
    pub(super) fn ticket(&self, call: CallSid, text: &str) -> Option<Ticket> {
        let ticket = self.twilio.keyring.open_ticket(Clock::utc(), call, text);
        ticket.ok()
    }

    /// The document of a decision.
    pub(super) fn document(&self, about: &About<'_>, next: &Next) -> String {
        match next {
            Next::Hangup => Document::Hangup.render(),
            Next::Busy => Document::Busy.render(),
            Next::Apologize => Document::Apologize(about.apology).render(),
            Next::Stream(card) => self.stream(about, *card),
            Next::Dial(person, card) => self.transfer(about, person, *card),
        }
    }

    fn transfer(&self, about: &About<'_>, person: &Person, card: Card) -> String {
        let whisper = format!("/twiml/whisper?agent={}", about.agent);
        let transfer = Transfer {
            action: &self.action(about, card),
            timeout: &about.persons_timeout.as_secs().to_string(),
            whisper: &self.twilio.action_url.http(&whisper),
            person: &person.0,
        };
        if person.is_sip() {
            Document::TransferSip(transfer).render()
        } else {
            Document::Transfer(transfer).render()
        }
    }

    fn stream(&self, about: &About<'_>, card: Card) -> String {
        let resume = card.id.to_string();
        let resume = resume.as_str();
        self.with_stream(about, card, |stream| {
            match about.moment {
                Some(words) => Document::Fallback {
                    words,
                    stream,
                    resume,
                },
                None if card.epoch > 1 => Document::Resume { stream, resume },
                None => Document::Answer(stream),
            }
            .render()
        })
    }

    /// The document that connects whoever was rung back with their agent.
    pub(super) fn callback(&self, about: &About<'_>, card: Card, promise: PromiseId) -> String {
        let promise = promise.to_string();
        let promise = promise.as_str();
        self.with_stream(about, card, |stream| {
            Document::Callback { stream, promise }.render()
        })
    }

    fn with_stream(
        &self,
        about: &About<'_>,
        card: Card,
        write: impl FnOnce(Stream<'_>) -> String,
    ) -> String {
        let token = self.twilio.keyring.seal_token(&StreamToken {
            call: about.call,
            card,
            direction: about.direction,
            node: self.me.node.as_str().into(),
            expires: Clock::utc_after(TOKEN_LIFE),
            nonce: draw_nonce(),
            is_fresh: about.opening.is_fresh,
            resumed: about.opening.resumed,
        });
        let home = about.opening.home;
        let place = home.map_or(&self.twilio.public_url, |(_, place)| place);
        write(Stream {
            media: &place.web_socket("/media"),
            action: &self.action(about, card),
            stream_status: &self.action_url(about).http("/stream/status"),
            token: &token,
            to: about.ours,
        })
    }

    /// Where Twilio asks or tells about a text or a ring: below this path.
    pub(super) fn link(&self, path: &str, kind: SendKind, send: SendId) -> String {
        let sealed = self.twilio.keyring.seal_send(kind, send);
        self.twilio.action_url.http(&format!("{path}/{sealed}"))
    }

    /// The same for a document that somebody on the line waits for.
    pub(super) fn document_link(&self, path: &str, kind: SendKind, send: SendId) -> String {
        self.insistent(self.link(path, kind, send))
    }

    /// A URL that Twilio is to try as hard as the settings say: somebody hears nothing meanwhile.
    fn insistent(&self, url: String) -> String {
        match &*self.twilio.connection_overrides {
            "" => url,
            overrides => format!("{url}#{overrides}"),
        }
    }

    /// The text or ring that such a path is about.
    pub(super) fn sent(&self, kind: SendKind, send: &str, token: &str) -> Option<SendId> {
        self.twilio.keyring.open_send(kind, send, token).ok()
    }

    /// Where Twilio asks what comes after the document of this card.
    fn action(&self, about: &About<'_>, card: Card) -> String {
        let Opening { home, resumed, .. } = about.opening;
        let home = home.map_or(self.me, |(home, _)| home);
        let ticket = self.twilio.keyring.seal_ticket(&Ticket {
            call: about.call,
            card,
            home: Some(home),
            resumed,
            issued: Clock::utc(),
        });
        let url = self
            .action_url(about)
            .http(&format!("/twiml/next?ticket={ticket}"));
        self.insistent(url)
    }

    /// Where Twilio asks what comes next: at an address of several nodes if there is one, else where the stream is.
    fn action_url<'a>(&'a self, about: &About<'a>) -> &'a PublicUrl {
        let Twilio {
            public_url,
            action_url,
            ..
        } = &self.twilio;
        let home = about.opening.home.map(|(_, place)| place);
        home.filter(|_| public_url == action_url)
            .unwrap_or(action_url)
    }

    /// Everything was said on this stream: whoever asks what comes next is to hang up. Static mode has no card before its first
    /// ticket; the call's own name stands in for it. `false`: a newer document was written since, and the call goes on.
    pub(super) fn ended(&self, now: Instant, call: CallSid, card: Card) -> bool {
        self.memory().endings.ended(now, call, card)
    }

    /// A call of a life before, which goes on unless something newer is known.
    pub(super) fn recall(&self, now: Instant, call: CallSid, card: Card, resumed: Resumed) {
        let utc = Clock::utc();
        let resumed = resumed.0.into_iter().flatten().map(|at| utc.since(at));
        let standing = (card, Standing::Open);
        self.memory().endings.recall(now, call, standing, resumed);
    }

    /// A newer document of a call is known of, whoever has written it.
    pub(super) fn adopt(
        &self,
        now: Instant,
        call: CallSid,
        (card, standing): (Card, Standing),
        resumed: Resumed,
    ) {
        let utc = Clock::utc();
        let resumed = resumed.0.into_iter().flatten().map(|at| utc.since(at));
        let endings = &mut self.memory().endings;
        endings.adopt(now, call, (card, standing), resumed);
    }

    /// When the call was put together again of late, the newest first.
    pub(super) fn resumed(&self, now: Instant, call: CallSid) -> Resumed {
        let memory = self.memory();
        let mut resumed = Resumed::default();
        let times = memory.endings.resumed(now, call);
        for (place, ago) in resumed.0.iter_mut().zip(times) {
            *place = Some(Clock::utc_before(ago));
        }
        resumed
    }
}

impl Memory {
    fn use_token(&mut self, now: Instant, nonce: u64) -> Result<(), Count> {
        if self.used.get(now, &nonce).is_some() {
            return Err(Count::TokensUsed);
        }
        let put = self.used.try_put(now, nonce, ());
        put.map_err(|_| Count::TokensOverMax)
    }

    /// Whether the address may ask at all.
    pub(super) fn may_ask(&self, now: Instant, client: Option<Client>) -> bool {
        client.is_none_or(|client| self.strangers.may_ask(now, &client))
    }

    /// Something that the address asked for was refused.
    pub(super) fn refused(&mut self, now: Instant, client: Option<Client>) {
        if let Some(client) = client {
            self.strangers.refused(now, client);
        }
    }

    /// The document that this question was answered with.
    pub(super) fn answered(&self, now: Instant, question: &String) -> Option<Arc<str>> {
        self.answers.get(now, question).cloned()
    }

    /// Remembers it.
    pub(super) fn answer(&mut self, now: Instant, question: String, document: Arc<str>) {
        self.answers.put(now, question, document);
    }

    /// Whether some provider takes new calls, as it was found a moment ago; `None`: it is time to look.
    pub(super) fn has_provider(&self, now: Instant) -> Option<bool> {
        const HOLDS_FOR: Duration = Duration::from_millis(100);
        let (at, has) = self.has_provider?;
        (now.since(at) < HOLDS_FOR).then_some(has)
    }

    /// It was looked.
    pub(super) const fn found_provider(&mut self, now: Instant, has: bool) {
        self.has_provider = Some((now, has));
    }
}

/// What is left to be done at the carrier when a call ended for this reason, if everything was said: then nobody is connected to
/// it again.
pub(super) const fn last_wish(reason: EndReason) -> Option<Wish> {
    match reason {
        EndReason::Goodbye => Some(Wish::Goodbye),
        EndReason::Apologized | EndReason::Promised | EndReason::MessageLeft => Some(Wish::Apology),
        // Where the caller hung up, the carrier says so when it asks, if it asks at all; a stop alone may be another's doing.
        EndReason::CallerHungUp
        | EndReason::CarrierGone
        | EndReason::CarrierSilent
        | EndReason::CarrierStuck
        | EndReason::NeverStarted
        | EndReason::Refused(_)
        | EndReason::Transferred
        | EndReason::Drained => None,
    }
}

/// A card for the stream of a document that was not ours.
pub(super) const fn foreign_card(id: CallId) -> Card {
    Card { id, epoch: 0 }
}

/// A name for a call that nothing is known of.
pub(super) fn new_call() -> CallId {
    draw_call_id()
}
