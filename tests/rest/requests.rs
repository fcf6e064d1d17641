//! What a request looks like, and what is read from the answer.

use ringback::carrier::twilio::rest::{
    Answer, ApiHost, CallChange, CallStatus, Code, Credentials, MachineDetection, MessageStatus,
    NewCall, NewMessage, NotSent, Private, RestError, RestSettings, Sender,
};
use ringback::core::ids::{CallSid, MessageSid};

use crate::server::{ACCOUNT, Server, account, json, rest, settings};

const CALL: &str = "CA0123456789abcdef0123456789abcdef";
const MESSAGE: &str = "SM0123456789abcdef0123456789abcdef";

fn call_body(status: &str) -> String {
    format!(
        r#"{{"sid":"{CALL}","account_sid":"{ACCOUNT}","status":"{status}","to":"+15550100","duration":"12","price":null,"direction":"outbound-api","date_created":"Thu, 24 Aug 2023 05:01:45 +0000"}}"#
    )
}

fn message_body(status: &str, body: &str) -> String {
    format!(
        r#"{{"sid":"{MESSAGE}","status":"{status}","body":"{body}","to":"+15550100","from":null,"num_segments":"1","direction":"outbound-api","error_code":null,"date_created":null,"date_sent":null}}"#
    )
}

fn sid() -> CallSid {
    CallSid::parse(CALL).unwrap()
}

fn message(body: &str) -> NewMessage<'_> {
    NewMessage {
        to: "+15550100",
        from: Sender::Number("+15550199"),
        body,
        status_callback: None,
        validity_seconds: None,
    }
}

#[tokio::test]
async fn a_call_is_hung_up_with_the_accounts_token() {
    let server = Server::new([json(200, &call_body("completed"))]).await;
    let rest = rest(settings(&server.url));
    let call = rest.change_call(sid(), CallChange::Complete).await.unwrap();
    assert_eq!(call.status, CallStatus::Completed);
    assert_eq!(call.sid, sid());
    assert!(call.is_outbound);
    let asked = server.asked().pop().unwrap();
    let line = format!("POST /2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json HTTP/1.1");
    assert_eq!(asked.line, line);
    assert_eq!(asked.body, "Status=completed");
    // What `printf 'AC…:s3cret' | base64` says.
    let basic = "authorization: Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpzM2NyZXQ=";
    assert!(asked.headers.contains(basic), "{}", asked.headers);
    let form = "content-type: application/x-www-form-urlencoded";
    assert!(asked.headers.contains(form), "{}", asked.headers);
}

#[tokio::test]
async fn a_key_of_the_account_stands_in_for_its_token() {
    let server = Server::new([json(200, &call_body("in-progress"))]).await;
    let host = ApiHost::other(&server.url).unwrap();
    let key = Credentials::api_key(account(), "SK1", "s3cret");
    let rest = rest(RestSettings::new(host, key));
    let call = rest.call(sid()).await.unwrap();
    assert_eq!(call.status, CallStatus::InProgress);
    let asked = server.asked().pop().unwrap();
    let basic = "authorization: Basic U0sxOnMzY3JldA==";
    assert!(asked.headers.contains(basic), "{}", asked.headers);
    assert!(asked.line.starts_with("GET "), "{}", asked.line);
    assert!(asked.line.contains(ACCOUNT), "still the account's calls");
}

