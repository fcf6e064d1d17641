//! Where a provider is, and how one asks to be let in.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Uri};

use crate::provider::openai::quirks::{Auth, Dialect};

/// A key. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Keeps a key to itself.
    pub fn new(key: &str) -> Self {
        Self(key.trim().into())
    }

    /// Whether somebody brought this one. Takes as long for one that is nearly right as for any other of its length.
    pub fn is(&self, brought: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(brought).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(_)")
    }
}

/// Why a provider's address is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("not a URL")]
    NotAUrl,
    /// Another scheme than `ws` and `wss`.
    #[error("the URL must begin with ws:// or wss://")]
    Scheme,
    /// No host that one could connect to.
    #[error("the URL names no host")]
    NoHost,
    /// The key has characters that no header can hold.
    #[error("the key has characters that cannot be sent")]
    Key,
}

/// A provider that can be dialled.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: Arc<str>,
    uri: Uri,
    host: Box<str>,
    port: u16,
    key: Option<Secret>,
    dialect: Dialect,
    /// `None`: the socket is plain.
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Endpoint {
    /// The endpoint at `url` (`ws://` or `wss://`), with the operator's name for it; without a key, none is sent.
    pub fn new(
        name: &str,
        url: &str,
        key: Option<Secret>,
        dialect: Dialect,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, EndpointError> {
        let uri: Uri = url.parse().map_err(|_| EndpointError::NotAUrl)?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(EndpointError::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (port, tls) = match uri.scheme_str() {
            Some("ws") => (80, None),
            Some("wss") => {
                let name = ServerName::try_from(host.to_owned());
                (443, Some((tls, name.map_err(|_| EndpointError::NoHost)?)))
            }
            _ => return Err(EndpointError::Scheme),
        };
        let endpoint = Self {
            name: name.into(),
            host: host.into(),
            port: uri.port_u16().unwrap_or(port),
            uri,
            key,
            dialect,
            tls,
        };
        endpoint.request(None)?;
        Ok(endpoint)
    }

    /// The operator's name for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it speaks.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(super) fn tls(&self) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        self.tls.clone()
    }

    /// The request of the upgrade; `model` is named where the URL does not do so.
    pub(super) fn request(&self, model: Option<&str>) -> Result<Request, EndpointError> {
        let uri = self.uri_with(model)?;
        let mut request = uri
            .into_client_request()
            .map_err(|_| EndpointError::NotAUrl)?;
        let quirks = self.dialect.quirks();
        let headers = request.headers_mut();
        for (name, value) in quirks.headers {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        if let Some(Secret(key)) = &self.key {
            let (name, text) = match quirks.auth {
                Auth::Bearer => (AUTHORIZATION, format!("Bearer {key}")),
                // The key is what the provider hands out, ready for use, or a user and a password.
                Auth::Basic if key.contains(':') => {
                    (AUTHORIZATION, format!("Basic {}", STANDARD.encode(&**key)))
                }
                Auth::Basic => (AUTHORIZATION, format!("Basic {key}")),
                Auth::ApiKey => (HeaderName::from_static("api-key"), key.to_string()),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| EndpointError::Key)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(request)
    }

    fn uri_with(&self, model: Option<&str>) -> Result<Uri, EndpointError> {
        let parameter = self.dialect.quirks().model_parameter;
        let query = self.uri.query().unwrap_or_default();
        let named = query.split('&').any(|pair| {
            pair.split_once('=')
                .is_some_and(|(key, _)| key == parameter)
        });
        let Some(model) = model.filter(|_| !named) else {
            return Ok(self.uri.clone());
        };
        let separator = if query.is_empty() { "" } else { "&" };
        let mut parts = self.uri.clone().into_parts();
        let target = format!("{}?{query}{separator}{parameter}={model}", self.uri.path());
        parts.path_and_query = Some(target.parse().map_err(|_| EndpointError::NotAUrl)?);
        Uri::from_parts(parts).map_err(|_| EndpointError::NotAUrl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::tls::client_config;

    fn endpoint(url: &str, dialect: Dialect) -> Result<Endpoint, EndpointError> {
        let key = Secret::new("sk-1234\n");
        Endpoint::new(
            "east",
            url,
            Some(key),
            dialect,
            client_config(None).unwrap(),
        )
    }

    #[test]
    fn a_key_goes_where_the_dialect_wants_it_and_is_never_printed() {
        for (dialect, header, value) in [
            (Dialect::Ga, "authorization", "Bearer sk-1234"),
            (Dialect::Azure, "api-key", "sk-1234"),
            (Dialect::AzurePreview, "api-key", "sk-1234"),
            (Dialect::Inworld, "authorization", "Basic sk-1234"),
        ] {
            let endpoint = endpoint("wss://host/v1", dialect).unwrap();
            let request = endpoint.request(None).unwrap();
            assert_eq!(request.headers().get(header).unwrap(), value, "{dialect:?}");
            assert!(!format!("{endpoint:?} {request:?}").contains("1234"));
        }
    }

    #[test]
    fn only_the_old_interface_is_asked_for_by_a_header() {
        for dialect in Dialect::ALL {
            let request = endpoint("wss://host/v1", dialect)
                .unwrap()
                .request(None)
                .unwrap();
            let asked = request.headers().contains_key("openai-beta");
            assert_eq!(asked, dialect == Dialect::Beta, "{dialect:?}");
        }
    }

    #[test]
    fn the_model_is_named_once() {
        let target = |url: &str, dialect| {
            let request = endpoint(url, dialect).unwrap().request(Some("m")).unwrap();
            request.uri().path_and_query().unwrap().to_string()
        };
        assert_eq!(target("wss://h/v1?model=x", Dialect::Ga), "/v1?model=x");
        assert_eq!(target("wss://h/v1", Dialect::Ga), "/v1?model=m");
        assert_eq!(
            target("wss://h/v1?api-version=1", Dialect::AzurePreview),
            "/v1?api-version=1&deployment=m"
        );
    }

    #[test]
    fn a_url_of_no_use_is_refused_at_the_start() {
        assert_eq!(
            endpoint("http://h/", Dialect::Ga).unwrap_err(),
            EndpointError::Scheme
        );
        assert_eq!(
            endpoint("wss://", Dialect::Ga).unwrap_err(),
            EndpointError::NotAUrl
        );
        assert_eq!(
            endpoint("h", Dialect::Ga).unwrap_err(),
            EndpointError::Scheme
        );
    }
}
