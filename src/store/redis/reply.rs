//! What Redis answers, field by field. A field that is not as it should be is damage, never a panic.

use redis::Value;

use super::fault;
use crate::core::ids::CallSid;
use crate::core::time::Utc;
use crate::store::error::StoreError;

/// The fields of an answer, or of a record in it.
pub(super) struct Fields {
    kind: &'static str,
    left: std::vec::IntoIter<Value>,
}

impl Fields {
    /// The fields of what a script answered.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, non-exhaustive enum"
    )]
    pub(super) fn of(kind: &'static str, value: Value) -> Result<Self, StoreError> {
        let left = match value {
            Value::Array(fields) => fields,
            Value::Nil => Vec::new(),
            Value::ServerError(error) => return Err(fault::of_server(&error)),
            _ => return Err(StoreError::Damaged(kind)),
        };
        let left = left.into_iter();
        Ok(Self { kind, left })
    }

    fn damaged(&self) -> StoreError {
        StoreError::Damaged(self.kind)
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.left.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            Some(_) | None => Err(self.damaged()),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        String::from_utf8(self.bytes()?).map_err(|_| self.damaged())
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        u64::from_str_radix(&self.text()?, 16).map_err(|_| self.damaged())
    }

    /// A number, or nothing in its place.
    pub(super) fn number_or_nothing(&mut self) -> Result<Option<u64>, StoreError> {
        match self.text()?.as_str() {
            "" => Ok(None),
            text => {
                let number = u64::from_str_radix(text, 16);
                number.map(Some).map_err(|_| self.damaged())
            }
        }
    }

    pub(super) fn time(&mut self) -> Result<Utc, StoreError> {
        Ok(Utc::from_millis(self.number()?))
    }

    pub(super) fn name(&mut self) -> Result<u128, StoreError> {
        u128::from_str_radix(&self.text()?, 16).map_err(|_| self.damaged())
    }

    pub(super) fn sid(&mut self) -> Result<CallSid, StoreError> {
        CallSid::parse(&self.text()?).ok_or_else(|| self.damaged())
    }

    pub(super) fn yes_or_no(&mut self) -> Result<bool, StoreError> {
        match self.text()?.as_str() {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => Err(self.damaged()),
        }
    }

    pub(super) fn count(&mut self) -> Result<usize, StoreError> {
        self.text()?.parse().map_err(|_| self.damaged())
    }

    /// The fields of the next record; `None`: there is none.
    pub(super) fn record(&mut self) -> Result<Option<Self>, StoreError> {
        let kind = self.kind;
        let next = self.left.next();
        next.map(|value| Self::of(kind, value)).transpose()
    }

    /// Why this is no record that can be read, where the script says so.
    pub(super) fn unread(&mut self) -> Option<StoreError> {
        let mark = Value::BulkString(b"unread".to_vec());
        if self.left.as_slice().first() != Some(&mark) {
            return None;
        }
        self.left.next();
        let words = self.text().unwrap_or_default();
        let (code, details) = words.trim_start_matches('-').split_once(' ')?;
        let why = fault::of_words(code, details);
        // What stands there is none of ours: of this record that is all there is to say.
        let is_known = why.is_of_one_record();
        Some(if is_known { why } else { self.damaged() })
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.left.len() == 0
    }
}
