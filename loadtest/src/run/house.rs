//! The models of a round: houses of sessions, for as long as the round lasts.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use super::{RunError, round::Stage, subject::Subject};
use crate::{
    model::{dials::Dials, house::ModelHouse, report::SessionReport, settings::ModelSettings},
    net::{House, bind, host_by},
};

/// Between the numbers of two models' sessions: stamps hold sixteen times this.
const NUMBERS: u32 = 1_000_000;

/// The models of a round, in the order of their names.
pub(crate) struct Models(Vec<Model>);

struct Model {
    name: String,
    url: String,
    keeper: Arc<Mutex<ModelHouse>>,
    closing: watch::Sender<bool>,
    house: JoinSet<Vec<SessionReport>>,
}

/// What a model has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) sessions: Vec<SessionReport>,
    pub(crate) dials: Dials,
}

impl Models {
    pub(crate) fn open(stage: &Stage<'_>, subject: Subject) -> Result<Self, RunError> {
        let mut models = Vec::new();
        for (nth, (name, mut settings)) in (0..).zip(stage.plan.models()) {
            if subject == Subject::Well {
                settings.house_faults.0.clear();
            }
            models.push(Model::open(stage, subject, nth, name, settings)?);
        }
        Ok(Self(models))
    }

    /// Where each of them is.
    pub(crate) fn urls(&self) -> Vec<(String, String)> {
        let url = |model: &Model| (model.name.clone(), model.url.clone());
        self.0.iter().map(url).collect()
    }

    /// Callers come: the times of what goes wrong count from now on.
    pub(crate) fn begin(&self, now: Duration) {
        for model in &self.0 {
            model.keeper().begin(now);
        }
    }

    pub(crate) async fn close(self) -> Vec<Seen> {
        for model in &self.0 {
            model.closing.send_replace(true);
        }
        let mut seen = Vec::new();
        for mut model in self.0 {
            // A house that panicked has no reports: frames that nobody got are counted as lost.
            let closed = model.house.join_next().await;
            let dials = model.keeper().dials().clone();
            seen.push(Seen {
                name: model.name,
                sessions: closed.and_then(Result::ok).unwrap_or_default(),
                dials,
            });
        }
        seen
    }
}

impl Model {
    fn open(
        stage: &Stage<'_>,
        subject: Subject,
        nth: u16,
        name: String,
        settings: ModelSettings,
    ) -> Result<Self, RunError> {
        let certificate = match subject {
            Subject::Server | Subject::Relay | Subject::Quiet | Subject::Well | Subject::Fewer => {
                stage.plan.model_certificate
            }
            Subject::Plain => None,
        };
        let elsewhere = stage.elsewhere.filter(|_| subject == Subject::Server);
        let address = elsewhere.map_or(SocketAddr::from((stage.host, 0)), |elsewhere| {
            let mut address = elsewhere.model_listen;
            address.set_port(address.port().saturating_add(nth));
            address
        });
        let refused = |source| RunError::Listen {
            what: format!("the address of {name}, {address}"),
            source,
        };
        let listener = bind(address).map_err(refused)?;
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
        let keeper = Arc::new(Mutex::new(keeper(stage, nth, settings)));
        let mut houses = JoinSet::new();
        houses.spawn(keep(house, Arc::clone(&keeper)));
        Ok(Self {
            name,
            url: format!("{scheme}://{address}/v1/realtime?model=gpt-realtime"),
            keeper,
            closing,
            house: houses,
        })
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, ModelHouse> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which call a session belongs to is not known when it begins, so each takes the script of the next recording.
fn keeper(stage: &Stage<'_>, nth: u16, settings: ModelSettings) -> ModelHouse {
    let scripts = stage.recordings.iter();
    let scripts = scripts.map(|recording| Arc::new(recording.agent.clone()));
    let seed = stage.plan.calls.seed.wrapping_add(u64::from(nth) << 32);
    ModelHouse::with_scripts(Arc::new(settings), scripts.collect(), seed)
        .numbered_from(u32::from(nth) * NUMBERS + 1)
        .waiting()
}

async fn keep(house: House, keeper: Arc<Mutex<ModelHouse>>) -> Vec<SessionReport> {
    let mut reports = Vec::new();
    host_by(house, keeper, |session, _| {
        reports.push(session.into_report());
    })
    .await;
    reports
}
