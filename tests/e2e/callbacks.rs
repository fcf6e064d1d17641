//! Callers who were promised a call back: texted, rung, and served from where their call was lost; across kills and lost answers.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use ringback::core::callback::hours::{AllowedHours, Stretch};
use ringback::core::callback::number::{Language, Number};
use ringback::core::callback::promise::{Consent, Promise, Source, Stage};
use ringback::core::ids::{CallId, PromiseId};
use ringback::core::time::Utc;
use ringback::store::embedded::{Embedded, EmbeddedSettings, StoreFile};
use ringback::store::promise_form;
use ringback::store::{KeySource, PromiseRecord, Promised, State, Store as _};
use tokio::time::{Instant, sleep, timeout};

use crate::DEADLINE;
use crate::exchange::{Exchange, Losing, Taken};
use crate::model::{Manner, Model};
use crate::operators;
use crate::server::{Folder, Server, output, ringback};
use crate::twilio::{Answer, Document, Request, VARIABLES, ask, form};

mod fallback;
mod killed;
mod nodes;
mod on_the_line;
mod operated;
mod restored;
mod whole_way;

/// What waits for the carrier is short, and the hours are all that there are.
const SECTIONS: &str = "[callbacks]\nenabled = \"on\"\nrequest_timeout = \"1s\"\nlist_lag = \"1s\"\n\
    texts_per_second = 20\nrings_per_second = 20\nringing_max = 1000\nring_after = \"0s\"\nhours_from = 0\nhours_until = 24\n\
    [call]\ncarrier_silence_max = \"1m\"\n";

const CALLED: &str = "+14155550100";

const HOST: &str = "Host: localhost\r\n";

fn caller(number: u32) -> String {
    format!("+1415555{number:04}")
}

/// What of a number would give it away.
fn digits(number: &str) -> &str {
    number.strip_prefix("+1").unwrap()
}

fn store(folder: &Folder) -> String {
    folder.path("store.redb").to_str().unwrap().to_owned()
}

/// A server that keeps what it knows in this file, and uses this interface.
async fn acting(path: &str, model: &Model, exchange: &Exchange) -> Server {
    acting_with(SECTIONS, path, model, exchange).await
}

/// The same, with these sections.
async fn acting_with(sections: &str, path: &str, model: &Model, exchange: &Exchange) -> Server {
    let more = [
        ("RINGBACK__STORE__PATH", path),
        ("RINGBACK__TWILIO__REST_URL", exchange.url.as_str()),
        ("RINGBACK__TWILIO__REST", "auth_token"),
    ];
    let variables = [VARIABLES.as_slice(), &more].concat();
    Server::with(&model.url(), sections, &variables).await
}

