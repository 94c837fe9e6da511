//! A gateway: built from its settings, bound to its addresses, run until drained.

mod serving;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;
use rustls::ClientConfig;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::admin::{self, Access, Admin};
use crate::cache::{CacheLayer, FillLayer, Lifetimes, Refresh};
use crate::capacity::Capacity;
use crate::chathub::credential::DigestKey;
use crate::clock::Clock;
use crate::collapse::{CollapseLayer, Flights};
use crate::config::{Config, Credentials, Problems};
use crate::edge::{AccessLogLayer, AdmissionLayer, RescueLayer};
use crate::invalidation::{InspectionLayer, InvalidationLayer};
use crate::lifecycle::{Lifecycle, UnderWay};
use crate::pem::TlsError;
use crate::phase::Phase;
use crate::secret::Secret;
use crate::server::listener::{self, Places};
use crate::server::tls::Acceptor;
use crate::server::workers::{self, Workers};
use crate::shed::ShedLayer;
use crate::stack::{self, CoreParts, EdgeParts, Stack};
use crate::store::Store;
use crate::tally::Tally;
use crate::telemetry::access::{AccessLog, Writer};
use crate::telemetry::metrics::Metrics;
use crate::throttle::pacer::Terms;
use crate::throttle::{FeedbackLayer, Limiter, Quota, ThrottleLayer};
use crate::upstream::pool::Room;
use crate::upstream::retry::RetryReads;
use crate::upstream::streams::Streaming;
use crate::upstream::{self, Client, Upstream};
use serving::{Serving, connection_settings, tls_files};

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
    /// The secret of those who may purge could not be read, or there is none in the file.
    #[error("read the secret in {} (admin.token_file)", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file with quotas for single credentials is wrong, as settings can be.
    #[error("read the quotas of single credentials (throttle.credentials_file)")]
    Credentials(#[source] Problems),
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
    config: Config,
    workers: Workers,
    /// One for each worker.
    listeners: Vec<TcpListener>,
    admin_listener: TcpListener,
    metrics: Metrics,
    clock: Clock,
    digests: DigestKey,
    access: Access,
    tls: Option<Acceptor>,
    trust: ClientConfig,
    credentials: Arc<Credentials>,
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
    pub fn bind(config: Config, log: impl io::Write + Send + 'static) -> Result<Self, StartError> {
        let credentials = Credentials::of_settings(&config).map_err(StartError::Credentials)?;
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
        let access_log = AccessLog::start(log, config.log.access_buffer, metrics.access_log.clone());
        let digests = DigestKey::random().map_err(StartError::Random)?;
        let tls = tls_files(&config.server).map(|files| Acceptor::start(files, metrics.tls.clone())).transpose()?;
        let secret = config.admin.token_file.as_deref().map(read_secret).transpose()?;
        Ok(Self {
            access_log: access_log.map_err(StartError::AccessLog)?,
            access: Access::new(digests.clone(), secret.as_ref()),
            digests,
            tls,
            trust: upstream::connector::trust(&config.upstream)?,
            credentials: Arc::new(credentials),
            config,
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
    /// more; connections and writes in flight end; what is left at `server.drain_deadline` is cut.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Ended {
        let under_way = UnderWay::default();
        let lifecycle = Lifecycle::new(under_way.clone());
        let store = Arc::new(self.store());
        let streaming = Streaming { phases: lifecycle.watch(), metrics: self.metrics.streams.clone() };
        let upstreams: Vec<_> = self.upstreams(&streaming).collect();
        if self.config.upstream.warm {
            for (worker, upstream) in self.workers.handles().zip(&upstreams) {
                drop(worker.spawn(upstream.clone().warm()));
            }
        }
        let stacks = self.stacks(upstreams, &store, &under_way.writes);
        let server = &self.config.server;
        let serving = Serving {
            settings: Arc::new(connection_settings(server, self.metrics.connections.clone())),
            tls: self.tls.clone(),
            places: Places::new(server.max_connections, server.max_connections_per_peer),
            shared_by: server.share_port.then(|| u32::try_from(self.listeners.len()).unwrap_or(u32::MAX)),
            lifecycle: lifecycle.clone(),
            connections: under_way.connections.clone(),
        };
        let admin = Admin { metrics: self.metrics, store, lifecycle: lifecycle.clone(), access: self.access };
        let admin = tokio::spawn(admin::serve(self.admin_listener, Arc::new(admin)));
        let mut accepting = JoinSet::new();
        for ((worker, listener), stack) in self.workers.handles().zip(self.listeners).zip(stacks) {
            accepting.spawn_on(serving.clone().run(listener, stack), worker);
        }

        select(pin!(stop), pin!(lifecycle.was_asked_to_quit())).await;
        tracing::info!(delay = ?server.drain_delay, "stopping: no longer ready");
        let asked = Instant::now();
        // Whoever has left before has been noticed for so long already.
        sleep_until(lifecycle.leave() + server.drain_delay).await;
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
        admin.abort();
        ended
    }

    fn store(&self) -> Store {
        let cache = &self.config.cache;
        Store::new(cache.capacity, cache.operators_ttl.max(cache.organizations_ttl), &self.metrics.store)
    }

    /// Returns the stack of each worker. They share all but their connections to the upstream.
    fn stacks(&self, upstreams: Vec<Upstream>, store: &Arc<Store>, writes: &Tally) -> Vec<impl Stack + use<>> {
        let core = self.core(store, writes);
        let log = &self.config.log;
        let lines = log.access.then(|| self.access_log.0.lines(log.access_format, log.access_hit_percent));
        let edge = EdgeParts {
            access_log: AccessLogLayer::new(lines, self.metrics.requests.clone(), self.clock),
            rescue: RescueLayer,
            admission: AdmissionLayer::new(self.config.server.max_body as u64),
            digests: self.digests.clone(),
        };
        let stack = |upstream| stack::edge(edge.clone(), stack::core(core.clone(), upstream));
        upstreams.into_iter().map(stack).collect()
    }

    fn core(&self, store: &Arc<Store>, writes: &Tally) -> CoreParts {
        let cache = &self.config.cache;
        let lifetimes = Lifetimes { operators: cache.operators_ttl, organizations: cache.organizations_ttl };
        CoreParts {
            cache: CacheLayer {
                store: Arc::clone(store),
                lifetimes,
                refresh: Refresh { ahead: cache.refresh_ahead, metrics: self.metrics.refresh.clone() },
                clock: self.clock,
            },
            collapse: CollapseLayer {
                flights: Arc::new(Flights::default()),
                store: Arc::clone(store),
                timeout: cache.collapse_timeout,
                clock: self.clock,
                metrics: self.metrics.collapse.clone(),
            },
            fill: FillLayer {
                store: Arc::clone(store),
                lifetimes,
                max_body: cache.max_body,
                total_timeout: self.config.upstream.total_timeout,
                clock: self.clock,
            },
            retry: RetryReads::new(self.config.upstream.retry_percent, self.metrics.upstream.clone()),
            inspection: InspectionLayer { max_inspect: cache.max_inspect },
            shed: ShedLayer { capacity: Capacity::new(self.config.server.max_in_flight) },
            throttle: self.throttle(),
            invalidation: InvalidationLayer {
                store: Arc::clone(store),
                quarantine: cache.quarantine,
                metrics: self.metrics.invalidation.clone(),
                writes: writes.clone(),
            },
            feedback: FeedbackLayer { clock: self.clock },
        }
    }

    fn throttle(&self) -> ThrottleLayer {
        let throttle = &self.config.throttle;
        let terms = Terms {
            quotas: [&throttle.operator, &throttle.login, &throttle.other].map(Quota::from),
            upstream: throttle.upstream.quota().as_ref().map(Quota::from),
            max_wait: throttle.max_wait,
            max_waiting: throttle.max_waiting,
            max_waiting_per_lane: throttle.max_waiting_per_credential,
            max_lanes: throttle.max_credentials,
            max_stop: throttle.max_stop,
            is_adaptive: throttle.adaptive,
        };
        ThrottleLayer {
            limiter: Limiter::start(throttle.mode, terms, self.clock, self.metrics.throttle.clone()),
            credentials: Arc::clone(&self.credentials),
            digests: self.digests.clone(),
        }
    }

    /// Returns the way to the upstream of each worker.
    fn upstreams(&self, streaming: &Streaming) -> impl Iterator<Item = Upstream> {
        let (settings, workers) = (&self.config.upstream, self.workers.count());
        let room = Room::new(settings.pool_max_idle);
        (0..workers).map(move |_| {
            Upstream::new(upstream::Parts {
                client: Client::new(&upstream::client::Settings {
                    url: settings.url.clone(),
                    connect_timeout: settings.connect_timeout,
                    pool_idle_timeout: settings.pool_idle_timeout,
                    room: room.clone(),
                    trust: self.trust.clone(),
                }),
                head_timeout: settings.head_timeout,
                idle_timeout: settings.idle_timeout,
                clock: self.clock,
                metrics: self.metrics.upstream.clone(),
                streaming: streaming.clone(),
            })
        })
    }
}

fn read_secret(path: &Path) -> Result<Secret, StartError> {
    Secret::read(path).map_err(|source| StartError::Secret { path: path.to_owned(), source })
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
