//! Lists: pages, the newest first, and what is found by a date.
//!
//! Owns the parameters that all lists have in common. What is in a list, and what has no date, its resource knows.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::Reply;
use crate::twilio::{account::Account, form::Form};

/// Of one page, if it does not ask for fewer.
const PAGE_MAX: usize = 1_000;
const PAGE_DEFAULT: usize = 50;
/// What a page's token begins with.
const TOKEN: &str = "PA";

/// Something with a name, in a list.
pub(super) trait Item {
    /// Its SID.
    fn sid(&self) -> &str;
    /// As the list shows it.
    fn shown(&self, account: &Account) -> Value;
}

/// A page of what was found, the newest first.
pub(super) fn page<T: Item>(
    account: &Account,
    resource: &str,
    query: &Form,
    found: impl Iterator<Item = T>,
) -> Reply {
    let size = query.get("PageSize").and_then(|size| size.parse().ok());
    let size: usize = size.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let number: usize = query
        .get("Page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(0);
    let behind = query
        .get("PageToken")
        .and_then(|token| token.strip_prefix(TOKEN));
    // A list may have grown since the last page: its token is the last that was shown.
    let mut skips = behind.is_some();
    let found = found.filter(|item| {
        let skipped = skips;
        skips = skips && Some(item.sid()) != behind;
        !skipped
    });
    let mut found = found.peekable();
    let items: Vec<T> = found.by_ref().take(size).collect();
    let last = items.last().map(|item| item.sid().to_owned());
    let next = last.filter(|_| found.peek().is_some()).map(|last| {
        let mut next = Form::new();
        for (name, value) in query.pairs().filter(|(name, _)| !name.starts_with("Page")) {
            next.push(name, value);
        }
        let next = next
            .with("PageSize", size.to_string())
            .with("Page", (number + 1).to_string())
            .with("PageToken", format!("{TOKEN}{last}"));
        let base = format!("/2010-04-01/Accounts/{}", account.sid);
        format!("{base}/{resource}.json?{}", next.encode())
    });
    let items: Vec<_> = items.iter().map(|item| item.shown(account)).collect();
    let mut body = json!({"page": number, "page_size": size, "next_page_uri": next});
    if let Some(body) = body.as_object_mut() {
        body.insert(resource.to_ascii_lowercase(), items.into());
    }
    Reply::done(200, body)
}

/// Whether a wanted value is this one, or none is wanted.
pub(super) fn fits(query: &Form, name: &str, is: &str) -> bool {
    query.get(name).is_none_or(|wanted| wanted == is)
}

/// Whether something of this date is found by the filters of this name: `Name=`, `Name>=`, `Name<=`. What has no date is found only
/// where none is wanted.
pub(super) fn is_dated(query: &Form, name: &str, at: Option<SystemTime>) -> bool {
    let filters = query.pairs().filter_map(|(key, value)| {
        let sign = key.strip_prefix(name)?;
        matches!(sign, "" | ">" | "<").then_some((sign, value))
    });
    let mut filters = filters.peekable();
    if filters.peek().is_none() {
        return true;
    }
    let Some(at) = at.map(iso) else {
        return false;
    };
    filters.all(|(sign, wanted)| {
        // A date alone is the whole day.
        let at = at.get(..wanted.len()).unwrap_or(&at);
        match sign {
            ">" => at >= wanted,
            "<" => at <= wanted,
            _ => at == wanted,
        }
    })
}

/// As filters write times: `2026-07-06T10:00:00Z`.
fn iso(at: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = httpdate::fmt_http_date(at);
    let mut words = text.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    let (day, name, year, time) = (word(), word(), word(), word());
    let month = MONTHS.iter().position(|month| *month == name).unwrap_or(0) + 1;
    format!("{year}-{month:02}-{day}T{time}Z")
}

/// As the carrier writes dates.
pub(super) fn date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at).replace("GMT", "+0000")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_has_no_date_is_found_by_no_date() {
        // 2023-08-24, 05:01:45.
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_692_853_305);
        assert_eq!(iso(at), "2023-08-24T05:01:45Z");
        assert_eq!(date(at), "Thu, 24 Aug 2023 05:01:45 +0000");
        for (query, found) in [
            ("To=1", true),
            ("DateSent=2023-08-24", true),
            ("DateSent=2023-08-25", false),
            ("DateSent>=2023-08-24", true),
            ("DateSent>=2023-08-24T05:01:46Z", false),
            ("DateSent<=2023-08-23", false),
            ("DateSent>=2023-08-01&DateSent<=2023-08-31", true),
        ] {
            let form = Form::parse(query.as_bytes());
            assert_eq!(is_dated(&form, "DateSent", Some(at)), found, "{query}");
            assert_eq!(
                is_dated(&form, "DateSent", None),
                query == "To=1",
                "{query}"
            );
        }
    }
}
