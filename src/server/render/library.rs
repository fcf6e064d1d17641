//! The recordings that calls find: always a whole [`PromptCache`], which is replaced when a recording is added.

use std::sync::{Arc, PoisonError, RwLock};

use crate::audio::prompts::PromptCache;

/// See the module.
#[derive(Debug)]
pub(in crate::server) struct Library(RwLock<Arc<PromptCache>>);

impl Library {
    /// These recordings, to begin with.
    pub(in crate::server) const fn new(prompts: Arc<PromptCache>) -> Self {
        Self(RwLock::new(prompts))
    }

    /// What there is now. Asked once for a call; the lock is held for a count.
    pub(in crate::server) fn now(&self) -> Arc<PromptCache> {
        // A whole cache is put in place at once: there is no state between two.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What there is from now on: calls that have begun keep what they have.
    pub(super) fn replace(&self, prompts: PromptCache) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(prompts);
    }
}
