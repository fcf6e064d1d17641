//! Lists: a page of what went to a number, newest first.

use serde::Deserialize;

use super::Rest;
use super::error::RestError;
use super::form::Form;

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
