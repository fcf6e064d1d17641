//! Look-ups of many records, page by page: a reply is never longer than a few megabytes.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::reply::Fields;
use super::script::Request;
use super::{Asker, LaneName, Way};
use crate::store::error::StoreError;
use crate::store::sealer::Sealer;
use crate::store::{Answer, Found, LOOK_UP_MAX};

/// How many records a page has at most: four megabytes of the longest.
const PAGE_MAX: usize = 64;

/// How many entries of the index of what is due one request passes over at most; the script's own number.
const SCANNED_MAX: usize = 1_000;

/// Where the next page begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// Behind this name; `None`: at the first.
    Name(Option<u128>),
    /// Behind so many.
    Place(usize),
}

/// The records behind `from`; at most `max`, and [`LOOK_UP_MAX`]. Those that cannot be read are passed over. `request` is told where a page begins and how many it may have.
pub(super) fn pages<T: Send + 'static>(
    asker: &Arc<Asker>,
    kind: &'static str,
    from: From,
    max: usize,
    request: impl Fn(From, usize) -> Request + Send + 'static,
    read: fn(Fields, &Sealer) -> Result<T, StoreError>,
) -> Answer<Found<T>> {
    let asker = Arc::clone(asker);
    let limit = asker.known.settings.read_timeout;
    let mut from = from;
    let max = max.min(LOOK_UP_MAX);
    let look = async move {
        let mut found = Found::nothing();
        while found.records.len() < max {
            let room = (max - found.records.len()).min(PAGE_MAX);
            let next = request(from, room);
            let way = Way::LOOK_UP;
            let page = asker.ask(
                LaneName::Reads,
                way,
                kind,
                move |_| Ok(next),
                move |mut fields, sealer| {
                    let count = fields.count()?;
                    let last = match from {
                        From::Name(_) => {
                            let last = fields.text()?;
                            From::Name(u128::from_str_radix(&last, 16).ok())
                        }
                        From::Place(place) => From::Place(place + count),
                    };
                    let mut page = Found::nothing();
                    while let Some(mut record) = fields.record()? {
                        page.add(match record.unread() {
                            Some(why) => Err(why),
                            None => read(record, sealer).map(Some),
                        })?;
                    }
                    Ok((count, last, page))
                },
            );
            let (count, last, next) = page.await?;
            let is_last = match from {
                From::Name(_) => count < room,
                From::Place(_) => count < SCANNED_MAX && next.records.len() < room,
            };
            found.extend(next);
            from = last;
            if is_last {
                break;
            }
        }
        Ok(found)
    };
    async move {
        timeout(limit, look)
            .await
            .unwrap_or(Err(StoreError::TimedOut))
    }
    .boxed()
}

/// The same, where all of them must be readable.
pub(super) fn whole<T: Send + 'static>(found: Answer<Found<T>>) -> Answer<Vec<T>> {
    async move { found.await?.whole() }.boxed()
}
