//! Fetching as the carrier fetches: signed, within connection overrides, tried again, following redirects.
//!
//! Owns what a request looks like. What its answer means: [`super::interpreter`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use tokio_rustls::rustls::ClientConfig;

use super::{
    address::Address,
    fault::FetchFault,
    form::Form,
    http::{Answer, connect, exchange},
    interpreter::Page,
    overrides::{Overrides, RetryOn},
    signature::AuthToken,
    twiml::Method,
};

/// Redirects of one request.
const REDIRECTS_MAX: u32 = 10;

/// What fetches. Clones share nothing that changes.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// What signs.
    pub token: AuthToken,
    /// Whom to trust where the URL is `https`.
    pub tls: Option<Arc<ClientConfig>>,
    /// No request takes longer, all its tries together.
    pub request_max: Duration,
    /// The first try carries the idempotency token too.
    pub idempotency_on_first: bool,
}

/// A request, before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where, with its connection overrides.
    pub address: &'a Address,
    /// How.
    pub method: Method,
    /// With what.
    pub form: &'a Form,
    /// The same in all tries.
    pub idempotency: &'a str,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The last answer, whatever its status, and where it came from.
    pub answer: Result<(Address, Answer), FetchFault>,
    /// How often it was tried.
    pub tries: u32,
}

impl Fetched {
    /// As a document, if it is one that may be read.
    pub fn into_page(self) -> Result<Page, FetchFault> {
        let (address, answer) = self.answer?;
        if !(200..300).contains(&answer.status) {
            return Err(FetchFault::Status(answer.status));
        }
        Ok(Page {
            address,
            content_type: answer.content_type,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        })
    }
}

impl Fetcher {
    /// Makes a request, again where its overrides say so. It takes no longer than they and the cap allow.
    pub async fn fetch(&self, wanted: Wanted<'_>) -> Fetched {
        let overrides = match Overrides::parse(&wanted.address.fragment) {
            Ok(overrides) => overrides.within(self.request_max),
            Err(fault) => {
                return Fetched {
                    answer: Err(fault),
                    tries: 0,
                };
            }
        };
        let mut tries = 0;
        let trying = async {
            loop {
                tries += 1;
                let answer = self.follow(wanted, overrides, tries).await;
                let again = tries <= overrides.retries && is_tried_again(&answer, overrides.retry);
                if !again {
                    return answer;
                }
            }
        };
        let answer = match tokio::time::timeout(overrides.total, trying).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(FetchFault::ReadTimedOut),
        };
        Fetched { answer, tries }
    }

    /// One try, redirects followed. What is redirected with 307 or 308 is posted again, the rest is fetched without parameters.
    async fn follow(
        &self,
        wanted: Wanted<'_>,
        overrides: Overrides,
        nth: u32,
    ) -> Result<(Address, Answer), FetchFault> {
        let empty = Form::new();
        let (mut method, mut form) = (wanted.method, wanted.form);
        let mut address = wanted.address.clone();
        let carries = nth > 1 || self.idempotency_on_first;
        let idempotency = carries.then_some(wanted.idempotency);
        for _ in 0..=REDIRECTS_MAX {
            let request = self.request(&mut address, method, form, idempotency)?;
            let stream = connect(&address, self.tls.as_ref(), overrides.connect).await?;
            let answer = exchange(stream, request, overrides).await?;
            let location = answer.location.clone();
            let Some(location) = location.filter(|_| (301..=308).contains(&answer.status)) else {
                return Ok((address, answer));
            };
            if !matches!(answer.status, 307 | 308) {
                (method, form) = (Method::Get, &empty);
            }
            address = address.join(&location).ok_or(FetchFault::BadUrl)?;
        }
        Err(FetchFault::TooManyRedirects)
    }

    /// A signed request. What a GET asks goes into the query of `address`.
    fn request(
        &self,
        address: &mut Address,
        method: Method,
        form: &Form,
        idempotency: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, FetchFault> {
        let (body, signature) = match method {
            Method::Post => (form.encode(), self.token.sign_form(&address.url(), form)),
            Method::Get => {
                let query = form.encode();
                if !query.is_empty() {
                    let joint = if address.has_query() { '&' } else { '?' };
                    address.path.push(joint);
                    address.path.push_str(&query);
                }
                (String::new(), self.token.sign(&address.url()))
            }
        };
        let mut request = Request::builder()
            .uri(&address.path)
            .header(header::HOST, &address.authority)
            .header(header::USER_AGENT, "TwilioProxy/1.1")
            .header(header::ACCEPT, "*/*")
            .header("X-Twilio-Signature", signature);
        if let Some(token) = idempotency {
            request = request.header("I-Twilio-Idempotency-Token", token);
        }
        if method == Method::Post {
            let kind = "application/x-www-form-urlencoded; charset=UTF-8";
            request = request.method("POST").header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        request.map_err(|_| FetchFault::BadUrl)
    }
}

fn is_tried_again(answer: &Result<(Address, Answer), FetchFault>, on: RetryOn) -> bool {
    match answer {
        Ok((_, answer)) => match answer.status {
            400..=499 => on.client_error,
            500..=599 => on.server_error,
            _ => false,
        },
        Err(FetchFault::ConnectTimedOut | FetchFault::Connection) => on.connect,
        Err(FetchFault::ReadTimedOut) => on.read,
        Err(
            FetchFault::Status(_)
            | FetchFault::BadHost
            | FetchFault::BadUrl
            | FetchFault::TooManyRedirects
            | FetchFault::Tls
            | FetchFault::BadOverride
            | FetchFault::TooLarge,
        ) => false,
    }
}
