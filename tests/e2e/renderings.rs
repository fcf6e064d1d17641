//! Prompts that a model speaks itself: asked for by hand, and made beside the calls.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadtest::model::faults::{FaultRow, Faults, What, When};
use loadtest::model::recital::Mishap;
use serde_json::Value;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::doubles::{Doubles, Fate};
use crate::operators::ask;
use crate::phone::Phone;
use crate::server::{Folder, Server, output, provider, ringback};

const WORDS: &str = "Corner Bakery, hello! What can I bake for you?";

/// Nothing goes wrong with what this one recites, or this does.
fn studio(mishap: Option<Mishap>) -> Fate {
    let fault = mishap.map(|mishap| FaultRow {
        when: When::Ready,
        what: What::Recites(mishap),
        share: 1.0,
    });
    Fate::Quick(Faults(fault.into_iter().collect()))
}

/// A bakery whose greeting nobody has recorded, in a folder of its own.
struct Bakery {
    folder: Folder,
    model: Doubles,
}

impl Bakery {
    async fn with(fate: fn(u32) -> Fate) -> Self {
        let folder = Folder::new();
        let agent = format!(
            "name = \"bakery\"\nnumbers = []\ninstructions = \"Be kind.\"\nvoice = \"marin\"\n\
             language = \"en\"\ngreeting = \"{WORDS}\"\n"
        );
        fs::create_dir(folder.path("agents")).unwrap();
        folder.write("agents/bakery.toml", &agent);
        let model = Doubles::start("order_status", fate).await;
        Self { folder, model }
    }

    fn settings(&self, prompts: &str) -> String {
        format!(
            "agents_dir = \"{}\"\n[public]\nauth = \"none\"\n[prompts]\n{prompts}\n\
             [call]\ncarrier_silence_max = \"1m\"\n{}",
            self.folder.path("agents").display(),
            provider("test", &self.model.url, "")
        )
    }

    /// What `ringback prompts` with these arguments says, and its code.
    async fn prompts(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let file = self.folder.write("settings.toml", &self.settings(""));
        let mut command = ringback(&["prompts"]);
        command.args(arguments).arg("--config").arg(file);
        // The model is to answer meanwhile.
        tokio::task::spawn_blocking(|| output(command))
            .await
            .unwrap()
    }

    /// A server that renders so.
    async fn server(&self, prompts: &str) -> Server {
        Server::launch(&self.settings(prompts), &[]).await
    }

