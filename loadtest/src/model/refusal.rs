//! How a provider refuses an upgrade, in HTTP.

use std::time::Duration;

/// An HTTP answer to an upgrade that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The body: mostly JSON, as real servers write it.
    pub body: String,
}

impl Refusal {
    pub(super) fn new(status: u16, retry_after: Option<Duration>, code: Option<&str>) -> Self {
        let (kind, usual, message) = match status {
            401 => (
                "invalid_request_error",
                "invalid_api_key",
                "Incorrect API key provided.",
            ),
            // Seen with an empty body.
            403 if code.is_none() => {
                return Self {
                    status,
                    retry_after,
                    body: String::new(),
                };
            }
            404 => (
                "invalid_request_error",
                "model_not_found",
                "The model does not exist or you do not have access to it.",
            ),
            429 => (
                "requests",
                "rate_limit_exceeded",
                "Rate limit reached. Please try again later.",
            ),
            500..=599 if code.is_none() => {
                // The edge in front of the provider answers, in HTML.
                return Self {
                    status,
                    retry_after,
                    body: format!(
                        "<html><head><title>{status}</title></head><body>{status}</body></html>"
                    ),
                };
            }
            _ => (
                "invalid_request_error",
                "bad_request",
                "The request was refused.",
            ),
        };
        let code = code.unwrap_or(usual);
        let error = serde_json::json!({
            "message": message, "type": kind, "param": null, "code": code,
        });
        Self {
            status,
            retry_after,
            body: serde_json::json!({ "error": error }).to_string(),
        }
    }
}
