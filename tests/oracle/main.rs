//! What Twilio's own library says of our signatures and documents, on generated cases.
//!
//! `tests/run` installs the library and sets `RINGBACK_ORACLE` to a Python that has it. Without the variable there is nobody to ask,
//! and nothing is tested here.
#[cfg(test)]
mod documents;
#[cfg(test)]
mod signatures;

#[cfg(test)]
use std::io::{BufRead as _, BufReader, Write as _};
#[cfg(test)]
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

#[cfg(test)]
use fastrand::Rng;
#[cfg(test)]
use serde_json::Value;

/// Twilio's library, as a process that answers a line with a line.
#[cfg(test)]
struct Oracle {
    child: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

#[cfg(test)]
impl Oracle {
    /// The library; `None`: nobody has installed it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is how the tests are told where it is"
    )]
    fn find() -> Option<Self> {
        let python = std::env::var("RINGBACK_ORACLE").ok()?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/twilio_says.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Self {
            asks: child.stdin.take(),
            says: BufReader::new(child.stdout.take().unwrap()),
            child,
        })
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.asks.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} to {question}"))
    }
}

#[cfg(test)]
impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.asks.take());
        self.child.wait().unwrap();
    }
}

/// A text of up to `max` characters: plain ones, those that mean something to URLs and XML, and those of the world.
#[cfg(test)]
fn text(rng: &mut Rng, max: usize) -> String {
    const CHARACTERS: [char; 24] = [
        'a', 'Z', '0', '_', '-', '.', '~', ' ', '+', '&', '=', '%', '?', '#', '/', ':', '<', '>',
        '"', '\'', 'ü', '語', '😀', '\u{301}',
    ];
    let len = rng.usize(0..=max);
    let words: String = (0..len)
        .map(|_| *rng.choice(&CHARACTERS).unwrap())
        .collect();
    words
}
