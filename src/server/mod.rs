//! Acts: the only home of tasks, the clock and `select`.
//!
//! | file | owns |
//! |---|---|
//! | `accept`, `routes` | connections and what they may ask for, up to the upgrade |
//! | [`admin`] | the listener of operators |
//! | `addresses`, `lobby` | whose address asks, how much of us it may take, and who goes where too many wait |
//! | `webhooks`, `front` | what Twilio asks besides, who is let in, and what is remembered between streams |
//! | `call_task` | one call, one task, one loop |
//! | `perform`, `sessions` | the effects of a call, and its providers' sockets |
//! | `desk` | a call's place at the pool, given up whatever happens |
//! | `providers`, `probes`, `spares` | the one pool, and the sessions that it asks for: synthetic ones, and those kept ready |
//! | [`render`] | prompts that a model speaks itself, to be recorded |
//! | `health` | how everything stands, and whether new calls are to come here |
//! | `overload` | how loaded the process is |
//! | `parting` | the end of a call at the carrier and on disk |
//! | `menu` | what a caller without a model is offered, and the answers to it |
//! | `callbacks`, `callers` | what the ledger of promises wants done, and who is calling |
//! | `calls` | which calls are live, and how many may be |
//! | `checkpoints` | what another stream of a call needs to go on |
//! | `resuming` | what is known of a call here, and what others know of it |
//! | `keeper` | what outlives the process, behind what is known in memory |
//! | `messages` | messages after the tone: recorded, written, delivered |
//! | `orders` | what the carrier is ordered by REST |
//! | `region` | the other nodes: what they say, and what is said to them |
//! | `tls` | the listener's certificate, and its renewal |
//! | `drain` | the only spawn, and the end of the process |
//! | `clock` | the only place that asks for the time |
//!
//! It must not decide what a call does: [`crate::core::call`] does. It must not read a protocol: [`crate::carrier`] and
//! [`crate::provider`] do.

mod accept;
mod addresses;
pub mod admin;
mod call_task;
mod callbacks;
mod callers;
mod calls;
mod checkpoints;
mod clock;
mod desk;
mod drain;
mod front;
mod health;
mod keeper;
mod leaving;
mod listen;
mod lobby;
mod menu;
mod messages;
mod orders;
mod overload;
mod parting;
mod perform;
mod probes;
mod providers;
mod region;
pub mod render;
mod resuming;
mod routes;
mod sessions;
mod spares;
mod tls;
mod webhooks;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::addresses::{PerAddress, Proxies};
use self::callbacks::Callbacks;
use self::callers::Callers;
use self::calls::Calls;
use self::checkpoints::Checkpoints;
use self::clock::{Clock, draw_seed};
pub use self::drain::Handle;
use self::drain::Tasks;
use self::front::Front;
use self::health::{Health, Parts};
use self::keeper::{Heeded, Keeper, Recovered};
pub use self::leaving::Ending;
use self::messages::Messages;
use self::orders::Orders;
use self::overload::Load;
use self::providers::Providers;
use self::region::Nodes;
use self::render::library::Library;
use self::spares::Shelf;
use self::tls::Tls;
use crate::carrier::socket::SocketLimits as CarrierLimits;
use crate::carrier::tls::PairError;
use crate::config::{Admin, Agents, Config, Rendering};
use crate::core::call::CallSettings;
use crate::core::ids::{AccountSid, TenantId};
use crate::core::pool::PolicyError;
use crate::core::region::Peer;
use crate::core::region::drain::Report;
use crate::provider::endpoint::Secret;
use crate::provider::socket::SocketLimits as ProviderLimits;
use crate::store::embedded::OpenFault;
use crate::telemetry::{Count, Telemetry};
use crate::zones::Zones;

/// Why the server does not start, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener's address cannot be had.
    #[error("{key} = \"{address}\" cannot be listened on: {source}")]
    Listen {
        /// The key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The providers' settings contradict themselves.
    #[error("the providers' settings contradict themselves: {0}")]
    Providers(PolicyError),
    /// The listener's certificate is of no use.
    #[error("public.tls_cert, public.tls_key: {0}")]
    Certificate(#[from] PairError),
    /// The store's file is there, and is of no use.
    #[error("store.path = {path:?}: {source}")]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OpenFault,
    },
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signals(io::Error),
}

