//! How a record is written: a byte for the version of its form, then the fields (postcard).

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::error::StoreError;

/// A kind of record.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// Its name, for people.
    const NAME: &'static str;
    /// The version of its form. A change of the fields needs a new number, and a way to read the old one.
    const VERSION: u8;

    /// Reads what a version before has written; `None`: there is no such version, or it is damaged.
    fn read_before(_version: u8, _fields: &[u8]) -> Option<Self> {
        None
    }

    /// The bytes that are kept.
    fn to_bytes(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![Self::VERSION])
            .expect("plain fields in memory can always be written")
    }

    /// Reads what is kept.
    fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = StoreError::Damaged(Self::NAME);
        let (version, fields) = bytes.split_first().ok_or(damaged.clone())?;
        if *version > Self::VERSION {
            return Err(StoreError::Newer(Self::NAME));
        }
        if *version != Self::VERSION {
            return Self::read_before(*version, fields).ok_or(damaged);
        }
        match postcard::take_from_bytes(fields) {
            Ok((row, [])) => Ok(row),
            Ok(_) | Err(_) => Err(damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Two(u64, Vec<u8>);

    impl Row for Two {
        const NAME: &'static str = "two";
        const VERSION: u8 = 3;
    }

    #[test]
    fn a_row_is_read_back_and_a_newer_or_damaged_one_is_refused() {
        let row = Two(7, vec![1, 2, 3]);
        let bytes = row.to_bytes();
        assert_eq!(Two::from_bytes(&bytes).unwrap(), row);
        let with_version = |version| {
            let mut bytes = bytes.clone();
            bytes[0] = version;
            Two::from_bytes(&bytes)
        };
        assert_eq!(with_version(4), Err(StoreError::Newer("two")));
        assert_eq!(with_version(2), Err(StoreError::Damaged("two")));
        for length in 0..bytes.len() {
            let torn = Two::from_bytes(&bytes[..length]);
            assert_eq!(torn, Err(StoreError::Damaged("two")), "{length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(Two::from_bytes(&longer), Err(StoreError::Damaged("two")));
    }
}
