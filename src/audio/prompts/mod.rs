//! The prompt cache: what is said without a model, at hand before a call needs it.
//!
//! | file | owns |
//! |---|---|
//! | [`language`] | tags of languages, and who understands whom |
//! | [`bundled`] | the recordings in the binary, and the names of all prompts |
//! | [`store`] | the recordings on disk, found by text, voice and language |
//! | [`script`] | what an agent's file says about its prompts |
//! | [`cache`], `voice` | which recording each agent has for each prompt and language |
//! | `found` | such a recording |
//! | `report` | the same as a table |
//! | [`wanted`] | what nobody has recorded yet |
//! | [`verify`] | whether a model spoke the words that it was given |
//!
//! Everything is read when the server starts; a call asks [`cache::PromptCache::for_call`], which only looks up. It must not
//! speak itself: whoever makes recordings adds files to the store and takes the cache that [has them](cache::PromptCache::with). For operators:
//! [`crate::docs::prompts`].

pub mod bundled;
pub mod cache;
mod found;
pub mod language;
mod report;
pub mod script;
pub mod store;
pub mod verify;
mod voice;
pub mod wanted;

pub use self::bundled::Name;
pub use self::cache::PromptCache;
pub use self::found::Found;
pub use self::language::Language;
pub use self::report::Row;
pub use self::script::{Greets, Line, Script};
pub use self::store::{Key, Source, Store};
pub use self::wanted::{Tongues, Wanted};
