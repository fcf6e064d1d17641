//! Who is calling: told by the carrier when it asks for a document, and wanted by the call's menu on its stream, which does not say.

use std::time::Duration;

use crate::core::callback::number::Number;
use crate::core::front::Expiring;
use crate::core::ids::CallSid;
use crate::core::time::Instant;

/// How many calls are remembered, and for how long after the carrier last asked about them: as many as there may be, for as
/// long as one lasts. Beyond it the oldest is forgotten, and is asked for the number.
const CALLERS_MAX: usize = 16_384;
const KEPT_FOR: Duration = Duration::from_hours(4);

/// Who is calling. The word of the network about the number is cut at 64 bytes.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::server) struct Caller {
    /// `None`: withheld.
    pub(in crate::server) number: Option<Number>,
    /// What the network says about it (`StirVerstat`).
    pub(in crate::server) verstat: Option<Box<str>>,
}

const VERSTAT_BYTES_MAX: usize = 64;

impl Caller {
    /// From the parameters of a question.
    pub(in crate::server) fn new(number: Option<&str>, verstat: Option<&str>) -> Self {
        Self {
            number: number.and_then(Number::parse),
            verstat: verstat
                .filter(|said| said.len() <= VERSTAT_BYTES_MAX)
                .map(Into::into),
        }
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller(_)")
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Callers(Expiring<CallSid, Caller>);

impl Default for Callers {
    fn default() -> Self {
        Self(Expiring::new(CALLERS_MAX, KEPT_FOR))
    }
}

impl Callers {
    pub(super) fn introduce(&mut self, now: Instant, call: CallSid, caller: Caller) {
        self.0.put(now, call, caller);
    }

    pub(super) fn find(&self, now: Instant, call: CallSid) -> Option<Caller> {
        self.0.get(now, &call).cloned()
    }

    /// Nobody of this number is known any more.
    pub(super) fn forget(&mut self, number: Number) {
        self.0.retain(|caller| caller.number != Some(number));
    }
}
