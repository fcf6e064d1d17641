//! Used tokens as one process remembers them: at most one who asks it is ever told that a token is new, whatever becomes of the store.

use std::collections::{BTreeMap, BTreeSet};

use super::error::StoreError;
use super::records::TokenId;
use crate::core::time::Utc;

/// How many expired tokens a claim throws away: more than it adds, so that they do not pile up.
const COLLECT_STEP: usize = 4;

/// The tokens that were used here, as long as they could be used again.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    max: usize,
    used: BTreeMap<TokenId, Utc>,
    by_expiry: BTreeSet<(Utc, TokenId)>,
}

impl Tokens {
    pub(super) fn new(max: usize, used: Vec<(TokenId, Utc)>) -> Self {
        let by_expiry = used.iter().map(|&(token, at)| (at, token)).collect();
        Self {
            max,
            used: used.into_iter().collect(),
            by_expiry,
        }
    }

    /// Whether this is the first use here. An expired token is never used for the first time.
    pub(super) fn claim(
        &mut self,
        token: TokenId,
        expires: Utc,
        now: Utc,
    ) -> Result<bool, StoreError> {
        for _ in 0..COLLECT_STEP {
            match self.by_expiry.first() {
                Some(&(at, oldest)) if at <= now => {
                    self.by_expiry.pop_first();
                    self.used.remove(&oldest);
                }
                Some(_) | None => break,
            }
        }
        if expires <= now || self.used.contains_key(&token) {
            return Ok(false);
        }
        if self.used.len() >= self.max {
            return Err(StoreError::Overloaded);
        }
        self.used.insert(token, expires);
        self.by_expiry.insert((expires, token));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Utc {
        Utc::from_millis(millis)
    }

    #[test]
    fn a_token_is_used_once_and_never_after_it_expired() {
        let mut tokens = Tokens::new(10, vec![(TokenId(9), at(100))]);
        assert_eq!(tokens.claim(TokenId(1), at(100), at(0)), Ok(true));
        assert_eq!(tokens.claim(TokenId(1), at(100), at(1)), Ok(false));
        assert_eq!(tokens.claim(TokenId(9), at(100), at(1)), Ok(false));
        assert_eq!(tokens.claim(TokenId(1), at(100), at(100)), Ok(false));
        assert_eq!(tokens.claim(TokenId(2), at(100), at(100)), Ok(false));
    }

    #[test]
    fn at_most_so_many_are_remembered_and_room_comes_back() {
        let mut tokens = Tokens::new(2, Vec::new());
        assert_eq!(tokens.claim(TokenId(1), at(100), at(0)), Ok(true));
        assert_eq!(tokens.claim(TokenId(2), at(200), at(0)), Ok(true));
        let third = tokens.claim(TokenId(3), at(300), at(99));
        assert_eq!(third, Err(StoreError::Overloaded));
        assert_eq!(tokens.claim(TokenId(3), at(300), at(100)), Ok(true));
        assert_eq!(tokens.used.len(), tokens.by_expiry.len());
    }
}
