//! A gateway: built from its settings, bound to its addresses, run until drained.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::admin::{self, Access, Admin};
use crate::cache::{CacheLayer, FillLayer, Lifetimes, Refresh};
use crate::chathub::credential::DigestKey;
use crate::clock::Clock;
use crate::collapse::CollapseLayer;
use crate::config::{self, Config, Credentials, Problems};
use crate::edge::{AccessLogLayer, AdmissionLayer, RescueLayer};
use crate::invalidation::{InspectionLayer, InvalidationLayer, WritesInFlight};
use crate::server::connection;
use crate::server::framing::Limits;
use crate::server::listener::{self, Listener};
use crate::server::shutdown::{Phase, Phases};
use crate::stack::{self, CoreParts, EdgeParts, Stack};
use crate::store::Store;
use crate::telemetry::access::{AccessLog, Writer};
use crate::telemetry::metrics::Metrics;
use crate::throttle::pacer::Terms;
use crate::throttle::{FeedbackLayer, Limiter, Quota, ThrottleLayer};
use crate::upstream::retry::RetryReads;
use crate::upstream::{self, Client, Upstream};

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
    listener: TcpListener,
    admin_listener: TcpListener,
    metrics: Metrics,
    clock: Clock,
    digests: DigestKey,
    access: Access,
    credentials: Arc<Credentials>,
    access_log: Option<(AccessLog, Writer)>,
}

