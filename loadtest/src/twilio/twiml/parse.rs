//! From XML to verbs.

use std::time::Duration;

use roxmltree::{Node, ParsingOptions};

use super::{Connect, Dial, DocumentError, Gather, Link, Method, Play, Say, Stream, Verb, Warning};

/// The document is no XML, or no response.
const UNREADABLE: u32 = 12_100;
/// The document does not fit the schema.
const SCHEMA: u32 = 12_200;
/// More nodes than this are no document: 64 KiB cannot hold as many that mean something.
const NODES_MAX: u32 = 20_000;
/// The name and the value of a parameter have fewer characters than this together.
const PARAMETER_CHARS_MAX: usize = 500;
const PARAMETERS_MAX: usize = 99;
/// Warnings of one document; those behind them are not kept.
const WARNINGS_MAX: usize = 64;
/// Verbs that the carrier has and this one does not act on.
const OTHERS: [&str; 10] = [
    "Start", "Stop", "Record", "Enqueue", "Leave", "Refer", "Sms", "Message", "Pay", "Prompt",
];

/// A document that can be carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// What to do, in order.
    pub verbs: Vec<Verb>,
    /// What was passed over; at most 64.
    pub warnings: Vec<Warning>,
}

impl Document {
    /// Reads a document. Names of elements and attributes are told apart by case; what is not known is passed over with a warning.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let unreadable = |what: String| DocumentError {
            code: UNREADABLE,
            what,
        };
        let options = ParsingOptions {
            nodes_limit: NODES_MAX,
            ..ParsingOptions::default()
        };
        let text = text.trim_start_matches('\u{feff}');
        let tree = roxmltree::Document::parse_with_options(text, options)
            .map_err(|error| unreadable(format!("no XML: {error}")))?;
        let root = tree.root_element();
        if root.tag_name().name() != "Response" {
            let name = root.tag_name().name();
            return Err(unreadable(format!("the root is <{name}>, not <Response>")));
        }
        let mut reader = Reader::default();
        let verbs = root.children().filter_map(|node| reader.verb(node));
        let verbs = verbs.collect();
        Ok(Self {
            verbs,
            warnings: reader.warnings,
        })
    }
}

#[derive(Default)]
struct Reader {
    warnings: Vec<Warning>,
}

impl Reader {
    fn verb(&mut self, node: Node<'_, '_>) -> Option<Verb> {
        if !node.is_element() {
            if node.is_text() && !node.text().unwrap_or_default().trim().is_empty() {
                self.warn("text outside of a verb".into());
            }
            return None;
        }
        match node.tag_name().name() {
            "Say" => Some(Verb::Say(self.say(node))),
            "Play" => Some(Verb::Play(self.play(node))),
            "Pause" => Some(Verb::Pause(self.seconds(node, "length", 1, 86_400))),
            "Gather" => Some(Verb::Gather(self.gather(node))),
            "Dial" => Some(Verb::Dial(self.dial(node))),
            "Connect" => Some(Verb::Connect(self.connect(node))),
            "Redirect" => Some(Verb::Redirect(Link {
                url: words_of(node).trim().to_owned(),
                method: self.method(node, "method"),
            })),
            "Hangup" => Some(Verb::Hangup),
            "Reject" => Some(self.reject(node)),
            name => {
                let known = OTHERS.into_iter().find(|other| *other == name);
                match known {
                    Some(other) => self.warn(format!("<{other}> is not acted on here")),
                    None => self.warn(format!("<{name}> is no verb")),
                }
                known.map(Verb::Other)
            }
        }
    }

    fn say(&mut self, node: Node<'_, '_>) -> Say {
        Say {
            words: words_of(node),
            times: self.number(node, "loop", 1),
        }
    }

    fn play(&mut self, node: Node<'_, '_>) -> Play {
        let url = words_of(node).trim().to_owned();
        if url.is_empty() && node.attribute("digits").is_none() {
            self.warn("<Play> without a URL".into());
        }
        Play {
            url,
            times: self.number(node, "loop", 1),
        }
    }

    fn reject(&mut self, node: Node<'_, '_>) -> Verb {
        let busy = match node.attribute("reason") {
            Some("busy") => true,
            Some("rejected") | None => false,
            Some(reason) => {
                self.warn(format!("reason=\"{reason}\": allowed are rejected, busy"));
                false
            }
        };
        Verb::Reject { busy }
    }

