//! What the stacks of all workers are made of: that which they share and which outlives any settings, and those in force.
//!
//! What a newcomer would get wrong: to make anew what has a memory. Stored lists, running fetches, used cells and
//! connections to the upstream go on when settings change; only how they are used does not.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::buffer::Buffer;
use crate::cache::{CacheLayer, FillLayer, Lifetimes, Refresh};
use crate::capacity::Capacity;
use crate::chathub::credential::DigestKey;
use crate::clock::Clock;
use crate::collapse::{CollapseLayer, Flights};
use crate::config;
use crate::edge::{AccessLogLayer, AdmissionLayer, RescueLayer};
use crate::invalidation::{InspectionLayer, InvalidationLayer};
use crate::reload::Loaded;
use crate::secret::Secret;
use crate::shed::ShedLayer;
use crate::stack::{self, CoreParts, EdgeParts, Stack};
use crate::store::Store;
use crate::tally::Tally;
use crate::telemetry::access::AccessLog;
use crate::telemetry::metrics::Metrics;
use crate::throttle::pacer::Terms;
use crate::throttle::{FeedbackLayer, Limiter, Quota, ThrottleLayer};
use crate::upstream::pool::Room;
use crate::upstream::retry::RetryReads;
use crate::upstream::streams::Streaming;
use crate::upstream::{self, Client, Upstream};

/// What the stacks are made of.
pub(super) struct Works {
    parts: Parts,
    in_force: Loaded,
    store: Arc<Store>,
    flights: Arc<Flights>,
    in_flight: Capacity,
    inspect_buffer: Buffer,
    fetch_buffer: Buffer,
    limiter: Limiter,
    retry: RetryReads,
    /// The way to the upstream of each worker.
    clients: Vec<Arc<Client>>,
}

/// What is made before.
pub(super) struct Parts {
    pub(super) workers: Vec<Handle>,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) digests: DigestKey,
    pub(super) access_log: AccessLog,
    pub(super) streaming: Streaming,
    pub(super) writes: Tally,
}

impl Works {
    /// To be called within a tokio runtime.
    pub(super) fn new(parts: Parts, loaded: Loaded) -> Self {
        let config = &loaded.config;
        let (mode, terms) = (config.throttle.mode, terms(&config.throttle));
        let works = Self {
            store: Arc::new(Store::new(config.cache.capacity, longest_life(&config.cache), &parts.metrics.store)),
            flights: Arc::default(),
            in_flight: Capacity::new(config.server.max_in_flight),
            inspect_buffer: Buffer::new(config.cache.inspect_buffer, parts.metrics.inspect_buffer.clone()),
            fetch_buffer: Buffer::new(config.cache.fetch_buffer, parts.metrics.fetch_buffer.clone()),
            limiter: Limiter::start(mode, terms, parts.clock, parts.metrics.throttle.clone()),
            retry: RetryReads::new(config.upstream.retry_percent, parts.metrics.upstream.clone()),
            clients: clients(&loaded, &parts),
            in_force: loaded,
            parts,
        };
        works.warm();
        works
    }

    /// Makes connections, so that nobody need wait for them.
    fn warm(&self) {
        if self.config().upstream.warm {
            for (worker, upstream) in self.parts.workers.iter().zip(self.upstreams()) {
                drop(worker.spawn(upstream.warm()));
            }
        }
    }

    /// Returns the settings in force.
    pub(super) const fn config(&self) -> &config::Config {
        &self.in_force.config
    }

    /// Returns the secret of those who may purge, if there is one.
    pub(super) fn secret(&self) -> Option<&Secret> {
        self.in_force.secret.as_deref()
    }

    pub(super) const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Puts other settings in force, as far as they can be while the gateway runs, and returns which are different, or
    /// name files that are. Stacks that were made before go on with those of before.
    pub(super) fn change_to(&mut self, loaded: Loaded) -> config::Changed {
        let before = self.in_force.clone();
        let mut changed = self.in_force.config.change_to(loaded.config);
        self.in_force.credentials = loaded.credentials;
        self.in_force.trust = loaded.trust;
        self.in_force.secret = loaded.secret;
        changed.at_once.extend(different_files(&before, &self.in_force));
        changed.at_once.sort_unstable();
        changed.at_once.dedup();
        let config = &self.in_force.config;
        self.store.set_longest_life(longest_life(&config.cache));
        self.in_flight.set(config.server.max_in_flight);
        self.inspect_buffer.set(config.cache.inspect_buffer);
        self.fetch_buffer.set(config.cache.fetch_buffer);
        if before.config.throttle != config.throttle || before.credentials != self.in_force.credentials {
            let credentials = &self.in_force.credentials;
            self.limiter = self.limiter.renewed(config.throttle.mode, terms(&config.throttle), |class, special| {
                credentials.of_sha256(&special.sha256).and_then(|single| class.quota_of(single))
            });
        }
        if before.config.upstream.retry_percent != config.upstream.retry_percent {
            self.retry = RetryReads::new(config.upstream.retry_percent, self.parts.metrics.upstream.clone());
        }
        // Else the connections that there are would be lost, to no end.
        let way = |upstream: &config::Upstream| {
            (upstream.connect_timeout, upstream.pool_idle_timeout, upstream.pool_max_idle)
        };
        if way(&before.config.upstream) != way(&config.upstream) || !Arc::ptr_eq(&before.trust, &self.in_force.trust) {
            self.clients = clients(&self.in_force, &self.parts);
            self.warm();
        }
        changed
    }

