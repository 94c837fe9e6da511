//! A gateway: built from its settings, bound to its addresses, run until drained.

mod serving;
mod works;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{FutureExt, ready, select};
use futures_util::{Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::admin::{self, Access, Admin, OperatorPlaces};
use crate::chathub::credential::DigestKey;
use crate::clock::Clock;
use crate::config::{self, Changed};
use crate::error::chain;
use crate::lifecycle::{Lifecycle, UnderWay};
use crate::pem::TlsError;
use crate::phase::Phase;
use crate::reload::{Loaded, Unfit};
use crate::server::listener::{self, Places};
use crate::server::tls::Acceptor;
use crate::server::workers::{self, Workers};
use crate::stack::Current;
use crate::telemetry;
use crate::telemetry::access::{AccessLog, Writer};
use crate::telemetry::metrics::{Metrics, SettingsMetrics};
use crate::upstream::streams::Streaming;
use serving::{Serving, connection_settings, tls_files};
use works::{Parts, Works};

/// How long connections may take to be dropped.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("listen on {address} ({setting})")]
    Bind {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A thread that serves could not be started.
    #[error("start the threads that serve (server.workers)")]
    Workers(#[source] io::Error),
    /// The system has no random numbers to give.
    #[error("draw a random key")]
    Random(#[source] getrandom::Error),
    /// A certificate, a key or authorities cannot be used.
    #[error("use TLS")]
    Tls(#[from] TlsError),
    /// The thread that writes the access log could not be started.
    #[error("start the access log")]
    AccessLog(#[source] io::Error),
}

/// How a gateway ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every request had its answer.
    Drained,
    /// Something was cut at the deadline.
    Cut {
        /// How many connections.
        connections: usize,
        /// How many writes. Whether the upstream applied them is unknown.
        writes: usize,
    },
}

/// A gateway that is bound and has not begun to serve.
#[derive(Debug)]
pub struct Gateway {
    loaded: Loaded,
    workers: Workers,
    /// One for each worker.
    listeners: Vec<TcpListener>,
    admin_listener: TcpListener,
    metrics: Metrics,
    clock: Clock,
    digests: DigestKey,
    access: Access,
    tls: Option<Acceptor>,
    access_log: (AccessLog, Writer),
}

impl Gateway {
    /// Starts the workers and binds both listeners. What the access log holds goes to `log`.
    ///
    /// To be called within a tokio runtime, which is the first worker.
    ///
    /// # Errors
    ///
    /// [`StartError`], and nothing stays bound.
    pub fn bind(loaded: Loaded, log: impl io::Write + Send + 'static) -> Result<Self, StartError> {
        let config = &loaded.config;
        let workers = config.server.workers.unwrap_or_else(workers::default_count);
        let workers = Workers::start(workers).map_err(StartError::Workers)?;
        let runtimes: Vec<_> = workers.handles().collect();
        let is_shared = config.server.share_port;
        let listeners = bind("server.listen", config.server.listen, &runtimes, is_shared)?;
        // Never shared: whoever asks an operator's question means one gateway.
        let mut admin_listeners = bind("admin.listen", config.admin.listen, &runtimes[..1], false)?;
        let clock = Clock::start();
        let metrics = Metrics::new(prometheus::Registry::new());
        metrics.connections.workers.set(i64::try_from(workers.count()).unwrap_or(i64::MAX));
        metrics.store.capacity.set(i64::try_from(config.cache.capacity).unwrap_or(i64::MAX));
        metrics.operators.watch(&config.metrics.organizations);
        let access_log = AccessLog::start(log, config.log.access_buffer, metrics.access_log.clone());
        let digests = DigestKey::random().map_err(StartError::Random)?;
        let tls = tls_files(&config.server).map(|files| Acceptor::start(files, metrics.tls.clone())).transpose()?;
        Ok(Self {
            access_log: access_log.map_err(StartError::AccessLog)?,
            access: Access::new(digests.clone(), loaded.secret.as_deref()),
            digests,
            tls,
            loaded,
            workers,
            listeners,
            admin_listener: admin_listeners.remove(0),
            metrics,
            clock,
        })
    }

    /// Returns where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        local(&self.listeners[0])
    }

    /// Returns where operators connect.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        local(&self.admin_listener)
    }

    /// Returns how many threads serve.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.count()
    }

    /// Serves until `stop` resolves, then drains: readiness falls; after `server.drain_delay` nobody is accepted any
    /// more; connections and writes in flight end; what is left at `server.drain_deadline` is cut. Settings that are read
    /// `again` meanwhile take the place of those before.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        again: impl Stream<Item = Result<Loaded, Unfit>> + Unpin,
    ) -> Ended {
        let under_way = UnderWay::default();
        let lifecycle = Lifecycle::new(under_way.clone());
        let mut works = Works::new(
            Parts {
                workers: self.workers.handles().cloned().collect(),
                metrics: self.metrics.clone(),
                clock: self.clock,
                digests: self.digests,
                access_log: self.access_log.0,
                streaming: Streaming { phases: lifecycle.watch(), metrics: self.metrics.streams.clone() },
                writes: under_way.writes.clone(),
            },
            self.loaded,
        );
        let is_shared = works.config().server.share_port;
        let serving = Serving {
            settings: Arc::new(RwLock::new(connection_settings(&works.config().server, &self.metrics).into())),
            tls: self.tls,
            places: places(&works.config().server),
            shared_by: is_shared.then(|| u32::try_from(self.listeners.len()).unwrap_or(u32::MAX)),
            lifecycle: lifecycle.clone(),
            connections: under_way.connections.clone(),
        };
        let (metrics, store) = (self.metrics, Arc::clone(works.store()));
        let access = self.access.clone();
        let admin = Admin { metrics: metrics.clone(), store, lifecycle: lifecycle.clone(), access };
        let operators = OperatorPlaces::new(works.config().admin.max_connections);
        let admin = tokio::spawn(admin::serve(self.admin_listener, operators.clone(), Arc::new(admin)));
        let stacks: Vec<_> = works.stacks().into_iter().map(Current::new).collect();
        let mut accepting = JoinSet::new();
        for ((worker, listener), stack) in self.workers.handles().zip(self.listeners).zip(&stacks) {
            accepting.spawn_on(serving.clone().run(listener, stack.clone()), worker);
        }

        let renewing = again.for_each(|loaded| {
            match loaded {
                Ok(loaded) => {
                    let changed = renew(loaded, &mut works, &serving, &metrics);
                    self.access.renew(works.secret());
                    operators.set(works.config().admin.max_connections);
                    stacks.iter().zip(works.stacks()).for_each(|(current, stack)| current.replace(stack));
                    tell(&changed, &metrics.settings);
                }
                Err(unfit) => refuse(&unfit, &metrics.settings),
            }
            ready(())
        });
        let (stop, quit) = (pin!(stop), pin!(lifecycle.was_asked_to_quit()));
        // That there will be no others is no reason to stop.
        select(select(stop, quit), pin!(renewing.then(|()| pending::<()>()))).await;
        let ended = drain(&works.config().server, &lifecycle, &under_way, accepting).await;
        admin.abort();
        ended
    }
}

