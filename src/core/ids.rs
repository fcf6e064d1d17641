//! Names of calls, streams, attempts and items: parsed once at the edge, cheap to copy, valid where they exist.

use std::fmt;

/// Our own name of a call: survives a reconnect, a change of node and a call back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u128);

impl CallId {
    /// A call's name from random bits, which the server draws.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits of the name.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call-{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Our own name of a promise to a caller: one that is rung back has it in the text, so that an answer finds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromiseId(u128);

impl PromiseId {
    /// A promise's name from random bits, which the server draws.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits of the name.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for PromiseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise-{:032x}", self.0)
    }
}

impl fmt::Debug for PromiseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One try at a provider session within a call; never reused. Events of an attempt that is not current are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u32);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt-{}", self.0)
    }
}

/// An item of a provider's conversation, numbered by the provider's adapter in the order in which they were first seen.
///
/// Unique within an attempt. The adapter keeps the provider's own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u32);

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item-{}", self.0)
    }
}

/// A provider's entry in the configuration (one model at one endpoint), by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub u8);

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider-{}", self.0)
    }
}

/// One of a provider's keys, by its place in the configuration; never the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u8);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key-{}", self.0)
    }
}

/// Who pays for a call, by its place in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u16);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant-{}", self.0)
    }
}

/// How far down the ladder a provider stands: the lowest number is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tier(pub u8);

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tier-{}", self.0)
    }
}

/// Length of a carrier's SID: two letters and 32 hexadecimal digits.
const SID_LEN: usize = 34;

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $($prefix:literal)|+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; SID_LEN]);

        impl $name {
            /// Parses the carrier's text; `None` unless it is a prefix and 32 hexadecimal digits.
            pub fn parse(text: &str) -> Option<Self> {
                let bytes: [u8; SID_LEN] = text.as_bytes().try_into().ok()?;
                let digits = None$(.or(bytes.strip_prefix($prefix.as_bytes())))+?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(bytes))
            }

            /// The text as the carrier wrote it.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).expect("a SID is parsed from ASCII")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

sid!(
    /// The carrier's name of an account (`AC…`).
    AccountSid,
    "AC"
);
sid!(
    /// The carrier's name of a call (`CA…`): the same over all streams of that call.
    CallSid,
    "CA"
);
sid!(
    /// The carrier's name of one media stream (`MZ…`).
    StreamSid,
    "MZ"
);
sid!(
    /// The carrier's name of a text message (`SM…`, with pictures `MM…`).
    MessageSid,
    "SM" | "MM"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_its_prefix_and_32_hex_digits() {
        let text = "CA0123456789abcdefABCDEF0123456789";
        assert_eq!(CallSid::parse(text).unwrap().as_str(), text);
        for wrong in [
            "",
            "CA",
            "MZ0123456789abcdefABCDEF0123456789",
            "CA0123456789abcdefABCDEF012345678g",
            "CA0123456789abcdefABCDEF01234567890",
        ] {
            assert_eq!(CallSid::parse(wrong), None, "{wrong}");
        }
        for (prefix, is_one) in [("SM", true), ("MM", true), ("CA", false)] {
            let text = format!("{prefix}0123456789abcdefABCDEF0123456789");
            assert_eq!(MessageSid::parse(&text).is_some(), is_one, "{text}");
        }
    }
}
