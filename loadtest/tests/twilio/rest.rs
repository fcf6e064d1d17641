//! Live calls that are changed over REST, and what goes wrong with it.

use std::sync::Arc;

use loadtest::twilio::{
    Account, VoiceReport,
    note::{End, Note, StreamOver},
    rest::{FaultWindow, RestFault, serve},
    settings::TwilioSettings,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    calls::CONNECT,
    server::{LONG, Media, Server, TOKEN, account, fast, phone, sentences, voice_call},
};
use base64::{Engine, engine::general_purpose::STANDARD};

struct Rest {
    account: Arc<Account>,
    address: String,
    tasks: JoinSet<()>,
}

impl Rest {
    async fn start() -> Self {
        let account = account();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        let served = Arc::clone(&account);
        tasks.spawn(async move { match serve(served, listener).await {} });
        Self {
            account,
            address,
            tasks,
        }
    }

    /// The raw answer; empty where the connection was cut.
    async fn ask(&self, method: &str, path: &str, body: &str, key: &str) -> String {
        let mut tcp = TcpStream::connect(&self.address).await.unwrap();
        let credentials = STANDARD.encode(format!("{}:{key}", self.account.sid));
        let request = format!(
            "{method} /2010-04-01/Accounts/{}/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Basic {credentials}\r\nContent-Length: {}\r\n\r\n{body}",
            self.account.sid,
            body.len()
        );
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(LONG, tcp.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer
    }
}

/// A live call with an open stream, and how it ends.
async fn live_call(
    rest: &mut Rest,
    server: &Server,
    settings: TwilioSettings,
) -> (String, tokio::sync::oneshot::Receiver<VoiceReport>) {
    let call = voice_call(server, &rest.account, settings);
    let sid = call.parties.call_sid.clone();
    let (over, report) = tokio::sync::oneshot::channel();
    rest.tasks.spawn(async move {
        let lived = call.live(phone(20_000), |_, _| {}).await;
        assert!(over.send(lived).is_ok());
    });
    server.stream_opened(1).await;
    (format!("Calls/{sid}.json"), report)
}

#[tokio::test]
async fn a_live_call_is_ended_and_shown_as_completed() {
    let server = Server::start(&[Media::Stay]).await.says("/answer", CONNECT);
    let mut rest = Rest::start().await;
    let (path, report) = live_call(&mut rest, &server, fast()).await;
    assert!(
        rest.ask("GET", &path, "", TOKEN)
            .await
            .contains("\"in-progress\"")
    );
    let done = rest.ask("POST", &path, "Status=completed", TOKEN).await;
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    let report = report.await.unwrap();
    assert_eq!(report.end, Some(End::Completed));
    let events: Vec<_> = server.heard()[0]
        .iter()
        .map(|e| e["event"].clone())
        .collect();
    assert_eq!(events, ["connected", "start", "stop"]);
    assert!(
        server.asked_for("/next").is_empty(),
        "a call that is over asks nothing"
    );
    assert!(
        rest.ask("GET", &path, "", TOKEN)
            .await
            .contains("\"completed\"")
    );
    let late = rest.ask("POST", &path, "Status=completed", TOKEN).await;
    assert!(
        late.starts_with("HTTP/1.1 400") && late.contains("21220"),
        "{late}"
    );
    let listed = rest
        .ask("GET", "Calls.json?Status=completed", "", TOKEN)
        .await;
    assert!(listed.contains("\"calls\":[{"), "{listed}");
    let listed = rest
        .ask("GET", "Calls.json?Status=ringing", "", TOKEN)
        .await;
    assert!(listed.contains("\"calls\":[]"), "{listed}");
}

#[tokio::test]
async fn a_live_call_is_taken_elsewhere_whatever_the_order_of_its_streams() {
    for lingers in [0, 300] {
        let server = Server::start(&[Media::Stay, Media::PlayAndClose(1000)]).await;
        let server = server.says("/answer", CONNECT).says("/next", "<Hangup/>");
        let mut rest = Rest::start().await;
        let settings = TwilioSettings {
            old_stream_lingers_ms: lingers,
            ..fast()
        };
        let (path, report) = live_call(&mut rest, &server, settings).await;
        let twiml = format!(
            "<Response><Connect action=\"{}\"><Stream url=\"ws://{}/media\"/></Connect></Response>",
            server.url("/next"),
            server.address
        );
        let form = loadtest::twilio::form::Form::new().with("Twiml", twiml);
        let done = rest.ask("POST", &path, &form.encode(), TOKEN).await;
        assert!(done.starts_with("HTTP/1.1 200"), "{done}");
        let report = report.await.unwrap();
        assert_eq!(
            report.end,
            Some(End::Hangup),
            "{:#?}",
            sentences(&report, &server)
        );
        assert_eq!(report.streams(), 2);
        let left = report.notes.iter().any(|(_, note)| {
            matches!(
                note,
                Note::StreamOver {
                    over: StreamOver::ByCarrier,
                    ..
                }
            )
        });
        assert!(left);
        assert_eq!(server.heard()[0].last().unwrap()["event"], "stop");
        assert_eq!(server.asked_for("/next").len(), 1);
    }
}

#[tokio::test]
async fn strangers_and_wrong_wishes_are_refused_in_the_carriers_words() {
    let rest = Rest::start().await;
    let unknown = format!("Calls/CA{:032x}.json", 9);
    for (method, path, body, key, code) in [
        ("GET", unknown.as_str(), "", "wrong", 20_003),
        ("GET", unknown.as_str(), "", TOKEN, 20_404),
        ("POST", unknown.as_str(), "Status=completed", TOKEN, 20_404),
        ("GET", "Conferences.json", "", TOKEN, 20_404),
        ("POST", "Calls.json", "To=x", TOKEN, 20_004),
        ("POST", "Messages.json", "To=%2B14155550100", TOKEN, 21_603),
        (
            "POST",
            "Messages.json",
            "To=abc&From=%2B14155550100&Body=x",
            TOKEN,
            21_211,
        ),
    ] {
        let answer = rest.ask(method, path, body, key).await;
        assert!(
            answer.contains(&format!("\"code\":{code}")),
            "{method} {path}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_reset_after_the_effect_leaves_the_outcome_unknown() {
    let server = Server::start(&[Media::Stay]).await.says("/answer", CONNECT);
    let mut rest = Rest::start().await;
    let (path, report) = live_call(&mut rest, &server, fast()).await;
    let window = |fault, writes_only| FaultWindow {
        from_ms: 0,
        until_ms: None,
        of: None,
        writes_only,
        fault,
    };
    rest.account
        .set_faults(vec![window(RestFault::TooMany, false)]);
    let busy = rest.ask("POST", &path, "Status=completed", TOKEN).await;
    assert!(
        busy.contains("20429") && busy.to_lowercase().contains("retry-after: 1"),
        "{busy}"
    );
    rest.account
        .set_faults(vec![window(RestFault::ResetAfterEffect, true)]);
    assert_eq!(rest.ask("POST", &path, "Status=completed", TOKEN).await, "");
    assert_eq!(report.await.unwrap().end, Some(End::Completed));
    assert!(
        rest.ask("GET", &path, "", TOKEN)
            .await
            .contains("\"completed\"")
    );
}

#[tokio::test]
async fn a_text_goes_through_its_statuses_and_is_found_before_it_has_a_date() {
    let server = Server::start(&[]).await;
    let rest = Rest::start().await;
    let form = loadtest::twilio::form::Form::new()
        .with("To", "+14155550177")
        .with("From", "+14155550100")
        .with("Body", "We call you back.")
        .with("StatusCallback", server.url("/sms/status"));
    let created = rest
        .ask("POST", "Messages.json", &form.encode(), TOKEN)
        .await;
    assert!(
        created.starts_with("HTTP/1.1 201") && created.contains("\"queued\""),
        "{created}"
    );
    assert!(created.contains("\"date_sent\":null"), "{created}");
    let found = rest
        .ask("GET", "Messages.json?To=%2B14155550177", "", TOKEN)
        .await;
    assert!(found.contains("We call you back."), "{found}");
    let told = async {
        while server.asked_for("/sms/status").len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, told).await.unwrap();
    let told = server.asked_for("/sms/status");
    assert_eq!(told[0].form.get("MessageStatus"), Some("sent"));
    assert_eq!(told[1].form.get("MessageStatus"), Some("delivered"));
    assert!(told.iter().all(|told| told.was_signed));
    rest.account.messages().opt_out("+14155550177");
    let refused = rest
        .ask("POST", "Messages.json", &form.encode(), TOKEN)
        .await;
    assert!(refused.contains("21610"), "{refused}");
}
