//! The listener of operators: metrics, health, and their word on breakers. [`view`] is what it says.
//!
//! It owns who is let in: whoever brings the token; without one, who is on this machine and was neither forwarded by a proxy nor
//! sent by a web page. It must not decide anything, and it must not be in the way: its connections are few, run beside the
//! calls' tasks in the one future that [`serve`] is, and end with the process.

mod callbacks;
mod doors;
mod promises;
mod region;
pub mod view;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use serde::Serialize;
use tokio::net::TcpListener;

use self::view::{DrainView, HealthView, Order, PoolView, ProviderView};
use super::Shared;
use super::accept::serve_one;
use super::addresses::Peer;
use super::drain;
use super::messages::Messages;
use super::orders::Orders;
use super::routes::close_unless_upgraded;
use super::tls::Tls;
use crate::core::ids::KeyId;
use crate::core::overload::Stage;
use crate::core::pool::{BreakerState, PoolStatus};
use crate::core::time::Instant;
use crate::provider::endpoint::Secret;
use crate::telemetry::{MEDIA_TYPE, Moment};

/// How many connections are served at a time; further ones wait to be accepted, for ten seconds each at most.
const CONNECTIONS_MAX: usize = 16;

/// How long a body may be: an order has twenty bytes.
const BODY_BYTES_MAX: usize = 1_024;

/// How long to wait when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves operators for ever.
pub(super) async fn serve(listener: TcpListener, token: Option<Secret>, shared: Arc<Shared>) {
    let telemetry = shared.telemetry.clone();
    let router = router(shared, token);
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, address)) => {
                    let peer = Peer(address.ip());
                    let connection = serve_one(stream, peer, router.clone());
                    // What it shares with calls is in order between two polls, and it is dropped itself.
                    connections.push(AssertUnwindSafe(connection).catch_unwind());
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection of an operator accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.next() => if ended.is_err() {
                telemetry.panicked(&"an operator's connection");
            },
        }
    }
}

fn router(shared: Arc<Shared>, token: Option<Secret>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/admin/v1/breakers", get(breakers))
        .route("/admin/v1/breakers/{provider}", post(order))
        .route("/admin/v1/breakers/{provider}/{key}", post(order_key))
        .route("/admin/v1/callbacks", get(callbacks::list))
        .route(
            "/admin/v1/callbacks/{promise}",
            get(callbacks::show).post(callbacks::order),
        )
        .route(
            "/admin/v1/callbacks/{promise}/number",
            get(callbacks::number),
        )
        .route("/admin/v1/region", get(region::show).post(region::order))
        .route("/admin/v1/drain", get(drain_view).post(drain))
        .route("/admin/v1/forget", post(callbacks::forget))
        .with_state(shared)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::new(token), doors::check))
        .layer(map_response(close_unless_upgraded))
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let now = shared.clock.now();
    let moment = Moment {
        now,
        calls_live: shared.calls.live(),
        sockets: shared.calls.sockets(),
        sockets_max: shared.calls.sockets_max(),
        overload: shared.overload.stage(),
        pool: &shared.providers.status(now),
        store: shared.keeper.moment(),
        shared: shared.keeper.shared_moment(),
        nodes: shared.nodes.as_ref().map(|nodes| nodes.moment(now)),
        messages_waiting: shared.messages.as_ref().map(Messages::waiting),
        certificate_expires: shared.tls.as_ref().and_then(Tls::expires),
    };
    let text = shared.telemetry.exposition(&moment);
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let now = shared.clock.now();
    let status = shared.providers.status(now);
    let overload = shared.overload.stage();
    let store = shared.keeper.moment().map(|store| store.is_well);
    let rest = shared.orders.as_ref().map(Orders::is_well);
    let nodes = shared.keeper.shared_moment().map(|nodes| nodes.is_well);
    let is_kept = store != Some(false) && nodes != Some(false);
    json(&HealthView {
        status: verdict(&status, overload, is_kept).to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        stage: shared.tasks.stage().name().to_owned(),
        uptime_s: now.since_start().as_secs(),
        calls_live: shared.calls.live(),
        overload: overload.name().to_owned(),
        store: state(store, "troubled").to_owned(),
        shared: state(nodes, "troubled").to_owned(),
        rest: state(rest, "resting").to_owned(),
        pool: shared.view(now, &status),
    })
}