impl Gateway {
    /// Binds both listeners. The access log goes to `log` if the settings want one.
    ///
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`], and nothing stays bound.
    pub fn bind(config: Config, log: impl io::Write + Send + 'static) -> Result<Self, StartError> {
        let credentials = Credentials::of_settings(&config).map_err(StartError::Credentials)?;
        let listener = bind("server.listen", config.server.listen)?;
        let admin_listener = bind("admin.listen", config.admin.listen)?;
        let clock = Clock::start();
        let metrics = Metrics::new(prometheus::Registry::new());
        metrics.store.capacity.set(i64::try_from(config.cache.capacity).unwrap_or(i64::MAX));
        let access_log = match config.log.access {
            true => Some(AccessLog::start(log, config.log.access_buffer, metrics.access_log.clone())),
            false => None,
        };
        let digests = DigestKey::random().map_err(StartError::Random)?;
        let secret = config.admin.token_file.as_deref().map(read_secret).transpose()?;
        Ok(Self {
            access_log: access_log.transpose().map_err(StartError::AccessLog)?,
            access: Access::new(digests.clone(), secret.as_deref()),
            digests,
            credentials: Arc::new(credentials),
            config,
            listener,
            admin_listener,
            metrics,
            clock,
        })
    }

    /// Returns where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        local(&self.listener)
    }

    /// Returns where operators connect.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        local(&self.admin_listener)
    }

    /// Serves until `stop` resolves, then drains: readiness falls; after `server.drain_delay` nobody is accepted any
    /// more; connections and writes in flight end; what is left at `server.drain_deadline` is cut.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Ended {
        let phases = Phases::new();
        let store = Arc::new(self.store());
        let writes = WritesInFlight::new();
        let stack = self.stack(&store, &writes);
        let admin = Admin { metrics: self.metrics.clone(), store, phases: phases.watch(), access: self.access };
        let admin = tokio::spawn(admin::serve(self.admin_listener, Arc::new(admin)));
        let server = &self.config.server;
        let listener = Listener::new(self.listener, server.max_connections, self.metrics.connections.clone());
        let serving = Serving { limits: limits(server), metrics: self.metrics, phases: phases.clone() };
        let accepting = tokio::spawn(serving.run(listener, stack));

        stop.await;
        tracing::info!(delay = ?server.drain_delay, "stopping: no longer ready");
        phases.enter(Phase::Leaving);
        tokio::time::sleep(server.drain_delay).await;
        tracing::info!(deadline = ?server.drain_deadline, "draining: no longer accepting");
        phases.enter(Phase::Draining);
        let ended = drain(&phases, accepting, writes, server.drain_deadline.saturating_sub(server.drain_delay)).await;
        admin.abort();
        ended
    }

    fn store(&self) -> Store {
        let cache = &self.config.cache;
        Store::new(cache.capacity, cache.operators_ttl.max(cache.organizations_ttl), &self.metrics.store)
    }

    fn stack(&self, store: &Arc<Store>, writes: &WritesInFlight) -> impl Stack + use<> {
        let core = stack::core(self.core(store, writes), self.upstream());
        let log = self.access_log.as_ref().map(|(log, _)| log.clone());
        let edge = EdgeParts {
            access_log: AccessLogLayer::new(log, self.metrics.requests.clone(), self.clock),
            rescue: RescueLayer,
            admission: AdmissionLayer::new(self.config.server.max_body as u64),
            digests: self.digests.clone(),
        };
        stack::edge(edge, core)
    }

    fn core(&self, store: &Arc<Store>, writes: &WritesInFlight) -> CoreParts {
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

    fn upstream(&self) -> Upstream {
        let settings = &self.config.upstream;
        Upstream::new(upstream::Parts {
            client: Client::new(&upstream::client::Settings {
                url: settings.url.clone(),
                connect_timeout: settings.connect_timeout,
                pool_idle_timeout: settings.pool_idle_timeout,
                pool_max_idle: settings.pool_max_idle,
            }),
            head_timeout: settings.head_timeout,
            idle_timeout: settings.idle_timeout,
            clock: self.clock,
            metrics: self.metrics.upstream.clone(),
        })
    }
}

/// What every connection is served with.
struct Serving {
    limits: Limits,
    metrics: Metrics,
    phases: Phases,
}

impl Serving {
    /// Accepts until the gateway drains, and returns the connections that are left.
    async fn run(self, listener: Listener, stack: impl Stack) -> JoinSet<()> {
        let connections = std::sync::Mutex::new(JoinSet::new());
        let serve = |stream, peer: SocketAddr, place| {
            let (stack, limits, phases) = (stack.clone(), self.limits, self.phases.watch());
            let opened = self.metrics.connections.opened();
            let mut connections = connections.lock().expect("nothing panics while it is held");
            // Those that have ended are forgotten as others come.
            while connections.try_join_next().is_some() {}
            connections.spawn(async move {
                connection::serve(stream, peer.ip(), stack, &limits, phases).await;
                drop((opened, place));
            });
        };
        listener.run(self.phases.watch(), serve).await;
        connections.into_inner().expect("nothing panics while it is held")
    }
}

/// Waits for the connections and then for the writes whose clients have left, until the deadline.
async fn drain(
    phases: &Phases,
    accepting: tokio::task::JoinHandle<JoinSet<()>>,
    writes: WritesInFlight,
    deadline: Duration,
) -> Ended {
    let mut connections = accepting.await.unwrap_or_default();
    let all_ended = async {
        while connections.join_next().await.is_some() {}
        writes.ended().await;
    };
    let ended = match tokio::time::timeout(deadline, all_ended).await {
        Ok(()) => Ended::Drained,
        Err(_) => Ended::Cut { connections: connections.len(), writes: writes.count() },
    };
    phases.enter(Phase::Closed);
    connections.shutdown().await;
    ended
}

fn read_secret(path: &Path) -> Result<Vec<u8>, StartError> {
    let secret = std::fs::read(path).and_then(|secret| match secret.trim_ascii().is_empty() {
        true => Err(io::Error::other("the file is empty; write a long random word into it")),
        false => Ok(secret),
    });
    secret.map_err(|source| StartError::Secret { path: path.to_owned(), source })
}

fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    listener::bind(address).map_err(|source| StartError::Bind { setting, address, source })
}

fn local(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound socket has an address")
}

fn limits(server: &config::Server) -> Limits {
    Limits {
        max_head: server.max_head,
        max_fields: server.max_fields,
        max_target: server.max_target,
        head_timeout: server.head_timeout,
        idle_timeout: server.idle_timeout,
        body_timeout: server.body_timeout,
    }
}
