//! What Redis is asked to do, each in one step: a script that runs there as a whole or not at all.

/// Before every script.
const PRELUDE: &str = include_str!("scripts/prelude.lua");

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal,)+) => {
        /// The scripts, by what they do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Script {
            $($(#[$doc])* $name,)+
        }

        impl Script {
            /// All of them.
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            const fn body(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("scripts/", $file, ".lua")),)+
                }
            }
        }
    };
}

scripts! {
    Checkpoint = "checkpoint",
    EndCall = "end_call",
    Call = "call",
    Calls = "calls",
    Token = "token",
    Promise = "promise",
    ChangePromise = "change_promise",
    PromiseById = "promise_by_id",
    OpenPromise = "open_promise",
    Promises = "promises",
    Due = "due",
    Sends = "sends",
    KeepContext = "keep_context",
    Context = "context",
    SetOptedOut = "set_opted_out",
    OptedOut = "opted_out",
    OptedOutSurely = "opted_out_surely",
    Forget = "forget",
    Collect = "collect",
    KeepPresence = "keep_presence",
    Presences = "presences",
    Advise = "advise",
    Claim = "claim",
    Role = "role",
    ChangeRole = "change_role",
    Prove = "prove",
}

/// Says whose the keys are; it runs before all others, and once.
pub(super) const MARKER: &str = include_str!("scripts/marker.lua");

impl Script {
    /// What runs.
    pub(super) fn source(self) -> String {
        format!("{PRELUDE}{}", self.body())
    }
}

/// A script and what it is told.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) script: Script,
    pub(super) args: Vec<Vec<u8>>,
}

impl Request {
    pub(super) fn new(script: Script) -> Self {
        let args = Vec::new();
        Self { script, args }
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes().to_vec())
    }

    pub(super) fn bytes(mut self, bytes: Vec<u8>) -> Self {
        self.args.push(bytes);
        self
    }

    /// A number that scripts compare: sixteen digits.
    pub(super) fn number(self, number: u64) -> Self {
        self.text(&hex(number))
    }

    pub(super) fn number_or_nothing(self, number: Option<u64>) -> Self {
        self.text(&number.map(hex).unwrap_or_default())
    }

    /// A name of ours: 32 digits.
    pub(super) fn name(self, name: u128) -> Self {
        self.text(&format!("{name:032x}"))
    }

    pub(super) fn name_or_nothing(self, name: Option<u128>) -> Self {
        self.text(&name.map(|name| format!("{name:032x}")).unwrap_or_default())
    }

    /// A number that scripts count with.
    pub(super) fn count(self, count: usize) -> Self {
        self.text(&count.to_string())
    }

    pub(super) fn yes_or_no(self, yes: bool) -> Self {
        self.text(if yes { "1" } else { "0" })
    }

    /// How long it is, roughly, on its way.
    pub(super) fn length(&self) -> usize {
        self.args.iter().map(|arg| arg.len() + 16).sum()
    }
}

/// How a number is written so that scripts can compare it as text.
pub(super) fn hex(number: u64) -> String {
    format!("{number:016x}")
}