async fn drain_view(State(shared): State<Arc<Shared>>) -> Response {
    json(&DrainView {
        stage: shared.tasks.stage().name().to_owned(),
        calls_live: shared.calls.live(),
    })
}

/// As SIGTERM, but asked for again it changes nothing.
async fn drain(state: State<Arc<Shared>>) -> Response {
    if state.tasks.stage() == drain::Stage::Serving {
        tracing::warn!("operator: drain");
        state.tasks.handle().stop();
    }
    drain_view(state).await
}

/// See [`HealthView::status`].
fn verdict(pool: &PoolStatus, overload: Stage, is_kept: bool) -> &'static str {
    let breakers = pool.providers.iter().flat_map(|provider| {
        let keys = provider.keys.iter().map(|key| key.breaker);
        keys.chain([provider.breaker])
    });
    let takes_calls = pool.providers.iter().any(|provider| provider.permille > 0);
    if !takes_calls || !overload.allows_calls() {
        "failing"
    } else if overload.allows_extras() && is_kept && breakers.into_iter().all(is_closed) {
        "well"
    } else {
        "degraded"
    }
}

/// How something stands that need not be there.
const fn state(is_well: Option<bool>, otherwise: &'static str) -> &'static str {
    match is_well {
        None => "none",
        Some(true) => "well",
        Some(false) => otherwise,
    }
}

fn is_closed(breaker: BreakerState) -> bool {
    breaker == BreakerState::Closed
}

async fn breakers(State(shared): State<Arc<Shared>>) -> Response {
    json(&shared.view_now())
}

async fn order(
    State(shared): State<Arc<Shared>>,
    Path(provider): Path<String>,
    body: Bytes,
) -> Response {
    answer(shared.obey(&provider, None, &body))
}

async fn order_key(
    State(shared): State<Arc<Shared>>,
    Path((provider, key)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    answer(match key.parse() {
        Ok(key) => shared.obey(&provider, Some(KeyId(key)), &body),
        Err(_) => Err(no_such_key()),
    })
}

/// An order that is not carried out, and why.
type Refused = (StatusCode, String);

fn no_such_key() -> Refused {
    let sentence = "The provider has no such key; keys are numbered from 0.\n";
    (StatusCode::NOT_FOUND, sentence.to_owned())
}

fn answer(result: Result<PoolView, Refused>) -> Response {
    match result {
        Ok(view) => json(&view),
        Err(refused) => refused.into_response(),
    }
}

fn json(view: &impl Serialize) -> Response {
    let text = serde_json::to_string(view).expect("names and numbers are JSON");
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

impl Shared {
    fn obey(&self, provider: &str, key: Option<KeyId>, body: &[u8]) -> Result<PoolView, Refused> {
        let Order { verb } = serde_json::from_slice(body).map_err(|_| {
            let sentence = "The body must be {\"do\": \"open\"}, \"close\" or \"isolate\".\n";
            (StatusCode::BAD_REQUEST, sentence.to_owned())
        })?;
        let providers = &self.providers;
        let Some(id) = providers.find(provider) else {
            let names: Vec<_> = providers.names().collect();
            let sentence = format!(
                "There is no such provider; there are: {}.\n",
                names.join(", ")
            );
            return Err((StatusCode::NOT_FOUND, sentence));
        };
        // The name is one of the configuration's, so it may be logged.
        tracing::warn!(
            provider,
            key = key.map(|key| key.0),
            order = verb.name(),
            "operator"
        );
        if !providers.control(self.clock.now(), id, key, verb.control()) {
            return Err(no_such_key());
        }
        Ok(self.view_now())
    }

    fn view_now(&self) -> PoolView {
        let now = self.clock.now();
        self.view(now, &self.providers.status(now))
    }

    fn view(&self, now: Instant, status: &PoolStatus) -> PoolView {
        let policies = &self.providers.policy().providers;
        let providers = policies.iter().zip(&status.providers);
        PoolView {
            sessions_ready: status.live,
            calls_waiting: status.waiting,
            extra_dials_left: status.extra_left,
            reserve_redials_left: status.reserve_left,
            providers: providers
                .map(|(policy, status)| ProviderView::new(&policy.name, policy.tier.0, now, status))
                .collect(),
        }
    }
}
