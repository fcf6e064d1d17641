//! Lists: a page of what went to a number, newest first.

use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;

use super::Rest;
use super::error::RestError;
use super::form::Form;
use crate::core::time::Utc;

/// The longest page that Twilio gives.
const PAGE_MAX: usize = 1_000;

/// The newest of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// Whether there are older ones: what is not in `items` may be among them.
    pub has_more: bool,
}

impl Rest {
    /// Looks up what went to a number. Without a date: what is queued has none, and would not be found by it.
    pub(super) async fn list<L: for<'de> Deserialize<'de>, T>(
        &self,
        resource: &str,
        to: &str,
        max: usize,
        page: impl FnOnce(L) -> Page<T>,
    ) -> Result<Page<T>, RestError> {
        let size = max.clamp(1, PAGE_MAX).to_string();
        let query = Form::new().field("To", to).field("PageSize", &size);
        let path = format!("{resource}.json?{}", query.finish());
        self.get(&path).await.map(page)
    }
}

/// A moment as Twilio writes it, in its records (`Sun, 06 Nov 1994 08:49:37 +0000`) and in the heads of its answers (`… GMT`).
pub fn parse_date(text: &str) -> Option<Utc> {
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(at.as_millisecond())
        .ok()
        .map(Utc::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_records_and_heads_have_it() {
        let known = Some(Utc::from_millis(784_111_777_000));
        assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 +0000"), known);
        assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), known);
        for wrong in ["", "1994-11-06", "Sun, 06 Nov 1894 08:49:37 GMT", "now"] {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
    }
}
