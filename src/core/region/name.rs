//! Names of regions and nodes, and what tells two runs of one node apart.

use std::fmt;

/// The longest name of a region or a node.
pub const NAME_BYTES_MAX: usize = 64;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; NAME_BYTES_MAX]);

        impl $name {
            /// A name of letters, digits, `-`, `.` and `_`; `None`: it has others, none, or too many.
            pub fn parse(text: &str) -> Option<Self> {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                let mut bytes = [0; NAME_BYTES_MAX];
                let place = bytes.get_mut(..text.len())?;
                place.copy_from_slice(text.as_bytes());
                (!text.is_empty() && text.bytes().all(is_plain)).then_some(Self(bytes))
            }

            /// The name as it was written.
            pub fn as_str(&self) -> &str {
                let text = std::str::from_utf8(&self.0).expect("a name is parsed from ASCII");
                text.trim_end_matches('\0')
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

name!(
    /// The name of a region: nodes that share a fate.
    Region
);
name!(
    /// The name of a node, or of the witness: one process at a time goes by it, or should.
    Node
);

/// One run of a process, by random bits that the server draws: a node that was restarted is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(pub u64);

/// A node as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Where.
    pub region: Region,
    /// Which.
    pub node: Node,
    /// Which run of it.
    pub life: Life,
}

/// Counts the changes of the active region: whoever acts by an older one has been replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch-{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        let long = "n".repeat(NAME_BYTES_MAX);
        for good in ["a", "eu-1.edge_2", &long] {
            assert_eq!(Node::parse(good).unwrap().as_str(), good);
        }
        let longer = "n".repeat(NAME_BYTES_MAX + 1);
        for bad in ["", "a b", "\u{e9}", "a\0", &longer] {
            assert_eq!(Node::parse(bad), None, "{bad}");
        }
        assert!(
            Region::parse("a") < Region::parse("ab") && Region::parse("ab") < Region::parse("b")
        );
    }
}
