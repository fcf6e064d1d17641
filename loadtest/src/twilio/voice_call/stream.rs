//! A stream of a call: its upgrade, its running, its end.

use std::{ops::ControlFlow, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{Event, Line, Socket, StreamFault, Told, Update};
use crate::{
    carrier::Identity,
    net::{DialError, Ending, Reins, couple_by, dial_with},
    peer::{Action, Outbox},
    twilio::{
        address::Address,
        interpreter::Open,
        note::StreamOver,
        settings::{UpgradeUrl, millis},
    },
};

/// A stream that is closed and does not answer is dropped after this.
const CLOSE_MAX: Duration = Duration::from_secs(2);

impl<F: FnMut(Duration, Told)> Line<F> {
    /// Begins to open a stream.
    pub(super) fn dial(&mut self, open: Open) {
        let parties = self.interpreter.parties();
        let identity = Identity {
            account_sid: parties.account_sid.clone(),
            call_sid: parties.call_sid.clone(),
            stream_sid: open.stream_sid,
            parameters: open.parameters.into_iter().collect(),
        };
        let signed = signed_url(&open.address, self.settings.upgrade_signature);
        let signature = self
            .settings
            .sign_upgrade
            .then(|| self.account.token.sign(&signed));
        let tls = self.account.tls.clone();
        let most = millis(self.settings.stream_dial_max_ms);
        let url = open.address.url();
        let dialling = async move {
            let headers: Vec<_> = signature
                .iter()
                .map(|signature| ("x-twilio-signature", signature.as_str()))
                .collect();
            match timeout(most, dial_with(&url, tls, &headers)).await {
                Ok(Ok(socket)) => Ok(socket),
                Ok(Err(error)) => Err(fault_of(&error)),
                Err(_elapsed) => Err(StreamFault::TimedOut),
            }
        };
        self.dialling = Some((identity, Box::pin(dialling)));
    }

    /// Runs the open stream until something happens that the interpreter must know.
    pub(super) async fn stream(&mut self, socket: Socket, out: Outbox) -> Option<Event> {
        if self.phone.is_over() {
            self.left = Some(socket);
            return Some(Event::CallerHungUp);
        }
        let clock = self.account.clock;
        let began = self.report.began;
        let silent = self.settings.ping_lost_after_ms;
        let mut update: Option<Update> = None;
        let reins = Reins {
            orders: &mut self.updates,
            silent_after: (silent > 0).then(|| millis(silent)),
            until: self.interpreter.deadline(),
        };
        let obey = |_: &mut _, _, wanted, _: &mut Outbox| {
            update = Some(wanted);
            ControlFlow::Break(())
        };
        let story = &mut self.story;
        let tell = |phone: &mut super::Phone, _| {
            for (at, happening) in phone.take_happenings() {
                story(at.saturating_sub(began), Told::Happening(happening));
            }
        };
        let phone = &mut self.phone;
        let (coupled, left) = couple_by(socket, phone, clock, out, reins, obey, tell).await;
        self.left = left;
        if self.phone.is_over() {
            return Some(Event::CallerHungUp);
        }
        match coupled.ending {
            Ending::Left => Some(update.map_or(Event::Tick, Event::Update)),
            Ending::ClosedByThem(code) => Some(Event::StreamOver(StreamOver::Closed(code))),
            // What our phone cuts is lost for its carrier too.
            Ending::Broke(_) | Ending::Overflowed | Ending::Silent | Ending::CutByUs => {
                let noticed = clock.now() + millis(self.settings.loss_noticed_after_ms);
                self.noticing = Some((noticed, StreamOver::Lost));
                None
            }
            // Our phone closes only when its caller hangs up.
            Ending::ClosedByUs | Ending::Stayed => Some(Event::StreamOver(StreamOver::ByCarrier)),
        }
    }

    /// Closes the stream that was left, as soon as the settings say: `stop`, then the close.
    pub(super) async fn close(&mut self) {
        self.noticing = None;
        if let Some((socket, _)) = self.open.take() {
            self.left = Some(socket);
        }
        let Some(mut socket) = self.left.take() else {
            return;
        };
        let mut out = Outbox::new();
        let stop = self.phone.disconnect(self.account.clock.now(), &mut out);
        let lingers = millis(self.settings.old_stream_lingers_ms);
        let parting = async move {
            if timeout(CLOSE_MAX, part(&mut socket, out, stop))
                .await
                .is_ok()
            {
                Some(socket)
            } else {
                None
            }
        };
        if lingers.is_zero() {
            // In order: whatever comes next begins when this was said.
            if let Some(socket) = parting.await {
                self.closing.spawn(drain(socket));
            }
        } else {
            self.closing.spawn(async move {
                tokio::time::sleep(lingers).await;
                if let Some(socket) = parting.await {
                    drain(socket).await;
                }
            });
        }
    }
}

/// Says what is left to say, then closes. A socket that fails at it is gone already.
async fn part(socket: &mut Socket, out: Outbox, stop: Option<String>) {
    let sends = out.into_iter().filter_map(|action| match action {
        Action::Send(text) => Some(text),
        Action::SendBinary(_) | Action::Close { .. } | Action::Cut | Action::Freeze => None,
    });
    let mut said: Result<(), Error> = Ok(());
    for text in sends.chain(stop) {
        if said.is_ok() {
            said = socket.feed(Message::text(text)).await;
        }
    }
    if said.is_ok() {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let _closed = socket.close(Some(frame)).await;
    }
}

/// Reads until the other side has closed too.
async fn drain(mut socket: Socket) {
    let reading = async { while let Some(Ok(_)) = socket.next().await {} };
    let _done = timeout(CLOSE_MAX, reading).await;
}

/// The URL that an upgrade is signed over.
fn signed_url(address: &Address, form: UpgradeUrl) -> String {
    let mut address = address.clone();
    match form {
        UpgradeUrl::AsWritten => {}
        UpgradeUrl::WithPort => {
            if let Some(port) = address.port()
                && !address.authority.ends_with(&format!(":{port}"))
            {
                address.authority = format!("{}:{port}", address.authority);
            }
        }
        UpgradeUrl::WithSlash => address.path.push('/'),
        UpgradeUrl::AsHttps => {
            let scheme = if address.is_tls() { "https" } else { "http" };
            scheme.clone_into(&mut address.scheme);
        }
    }
    address.url()
}

fn fault_of(error: &DialError) -> StreamFault {
    match error {
        DialError::Url { .. } => StreamFault::Url,
        DialError::TimedOut { .. } => StreamFault::TimedOut,
        DialError::Connect { .. } => StreamFault::Refused,
        DialError::Upgrade { source, .. } => {
            let status = if let Error::Http(response) = source.as_ref() {
                Some(response.status().as_u16())
            } else {
                None
            };
            StreamFault::Handshake(status)
        }
    }
}
