//! A page: fetched, and judged by its status alone.

use std::fmt;

use reqwest::redirect;
use tokio_rustls::rustls::ClientConfig;

use super::Fault;

/// A page that is there if it answers as expected. Never printed: there may be a secret in its address.
#[derive(Clone)]
pub struct Http {
    url: String,
    /// `None`: any status that says yes.
    status: Option<u16>,
    client: reqwest::Client,
}

impl Http {
    /// The page of this address (see [`is_url`]); it must answer with this status, or with any of 200 to 299.
    pub fn new(url: String, status: Option<u16>, tls: &ClientConfig) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            // Each look is to find out whether a connection can be had.
            .pool_max_idle_per_host(0)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("ringback/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the client's settings are constant, and the TLS configuration is of the version that it knows");
        Self {
            url,
            status,
            client,
        }
    }

    /// Fetches it, as far as its status.
    pub async fn ask(&self) -> Result<(), Fault> {
        let response = self.client.get(&self.url).send().await;
        let status = response.map_err(|error| of_send(&error))?.status();
        let is_expected = match self.status {
            Some(expected) => status.as_u16() == expected,
            None => status.is_success(),
        };
        is_expected
            .then_some(())
            .ok_or(Fault::Status(status.as_u16()))
    }
}

/// Its own words are not passed on: they hold the address.
fn of_send(error: &reqwest::Error) -> Fault {
    if error.is_connect() {
        Fault::Unreachable
    } else {
        Fault::Closed
    }
}

/// Whether this is the address of a page, as in `https://example.com/health`.
pub fn is_url(text: &str) -> bool {
    let url = reqwest::Url::parse(text);
    url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether user or password stand in it.
pub fn has_login(text: &str) -> bool {
    let url = reqwest::Url::parse(text);
    url.is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http(_)")
    }
}
