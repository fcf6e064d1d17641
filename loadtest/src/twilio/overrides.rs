//! Connection overrides: what stands behind the `#` of a URL that the carrier fetches.
//!
//! Owns their names, ranges and defaults. Who obeys them: [`Fetcher`](super::fetch::Fetcher).

use std::time::Duration;

use super::fault::FetchFault;

/// No request that belongs to a call takes longer than this, whatever is written.
const TOTAL_MAX: Duration = Duration::from_secs(15);

/// How long a request may take, and what is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrides {
    /// `ct`: to connect, TLS included.
    pub connect: Duration,
    /// `rt`: to the first byte, and from one piece to the next.
    pub read: Duration,
    /// `tt`: all tries together.
    pub total: Duration,
    /// `rc`: tries after the first one.
    pub retries: u32,
    /// `rp`: what is tried again.
    pub retry: RetryOn,
}

/// After what a request is made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of its own in a URL"
)]
pub struct RetryOn {
    /// `4xx`.
    pub client_error: bool,
    /// `5xx`.
    pub server_error: bool,
    /// `ct`: no connection.
    pub connect: bool,
    /// `rt`: no answer in time.
    pub read: bool,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: TOTAL_MAX,
            total: TOTAL_MAX,
            retries: 1,
            retry: RetryOn {
                connect: true,
                ..RetryOn::default()
            },
        }
    }
}

impl Overrides {
    /// Reads a fragment, without its `#`. A value out of its range counts as the nearest one in it; keys that are not about time and
    /// tries (`sni`, `e`) change nothing here.
    pub fn parse(fragment: &str) -> Result<Self, FetchFault> {
        let mut overrides = Self::default();
        for pair in fragment.split('&') {
            let Some((key, value)) = pair.split_once('=') else {
                continue;
            };
            let number = value.parse::<u64>().ok();
            let millis = |most: u64| number.map(|n| Duration::from_millis(n.clamp(100, most)));
            match key {
                "ct" => overrides.connect = millis(10_000).unwrap_or(overrides.connect),
                "rt" => overrides.read = millis(15_000).unwrap_or(overrides.read),
                "tt" => overrides.total = millis(15_000).unwrap_or(overrides.total),
                "rc" => {
                    let retries = number.and_then(|n| u32::try_from(n.min(5)).ok());
                    overrides.retries = retries.unwrap_or(overrides.retries);
                }
                "rp" => overrides.retry = RetryOn::parse(value)?,
                _ => {}
            }
        }
        Ok(overrides)
    }

    /// With no time longer than `most`.
    #[must_use]
    pub fn within(mut self, most: Duration) -> Self {
        for time in [&mut self.connect, &mut self.read, &mut self.total] {
            *time = (*time).min(most);
        }
        self
    }
}

impl RetryOn {
    fn parse(words: &str) -> Result<Self, FetchFault> {
        let mut on = Self::default();
        for word in words.split([',', '|']).map(str::trim) {
            match word {
                "4xx" => on.client_error = true,
                "5xx" => on.server_error = true,
                "ct" => on.connect = true,
                "rt" => on.read = true,
                "all" => {
                    on = Self {
                        client_error: true,
                        server_error: true,
                        connect: true,
                        read: true,
                    }
                }
                _ => return Err(FetchFault::BadOverride),
            }
        }
        Ok(on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_read_within_its_ranges() {
        let read =
            Overrides::parse("ct=1000&rt=3000&tt=99999&rc=9&rp=ct,rt,5xx&e=ashburn").unwrap();
        assert_eq!(read.connect, Duration::from_secs(1));
        assert_eq!(read.read, Duration::from_secs(3));
        assert_eq!(read.total, TOTAL_MAX);
        assert_eq!(read.retries, 5);
        assert!(read.retry.connect && read.retry.read && read.retry.server_error);
        assert!(!read.retry.client_error);
        assert_eq!(Overrides::parse("").unwrap(), Overrides::default());
        assert_eq!(Overrides::parse("ct=x&rc=").unwrap(), Overrides::default());
        assert_eq!(Overrides::parse("rp=6xx"), Err(FetchFault::BadOverride));
    }
}