/// A server that listens, and serves as soon as it [runs](Self::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    drain_grace: Duration,
    connections_max: usize,
    admin: Option<(TcpListener, Option<Secret>)>,
    /// SIGHUP, where a certificate can be read anew.
    hangups: Option<Signal>,
    shared: Arc<Shared>,
}

/// What all calls share; nothing in it changes but [`Calls`], [`Front`], [`Providers`], [`Library`], [`Shelf`], [`Load`], what is kept of
/// calls, the certificate and counts.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// This process among all nodes.
    me: Peer,
    /// The others; without them it is alone.
    nodes: Option<Nodes>,
    tasks: Tasks,
    telemetry: Telemetry,
    calls: Arc<Calls>,
    checkpoints: Checkpoints,
    keeper: Keeper,
    /// Without it nobody can leave a message.
    messages: Option<Messages>,
    /// Without it the carrier is ordered nothing.
    orders: Option<Orders>,
    /// Without it nobody is promised anything.
    callbacks: Option<Callbacks>,
    /// Who is calling, where the carrier has said so.
    callers: Callers,
    /// The clocks on walls; the business's among them.
    zones: Zones,
    /// Without it connections are plain ones.
    tls: Option<Tls>,
    settings: CallSettings,
    accounts: Arc<[AccountSid]>,
    /// Without it whoever reaches the listener is served.
    front: Option<Front>,
    proxies: Proxies,
    /// Connections before their upgrade.
    connections: Arc<PerAddress>,
    /// Sockets without a signature whose stream has not started.
    unsigned: Arc<PerAddress>,
    agents: Agents,
    /// What is said without a model.
    prompts: Library,
    /// Where what is rendered goes, and how often that may be; without it nothing is.
    rendering: Option<(PathBuf, Rendering)>,
    /// Each agent is a tenant, in the order of their names.
    tenants: BTreeMap<String, TenantId>,
    providers: Providers,
    /// The sessions that are kept ready.
    spares: Shelf,
    overload: Load,
    health: Health,
    carrier_limits: CarrierLimits,
    provider_limits: ProviderLimits,
}

/// Connections beside those of sockets that have not started: health checks and whoever is refused.
const OTHER_CONNECTIONS_MAX: usize = 64;

/// How long what is no call may take to end when the calls are gone.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

impl Server {
    /// Takes the listener's address. Must be called within a Tokio runtime.
    pub async fn bind(config: Config, telemetry: Telemetry) -> Result<Self, StartError> {
        let (listener, address) = listen::listen("public.listen", config.public.listen)?;
        let admin = match &config.admin {
            Some(Admin { listen: at, token }) => {
                let (listener, address) = listen::listen("admin.listen", *at)?;
                tracing::info!(%address, "operators are listened to");
                Some((listener, token.clone()))
            }
            None => None,
        };
        let drain_grace = config.calls.drain_grace;
        let connections_max = config.public.unstarted_max + OTHER_CONNECTIONS_MAX;
        let shared = Shared::new(config, telemetry, address.port())?;
        shared.recover().await;
        let shared = Arc::new(shared);
        let hangups = match &shared.tls {
            Some(_) => Some(signal(SignalKind::hangup()).map_err(StartError::Signals)?),
            None => None,
        };
        Ok(Self {
            listener,
            address,
            drain_grace,
            connections_max,
            admin,
            hangups,
            shared,
        })
    }

    /// Looks at what a server of these settings would find beside them, and changes nothing: the listener's certificate.
    pub fn check(config: &Config) -> Result<(), StartError> {
        let files = config.public.tls.as_ref();
        let pair = files.map(|files| files.read(Clock::utc())).transpose();
        Ok(pair.map(drop)?)
    }

    /// Where it listens: the port is the real one.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stops it.
    pub fn handle(&self) -> Handle {
        self.shared.tasks.handle()
    }