    /// The recordings in the folder.
    fn recordings(&self) -> Vec<PathBuf> {
        match fs::read_dir(self.folder.path("prompts")) {
            Ok(files) => files.map(|file| file.unwrap().path()).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The audio of the recording that says these words.
    fn audio_of(&self, words: &str) -> Vec<u8> {
        let files = self
            .recordings()
            .into_iter()
            .map(|path| fs::read(path).unwrap());
        let has = |file: &Vec<u8>, what: &[u8]| file.windows(what.len()).any(|part| part == what);
        let mut of_words = files.filter(|file| has(file, words.as_bytes()));
        let file = of_words
            .next()
            .expect("there is a recording of these words");
        let data = file.windows(4).position(|part| part == b"data").unwrap();
        let length = u32::from_le_bytes(file[data + 4..data + 8].try_into().unwrap());
        file[data + 8..][..length as usize].to_vec()
    }
}

/// Waits until this holds.
async fn until(what: &str, server: &Server, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let is_so = timeout(DEADLINE, waiting).await.is_ok();
    assert!(is_so, "{what}:\n{}", server.log());
}

/// The first audio that a caller hears, so much of it.
async fn first_words(server: &Server, call: u32, bytes: usize) -> Vec<u8> {
    let mut phone = Phone::dial(server, call).await;
    let mut heard = Vec::new();
    while heard.len() < bytes {
        let message = phone.hear().await.expect("the call goes on");
        match message["event"].as_str().unwrap() {
            "media" => {
                let payload = message["media"]["payload"].as_str().unwrap();
                heard.extend(STANDARD.decode(payload).unwrap());
            }
            "mark" => phone.send(&message).await,
            _ => {}
        }
    }
    phone.hang_up().await;
    heard.truncate(bytes);
    heard
}

fn is_of(prompt: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["prompt"] == prompt
}

#[tokio::test]
async fn what_nobody_has_recorded_is_spoken_when_it_is_asked_for_and_found_from_then_on() {
    let mut bakery = Bakery::with(|_| studio(None)).await;
    let (code, told) = bakery.prompts(&["render", "--dry-run"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("31 to be rendered"), "{told}");
    assert!(bakery.recordings().is_empty(), "nobody was asked");

    let (code, told) = bakery.prompts(&["render"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("spoken by \"test\"") && told.contains("31 rendered, 0 failed"),
        "{told}"
    );
    assert!(!told.contains("Corner"), "{told}");
    assert_eq!(bakery.recordings().len(), 31);
    let sessions = bakery.model.ended(31).await;
    assert_eq!(sessions.len(), 31, "none for the dry run, and one a prompt");

    let (_, table) = bakery.prompts(&["list"]).await;
    let rendered = table.lines().filter(|line| line.contains(" rendered "));
    assert_eq!(rendered.count(), 31, "{table}");
    let (code, told) = bakery.prompts(&["render"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("nothing is to be rendered"), "{told}");
    // A server that starts later greets with it at once.
    let server = bakery.server("render = \"off\"").await;
    let greeting = bakery.audio_of(WORDS);
    assert_eq!(first_words(&server, 1, greeting.len()).await, greeting);
}

#[tokio::test]
async fn what_says_other_words_or_cannot_be_heard_is_refused_and_tried_once_more() {
    let greeting = ["render", "--prompt", "greeting"];
    for (fate, why) in [
        (
            (|_| studio(Some(Mishap::OtherWords))) as fn(u32) -> Fate,
            "says other words",
        ),
        (|_| studio(Some(Mishap::Declines)), "says other words"),
        (|_| studio(Some(Mishap::Faint)), "holds no sound"),
        (|_| studio(Some(Mishap::Silent)), "holds no sound"),
        (|_| studio(Some(Mishap::Clipped)), "is clipped"),
        (|_| studio(Some(Mishap::Drawn)), "its words take"),
    ] {
        let mut bakery = Bakery::with(fate).await;
        let (code, told) = bakery.prompts(&greeting).await;
        assert_eq!(code, Some(1), "{why}: {told}");
        assert!(
            told.contains("failed: ") && told.contains(why),
            "{why}: {told}"
        );
        assert!(told.contains("0 rendered, 1 failed"), "{told}");
        assert!(bakery.recordings().is_empty(), "{why}");
        bakery.model.ended(2).await;
    }
    let bakery = Bakery::with(|number| studio((number == 1).then_some(Mishap::OtherWords))).await;
    let (code, told) = bakery.prompts(&greeting).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("rendered at the second attempt"), "{told}");
}

#[tokio::test]
async fn a_recording_of_an_operator_is_never_replaced() {
    let bakery = Bakery::with(|_| studio(None)).await;
    let hello = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/config/prompts/en-US/greeting.wav"
    );
    let import = ["import", hello, "--agent", "bakery", "--prompt", "greeting"];
    let (code, told) = bakery.prompts(&import).await;
    assert_eq!(code, Some(0), "{told}");
    let imported = bakery.audio_of(WORDS);
    let (code, told) = bakery.prompts(&["render", "--prompt", "greeting"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("nothing is to be rendered"), "{told}");
    assert_eq!(bakery.audio_of(WORDS), imported);
}

#[tokio::test]
async fn a_server_renders_by_itself_and_later_callers_hear_it() {
    let mut bakery = Bakery::with(|_| studio(None)).await;
    let mut server = bakery.server("render_interval = \"100ms\"").await;
    server.line("prompt rendered", is_of("greeting")).await;
    // No restart: whoever calls from now on is greeted in the agent's voice.
    let greeting = bakery.audio_of(WORDS);
    assert_eq!(first_words(&server, 1, greeting.len()).await, greeting);
    server.line("prompt rendered", is_of("apology_only")).await;
    assert!(!server.log().contains("Corner"), "words are in no log");
    server.terminate();
    assert!(server.exit().await.success());
    // The next life has it, and asks nobody for it.
    let opened = bakery.model.ended(2).await.len();
    let server = bakery.server("render = \"off\"").await;
    assert_eq!(first_words(&server, 2, greeting.len()).await, greeting);
    drop(server);
    let calls = bakery.model.ended(opened + 1).await;
    assert!(calls.len() > opened);
}

#[tokio::test]
async fn what_says_other_words_is_counted_and_never_played() {
    let bakery = Bakery::with(|_| studio(Some(Mishap::OtherWords))).await;
    let mut server = bakery.server("render_interval = \"100ms\"").await;
    let is_refused = |line: &Value| line["reason"] == "other_words" && line["prompt"] == "greeting";
    server.line("rendering refused", is_refused).await;
    let (_, metrics) = ask(&server, "GET /metrics", "Host: 127.0.0.1\r\n").await;
    let refused = "ringback_renderings_total{provider=\"test\",outcome=\"other_words\"}";
    let told = metrics.lines().find_map(|line| line.strip_prefix(refused));
    assert_ne!(told.map(str::trim), Some("0"), "{metrics}");
    assert!(bakery.recordings().is_empty());
    assert!(
        !server.log().contains("anything else"),
        "words are in no log"
    );
}

#[tokio::test]
async fn nothing_is_rendered_while_a_breaker_is_not_closed() {
    let bakery = Bakery::with(|_| studio(None)).await;
    let mut server = bakery.server("render_interval = \"100ms\"").await;
    let breaker = async |what: &str| {
        let url = format!("http://{}", server.admin);
        let command = ringback(&["breaker", "--admin", &url, what, "test"]);
        let (code, told) = tokio::task::spawn_blocking(|| output(command))
            .await
            .unwrap();
        assert_eq!(code, Some(0), "{told}");
    };
    breaker("isolate").await;
    let count = |message: &str| server.log().matches(message).count();
    let waits = "no room for a rendering";
    // What was under way has ended when the next one waits.
    let waited = count(waits);
    until("it waits", &server, || count(waits) > waited).await;
    let before = bakery.recordings().len();
    until("it still waits", &server, || count(waits) > waited + 3).await;
    assert_eq!(bakery.recordings().len(), before);
    assert!(before < 31, "there was something left to be rendered");
    breaker("close").await;
    until("it goes on", &server, || bakery.recordings().len() > before).await;
    server.terminate();
    assert!(server.exit().await.success());
}
