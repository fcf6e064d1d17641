//! The carrier's REST interface, as far as texts and rings go: it takes them on, answers or not, and lists what it has taken on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use ringback::carrier::twilio::form::Form;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::model::spawn;

/// A text or a ring that was taken on.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// Its number in the order of names.
    pub(crate) number: u32,
    /// What was asked for, by parameter.
    pub(crate) asked: BTreeMap<&'static str, String>,
    made: Timestamp,
}

impl Taken {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.asked.get(name).map_or("", String::as_str)
    }

    /// Its name, if it is a ring.
    fn sid(&self) -> String {
        format!("CA{:032x}", self.number)
    }

    /// The path of one of its addresses, without its overrides.
    pub(crate) fn path(&self, name: &str) -> String {
        let url = self.get(name).split('#').next().unwrap();
        format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default())
    }
}

/// What it has done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    pub(crate) texts: Vec<Taken>,
    pub(crate) rings: Vec<Taken>,
    /// The calls that were ended.
    pub(crate) ended: Vec<String>,
    /// Requests that change something.
    writes: u32,
}

/// The interface.
pub(crate) struct Exchange {
    pub(crate) url: String,
    books: watch::Receiver<Books>,
}

/// Which answers get lost.
#[derive(Clone, Copy)]
pub(crate) enum Losing {
    /// None.
    Nothing,
    /// To the first request that changes something.
    First,
    /// To each seventh of them: rarely enough that the breaker before the interface stays closed.
    EachSeventh,
}

impl Exchange {
    pub(crate) async fn start(losing: Losing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, books) = watch::channel(Books::default());
        spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                spawn(serve(stream, losing, sender.clone()));
            }
        });
        Self { url, books }
    }

    pub(crate) fn books(&self) -> Books {
        self.books.borrow().clone()
    }

    /// Waits until something is in its books.
    pub(crate) async fn until(&mut self, what: &str, is_there: impl Fn(&Books) -> bool) -> Books {
        let found = timeout(DEADLINE, self.books.wait_for(|books| is_there(books)))
            .await
            .is_ok();
        let books = self.books();
        assert!(found, "{what}: {books:#?}");
        books
    }
}

async fn serve(mut stream: TcpStream, losing: Losing, books: watch::Sender<Books>) {
    while let Some((line, body)) = read(&mut stream).await {
        let form = Form::parse(body.as_bytes()).unwrap();
        let (status, answer) = answer(&line, &form, &books);
        let writes = books.borrow().writes;
        let is_lost = line.starts_with("POST")
            && match losing {
                Losing::Nothing => false,
                Losing::First => writes == 1,
                Losing::EachSeventh => writes.is_multiple_of(7),
            };
        if is_lost {
            std::future::pending::<()>().await;
        }
        let date = DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&Timestamp::now())
            .unwrap();
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} Any\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        let written = stream.write_all(format!("{head}{text}").as_bytes()).await;
        if written.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut request = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                let line = head.lines().next().unwrap().to_owned();
                return Some((line, body.to_owned()));
            }
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => request.extend_from_slice(&part[..read]),
        }
    }
}

const ASKED: [&str; 10] = [
    "To",
    "From",
    "Body",
    "StatusCallback",
    "Url",
    "FallbackUrl",
    "FallbackMethod",
    "Timeout",
    "TimeLimit",
    "MachineDetection",
];

fn answer(line: &str, form: &Form, books: &watch::Sender<Books>) -> (u16, Value) {
    let path = line.split(' ').nth(1).unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query = Form::parse(query.as_bytes()).unwrap();
    let is_text = path.contains("/Messages");
    let taken = |number| Taken {
        number,
        asked: ASKED
            .into_iter()
            .filter_map(|name| Some((name, form.get(name)?.to_owned())))
            .collect(),
        made: Timestamp::now(),
    };
    match line.split(' ').next().unwrap() {
        "POST" if path.ends_with("/Messages.json") || path.ends_with("/Calls.json") => {
            let mut made = None;
            books.send_modify(|books| {
                books.writes += 1;
                let list = if is_text {
                    &mut books.texts
                } else {
                    &mut books.rings
                };
                let number = 1_000 + u32::try_from(list.len()).unwrap();
                list.push(taken(number));
                made = list.last().cloned();
            });
            (201, shown(is_text, &made.unwrap()))
        }
        "POST" => {
            books.send_modify(|books| books.ended.push(path.to_owned()));
            let sid = path.rsplit(['/', '.']).nth(1).unwrap();
            (200, json!({"sid": sid, "status": "completed"}))
        }
        _ if path.ends_with("/Messages.json") || path.ends_with("/Calls.json") => {
            let books = books.borrow();
            let list = if is_text { &books.texts } else { &books.rings };
            let to = query.get("To").unwrap_or_default();
            let found = list.iter().rev().filter(|taken| taken.get("To") == to);
            let found: Vec<_> = found.map(|taken| shown(is_text, taken)).collect();
            let name = if is_text { "messages" } else { "calls" };
            (200, json!({name: found, "next_page_uri": null}))
        }
        _ => {
            let books = books.borrow();
            let is_asked = |ring: &&Taken| path.ends_with(&format!("/Calls/{}.json", ring.sid()));
            match books.rings.iter().find(is_asked) {
                Some(ring) => (200, shown(false, ring)),
                None => (404, json!({"code": 20_404})),
            }
        }
    }
}

fn shown(is_text: bool, taken: &Taken) -> Value {
    let created = DateTimePrinter::new()
        .timestamp_to_string(&taken.made)
        .unwrap();
    let prefix = if is_text { "SM" } else { "CA" };
    json!({
        "sid": format!("{prefix}{:032x}", taken.number),
        "status": "queued",
        "direction": "outbound-api",
        "date_created": created,
        "body": taken.get("Body"),
    })
}
