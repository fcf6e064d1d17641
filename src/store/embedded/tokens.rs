//! Used tokens: in memory, where the answer comes from, and in the file, where it outlives the process.

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable as _;

use super::tables::{Kind, Reading, TOKENS, Writing, is_over};
use crate::core::time::Utc;
use crate::store::{StoreError, TokenId};

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

impl Writing<'_> {
    /// `false`: it was used before.
    pub(super) fn claim_token(
        &self,
        token: TokenId,
        expires: Utc,
        now: Utc,
    ) -> Result<bool, StoreError> {
        let mut tokens = self.txn.open_table(TOKENS)?;
        let before = tokens.get(token.0)?.map(|expires| expires.value());
        if before.is_some_and(|before| !is_over(before, now)) {
            return Ok(false);
        }
        tokens.insert(token.0, expires.millis())?;
        drop(tokens);
        self.expire(Kind::Token, token.0, before, Some(expires.millis()))?;
        Ok(true)
    }

    pub(super) fn drop_token(&self, id: u128) -> Result<(), StoreError> {
        self.txn.open_table(TOKENS)?.remove(id)?;
        Ok(())
    }
}

impl Reading<'_> {
    /// The used tokens of the file; at most `max`, any of them.
    pub(super) fn tokens(&self, max: usize) -> Result<Vec<(TokenId, Utc)>, StoreError> {
        let tokens = self.txn.open_table(TOKENS)?;
        let entries = tokens.range(0..)?.take(max);
        entries
            .map(|entry| {
                let (token, expires) = entry?;
                Ok((TokenId(token.value()), Utc::from_millis(expires.value())))
            })
            .collect()
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
