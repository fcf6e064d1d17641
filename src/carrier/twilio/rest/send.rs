//! One request and its answer: what is proven not to have left, what was refused, and what nobody knows.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Rest;
use super::error::{Code, Lost, NotSent, Refusal, RestError};
use super::form::Form;
use super::gate::{Gate, Lane, Outcome, Pass};
use super::list::parse_date;
use crate::core::time::Utc;

/// The longest answer that is read: a page of a thousand messages has about as much.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest time that an answer is believed to want us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// How long an answer may have taken whose time is still now's.
const FRESH: Duration = Duration::from_secs(2);

impl Rest {
    /// Changes or makes something.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        lane: Lane,
        path: &str,
        form: Form,
    ) -> Result<T, RestError> {
        self.request(lane, Method::POST, path, Some(form)).await
    }

    /// Looks something up; the path with its query.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RestError> {
        self.request(Lane::Control, Method::GET, path, None).await
    }

    /// Below the account: `Calls.json`.
    async fn request<T: DeserializeOwned>(
        &self,
        lane: Lane,
        method: Method,
        path: &str,
        form: Option<Form>,
    ) -> Result<T, RestError> {
        let mut way = Way::through(self, lane)?;
        let mut request = self.begin(method, &format!("/{path}"));
        if let Some(form) = form {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.finish());
        }
        let answer = match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => Err(of_send(&error)),
        };
        way.outcome = outcome_of(&answer);
        drop(way);
        answer
    }

    /// What time it is there, to the second. Whatever is answered tells it, a refusal as well; an answer that took long tells
    /// nothing.
    pub async fn time(&self) -> Result<Utc, RestError> {
        let mut way = Way::through(self, Lane::Control)?;
        let asked = (self.clock)();
        let (said, answer) = match self.begin(Method::GET, ".json").send().await {
            Ok(response) => {
                let said = said_at(&response);
                (said, read::<IgnoredAny>(response).await)
            }
            Err(error) => (None, Err(of_send(&error))),
        };
        way.outcome = outcome_of(&answer);
        drop(way);
        let is_fresh = (self.clock)().since(asked) <= FRESH;
        match (said.filter(|_| is_fresh), answer) {
            (Some(said), Ok(_) | Err(_)) => Ok(said),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(Lost::Garbled.into()),
        }
    }

    /// Asks for the account, for health: it changes nothing and costs nothing.
    pub async fn account(&self) -> Result<(), RestError> {
        let mut way = Way::through(self, Lane::Control)?;
        let answer = match self.begin(Method::GET, ".json").send().await {
            Ok(response) => read::<IgnoredAny>(response).await,
            Err(error) => Err(of_send(&error)),
        };
        way.outcome = outcome_of(&answer);
        drop(way);
        answer.map(drop)
    }

    /// A request to what stands behind the account's name.
    fn begin(&self, method: Method, behind: &str) -> RequestBuilder {
        let settings = &self.settings;
        let (host, account) = (settings.host.as_str(), settings.credentials.account);
        let url = format!("{host}/2010-04-01/Accounts/{account}{behind}");
        self.http
            .request(method, url)
            .header(AUTHORIZATION, settings.credentials.header.clone())
            .header(ACCEPT, "application/json")
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        // It is changed by steps that cannot panic half-way.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way; it is recorded however it goes, and if whoever waits for it goes away.
struct Way<'a> {
    rest: &'a Rest,
    pass: Option<Pass>,
    outcome: Outcome,
}

impl<'a> Way<'a> {
    fn through(rest: &'a Rest, lane: Lane) -> Result<Self, NotSent> {
        let now = (rest.clock)();
        let pass = rest.gate().admit(now, lane)?;
        Ok(Self {
            rest,
            pass: Some(pass),
            outcome: Outcome::Abandoned,
        })
    }
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        let now = (self.rest.clock)();
        if let Some(pass) = self.pass.take() {
            self.rest.gate().record(now, pass, self.outcome);
        }
    }
}

fn outcome_of<T>(answer: &Result<T, RestError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Answered,
        Err(RestError::Refused(refusal)) => match refusal.status {
            401 => Outcome::Unauthorized,
            429 if refusal.code == Code::TooManyRequests => Outcome::Limited(refusal.retry_after),
            _ => Outcome::Answered,
        },
        Err(RestError::NotSent(_) | RestError::Unknown(_)) => Outcome::Failed,
    }
}

/// What an error says about the request. Its own words are not passed on: they hold the address, with numbers in its query.
fn of_send(error: &reqwest::Error) -> RestError {
    // Only a connection that never came to be proves that nothing was sent.
    if error.is_connect() || error.is_builder() {
        NotSent::Unreachable.into()
    } else {
        of_read(error).into()
    }
}

fn of_read(error: &reqwest::Error) -> Lost {
    if error.is_timeout() {
        Lost::TimedOut
    } else {
        Lost::Closed
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, RestError> {
    let status = response.status();
    let retry_after = retry_after(&response);
    if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
        // It was refused, whether or not the reason comes through.
        let body = body(response).await.unwrap_or_default();
        let refusal = refusal(status, &body, retry_after);
        return Err(refusal.into());
    }
    if !status.is_success() {
        return Err(Lost::Server(status.as_u16()).into());
    }
    let body = body(response).await?;
    serde_json::from_slice(&body).map_err(|_| Lost::Garbled.into())
}

async fn body(mut response: Response) -> Result<Vec<u8>, Lost> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(Lost::Garbled),
            Ok(None) => return Ok(body),
            Err(error) => return Err(of_read(&error)),
        }
    }
}

/// What Twilio says beside a status of refusal.
#[derive(Deserialize)]
struct Reason {
    code: Option<u32>,
}

fn refusal(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> Refusal {
    let reason: Option<Reason> = serde_json::from_slice(body).ok();
    let number = reason.and_then(|reason| reason.code);
    // A proxy on the way knows the status only, and tomorrow there are codes that are not known today.
    let of_status = match status {
        StatusCode::UNAUTHORIZED => Code::Unauthorized,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::TOO_MANY_REQUESTS => Code::TooManyRequests,
        _ => Code::Other(0),
    };
    let code = number.map_or(of_status, Code::of);
    let is_unknown = matches!(code, Code::Other(_));
    Refusal {
        status: status.as_u16(),
        // Whatever there was too much of, it was not looked at, and another time it may be.
        code: if is_unknown && status == StatusCode::TOO_MANY_REQUESTS {
            Code::TooManyRequests
        } else {
            code
        },
        retry_after,
    }
}

/// When the answer was written, by their clock.
fn said_at(response: &Response) -> Option<Utc> {
    parse_date(response.headers().get(DATE)?.to_str().ok()?)
}

/// Twilio does not promise this header; a date in it is not understood.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
