//! The models of a drill: out until they are opened.
//!
//! Owns their addresses. Whoever dials one before gets what a dead process gives: a refused connection.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    model::{house::ModelHouse, settings::ModelSettings},
    net::{Clock, House, bind, host_by},
    plan::Plan,
    recording::{Line, Recording},
    run::{RunError, subject::free_port},
};

pub(super) struct Models {
    all: Vec<Model>,
    scripts: Vec<Arc<Vec<Line>>>,
    clock: Clock,
    seed: u64,
    houses: JoinSet<()>,
    /// Kept so that their houses stay open.
    closing: Vec<watch::Sender<bool>>,
}

struct Model {
    name: String,
    settings: ModelSettings,
    address: SocketAddr,
}

impl Models {
    /// Finds an address for each.
    pub(super) fn reserve(
        plan: &Plan,
        recordings: &[Arc<Recording>],
        clock: Clock,
    ) -> Result<Self, RunError> {
        let mut models = Vec::new();
        for (name, settings) in plan.models() {
            let port = free_port().map_err(|source| refused(&name, source))?;
            models.push(Model {
                name,
                settings,
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            });
        }
        let scripts = recordings.iter();
        Ok(Self {
            all: models,
            scripts: scripts.map(|it| Arc::new(it.agent.clone())).collect(),
            clock,
            seed: plan.calls.seed,
            houses: JoinSet::new(),
            closing: Vec::new(),
        })
    }

    /// Where each of them is, by name.
    pub(super) fn urls(&self) -> Vec<(String, String)> {
        let url = |model: &Model| {
            let url = format!("ws://{}/v1/realtime?model=gpt-realtime", model.address);
            (model.name.clone(), url)
        };
        self.all.iter().map(url).collect()
    }

    /// They are well, from now on.
    pub(super) fn open(&mut self) -> Result<(), RunError> {
        for model in &self.all {
            let listener = bind(model.address).map_err(|source| refused(&model.name, source))?;
            let (closing, closed) = watch::channel(false);
            let house = House {
                listener,
                tls: None,
                clock: self.clock,
                closing: closed,
            };
            let settings = Arc::new(model.settings.clone());
            let keeper = ModelHouse::with_scripts(settings, self.scripts.clone(), self.seed);
            let keeper = Arc::new(Mutex::new(keeper));
            self.closing.push(closing);
            self.houses.spawn(async move {
                host_by(house, keeper, |_, _| {}).await;
            });
        }
        Ok(())
    }
}

fn refused(name: &str, source: std::io::Error) -> RunError {
    RunError::Listen {
        what: format!("the address of {name}"),
        source,
    }
}
