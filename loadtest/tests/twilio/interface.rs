//! A REST interface on loopback, and a client that shows what came back.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use loadtest::twilio::{
    Account,
    form::Form,
    network::{Counts, Network, PhoneSettings},
    rest::{RestShares, serve},
    twiml::Link,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::server::{LONG, Server, TOKEN, bare_account, fast};

pub(crate) const PHONE: &str = "+12025550111";
pub(crate) const NUMBER: &str = "+12025550100";

pub(crate) struct Rest {
    pub(crate) account: Arc<Account>,
    pub(crate) address: String,
    pub(crate) tasks: JoinSet<()>,
}

/// An answer; nothing where the connection was cut.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1);
        status.map_or(0, |status| status.parse().unwrap())
    }

    pub(crate) fn text(&self, key: &str) -> String {
        self.body[key].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn list(&self, key: &str) -> Vec<Value> {
        self.body[key].as_array().cloned().unwrap_or_default()
    }
}

/// Phones that do what they do at once.
pub(crate) fn quick() -> PhoneSettings {
    PhoneSettings {
        stage_ms: [50, 50],
        reply_after_ms: [0, 0],
        pick_up_after_ms: [50, 50],
        detection_ms: [50, 50],
        talk_max_ms: 400,
        hang_up_after_ms: 100,
        ..PhoneSettings::default()
    }
}

impl Rest {
    pub(crate) async fn start() -> Self {
        Self::with(quick(), RestShares::default()).await
    }

    pub(crate) async fn with(phones: PhoneSettings, shares: RestShares) -> Self {
        phones.validate().unwrap();
        shares.validate().unwrap();
        Self::before(Network::new(phones, fast(), Vec::new()), shares).await
    }

    /// The interface of this network.
    pub(crate) async fn before(network: Network, shares: RestShares) -> Self {
        let account = bare_account().with_network(network).with_shares(shares);
        let account = Arc::new(account);
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

    /// What phones write goes to this server.
    pub(crate) fn texted(self, server: &Server) -> Self {
        let url = server.url("/sms");
        self.account.network.set_sms(Some(Link {
            url,
            ..Link::default()
        }));
        self
    }

    /// The raw answer; empty where the connection was cut.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str, key: &str) -> String {
        let mut tcp = TcpStream::connect(&self.address).await.unwrap();
        let credentials = STANDARD.encode(format!("{}:{key}", self.account.sid));
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/2010-04-01/Accounts/{}/{path}", self.account.sid)
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Basic {credentials}\r\nContent-Length: {}\r\n\r\n{body}",
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

    async fn answer(&self, method: &str, path: &str, body: &str) -> Answer {
        let raw = self.ask(method, path, body, TOKEN).await;
        let Some((head, body)) = raw.split_once("\r\n\r\n") else {
            return Answer::default();
        };
        Answer {
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.answer("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, form: &Form) -> Answer {
        self.answer("POST", path, &form.encode()).await
    }

    /// Sends a text.
    pub(crate) async fn text(&self, to: &str) -> Answer {
        self.post("Messages.json", &text(to)).await
    }

    /// The texts that lists show.
    pub(crate) async fn texts(&self, query: &str) -> Vec<Value> {
        self.get(&format!("Messages.json?{query}"))
            .await
            .list("messages")
    }

    pub(crate) fn counts(&self) -> Counts {
        let tally = self.account.network.tally();
        tally.counts(Duration::from_mins(1))
    }
}

/// A text to this phone.
pub(crate) fn text(to: &str) -> Form {
    Form::new()
        .with("To", to)
        .with("From", NUMBER)
        .with("Body", "We call you back. Ref 4711.")
}

/// Waits until it is so.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}