    /// Returns the leaf of each worker's stack.
    pub(super) fn upstreams(&self) -> Vec<Upstream> {
        let settings = &self.config().upstream;
        let upstream = |client: &Arc<Client>| {
            Upstream::new(upstream::Parts {
                client: Arc::clone(client),
                head_timeout: settings.head_timeout,
                idle_timeout: settings.idle_timeout,
                clock: self.parts.clock,
                metrics: self.parts.metrics.upstream.clone(),
                streaming: self.parts.streaming.clone(),
            })
        };
        self.clients.iter().map(upstream).collect()
    }

    /// Returns the stack of each worker. They share all but their connections to the upstream.
    pub(super) fn stacks(&self) -> Vec<impl Stack + use<>> {
        let (core, config) = (self.core(), self.config());
        let log = &config.log;
        let lines = log.access.then(|| self.parts.access_log.lines(log.access_format, log.access_hit_percent));
        let edge = EdgeParts {
            access_log: AccessLogLayer::new(lines, self.parts.metrics.requests.clone(), self.parts.clock),
            rescue: RescueLayer,
            admission: AdmissionLayer::new(config.server.max_body as u64),
            digests: self.parts.digests.clone(),
        };
        let stack = |upstream| stack::edge(edge.clone(), stack::core(core.clone(), upstream));
        self.upstreams().into_iter().map(stack).collect()
    }

    fn core(&self) -> CoreParts {
        let Parts { metrics, clock, .. } = &self.parts;
        let (config, cache) = (self.config(), &self.config().cache);
        let lifetimes = Lifetimes { operators: cache.operators_ttl, organizations: cache.organizations_ttl };
        CoreParts {
            cache: CacheLayer {
                store: Arc::clone(&self.store),
                lifetimes,
                refresh: Refresh { ahead: cache.refresh_ahead, metrics: metrics.refresh.clone() },
                clock: *clock,
            },
            collapse: CollapseLayer {
                flights: Arc::clone(&self.flights),
                store: Arc::clone(&self.store),
                timeout: cache.collapse_timeout,
                clock: *clock,
                metrics: metrics.collapse.clone(),
            },
            fill: FillLayer {
                store: Arc::clone(&self.store),
                lifetimes,
                max_body: cache.max_body,
                buffer: self.fetch_buffer.clone(),
                total_timeout: config.upstream.total_timeout,
                clock: *clock,
                operators: metrics.operators.clone(),
            },
            retry: self.retry.clone(),
            inspection: InspectionLayer { max_inspect: cache.max_inspect, buffer: self.inspect_buffer.clone() },
            shed: ShedLayer { capacity: self.in_flight.clone() },
            throttle: ThrottleLayer {
                limiter: self.limiter.clone(),
                credentials: Arc::clone(&self.in_force.credentials),
                digests: self.parts.digests.clone(),
            },
            invalidation: InvalidationLayer {
                store: Arc::clone(&self.store),
                quarantine: cache.quarantine,
                metrics: metrics.invalidation.clone(),
                writes: self.parts.writes.clone(),
            },
            feedback: FeedbackLayer { clock: *clock },
        }
    }
}

/// Returns the settings that name files with other contents.
fn different_files(before: &Loaded, after: &Loaded) -> Vec<&'static str> {
    let upstream = &after.config.upstream;
    let trust = [
        ("upstream.ca_file", upstream.ca_file.is_some()),
        ("upstream.client_certificate", upstream.client_certificate.is_some()),
    ];
    let is_trust_different = !Arc::ptr_eq(&before.trust, &after.trust);
    let trust = trust.into_iter().filter(|(_, is_set)| *is_set && is_trust_different).map(|(path, _)| path);
    let others = [
        ("throttle.credentials_file", before.credentials != after.credentials),
        ("admin.token_file", word(before) != word(after)),
    ];
    others.into_iter().filter(|(_, is_different)| *is_different).map(|(path, _)| path).chain(trust).collect()
}

fn word(loaded: &Loaded) -> Option<&[u8]> {
    loaded.secret.as_deref().map(Secret::word)
}

fn longest_life(cache: &config::Cache) -> std::time::Duration {
    cache.operators_ttl.max(cache.organizations_ttl)
}

fn terms(throttle: &config::Throttle) -> Terms {
    Terms {
        quotas: [&throttle.operator, &throttle.login, &throttle.other].map(Quota::from),
        upstream: throttle.upstream.quota().as_ref().map(Quota::from),
        max_wait: throttle.max_wait,
        max_waiting: throttle.max_waiting,
        max_waiting_per_lane: throttle.max_waiting_per_credential,
        max_lanes: throttle.max_credentials,
        max_stop: throttle.max_stop,
        is_adaptive: throttle.adaptive,
    }
}

/// Makes the way to the upstream of each worker.
fn clients(loaded: &Loaded, parts: &Parts) -> Vec<Arc<Client>> {
    loaded.trust.used(&parts.metrics.tls);
    let settings = &loaded.config.upstream;
    let room = Room::new(settings.pool_max_idle);
    let client = |_| {
        Arc::new(Client::new(&upstream::client::Settings {
            url: settings.url.clone(),
            connect_timeout: settings.connect_timeout,
            pool_idle_timeout: settings.pool_idle_timeout,
            room: room.clone(),
            trust: loaded.trust.client.clone(),
        }))
    };
    parts.workers.iter().map(client).collect()
}
