//! What redb says, in our words.

use crate::store::error::StoreError;

macro_rules! from_redb {
    ($($error:ident),+) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                of(redb::Error::from(error))
            }
        })+
    };
}

from_redb!(CommitError, StorageError, TableError, TransactionError);

fn of(error: redb::Error) -> StoreError {
    // Theirs: the errors grow with every version.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, non-exhaustive enum"
    )]
    match error {
        redb::Error::Corrupted(_) => StoreError::Damaged("page"),
        redb::Error::TransactionPoisoned | redb::Error::TableAlreadyOpen(..) => StoreError::Bug,
        other => StoreError::Disk(other.to_string()),
    }
}
