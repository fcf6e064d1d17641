//! Used tokens in the file, where they outlive the process.

use redb::ReadableTable as _;

use super::tables::{Kind, Reading, TOKENS, Writing};
use crate::core::time::Utc;
use crate::store::records::is_over;
use crate::store::{StoreError, TokenId};

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