    /// Serves until its [`Handle`] stops it: then no new call is taken, live ones may end by themselves for a while, are let go
    /// at their next pause after it, and ended where there is none. Comes back within the grace, `hand_over_max` and ten seconds,
    /// whatever callers and the disk do.
    pub async fn run(mut self) {
        let admin = self.admin.take();
        let shared = Arc::clone(&self.shared);
        let operators = async {
            match admin {
                Some((listener, token)) => admin::serve(listener, token, shared).await,
                None => std::future::pending().await,
            }
        };
        let keeping = Arc::clone(&self.shared);
        // Operators are served to the very end, and nobody waits for them.
        tokio::select! {
            () = self.serve() => {}
            () = operators => {}
            () = keeping.keeper.mirror() => {}
        }
        keeping.keeper.close().await;
    }

    async fn serve(self) {
        let Self {
            listener,
            drain_grace,
            connections_max,
            shared,
            address,
            hangups,
            admin: _, // It is served beside.
        } = self;
        let providers = shared.providers.names().len();
        let agents = shared.agents.iter().len();
        let Peer { region, node, .. } = shared.me;
        tracing::info!(%address, %region, %node, providers, agents, "listening");
        let keeping = providers::keep(Arc::clone(&shared));
        shared.tasks.spawn("providers", keeping);
        shared
            .tasks
            .spawn("health", health::keep(Arc::clone(&shared)));
        let watching = overload::watch(Arc::clone(&shared));
        shared.tasks.spawn("overload", watching);
        let collecting = Arc::clone(&shared);
        let collect = async move { collecting.keeper.collect().await };
        shared.tasks.spawn("store", collect);
        let beating = region::beats::keep(Arc::clone(&shared));
        shared.tasks.spawn("beats", beating);
        let voting = region::roles::keep(Arc::clone(&shared));
        shared.tasks.spawn("roles", voting);
        let remembering = region::remembering::keep(Arc::clone(&shared));
        shared.tasks.spawn("epochs", remembering);
        let comparing = region::trial::keep(Arc::clone(&shared));
        shared.tasks.spawn("trial", comparing);
        let advising = region::advice::keep(Arc::clone(&shared));
        shared.tasks.spawn("advice", advising);
        let acting = callbacks::keep(Arc::clone(&shared));
        shared.tasks.spawn("callbacks", acting);
        if let Some((dir, rendering)) = shared.rendering.clone() {
            let rendering = render::keep::keep(Arc::clone(&shared), dir, rendering);
            shared.tasks.spawn("renderings", rendering);
        }
        if let Some(messages) = &shared.messages {
            shared.tasks.spawn("messages", messages.clone().keep());
            if messages.are_transcribed() {
                let transcribing =
                    messages::transcribing::keep(Arc::clone(&shared), messages.clone());
                shared.tasks.spawn("transcriptions", transcribing);
            }
        }
        if let Some(hangups) = hangups {
            let renewing = tls::keep(Arc::clone(&shared), hangups);
            shared.tasks.spawn("certificate", renewing);
        }
        let ((), report) = tokio::join!(
            accept::accept(listener, connections_max, &shared),
            shared.leave(drain_grace),
        );
        let idle = tokio::time::timeout(IDLE_TIMEOUT, shared.tasks.idle());
        let in_time = idle.await.is_ok();
        let Report {
            live,
            handed_over,
            cut,
            left,
        } = report;
        let counts = shared.telemetry.counts();
        tracing::info!(live, handed_over, ended = cut, left, in_time, %counts, "stopped");
    }
}

