//! Who is calling: told by the carrier when it asks for a document, and wanted by the call's menu on its stream, which does not say.

use std::sync::{Mutex, MutexGuard, PoisonError};
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
pub(super) struct Caller {
    /// `None`: withheld.
    pub(super) number: Option<Number>,
    /// What the network says about it (`StirVerstat`).
    pub(super) verstat: Option<Box<str>>,
}

const VERSTAT_BYTES_MAX: usize = 64;

impl Caller {
    /// From the parameters of a question.
    pub(super) fn new(number: Option<&str>, verstat: Option<&str>) -> Self {
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

/// All of them. Touched when the carrier asks, and by calls without a model.
#[derive(Debug)]
pub(super) struct Callers(Mutex<Expiring<CallSid, Caller>>);

impl Default for Callers {
    fn default() -> Self {
        Self(Mutex::new(Expiring::new(CALLERS_MAX, KEPT_FOR)))
    }
}

impl Callers {
    /// What a question of the carrier's says of its caller.
    pub(super) fn introduce(&self, now: Instant, call: CallSid, caller: Caller) {
        self.lock().put(now, call, caller);
    }

    /// Who is calling, if a question of this call came in of late.
    pub(super) fn find(&self, now: Instant, call: CallSid) -> Option<Caller> {
        self.lock().get(now, &call).cloned()
    }

    /// The calls of this number that the carrier has asked about of late: few.
    pub(super) fn calls_of(&self, now: Instant, number: Number) -> Vec<CallSid> {
        let callers = self.lock();
        let calls = callers.keys(now, |caller| caller.number == Some(number));
        calls.copied().collect()
    }

    /// Nobody of this number is known any more.
    pub(super) fn forget(&self, number: Number) {
        self.lock().retain(|caller| caller.number != Some(number));
    }

    fn lock(&self) -> MutexGuard<'_, Expiring<CallSid, Caller>> {
        // It is changed by steps that cannot panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(number: u32) -> CallSid {
        CallSid::parse(&format!("CA{number:032x}")).unwrap()
    }

    #[test]
    fn a_caller_is_known_from_the_question_to_the_menu_unless_forgotten() {
        let callers = Callers::default();
        let now = Instant::ZERO;
        let caller = Caller::new(Some("+14155550199"), Some("TN-Validation-Passed-B"));
        callers.introduce(now, sid(1), caller.clone());
        callers.introduce(now, sid(2), Caller::new(Some("anonymous"), None));
        assert_eq!(callers.find(now, sid(1)), Some(caller));
        assert_eq!(callers.find(now, sid(2)).unwrap().number, None);
        let number = Number::parse("+14155550199").unwrap();
        assert_eq!(callers.calls_of(now, number), [sid(1)]);
        callers.forget(number);
        assert_eq!(callers.calls_of(now, number), []);
        assert_eq!(callers.find(now, sid(1)), None);
        assert!(callers.find(now, sid(2)).is_some());
        let later = now + Duration::from_hours(5);
        assert_eq!(callers.find(later, sid(2)), None);
    }
}