/// The file, between two lives of the server.
async fn open(path: &str) -> Embedded {
    let settings = EmbeddedSettings {
        write_timeout: DEADLINE,
        read_timeout: DEADLINE,
        ..EmbeddedSettings::default()
    };
    let opening = async {
        loop {
            // The process that was killed may not have let go of it yet.
            match Embedded::open(StoreFile::new(path.into(), KeySource::Beside), settings) {
                Ok(store) => return store,
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(DEADLINE, opening).await.unwrap()
}

fn now() -> Utc {
    let millis = Timestamp::now().as_millisecond();
    Utc::from_millis(u64::try_from(millis).unwrap())
}

fn later(secs: u64) -> Utc {
    Utc::from_millis(now().millis() + secs * 1_000)
}

/// A promise to the caller of this number, made just now.
fn promise(number: u32, call: CallId) -> Promise {
    let week = Stretch {
        from: Utc::from_millis(now().millis() - 86_400_000),
        until: later(7 * 86_400),
    };
    Promise {
        id: PromiseId::from_bits(u128::from(number) + (7 << 64)),
        call,
        to: Number::parse(&caller(number)).unwrap(),
        caller: Number::parse(&caller(number)),
        called: Number::parse(CALLED).unwrap(),
        language: Language::parse("en-US").unwrap(),
        source: Source::CallerId,
        consent: Consent::Given,
        is_confirmed: false,
        hours: AllowedHours::new([week]),
        not_before: None,
        promised: now(),
        expires: later(86_400),
        stage: Stage::Promised { tries: 0 },
        acts: Vec::new(),
        heard: Vec::new(),
    }
}

async fn keep(store: &Embedded, promise: &Promise) {
    let kept = store.promise(
        PromiseRecord {
            id: promise.id,
            caller: store.caller(&promise.to.dialled()).unwrap(),
            revision: 0,
            is_open: true,
            due: promise.due(),
            expires: promise.kept_until(),
            state: State(promise_form::encode(promise)),
        },
        now(),
    );
    assert_eq!(kept.await, Ok(Promised::Kept));
}

/// A file with promises to callers of these numbers, of calls of which nothing is known.
async fn promised(path: &str, numbers: std::ops::Range<u32>) {
    let store = open(path).await;
    for number in numbers {
        keep(&store, &promise(number, CallId::from_bits(number.into()))).await;
    }
    store.close().await.unwrap();
}

/// Callers who wait for what they were promised, and all that it takes.
struct Waiting {
    server: Server,
    exchange: Exchange,
    path: String,
    _model: Model,
    _folder: Folder,
}

/// A server that finds promises to callers of these numbers, before an interface that loses such answers.
async fn waiting(numbers: std::ops::Range<u32>, losing: Losing) -> Waiting {
    let model = Model::start(Manner::Greets).await;
    let exchange = Exchange::start(losing).await;
    let folder = Folder::new();
    let path = store(&folder);
    promised(&path, numbers).await;
    let server = acting(&path, &model, &exchange).await;
    Waiting {
        server,
        exchange,
        path,
        _model: model,
        _folder: folder,
    }
}

fn sms(server: &Server, message: u32, from: &str, body: &str) -> Request {
    let account = format!("AC{:032x}", 1);
    let message = format!("SM{message:032x}");
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("AccountSid", &account)
        .append_pair("MessageSid", &message)
        .append_pair("From", from)
        .append_pair("To", CALLED)
        .append_pair("Body", body);
    Request::signed(server, "/sms", form.finish())
}

/// Sends a text until it is taken, as the carrier does; the answer.
async fn text(server: &Server, message: u32, from: &str, body: &str) -> Answer {
    let sending = async {
        loop {
            let answer = sms(server, message, from, body).send(server).await;
            if answer.status != 503 {
                return answer;
            }
        }
    };
    timeout(DEADLINE, sending).await.unwrap()
}

/// Waits until so many writes are on disk.
async fn written(server: &Server, at_least: f64) {
    let waited = timeout(DEADLINE, async {
        loop {
            let (_, metrics) = operators::ask(server, "GET /metrics", HOST).await;
            let mut lines = metrics.lines();
            let writes = lines.find_map(|line| line.strip_prefix("ringback_store_writes_total "));
            if writes.unwrap().parse::<f64>().unwrap() >= at_least {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    let waited = waited.await;
    assert!(waited.is_ok(), "{}", server.log());
}

/// What the carrier says or asks about a ring.
fn about(server: &Server, ring: &Taken, address: &str, more: &[(&str, &str)]) -> Request {
    let parties = [
        ("From", ring.get("From")),
        ("To", ring.get("To")),
        ("Direction", "outbound-api"),
    ];
    let body = form(ring.number, &[parties.as_slice(), more].concat());
    Request::signed(server, &ring.path(address), body)
}

/// How promises stand, by what operators are told.
async fn view(server: &Server) -> serde_json::Value {
    let (status, body) = operators::ask(server, "GET /admin/v1/callbacks", HOST).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Waits until the open promises are at these stages, the next due first.
async fn stages(server: &Server, stages: &[&str]) {
    let found = || async {
        let view = view(server).await;
        let promises = view["promises"].as_array().unwrap().clone();
        promises
            .iter()
            .map(|promise| promise["stage"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let waited = timeout(DEADLINE, async {
        while found().await != stages {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let waited = waited.await;
    assert!(waited.is_ok(), "{:?}\n{}", found().await, server.log());
}

#[tokio::test]
async fn who_was_promised_a_call_is_texted_and_rung_and_goes_on_from_where_the_call_was_lost() {
    let mut model = Model::start(Manner::Answers("it is about the blue bicycle")).await;
    let mut exchange = Exchange::start(Losing::Nothing).await;
    let folder = Folder::new();
    let path = store(&folder);
    let server = acting(&path, &model, &exchange).await;
    let document = ask(&server, "/twiml/answer", 1, &[]).await;
    let mut phone = document.stream(&server, 1).await;
    phone.hear_audio(160).await;
    phone.say(1).await;
    // Its words are on disk, so that the next life finds them.
    written(&server, 4.0).await;
    server.kill();
    let store = open(&path).await;
    let calls = store.calls(None, 10, now()).await.unwrap();
    let lost = promise(199, calls[0].id());
    keep(&store, &lost).await;
    let kept = store.keep_context(lost.id, lost.call, now()).await;
    assert_eq!(kept, Ok(true));
    store.close().await.unwrap();
    drop(phone);

    let mut server = acting(&path, &model, &exchange).await;
    let books = exchange
        .until("a ring", |books| !books.rings.is_empty())
        .await;
    let (sent, ring) = (&books.texts[0], &books.rings[0]);
    assert_eq!((sent.get("To"), sent.get("From")), (&*caller(199), CALLED));
    assert!(sent.get("Body").starts_with("Sorry"), "{sent:?}");
    assert_eq!((ring.get("To"), ring.get("From")), (&*caller(199), CALLED));
    assert_eq!(ring.get("MachineDetection"), "Enable");
    assert_eq!(ring.get("TimeLimit"), "1800");

    let delivered = format!(
        "AccountSid=AC{:032x}&MessageSid=SM{:032x}&MessageStatus=delivered",
        1, sent.number
    );
    let delivered = Request::signed(&server, &sent.path("StatusCallback"), delivered);
    for _ in 0..2 {
        assert_eq!(delivered.send(&server).await.status, 204);
    }
    let answered = about(&server, ring, "Url", &[("AnsweredBy", "human")]);
    let answer = answered.send(&server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = Document::read(&answer.body);
    assert_eq!(document.verbs, ["Connect", "Redirect"]);
    assert_eq!(document.parameters["promise"], lost.id.to_string());
    let mut phone = document.stream(&server, ring.number).await;
    phone.hear_audio(160).await;
    let told = |text: &String| text.contains("the blue bicycle");
    model.until(|seen| seen.told.iter().any(told)).await;
    stages(&server, &["connected"]).await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;
    let over = [("CallStatus", "completed"), ("AnsweredBy", "human")];
    let over = about(&server, ring, "StatusCallback", &over);
    for _ in 0..2 {
        assert_eq!(over.send(&server).await.status, 204);
    }
    stages(&server, &[]).await;
    let line = |line: &serde_json::Value| line["end"] == "done";
    server.line("a promise ended", line).await;
    let log = server.log();
    for private in [digits(&caller(199)), "bicycle", "Sorry", sent.get("Body")] {
        assert!(!log.contains(private), "{private} in:\n{log}");
    }
    let books = exchange.books();
    assert_eq!((books.texts.len(), books.rings.len()), (1, 1));
}

#[tokio::test]
async fn a_machine_is_left_alone_and_a_ring_that_nobody_stands_behind_gets_nothing() {
    let mut scene = waiting(1..3, Losing::Nothing).await;
    let server = &scene.server;
    let books = scene
        .exchange
        .until("two rings", |books| books.rings.len() == 2)
        .await;
    let to_machine = &books.rings[0];
    let machine = about(
        server,
        to_machine,
        "Url",
        &[("AnsweredBy", "machine_start")],
    );
    let answer = machine.send(server).await;
    assert_eq!(Document::read(&answer.body).verbs, ["Hangup"]);
    scene
        .exchange
        .until("it is ended", |books| !books.ended.is_empty())
        .await;

    // They say STOP while their phone rings.
    let ring = &books.rings[1];
    let stopped = text(server, 1, ring.get("To"), "Stop.").await;
    assert_eq!(stopped.status, 200, "{stopped:?}");
    let answered = about(server, ring, "Url", &[("AnsweredBy", "human")]);
    let answer = answered.send(server).await;
    assert_eq!(Document::read(&answer.body).verbs, ["Hangup"]);

    let forged = about(server, ring, "Url", &[]).path.replace('a', "b");
    let forged = Request::signed(server, &forged, form(ring.number, &[]));
    assert_eq!(forged.send(server).await.status, 403);
    let mut unsigned = about(server, ring, "Url", &[]);
    unsigned.headers.retain(|(name, _)| name == "content-type");
    assert_eq!(unsigned.send(server).await.status, 403);
    stages(server, &["due"]).await;
}

#[tokio::test]
async fn what_the_carrier_did_not_answer_is_looked_up_and_not_done_again() {
    let mut scene = waiting(1..2, Losing::First).await;
    let books = scene
        .exchange
        .until("a ring", |books| !books.rings.is_empty())
        .await;
    assert_eq!(books.texts.len(), 1, "it was found in the list");
}

#[tokio::test]
async fn a_callers_text_is_understood_once_and_stop_is_final() {
    let scene = waiting(1..2, Losing::Nothing).await;
    let server = &scene.server;
    stages(server, &["ringing"]).await;
    let (us, them) = (caller(1), caller(2));
    for (message, from, body, words) in [
        (1, &us, "HELP", "Reply CALL"),
        (2, &us, "what is this about?", "did not understand"),
        (3, &them, "call me", "Please call us"),
        (4, &them, &"🛑🤷".repeat(800), "Please call us"),
        (5, &them, "שלום", "Please call us"),
    ] {
        let answer = text(server, message, from, body).await;
        assert!(answer.body.contains(words), "{body}: {answer:?}");
        let again = text(server, message, from, body).await;
        assert_eq!(again, answer, "{body}");
    }
    for _ in 0..2 {
        let stopped = text(server, 6, &us, "stop").await;
        assert!(!stopped.body.contains("Message"), "{stopped:?}");
    }
    stages(server, &[]).await;
    let silent = text(server, 7, "55512", "hello").await;
    assert_eq!(silent.status, 200);
    let foreign = sms(server, 8, &us, "hello");
    let body = foreign.body.replace("AC0", "AC9");
    let foreign = Request::signed(server, "/sms", body).send(server).await;
    assert_eq!(foreign.status, 403);
    let nothing = Request::signed(server, "/sms", format!("AccountSid=AC{:032x}", 1));
    assert_eq!(nothing.send(server).await.status, 400);
    assert!(!server.log().contains(digits(&us)));

    scene.server.kill();
    let kept = open(&scene.path).await;
    let hash = kept.caller(&us).unwrap();
    assert!(kept.opted_out(hash).await.unwrap().is_some());
}

#[tokio::test]
async fn a_text_is_put_off_in_time_while_the_disk_is_full() {
    let scene = waiting(1..2, Losing::Nothing).await;
    let server = &scene.server;
    stages(server, &["ringing"]).await;
    server.fill_disk(true);
    let began = Instant::now();
    let answer = sms(server, 1, &caller(1), "STOP").send(server).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    // A tenth of a second by itself; this machine may be busy with other tests.
    assert!(began.elapsed() < Duration::from_secs(2));
    server.fill_disk(false);
    let answer = text(server, 1, &caller(1), "STOP").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    stages(server, &[]).await;
}
