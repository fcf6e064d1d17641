//! What Twilio would experience at a Voice URL, line by line.
//!
//! Owns the order of the questions and their judgement. It makes one short call: the documents are fetched with the signatures of a
//! call that does not exist, the stream is opened and listened to. Look next at [`document`] for the first half and [`stream`] for
//! the second.

mod document;
mod stream;

use std::{sync::Arc, time::Duration};

use tokio_rustls::rustls::ClientConfig;

use super::{
    fetch::Fetcher,
    number::{Parties, Status},
    signature::AuthToken,
    twiml::Link,
};
use crate::net::Clock;

/// A Voice URL to check, and as whom.
#[derive(Clone, Debug)]
pub struct Check {
    /// The Voice URL.
    pub voice: Link,
    /// The fallback URL, if there is one.
    pub fallback: Option<Link>,
    /// Who calls whom, and whose number it is.
    pub parties: Parties,
    /// What signs: the account's own token.
    pub token: AuthToken,
    /// Whom to trust.
    pub tls: Option<Arc<ClientConfig>>,
    /// The first sound must be heard within this.
    pub audio_within: Duration,
    /// The run's clock.
    pub clock: Clock,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and could be better or is not as safe as it might be.
    Doubtful,
    /// A caller would suffer.
    Bad,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at.
    pub of: &'static str,
    /// What was found.
    pub says: String,
}

/// Where lines go.
struct Findings<'a> {
    tell: &'a mut (dyn FnMut(&Finding) + Send),
    bad: bool,
}

impl Findings<'_> {
    fn good(&mut self, of: &'static str, says: impl Into<String>) {
        self.say(Verdict::Good, of, says.into());
    }

    fn doubtful(&mut self, of: &'static str, says: impl Into<String>) {
        self.say(Verdict::Doubtful, of, says.into());
    }

    fn bad(&mut self, of: &'static str, says: impl Into<String>) {
        self.bad = true;
        self.say(Verdict::Bad, of, says.into());
    }

    fn say(&mut self, verdict: Verdict, of: &'static str, says: String) {
        (self.tell)(&Finding { verdict, of, says });
    }
}

impl Check {
    /// Looks at everything, and tells each line as soon as it is known. Whether nothing was bad.
    pub async fn run(&self, tell: &mut (dyn FnMut(&Finding) + Send)) -> bool {
        let mut findings = Findings { tell, bad: false };
        if self.reaches(&self.voice, &mut findings).await {
            let found = self.voice_document(&mut findings).await;
            self.refuses_strangers(&mut findings).await;
            match found {
                Some(found) => self.stream(found, &mut findings).await,
                None => findings.doubtful("stream", "the document opens none: nothing more to see"),
            }
        }
        if let Some(fallback) = &self.fallback
            && self.reaches(fallback, &mut findings).await
        {
            self.fallback_document(fallback, &mut findings).await;
        }
        !findings.bad
    }

    fn fetcher(&self, token: &AuthToken) -> Fetcher {
        Fetcher {
            token: token.clone(),
            tls: self.tls.clone(),
            request_max: Duration::from_secs(15),
            idempotency_on_first: true,
        }
    }

    fn form(&self, status: Status) -> super::form::Form {
        self.parties.form(status)
    }
}

/// A token that is not the account's.
fn wrong_token() -> AuthToken {
    AuthToken::new("not the token of this account")
}
