//! The model of a round: a house of sessions, for as long as the round lasts.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{RunError, round::Stage, subject::Subject};
use crate::{
    model::{ModelSession, report::SessionReport},
    net::{House, host},
    plan::Plan,
    recording::Recording,
};

/// The model of a round.
pub(super) struct Model {
    pub(super) url: String,
    closing: watch::Sender<bool>,
    house: JoinSet<Vec<SessionReport>>,
}

impl Model {
    pub(super) async fn open(stage: &Stage<'_>, subject: Subject) -> Result<Self, RunError> {
        let certificate = match subject {
            Subject::Server | Subject::Relay => stage.plan.model_certificate,
            Subject::Plain => None,
        };
        let address = stage
            .elsewhere
            .filter(|_| subject == Subject::Server)
            .map_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |elsewhere| {
                elsewhere.model_listen
            });
        let refused = |source| RunError::Listen {
            what: format!("the model's address {address}"),
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let scheme = if certificate.is_some() { "wss" } else { "ws" };
        let tls = certificate
            .map(|certificate| stage.authority.acceptor(certificate))
            .transpose()?;
        let (closing, closed) = watch::channel(false);
        let house = House {
            listener,
            tls,
            clock: stage.clock,
            closing: closed,
        };
        let mut houses = JoinSet::new();
        houses.spawn(keep(house, stage.plan, stage.recordings));
        Ok(Self {
            url: format!("{scheme}://{address}/v1/realtime?model=gpt-realtime"),
            closing,
            house: houses,
        })
    }

    pub(super) async fn close(mut self) -> Vec<SessionReport> {
        self.closing.send_replace(true);
        // A house that panicked has no reports: frames that nobody got are counted as lost.
        let closed = self.house.join_next().await;
        closed.and_then(Result::ok).unwrap_or_default()
    }
}

/// Keeps a house of model sessions. Which call a session belongs to is not known when it begins, so each takes the script of the
/// next recording.
fn keep(
    house: House,
    plan: &Plan,
    recordings: &[Arc<Recording>],
) -> impl Future<Output = Vec<SessionReport>> + Send + 'static {
    let settings = Arc::new(plan.model.clone());
    let seed = plan.calls.seed;
    let scripts: Vec<_> = recordings
        .iter()
        .map(|recording| Arc::new(recording.agent.clone()))
        .collect();
    async move {
        let mut reports = Vec::new();
        let open = move |number: u32, _: &_, now, out: &mut _| {
            let script = scripts
                .iter()
                .cycle()
                .nth(number as usize % scripts.len().max(1));
            let script = script.cloned().unwrap_or_default();
            let seed = seed.wrapping_mul(0x85eb_ca6b).wrapping_add(number.into());
            let mut session = ModelSession::new(Arc::clone(&settings), script, number, seed);
            session.start(now, out);
            session
        };
        host(house, open, |session, _| {
            reports.push(session.into_report());
        })
        .await;
        reports
    }
}