    fn gather(&mut self, node: Node<'_, '_>) -> Gather {
        let mut prompts = Vec::new();
        for child in node.children() {
            match self.verb(child) {
                Some(prompt @ (Verb::Say(_) | Verb::Play(_) | Verb::Pause(_))) => {
                    prompts.push(prompt);
                }
                Some(
                    other @ (Verb::Gather(_)
                    | Verb::Dial(_)
                    | Verb::Connect(_)
                    | Verb::Redirect(_)
                    | Verb::Hangup
                    | Verb::Reject { .. }
                    | Verb::Other(_)),
                ) => self.warn(format!("<{}> inside of <Gather>", other.name())),
                None => {}
            }
        }
        let finish_on = node.attribute("finishOnKey").unwrap_or("#");
        let digits = self.number(node, "numDigits", 0);
        Gather {
            action: self.link(node, "action", "method"),
            method: self.method(node, "method"),
            timeout: self.seconds(node, "timeout", 5, 600),
            finish_on: finish_on.chars().next(),
            digits: usize::try_from(digits).ok().filter(|&digits| digits > 0),
            on_empty: node.attribute("actionOnEmptyResult") == Some("true"),
            prompts,
        }
    }

    fn dial(&mut self, node: Node<'_, '_>) -> Dial {
        let mut nouns = node.children().filter(Node::is_element).peekable();
        let has_noun = nouns.peek().is_some();
        let mut whisper = None;
        for noun in nouns {
            match noun.tag_name().name() {
                "Number" | "Sip" | "Client" => {
                    whisper = whisper.or_else(|| self.link(noun, "url", "method"));
                }
                "Conference" | "Queue" | "Sim" | "Application" => {}
                name => self.warn(format!("<{name}> is nobody whom <Dial> can call")),
            }
        }
        Dial {
            action: self.link(node, "action", "method"),
            timeout: self.seconds(node, "timeout", 30, 600),
            time_limit: self.seconds(node, "timeLimit", 14_400, 86_400),
            whisper,
            has_target: has_noun || !words_of(node).trim().is_empty(),
        }
    }

    fn connect(&mut self, node: Node<'_, '_>) -> Connect {
        let mut stream = None;
        for noun in node.children().filter(Node::is_element) {
            match noun.tag_name().name() {
                "Stream" if stream.is_none() => stream = Some(self.stream(noun)),
                name => self.warn(format!("<{name}> inside of <Connect> is passed over")),
            }
        }
        if stream.is_none() {
            self.warn("<Connect> without a <Stream>".into());
        }
        Connect {
            action: self.link(node, "action", "method"),
            stream,
        }
    }

    fn stream(&mut self, node: Node<'_, '_>) -> Stream {
        let mut parameters = Vec::new();
        for noun in node.children().filter(Node::is_element) {
            let name = noun.attribute("name").unwrap_or_default();
            let value = noun.attribute("value").unwrap_or_default();
            let chars = name.chars().count() + value.chars().count();
            if noun.tag_name().name() != "Parameter" || name.is_empty() {
                self.warn("what is inside of <Stream> is a <Parameter> with a name".into());
            } else if chars >= PARAMETER_CHARS_MAX {
                self.warn(format!(
                    "the parameter {name} has {chars} characters: under 500 are allowed"
                ));
            } else if parameters.len() >= PARAMETERS_MAX {
                self.warn("more than 99 parameters".into());
            } else {
                parameters.push((name.to_owned(), value.to_owned()));
            }
        }
        Stream {
            url: node.attribute("url").unwrap_or_default().trim().to_owned(),
            name: node.attribute("name").unwrap_or_default().to_owned(),
            track: node.attribute("track").map(str::to_owned),
            status: self.link(node, "statusCallback", "statusCallbackMethod"),
            parameters,
        }
    }

    fn link(&mut self, node: Node<'_, '_>, url: &str, method: &str) -> Option<Link> {
        let url = node.attribute(url).map(str::trim).unwrap_or_default();
        (!url.is_empty()).then(|| Link {
            url: url.to_owned(),
            method: self.method(node, method),
        })
    }

    fn method(&mut self, node: Node<'_, '_>, attribute: &str) -> Method {
        match node.attribute(attribute) {
            Some(method) if method.eq_ignore_ascii_case("get") => Method::Get,
            Some(method) if method.eq_ignore_ascii_case("post") => Method::Post,
            None => Method::Post,
            Some(method) => {
                self.warn(format!("{attribute}=\"{method}\": allowed are GET, POST"));
                Method::Post
            }
        }
    }

    fn seconds(&mut self, node: Node<'_, '_>, attribute: &str, else_: u32, most: u32) -> Duration {
        let seconds = self.number(node, attribute, else_);
        Duration::from_secs(u64::from(seconds.min(most)))
    }

    fn number(&mut self, node: Node<'_, '_>, attribute: &str, else_: u32) -> u32 {
        let Some(text) = node.attribute(attribute) else {
            return else_;
        };
        text.trim().parse().unwrap_or_else(|_| {
            self.warn(format!("{attribute}=\"{text}\" is no number"));
            else_
        })
    }

    fn warn(&mut self, what: String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning { code: SCHEMA, what });
        }
    }
}

/// All text in an element, markup left out.
fn words_of(node: Node<'_, '_>) -> String {
    node.descendants()
        .filter(Node::is_text)
        .filter_map(|text| text.text())
        .collect()
}
