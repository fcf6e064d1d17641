//! Who is let in to the listener of operators.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::provider::endpoint::Secret;
use crate::server::routes::{is_from_here, is_loopback_host};

/// Lets a request through, or says why not.
pub(super) async fn check(
    State(token): State<Arc<Option<Secret>>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    match &*token {
        Some(token) if brings(headers, token) => next.run(request).await,
        Some(_) => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            let sentence = "The token is missing or wrong: Authorization: Bearer TOKEN.\n";
            (StatusCode::UNAUTHORIZED, challenge, sentence).into_response()
        }
        None if is_local(headers) => next.run(request).await,
        None => {
            let sentence = "Without admin.token this machine only is served, and no web page.\n";
            (StatusCode::FORBIDDEN, sentence).into_response()
        }
    }
}

fn brings(headers: &HeaderMap, token: &Secret) -> bool {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return false;
    };
    let (scheme, brought) = value.as_bytes().split_at_checked(7).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(brought)
}

/// A page whose name was made to lead to this machine still says that name as the host.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    let is_loopback = host
        .and_then(|host| host.to_str().ok()?.parse().ok())
        .is_some_and(|host: Authority| is_loopback_host(host.host()));
    is_loopback && is_from_here(headers).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let parsed = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        parsed.collect()
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Secret::new("0123456789abcdef");
        let brings = |value| brings(&headers(&[("authorization", value)]), &token);
        assert!(brings("Bearer 0123456789abcdef"));
        assert!(brings("bearer 0123456789abcdef"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdeF",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            assert!(!brings(wrong), "{wrong}");
        }
    }

    #[test]
    fn without_a_token_this_machine_only_is_served() {
        for host in ["127.0.0.1:9090", "localhost", "[::1]:9090"] {
            assert!(is_local(&headers(&[("host", host)])), "{host}");
        }
        for strange in [
            &[] as &[(&'static str, &str)],
            &[("host", "evil.example:9090")],
            &[("host", "127.0.0.1.evil.example")],
            &[
                ("host", "127.0.0.1:9090"),
                ("origin", "https://evil.example"),
            ],
            &[("host", "127.0.0.1:9090"), ("x-forwarded-for", "10.0.0.1")],
        ] {
            assert!(!is_local(&headers(strange)), "{strange:?}");
        }
    }
}
