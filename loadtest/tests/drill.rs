//! Drills, with servers that keep their promises and servers that do not: a verdict that cannot fail is worth nothing.
//!
//! The server under test is this program itself, started anew with a variable in its environment: it answers every call with the
//! recorded apology, hears a key, promises, and texts as often as it is told to.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::print_stdout,
    reason = "the story of a drill is shown where it fails"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "its settings are in its environment"
)]

use std::{env, path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{
        Request, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::header,
    response::IntoResponse,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use loadtest::{
    drill,
    plan::Plan,
    report::{Figure, Figures},
    twilio::form::Form,
    wav::{self, Wav},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const PLAN: &str = r#"
about = "A few promises."
prompts = "{prompts}"

[calls]
concurrent = 3
recordings = ["order_status"]
steady_ms = 1

[carrier]
call_max_ms = 15_000
menu = [{ prompt = "apology", press = "1", after_ms = 100 }]

[drill]
calls = 4
calls_max_ms = 30_000
settle_max_ms = 1_500
linger_ms = 500
{kills}

[phones]
stage_ms = [10, 10]

[server]
command = ["{program}", "--exact", "victim", "--nocapture"]
ready_path = "/health/live"
voice_path = "/twiml/answer"
sms_path = "/sms"
env = { VICTIM_PORT = "{port}", VICTIM_REST = "{rest_url}", VICTIM_TEXTS = "{texts}", VICTIM_SID = "{account_sid}", VICTIM_TOKEN = "{auth_token}" }
"#;

fn prompts() -> String {
    format!("{}/../config/prompts", env!("CARGO_MANIFEST_DIR"))
}

/// Drills a server that texts so often.
async fn drilled(texts: &str, kills: &str) -> Figures {
    let program = env::current_exe().unwrap();
    let text = PLAN
        .replace("{prompts}", &prompts())
        .replace("{program}", program.to_str().unwrap())
        .replace("{texts}", texts)
        .replace("{kills}", kills);
    let plan = Plan::parse(Path::new("drill.toml"), &text).unwrap();
    let recordings = plan.recordings(Path::new("drill.toml")).unwrap();
    let mut told = Vec::new();
    let drilled = drill::run(&plan, &recordings, &mut |line| told.push(line.to_owned())).await;
    let figures = drilled.unwrap().figures;
    println!("{}", told.join("\n"));
    figures
}

#[tokio::test]
async fn a_server_that_keeps_its_promises_holds() {
    let figures = drilled("1", "").await;
    let count = |figure| figures.get(figure).unwrap();
    assert!((count(Figure::Promises) - 4.0).abs() < 0.5, "{figures:?}");
    assert!((count(Figure::Texts) - 4.0).abs() < 0.5, "{figures:?}");
    for figure in [Figure::PromisesLost, Figure::TextsDouble, Figure::Kills] {
        assert!(count(figure) < 0.5, "{figure:?}: {figures:?}");
    }
}

#[tokio::test]
async fn a_server_that_forgets_and_one_that_repeats_itself_are_found_out() {
    let forgetful = drilled("0", "").await;
    assert!(
        forgetful.get(Figure::PromisesLost).unwrap() > 3.5,
        "{forgetful:?}"
    );
    let insistent = drilled("2", "").await;
    assert!(
        insistent.get(Figure::TextsDouble).unwrap() > 3.5,
        "{insistent:?}"
    );
    assert!(
        insistent.get(Figure::PromisesLost).unwrap() < 0.5,
        "{insistent:?}"
    );
}

#[tokio::test]
async fn a_server_is_killed_and_comes_back_and_callers_come_until_enough_were_promised() {
    let kills = "until_promised = true\nkills = { every_ms = [3_000, 6_000], down_ms = [0, 200] }";
    let figures = drilled("1", kills).await;
    assert!(figures.get(Figure::Kills).unwrap() > 0.5, "{figures:?}");
    assert!(figures.get(Figure::Promises).unwrap() > 3.5, "{figures:?}");
}

#[test]
fn the_drills_that_come_with_loadtest_are_good() {
    for (name, _) in drill::BUILT_IN {
        let plan = drill::built_in(name).unwrap().unwrap();
        let promises = plan.drill.is_some() && plan.prompts.is_some();
        let nodes = plan
            .house
            .as_ref()
            .is_some_and(|house| !house.harm.is_empty());
        assert!(promises || nodes, "{name}");
        assert!(!plan.objectives().is_empty(), "{name}");
    }
    assert!(drill::built_in("no-such-drill").is_none());
}

/// The server under test: nothing happens here without the variable.
#[test]
fn victim() {
    let Ok(port) = env::var("VICTIM_PORT") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
        let prompt = |name: &str| {
            let path = format!("{}/en-US/{name}.wav", prompts());
            let Wav::Mono(audio) = wav::read_file(Path::new(&path)).unwrap() else {
                panic!("{name} is mono");
            };
            audio
        };
        let victim = Arc::new(Victim {
            apology: prompt("apology"),
            promised: prompt("promised"),
            answer: format!(
                "<Response><Connect><Stream url=\"ws://127.0.0.1:{port}/media\"/></Connect></Response>"
            ),
        });
        let router = Router::new()
            .route("/health/live", get(|| async { "ok" }))
            .route("/twiml/answer", post(answer))
            .route("/media", get(media))
            .with_state(victim);
        axum::serve(listener, router).await.unwrap();
    });
}

struct Victim {
    apology: Vec<u8>,
    promised: Vec<u8>,
    answer: String,
}

/// Whoever calls is told to the stream by its path's parameter: the caller's number.
async fn answer(State(victim): State<Arc<Victim>>, request: Request) -> impl IntoResponse {
    let body = axum::body::to_bytes(request.into_body(), 65_536)
        .await
        .unwrap();
    let from = Form::parse(&body).get("From").unwrap().to_owned();
    let parameter = format!("<Parameter name=\"from\" value=\"{from}\"/></Stream>");
    let xml = victim
        .answer
        .replace("/media\"/>", &format!("/media\">{parameter}"));
    ([(header::CONTENT_TYPE, "text/xml")], xml)
}

async fn media(State(victim): State<Arc<Victim>>, upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.on_upgrade(move |socket| talk(victim, socket))
}

async fn talk(victim: Arc<Victim>, mut socket: WebSocket) {
    let (mut stream, mut from) = (String::new(), String::new());
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else {
            continue;
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        match event["event"].as_str().unwrap() {
            "start" => {
                event["streamSid"].as_str().unwrap().clone_into(&mut stream);
                let parameter = &event["start"]["customParameters"]["from"];
                parameter.as_str().unwrap().clone_into(&mut from);
                play(&mut socket, &stream, &victim.apology, "apologized").await;
            }
            "dtmf" => {
                let clear = json!({"event": "clear", "streamSid": stream}).to_string();
                socket.send(Message::text(clear)).await.unwrap();
                let texts = env::var("VICTIM_TEXTS").unwrap().parse().unwrap();
                for _ in 0..texts {
                    send_text(&from).await;
                }
                play(&mut socket, &stream, &victim.promised, "promised").await;
            }
            "mark" if event["mark"]["name"] == "promised" => return,
            _ => {}
        }
    }
}

/// A prompt, and a mark behind it. The caller may be gone.
async fn play(socket: &mut WebSocket, stream: &str, audio: &[u8], name: &str) {
    let whole = audio.len() - audio.len() % 160;
    for piece in audio[..whole].chunks(800) {
        let payload = STANDARD.encode(piece);
        let media = json!({"event": "media", "streamSid": stream, "media": {"payload": payload}});
        if socket.send(Message::text(media.to_string())).await.is_err() {
            return;
        }
    }
    let mark = json!({"event": "mark", "streamSid": stream, "mark": {"name": name}});
    drop(socket.send(Message::text(mark.to_string())).await);
}

async fn send_text(to: &str) {
    let of = |name| env::var(name).unwrap();
    let (sid, rest) = (of("VICTIM_SID"), of("VICTIM_REST"));
    let key = STANDARD.encode(format!("{sid}:{}", of("VICTIM_TOKEN")));
    let form = Form::new()
        .with("To", to)
        .with("From", "+12025550100")
        .with("Body", "We call you back.");
    let body = form.encode();
    let request = format!(
        "POST /2010-04-01/Accounts/{sid}/Messages.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Basic {key}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut tcp = TcpStream::connect(rest.trim_start_matches("http://"))
        .await
        .unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tcp.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.contains("\"queued\""), "{answer}");
}