#[tokio::test]
async fn words_of_every_script_arrive_as_they_were() {
    let text = "Bonjour, ça va? 100 % & = + ☎️ שלום\nref: A1-B2";
    let encoded = "Bonjour%2C+%C3%A7a+va%3F+100+%25+%26+%3D+%2B+%E2%98%8E%EF%B8%8F+%D7%A9%D7%9C%D7%95%D7%9D%0Aref%3A+A1-B2";
    let server = Server::new([json(201, &message_body("queued", "\\u2603"))]).await;
    let rest = rest(settings(&server.url));
    let sent = NewMessage {
        status_callback: Some("https://example.com/sms/status/A1-B2"),
        validity_seconds: Some(900),
        ..message(text)
    };
    let answer = rest.create_message(&sent).await.unwrap();
    assert_eq!(answer.sid, MessageSid::parse(MESSAGE).unwrap());
    assert_eq!(answer.status, MessageStatus::UnderWay);
    assert_eq!(answer.body, Private("\u{2603}".into()));
    assert_eq!((answer.created, answer.error), (None, None));
    let asked = server.asked().pop().unwrap();
    let callback = "https%3A%2F%2Fexample.com%2Fsms%2Fstatus%2FA1-B2";
    let expected = format!(
        "To=%2B15550100&From=%2B15550199&Body={encoded}&StatusCallback={callback}&ValidityPeriod=900"
    );
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn a_call_is_made_with_all_that_was_asked_for() {
    let server = Server::new([json(201, &call_body("queued"))]).await;
    let rest = rest(settings(&server.url));
    let new = NewCall {
        to: "+15550100",
        from: "+15550199",
        answer: Answer::Url("https://example.com/twiml/callback"),
        fallback: Some("https://example.com/twiml/again#rc=2"),
        status_callback: Some("https://example.com/calls/status/7"),
        ring_seconds: Some(25),
        talk_seconds: Some(1_800),
        machine_detection: MachineDetection::Beside,
    };
    let call = rest.create_call(&new).await.unwrap();
    assert_eq!(call.status, CallStatus::Queued);
    let body = server.asked().pop().unwrap().body;
    let fields: Vec<_> = body.split('&').collect();
    assert_eq!(
        fields,
        [
            "To=%2B15550100",
            "From=%2B15550199",
            "Url=https%3A%2F%2Fexample.com%2Ftwiml%2Fcallback",
            "FallbackUrl=https%3A%2F%2Fexample.com%2Ftwiml%2Fagain%23rc%3D2",
            "FallbackMethod=POST",
            "Timeout=25",
            "TimeLimit=1800",
            "StatusCallback=https%3A%2F%2Fexample.com%2Fcalls%2Fstatus%2F7",
            "StatusCallbackEvent=initiated",
            "StatusCallbackEvent=ringing",
            "StatusCallbackEvent=answered",
            "StatusCallbackEvent=completed",
            "MachineDetection=Enable",
            "AsyncAmd=true",
        ]
    );
}

#[tokio::test]
async fn what_went_to_a_number_is_looked_up_without_a_date() {
    let first = message_body("delivered", "ref A1");
    let list = format!(r#"{{"messages":[{first}],"page":0,"next_page_uri":"/2010-04-01/…"}}"#);
    let calls = format!(
        r#"{{"calls":[{}],"next_page_uri":null}}"#,
        call_body("ringing")
    );
    let server = Server::new([json(200, &list), json(200, &calls)]).await;
    let rest = rest(settings(&server.url));
    let page = rest.messages_to("+15550100", 50).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].status, MessageStatus::Delivered);
    assert!(page.has_more);
    let page = rest.calls_to("+15550100", 5_000).await.unwrap();
    assert_eq!(page.items[0].status, CallStatus::Ringing);
    assert!(!page.has_more);
    let asked = server.asked();
    let query = |at: usize| {
        asked[at]
            .line
            .split(' ')
            .nth(1)
            .unwrap()
            .split_once('?')
            .unwrap()
            .1
    };
    assert_eq!(query(0), "To=%2B15550100&PageSize=50");
    assert_eq!(query(1), "To=%2B15550100&PageSize=1000");
}

#[tokio::test]
async fn what_twilio_would_not_take_is_not_sent() {
    let server = Server::new([json(200, &call_body("in-progress"))]).await;
    let rest = rest(settings(&server.url));
    let of = |count| "ü".repeat(count);
    let (document, text) = (of(4_001), of(1_601));
    let change = CallChange::Go(Answer::Twiml(&document));
    let refused = rest.change_call(sid(), change).await.unwrap_err();
    assert_eq!(
        refused,
        RestError::NotSent(NotSent::TooLong("the document"))
    );
    let refused = rest.create_message(&message(&text)).await.unwrap_err();
    assert_eq!(refused, RestError::NotSent(NotSent::TooLong("the text")));
    assert!(server.asked().is_empty());
    let document = of(4_000);
    let change = CallChange::Go(Answer::Twiml(&document));
    assert!(rest.change_call(sid(), change).await.is_ok());
}

#[tokio::test]
async fn nothing_of_a_caller_and_no_secret_is_printed() {
    let server = Server::new([json(201, &message_body("failed", "words"))]).await;
    let rest = rest(settings(&server.url));
    let new = message("your code is 4711");
    let answer = rest.create_message(&new).await.unwrap();
    let call = NewCall {
        to: "+15550100",
        from: "+15550199",
        answer: Answer::Twiml("<Response>token</Response>"),
        fallback: None,
        status_callback: None,
        ring_seconds: None,
        talk_seconds: None,
        machine_detection: MachineDetection::First,
    };
    let printed = format!(
        "{rest:?} {new:?} {answer:?} {call:?} {:?}",
        Code::of(21_610)
    );
    for secret in ["s3cret", "1555", "4711", "words", "token", "QUMw"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