impl Shared {
    fn new(config: Config, telemetry: Telemetry, port: u16) -> Result<Self, StartError> {
        let parts = Parts::of(&config);
        let public = config.public;
        let clock = Clock::start();
        let tasks = Tasks::new(telemetry.clone());
        let tls = public.tls.map(Tls::open).transpose()?;
        let (me, nodes) = Nodes::open(clock.now(), config.region, &public.node, &telemetry);
        let calls = Arc::new(Calls::new(config.calls.calls_max, public.unstarted_max));
        let heeded = Heeded::new(Arc::clone(&calls), telemetry.clone());
        let keeper = Keeper::open(config.store, me, heeded, tasks.clone(), telemetry.clone());
        let keeper = keeper.map_err(|(path, source)| StartError::Store { path, source })?;
        let messages = Messages::open(
            config.messages,
            config.call.menu.message_max,
            clock,
            tasks.clone(),
            telemetry.clone(),
        );
        let twilio = config.twilio.as_ref();
        let rest = twilio.and_then(|twilio| twilio.rest.clone());
        let callbacks = config.callbacks;
        let orders = rest.map(|rest| {
            let callbacks = callbacks.as_ref();
            Orders::new(rest, callbacks, clock, tasks.clone(), telemetry.clone())
        });
        let accounts = Arc::clone(&public.accounts);
        let front = config
            .twilio
            .map(|twilio| Front::new(twilio, accounts, me, port));
        let names = config.agents.iter().map(|agent| agent.name.clone());
        let providers = Providers::new(config.providers, draw_seed(), telemetry.clone())
            .map_err(StartError::Providers)?;
        Ok(Self {
            clock,
            me,
            nodes,
            tasks,
            telemetry,
            keeper: keeper.sharing(config.shared),
            messages,
            orders,
            callbacks: callbacks.and_then(Callbacks::new),
            callers: Callers::default(),
            zones: Zones::new(&config.zone).expect("the configuration has looked the zone up"),
            tls,
            calls,
            checkpoints: Checkpoints::default(),
            accounts: public.accounts,
            front,
            proxies: Proxies::new(public.trusted_proxies),
            connections: PerAddress::new(public.connections_per_address_max),
            unsigned: PerAddress::new(public.unstarted_per_address_max),
            tenants: names.zip((0..).map(TenantId)).collect(),
            agents: config.agents,
            prompts: Library::new(config.prompts),
            rendering: config.prompts_dir.map(|dir| (dir, config.rendering)),
            providers,
            spares: Shelf::default(),
            overload: Load::new(config.overload),
            health: Health::new(config.health, parts),
            carrier_limits: CarrierLimits {
                message_bytes_max: public.message_bytes_max,
                ..CarrierLimits::default()
            },
            provider_limits: ProviderLimits {
                // What is left belongs to the session, whose time-out is the call's.
                dial_timeout: config.call.dial_timeout * 4 / 5,
                write_buffer_bytes_max: write_buffer_bytes(&config.call),
                ..ProviderLimits::default()
            },
            settings: config.call,
        })
    }

    /// Whether calls come whose document is not ours, and of which the carrier asks nothing.
    fn has_foreign_documents(&self) -> bool {
        let front = self.front.as_ref();
        front.is_none_or(Front::has_foreign_documents)
    }

    /// Takes over the calls of a life before: their carriers are about to ask for them.
    async fn recover(&self) {
        let recovered = self.keeper.recover().await;
        let calls = recovered.len();
        for call in recovered {
            self.recall(call);
        }
        if calls > 0 {
            tracing::info!(calls, "calls of before the start may go on");
        }
    }

    /// Knows a call of a life before from now on, unless it is known.
    fn recall(&self, call: Recovered) {
        self.telemetry.count(Count::CallsRecalled);
        let Recovered {
            sid,
            by,
            turn,
            state,
        } = call;
        let now = self.clock.now();
        if let Some(front) = &self.front {
            front.recall(now, sid, by.card, state.resumed);
        }
        let left = checkpoints::Left {
            by,
            turn,
            fate: state.fate,
            resumed: state.resumed,
            checkpoint: state.checkpoint,
        };
        self.checkpoints.recall(now, sid, left);
    }
}

/// Room for what the caller said while no session took it, twice: what is not written down yet may be among what the session is
/// told, too. A second is 11 kB in base64, and 5 kB around it where it comes in frames.
fn write_buffer_bytes(call: &CallSettings) -> usize {
    const BYTES_PER_SECOND: u64 = 32 * 1024;
    let bytes = call.uplink_max.as_secs().saturating_mul(BYTES_PER_SECOND);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    bytes.max(ProviderLimits::default().write_buffer_bytes_max)
}
