//! From the stream's URL to the first sound, and what follows the stream.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{Check, Findings, document::Found, wrong_token};
use crate::{
    carrier::{CallReport, CarrierSettings, Happening, Identity, Phone},
    net::{Reins, Socket, couple_by, dial_with},
    peer::Outbox,
    recording::Recording,
    twilio::{
        address::Address,
        form::Form,
        number::Status,
        settings::millis,
        signature::AuthToken,
        twiml::{Method, Stream},
    },
};

/// What waits behind a stream for ever when the stream is lost.
const LONG_VERBS: [&str; 1] = ["Pause"];

impl Check {
    /// Opens the stream that a document names, listens until something is heard, and asks what follows.
    pub(super) async fn stream(&self, found: Found, findings: &mut Findings<'_>) {
        let Found {
            base,
            connect,
            then,
        } = found;
        let Some(stream) = connect.stream else {
            return;
        };
        let Some(address) = Self::stream_address(&base, &stream, findings) else {
            return;
        };
        let names: Vec<_> = stream
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        if names.is_empty() {
            findings.doubtful(
                "stream",
                "no <Parameter>: nothing but its signature proves who opens it",
            );
        }
        self.refuses_strange_streams(&address, findings).await;
        match self.upgrade(&address, &self.token).await {
            Ok(socket) => self.listen(socket, stream, findings).await,
            Err(error) => findings.bad("stream", format!("{}: {error}", address.shown())),
        }
        match connect.action {
            Some(action) => match base.join(&action.url) {
                Some(address) => self.after(&address, action.method, findings).await,
                None => findings.bad("action", "this is no URL"),
            },
            None if then.is_empty() => findings.doubtful(
                "action",
                "neither action nor a verb behind the stream: who loses it is hung up on",
            ),
            None => findings.good(
                "action",
                format!("none; behind the stream: {}", then.join(", ")),
            ),
        }
        if then.iter().any(|verb| LONG_VERBS.contains(verb)) {
            findings.doubtful(
                "action",
                "a <Pause> behind the stream: silence after every goodbye",
            );
        }
    }

    fn stream_address(
        base: &Address,
        stream: &Stream,
        findings: &mut Findings<'_>,
    ) -> Option<Address> {
        let address = base
            .join(&stream.url)
            .or_else(|| Address::parse(&stream.url));
        let Some(mut address) = address else {
            findings.bad("stream", "31923: this is no URL");
            return None;
        };
        if !stream.url.contains("://") {
            let scheme = if base.is_tls() { "wss" } else { "ws" };
            scheme.clone_into(&mut address.scheme);
        }
        match (address.scheme.as_str(), address.is_loopback()) {
            ("wss", _) => {}
            ("ws", true) => findings.doubtful("stream", "ws: only on this machine"),
            (scheme, _) => {
                findings.bad("stream", format!("31922: {scheme} in place of wss"));
                return None;
            }
        }
        if address.has_query() {
            findings.bad("stream", "31920: a query in the URL of a stream");
            return None;
        }
        Some(address)
    }

    async fn upgrade(&self, address: &Address, token: &AuthToken) -> Result<Socket, String> {
        let url = address.url();
        let signature = token.sign(&url);
        let headers = [("x-twilio-signature", signature.as_str())];
        let dialled = dial_with(&url, self.tls.clone(), &headers).await;
        dialled.map_err(|error| error.to_string())
    }

    async fn refuses_strange_streams(&self, address: &Address, findings: &mut Findings<'_>) {
        match self.upgrade(address, &wrong_token()).await {
            Err(_refused) => {
                findings.good("stream", "an upgrade with a wrong signature is refused");
            }
            Ok(mut socket) => {
                findings.doubtful("stream", "an upgrade with a wrong signature is accepted");
                // Whatever it says to that: it has been accepted.
                let _closed =
                    tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
            }
        }
    }

    /// Listens until something is heard.
    async fn listen(&self, socket: Socket, stream: Stream, findings: &mut Findings<'_>) {
        let Ok(recording) = Recording::find("order_status") else {
            return findings.bad("audio", "there is no recording to call with");
        };
        let most = self.audio_within;
        let settings = CarrierSettings {
            listens_only: true,
            stamps: false,
            record: false,
            call_max_ms: u64::try_from(most.as_millis()).unwrap_or(u64::MAX),
            ..CarrierSettings::default()
        };
        let mut phone = Phone::new(Arc::new(recording), Arc::new(settings), 1, 1);
        let identity = Identity {
            account_sid: self.parties.account_sid.clone(),
            call_sid: self.parties.call_sid.clone(),
            stream_sid: format!("MZ{:032x}", fastrand::u128(..)),
            parameters: stream.parameters.into_iter().collect(),
        };
        let (now, mut out) = (self.clock.now(), Outbox::new());
        phone.answer(now);
        phone.connect(now, identity, &mut out);
        let (heard, mut orders) = mpsc::channel(1);
        let reins = Reins {
            orders: &mut orders,
            silent_after: None,
            until: Some(now + most),
        };
        let obey = |_: &mut Phone, _, (): (), _: &mut Outbox| ControlFlow::Break(());
        let listen = |phone: &mut Phone, _| {
            let began =
                |(_, happening): &(_, Happening)| matches!(happening, Happening::AgentBegan { .. });
            if phone.take_happenings().iter().any(began) {
                // One word is enough: there may be one already.
                let _told = heard.try_send(());
            }
        };
        let (coupled, left) =
            couple_by(socket, &mut phone, self.clock, out, reins, obey, listen).await;
        let now = self.clock.now();
        let mut last = Outbox::new();
        let stop = phone.disconnect(now, &mut last);
        let report = phone.into_report();
        judge(&report, &format!("{:?}", coupled.ending), most, findings);
        if let Some(socket) = left {
            part(socket, stop).await;
        }
    }

    /// What follows the stream: here the caller has hung up.
    async fn after(&self, address: &Address, method: Method, findings: &mut Findings<'_>) {
        let form: Form = self.form(Status::Completed);
        self.document("action", address, method, &form, findings)
            .await;
    }
}

fn judge(report: &CallReport, ending: &str, most: Duration, findings: &mut Findings<'_>) {
    match report.first_sound {
        Some(first) if first <= millis(1_500) => {
            findings.good(
                "audio",
                format!("the first sound after {} ms", first.as_millis()),
            );
        }
        Some(first) => {
            findings.doubtful(
                "audio",
                format!("the first sound only after {} ms", first.as_millis()),
            );
        }
        None if ending == "Left" => {
            findings.bad(
                "audio",
                format!("nothing was heard within {} ms", most.as_millis()),
            );
        }
        None => findings.bad("audio", format!("nothing was heard: {ending}")),
    }
    for (violation, count) in &report.violations {
        let number = violation
            .warning()
            .map(|number| format!("{number}: "))
            .unwrap_or_default();
        findings.doubtful("audio", format!("{number}{violation:?}, {count} times"));
    }
}

/// Leaves the stream as the carrier leaves it.
async fn part(mut socket: Socket, stop: Option<String>) {
    use futures_util::SinkExt as _;
    use tokio_tungstenite::tungstenite::Message;
    let leaving = async {
        if let Some(stop) = stop {
            socket.send(Message::text(stop)).await?;
        }
        socket.close(None).await
    };
    // A server that does not take it has gone already.
    let _left = tokio::time::timeout(Duration::from_secs(2), leaving).await;
}
