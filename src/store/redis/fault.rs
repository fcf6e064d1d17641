//! What Redis and the way to it say, in our words. Never a word of a caller: Redis quotes none.

use redis::{ErrorKind, RedisError, ServerError};

use crate::store::error::StoreError;

/// The kinds of records, as scripts and people name them.
const KINDS: [(&str, &str); 8] = [
    ("call", "checkpoint"),
    ("ended", "record of a call that ended"),
    ("promise", "promise"),
    ("send", "request to the carrier"),
    ("context", "conversation of a promise"),
    ("claim", "claim"),
    ("role", "role of a region"),
    ("record", "record"),
];

/// What is said of a refusal by the server.
pub(super) fn of_server(error: &ServerError) -> StoreError {
    let details = error.details().unwrap_or_default();
    of_words(error.code(), details)
}

/// What is said of a failure of the client, or of a refusal that it reports.
pub(super) fn of_client(error: &RedisError) -> StoreError {
    if error.is_timeout() {
        return StoreError::TimedOut;
    }
    if let Some(code) = error.code() {
        return of_words(code, error.detail().unwrap_or_default());
    }
    let detail = error.detail().unwrap_or_default();
    // Theirs: the kinds grow with every version.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign, non-exhaustive enum"
    )]
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            StoreError::Denied(format!("it refuses user or password {detail}"))
        }
        _ => StoreError::Away(error.to_string()),
    }
}

/// What is said of a code and what stands behind it.
pub(super) fn of_words(code: &str, details: &str) -> StoreError {
    if code == "ERR" {
        // Before its seventh version Redis put the code of what failed in a script into the text.
        let is_quoted = |code: &&str| details.contains(&format!("-{code} "));
        let quoted = ["READONLY", "OOM", "MISCONF", "NOREPLICAS", "WRONGTYPE"];
        return match quoted.into_iter().find(is_quoted) {
            Some(code) => of_words(code, details),
            None => StoreError::Away(format!("it answers {details}")),
        };
    }
    let kind = || {
        let found = KINDS.iter().find(|(word, _)| details.trim() == *word);
        found.map_or("record", |(_, name)| name)
    };
    match code {
        "READONLY" | "MASTERDOWN" => StoreError::ReadOnly,
        "OOM" => StoreError::Full,
        "LOADING" => StoreError::Loading,
        "NEWER" => StoreError::Newer(kind()),
        "DAMAGED" => StoreError::Damaged(kind()),
        "FOREIGN" | "WRONGTYPE" => StoreError::Unfit(
            "a key of somebody else stands where one of ours belongs; it was left as it is: give ringback \
             another prefix (shared.prefix) or database"
                .into(),
        ),
        "NOAUTH" | "WRONGPASS" => StoreError::Denied(
            "it wants a user and password, and these are wrong or missing (shared.url, shared.password)".into(),
        ),
        "NOPERM" => StoreError::Denied(format!(
            "its access list does not allow what ringback does there: {details}"
        )),
        "NOREPLICAS" => StoreError::TooFewReplicas(0),
        "MISCONF" => StoreError::Disk(format!("of the shared store: {details}")),
        code => StoreError::Away(format!("it answers {code} {details}")),
    }
}

/// Whether a connection is to be given up after this: its end is no primary, or not one to write to.
pub(super) fn is_end_of_link(error: &StoreError) -> bool {
    match error {
        StoreError::ReadOnly
        | StoreError::Loading
        | StoreError::Away(_)
        | StoreError::TooFewReplicas(_) => true,
        StoreError::Overloaded
        | StoreError::TimedOut
        | StoreError::Disk(_)
        | StoreError::Newer(_)
        | StoreError::Damaged(_)
        | StoreError::TooLong(_)
        | StoreError::Full
        | StoreError::Denied(_)
        | StoreError::Unfit(_)
        | StoreError::Closed
        | StoreError::Bug => false,
    }
}
