//! What the carrier is ordered by REST: to end a call in which everything was said.
//!
//! It owns the client and what is said about orders that fail. Nobody waits for an order longer than a goodbye may take: the
//! documents end the call as well, where the carrier asks for them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::clock::Clock;
use super::drain::Tasks;
use crate::carrier::twilio::rest::{
    Advice, ApiHost, CallChange, Credentials, Rest, RestError, RestSettings,
};
use crate::config;
use crate::core::ids::CallSid;
use crate::provider::tls::client_config;
use crate::telemetry::{Count, Telemetry};

/// See the module.
#[derive(Debug)]
pub(super) struct Orders {
    rest: Arc<Rest>,
    tasks: Tasks,
    telemetry: Telemetry,
}

impl Orders {
    /// Beside what calls need the interface is used as fast and as patiently as `callbacks` say.
    pub(super) fn new(
        (host, credentials): (ApiHost, Credentials),
        callbacks: Option<&config::Callbacks>,
        clock: Clock,
        tasks: Tasks,
        telemetry: Telemetry,
    ) -> Self {
        let tls = client_config(None).expect("without a file there is none to be wrong");
        let mut settings = RestSettings::new(host, credentials);
        if let Some(callbacks) = callbacks {
            settings.timeout = callbacks.ledger.request_timeout;
            // The ledger keeps the pace; two of them may come close to each other on their way here.
            settings.limits.texts_per_second = callbacks.texts_per_second + 1;
            settings.limits.rings_per_second = callbacks.rings_per_second + 1;
        }
        let rest = Rest::new(settings, (*tls).clone(), Box::new(move || clock.now()));
        Self {
            rest: Arc::new(rest),
            tasks,
            telemetry,
        }
    }

    /// Ends a call; tells when the carrier has answered, or is known not to.
    pub(super) fn end(&self, call: CallSid) -> oneshot::Receiver<()> {
        let (answered, is_answered) = oneshot::channel();
        let rest = Arc::clone(&self.rest);
        let telemetry = self.telemetry.clone();
        self.tasks.spawn("order", async move {
            let outcome = rest.change_call(call, CallChange::Complete).await;
            note(&telemetry, call, outcome.map(drop));
            answered.send(()).ok(); // The call's task need not have waited.
        });
        is_answered
    }

    /// The interface itself.
    pub(super) fn rest(&self) -> Arc<Rest> {
        Arc::clone(&self.rest)
    }

    /// Whether orders pass: the breaker before the interface is closed.
    pub(super) fn is_well(&self) -> bool {
        self.rest.open_for().is_none()
    }
}

fn note(telemetry: &Telemetry, call: CallSid, outcome: Result<(), RestError>) {
    let Err(error) = outcome else {
        telemetry.count(Count::RestEnded);
        return;
    };
    match error.advice() {
        // The caller was faster, or the document.
        Advice::Over => {}
        Advice::Retry(_)
        | Advice::Never
        | Advice::OptedOut
        | Advice::NotByText
        | Advice::Mend
        | Advice::LookUp => {
            let so_far = telemetry.count(Count::RestFailed);
            if so_far.is_power_of_two() {
                tracing::warn!(carrier_call = %call, %error, so_far, "a call was not ended by REST; its document ends it");
            }
        }
    }
}
