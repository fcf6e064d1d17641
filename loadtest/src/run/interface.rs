//! Twilio's REST interface of a run, and the phones behind it.
//!
//! Owns the account that callers call and the server texts from, and its figures.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;

use super::RunError;
use crate::{
    carrier::KnownPrompts,
    net::{Clock, bind},
    plan::{ACCOUNT_SID, AUTH_TOKEN, Plan},
    recording::Recording,
    report::{Figure, Figures},
    twilio::{
        Account,
        network::{Counts, Network},
        rest::serve,
    },
};

/// The interface while it is open.
pub(crate) struct Interface {
    pub(crate) account: Arc<Account>,
    /// Where it is.
    pub(crate) url: String,
    ring_again: Duration,
    _serving: JoinSet<()>,
}

impl Interface {
    /// Opens it as the plan says.
    pub(crate) fn open(plan: &Plan, clock: Clock, host: Ipv4Addr) -> Result<Self, RunError> {
        let refused = |source| RunError::Listen {
            what: "the address of Twilio's REST interface".into(),
            source,
        };
        let names = plan.phones.recordings.iter();
        let recordings = names.map(|name| Recording::find(name).map(Arc::new));
        let recordings = recordings.collect::<Result<Vec<_>, _>>();
        let recordings = recordings.map_err(|error| RunError::Audio(error.to_string()))?;
        let mut network = Network::new(plan.phones.clone(), plan.twilio.clone(), recordings);
        if let Some(folder) = &plan.prompts {
            let prompts = KnownPrompts::load(folder);
            let prompts = prompts.map_err(|error| RunError::Audio(error.to_string()))?;
            network.prompts = Some(Arc::new(prompts));
        }
        let account = Account::new(ACCOUNT_SID, AUTH_TOKEN, None, clock)
            .with_network(network)
            .with_shares(plan.rest.clone());
        account.set_faults(plan.rest_faults.clone());
        let account = Arc::new(account);
        let any = SocketAddr::from((host, 0));
        let listener = bind(any).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let mut serving = JoinSet::new();
        let served = Arc::clone(&account);
        serving.spawn(async move { match serve(served, listener).await {} });
        Ok(Self {
            account,
            url: format!("http://{address}"),
            ring_again: Duration::from_millis(plan.phones.ring_again_ms),
            _serving: serving,
        })
    }

    /// What phones got so far.
    pub(crate) fn counts(&self) -> Counts {
        self.account.network.tally().counts(self.ring_again)
    }

    /// What phones write goes to the server that listens there, where the plan says so.
    pub(crate) fn reach(&self, plan: &Plan, address: &str) {
        let server = plan.server.as_ref();
        let sms = server.and_then(|server| server.sms(address));
        self.account.network.set_sms(sms);
    }

    /// The same as figures, where callers know what they were promised, or somebody was texted or rung.
    pub(crate) fn figures(&self, figures: &mut Figures) {
        let counts = self.counts();
        let is_idle = counts.texts == 0 && counts.rings == 0;
        if self.account.network.prompts.is_none() && is_idle {
            return;
        }
        for (figure, count) in [
            (Figure::Promises, counts.promises),
            (Figure::PromisesLost, counts.promises_lost),
            (Figure::Texts, counts.texts),
            (Figure::TextsDouble, counts.texts_double),
            (Figure::TextsAfterStop, counts.texts_after_stop),
            (Figure::TextsToOne, counts.texts_to_one),
            (Figure::TextAnswers, counts.answers),
            (Figure::Rings, counts.rings),
            (Figure::RingsDouble, counts.rings_double),
            (Figure::RingsOutsideHours, counts.rings_outside_hours),
            (Figure::RingsAfterStop, counts.rings_after_stop),
            (Figure::RingsUnasked, counts.rings_unasked),
            (Figure::RingsToOne, counts.rings_to_one),
            (Figure::PhonesStopped, counts.stopped),
        ] {
            figures.set(figure, count.into());
        }
        figures.set(Figure::Money, counts.cents);
    }
}
