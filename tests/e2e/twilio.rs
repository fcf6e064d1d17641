//! Twilio's side before and between streams: asks, signs, and reads the documents that it gets.

use ringback::carrier::twilio::form::Form;
use ringback::carrier::twilio::signature::AuthToken;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::DEADLINE;
use crate::phone::Phone;
use crate::server::Server;

/// The variables of a server that is called by this Twilio.
pub(crate) const VARIABLES: [(&str, &str); 4] = [
    ("RINGBACK__PUBLIC__AUTH", "twilio"),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
    ("TWILIO_AUTH_TOKEN", "12345"),
    ("RINGBACK__TWILIO__PUBLIC_URL", "http://127.0.0.1:0"),
];

/// Starts a server that this Twilio calls; these sections beside what it needs.
pub(crate) async fn serve(model_url: &str, sections: &str) -> Server {
    Server::with(model_url, sections, &VARIABLES).await
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A request that can be sent as it is, or spoilt first.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A form of a call of this number.
pub(crate) fn form(call: u32, more: &[(&str, &str)]) -> String {
    let (account, call) = (format!("AC{:032x}", 1), format!("CA{call:032x}"));
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("AccountSid", &account)
        .append_pair("CallSid", &call);
    for given in [
        ("From", "+14155550199"),
        ("To", "+14155550100"),
        ("CallStatus", "in-progress"),
    ] {
        if more.iter().all(|(name, _)| *name != given.0) {
            form.append_pair(given.0, given.1);
        }
    }
    form.extend_pairs(more).finish()
}

impl Request {
    /// A signed webhook.
    pub(crate) fn signed(server: &Server, path: &str, body: String) -> Self {
        let parsed = Form::parse(body.as_bytes()).unwrap();
        let signature = AuthToken::new("12345").sign(&format!("{}{path}", url(server)), &parsed);
        let kind = "application/x-www-form-urlencoded".to_owned();
        Self {
            path: path.to_owned(),
            headers: vec![
                ("content-type".to_owned(), kind),
                ("x-twilio-signature".to_owned(), signature),
            ],
            body,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn send(&self, server: &Server) -> Answer {
        let Self {
            path,
            headers,
            body,
        } = self;
        let mut text = format!("POST {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
        if headers.iter().all(|(name, _)| name != "host") {
            text.push_str("host: voice.example.com\r\n");
        }
        for (name, value) in headers {
            text = format!("{text}{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // It may be refused before it is whole.
        stream
            .write_all(format!("{text}\r\n{body}").as_bytes())
            .await
            .ok();
        let mut answer = Vec::new();
        let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        read.expect("the server closes").ok();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        Answer {
            status,
            body: body.to_owned(),
        }
    }
}

/// Asks a question of a call, and gets a document.
pub(crate) async fn ask(server: &Server, path: &str, call: u32, more: &[(&str, &str)]) -> Document {
    let answer = Request::signed(server, path, form(call, more))
        .send(server)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    Document::read(&answer.body)
}

/// A document, as far as it matters.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its verbs, in order.
    pub(crate) verbs: Vec<String>,
    /// The address of its stream.
    pub(crate) stream_url: String,
    /// The path that it asks next, without its overrides.
    pub(crate) action: String,
    pub(crate) parameters: Map<String, Value>,
}

impl Document {
    pub(crate) fn read(text: &str) -> Self {
        let xml =
            roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let elements = || xml.descendants().filter(roxmltree::Node::is_element);
        let verbs = xml
            .root_element()
            .children()
            .filter(roxmltree::Node::is_element);
        let action = elements()
            .find_map(|element| element.attribute("action"))
            .unwrap_or_default();
        let action = action.split('#').next().unwrap();
        let stream = elements().find(|element| element.has_tag_name("Stream"));
        let stream_url = stream.and_then(|stream| stream.attribute("url"));
        let parameters = elements().filter(|element| element.has_tag_name("Parameter"));
        let value = |element: roxmltree::Node, name| element.attribute(name).unwrap().to_owned();
        Self {
            stream_url: stream_url.unwrap_or_default().to_owned(),
            verbs: verbs
                .map(|verb| verb.tag_name().name().to_owned())
                .collect(),
            action: action
                .splitn(4, '/')
                .nth(3)
                .map(|path| format!("/{path}"))
                .unwrap_or_default(),
            parameters: parameters
                .map(|element| (value(element, "name"), value(element, "value").into()))
                .collect(),
        }
    }

    /// Opens the stream of this document and starts it for a call.
    pub(crate) async fn stream(&self, server: &Server, call: u32) -> Phone {
        let mut phone = upgrade(server, &[]).await.unwrap();
        phone
            .start(call, &Value::Object(self.parameters.clone()))
            .await;
        phone
    }
}

/// Opens a signed socket.
pub(crate) async fn upgrade(
    server: &Server,
    more: &[(&'static str, &str)],
) -> Result<Phone, Error> {
    let url = format!("{}/media", url(server)).replace("http", "ws");
    let signature = AuthToken::new("12345").sign(&url, &Form::default());
    let signature = ("x-twilio-signature", signature.as_str());
    Phone::connect_with(server, &[&[signature], more].concat()).await
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}
