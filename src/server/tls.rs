//! The listener's certificate: read at the start, and anew when its files change or SIGHUP comes.
//!
//! What is of no use is refused with its reason, and the one before stays. Connections that there are notice nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::clock::Clock;
use super::drain::Stage;
use crate::carrier::tls::{Identity, PairError, PairFiles};
use crate::core::time::Utc;
use crate::telemetry::{Count, Telemetry};

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Tls {
    files: PairFiles,
    identity: Arc<Identity>,
    /// How the files looked before they were first read.
    first_look: Look,
}

impl Tls {
    pub(super) fn open(files: PairFiles) -> Result<Self, PairError> {
        let first_look = Look::at(&files);
        let pair = files.read(Clock::utc())?;
        Ok(Self {
            files,
            identity: Identity::new(pair),
            first_look,
        })
    }

    /// What connections are accepted by.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.identity.server_config())
    }

    /// Until when the certificate holds.
    pub(super) fn expires(&self) -> Option<Utc> {
        self.identity.pair().expires()
    }

    fn reload(&self, telemetry: &Telemetry) {
        match self.files.read(Clock::utc()) {
            Ok(pair) => {
                self.identity.replace(pair);
                telemetry.count(Count::CertificatesReloaded);
                tracing::info!("new connections are shown the certificate as it is now");
            }
            Err(error) => {
                telemetry.count(Count::CertificatesRefused);
                tracing::error!(%error, "the certificate is of no use as it is now; the one before stays");
            }
        }
    }
}

/// Watches the files and the signal until the server stops.
pub(super) async fn keep(shared: Arc<Shared>, mut hangups: Signal) {
    let Some(tls) = &shared.tls else {
        return;
    };
    let mut stopping = std::pin::pin!(shared.tasks.reached(Stage::Stopping));
    let mut seen = tls.first_look;
    loop {
        let is_told = tokio::select! {
            () = &mut stopping => return,
            Some(()) = hangups.recv() => true,
            () = sleep(LOOK_INTERVAL) => false,
        };
        let look = Look::at(&tls.files);
        if is_told || look != seen {
            seen = look;
            tls.reload(&shared.telemetry);
        }
    }
}

/// What tells that files were renewed. One that is being written when it is read looks otherwise the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look([Option<(SystemTime, u64)>; 2]);

impl Look {
    fn at(files: &PairFiles) -> Self {
        Self([look(&files.certificate), look(&files.key)])
    }
}

fn look(path: &Path) -> Option<(SystemTime, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}