/// Puts settings in force, but for the stacks.
fn renew(loaded: Loaded, works: &mut Works, serving: &Serving, metrics: &Metrics) -> Changed {
    let changed = works.change_to(loaded);
    let config::Config { server, log, metrics: measured, .. } = works.config();
    serving.places.set(server.max_connections, server.max_connections_per_peer);
    *serving.settings.write().unwrap_or_else(PoisonError::into_inner) = connection_settings(server, metrics).into();
    metrics.operators.watch(&measured.organizations);
    telemetry::logging::set_level(log.level);
    changed
}

/// Tells of settings that cannot be used.
fn refuse(unfit: &Unfit, metrics: &SettingsMetrics) {
    tracing::error!(error = chain(unfit), "the settings are refused, those before go on");
    metrics.refused();
}

/// Tells of settings that are in force.
fn tell(changed: &Changed, metrics: &SettingsMetrics) {
    let Changed { at_once, at_next_start } = changed;
    metrics.reloaded(at_next_start.len());
    match at_once.is_empty() {
        true => tracing::info!("the settings were read again, and nothing has changed that is in force"),
        false => tracing::info!(changed = at_once.join(", "), "the settings were read again and are in force"),
    }
    if !at_next_start.is_empty() {
        let settings = at_next_start.join(", ");
        tracing::warn!(settings, "these settings are read at the start only: restart to change them");
    }
}

/// Leaves, and waits for what is under way.
async fn drain(
    server: &config::Server,
    lifecycle: &Lifecycle,
    under_way: &UnderWay,
    mut accepting: JoinSet<()>,
) -> Ended {
    tracing::info!(delay = ?server.drain_delay, "stopping: no longer ready");
    let asked = Instant::now();
    // Whoever has left before has been noticed for so long already.
    let delay = sleep_until(lifecycle.leave() + server.drain_delay);
    select(pin!(delay), pin!(lifecycle.was_asked_to_hurry())).await;
    tracing::info!(deadline = ?server.drain_deadline, "draining: no longer accepting");
    lifecycle.enter(Phase::Draining);
    while accepting.join_next().await.is_some() {}
    let ended = match timeout_at(asked + server.drain_deadline, under_way.ended()).await {
        Ok(()) => Ended::Drained,
        Err(_) => Ended::Cut { connections: under_way.connections.count(), writes: under_way.writes.count() },
    };
    lifecycle.enter(Phase::Closed);
    // They are being dropped; nothing that one of them still waits for may keep the process.
    let _ = timeout(LAST_BREATH, under_way.connections.ended()).await;
    ended
}

/// Reads the files of the clients' TLS, if there are any.
///
/// # Errors
///
/// Why they cannot be used.
pub fn check_tls(config: &config::Config) -> Result<(), StartError> {
    tls_files(&config.server).map_or(Ok(()), |files| files.check().map_err(StartError::Tls))
}

fn places(server: &config::Server) -> Places {
    Places::new(server.max_connections, server.max_connections_per_peer)
}

fn bind(
    setting: &'static str,
    address: SocketAddr,
    runtimes: &[&Handle],
    is_shared: bool,
) -> Result<Vec<TcpListener>, StartError> {
    listener::bind(address, runtimes, is_shared).map_err(|source| StartError::Bind { setting, address, source })
}

fn local(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound socket has an address")
}
