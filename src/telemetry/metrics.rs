//! The catalogue of metrics. All of them, their help and their buckets are here, and nowhere else.
//!
//! Every series exists from the start, at zero: an alert on something that has not happened yet must see a zero, not
//! an absence. Handles are resolved once; see `family.rs`. Labels are fixed words, but for the organizations that the
//! settings name; see `operators.rs`.

mod connections;
mod family;
mod memory;
mod operators;
#[cfg(target_os = "linux")]
mod process;
mod requests;
mod settings;
mod throttle;
mod upstream;

use std::sync::Arc;

use prometheus::{Encoder, Gauge, IntCounter, IntGauge, Opts, Registry, TextEncoder};

pub use connections::{AccessLogMetrics, Certificate, CloseCause, ConnectionMetrics, ReloadOutcome, TlsMetrics};
pub use family::{Counters, Counters2, Floats, Gauges, Histograms, Histograms2};
pub use memory::{
    BufferMetrics, CollapseMetrics, EvictionCause, Evictions, FollowerOutcome, InvalidationMetrics, PurgeScope, Read,
    RefreshMetrics, RefreshOutcome, Scope, StoreMetrics,
};
pub use operators::OperatorsMetrics;
pub use requests::{CacheLabel, InFlight, Lookup, RequestMetrics};
pub use settings::SettingsMetrics;
pub use throttle::{Decision, QuotaClass, StopCause, ThrottleMetrics};
pub use upstream::{StreamKind, StreamMetrics, UpstreamMetrics, UpstreamOutcome};

/// The first part of every name.
const PREFIX: &str = "chathub_gateway";

/// All metrics of one gateway.
#[derive(Debug, Clone)]
pub struct Metrics {
    catalogue: Catalogue,
    /// Requests as clients see them.
    pub requests: RequestMetrics,
    /// Stored responses.
    pub store: StoreMetrics,
    /// Content of writes that is read whole.
    pub inspect_buffer: BufferMetrics,
    /// Lists that are read whole.
    pub fetch_buffer: BufferMetrics,
    /// Shared fetches.
    pub collapse: CollapseMetrics,
    /// Lists fetched anew before their end.
    pub refresh: RefreshMetrics,
    /// Writes and what they hide.
    pub invalidation: InvalidationMetrics,
    /// Waiting for a turn.
    pub throttle: ThrottleMetrics,
    /// The exchange with the upstream.
    pub upstream: UpstreamMetrics,
    /// Exchanges with it that last.
    pub streams: StreamMetrics,
    /// Clients' connections.
    pub connections: ConnectionMetrics,
    /// Certificates that are in use.
    pub tls: TlsMetrics,
    /// The access log itself.
    pub access_log: AccessLogMetrics,
    /// The settings.
    pub settings: SettingsMetrics,
    /// Operators by status.
    pub operators: OperatorsMetrics,
}

impl Metrics {
    /// Creates every series in `registry`.
    ///
    /// # Panics
    ///
    /// If the registry already has one of the names.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        let catalogue = Catalogue(Arc::new(registry));
        catalogue.process();
        catalogue.build_info();
        let [inspect_buffer, fetch_buffer] = BufferMetrics::both(&catalogue);
        Self {
            requests: RequestMetrics::new(&catalogue),
            store: StoreMetrics::new(&catalogue),
            inspect_buffer,
            fetch_buffer,
            collapse: CollapseMetrics::new(&catalogue),
            refresh: RefreshMetrics::new(&catalogue),
            invalidation: InvalidationMetrics::new(&catalogue),
            throttle: ThrottleMetrics::new(&catalogue),
            upstream: UpstreamMetrics::new(&catalogue),
            streams: StreamMetrics::new(&catalogue),
            connections: ConnectionMetrics::new(&catalogue),
            tls: TlsMetrics::new(&catalogue),
            access_log: AccessLogMetrics::new(&catalogue),
            settings: SettingsMetrics::new(&catalogue),
            operators: OperatorsMetrics::new(&catalogue),
            catalogue,
        }
    }

    /// Returns the text exposition.
    #[must_use]
    pub fn expose(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(64 * 1024);
        TextEncoder::new().encode(&self.catalogue.0.gather(), &mut text).expect("writing to memory does not fail");
        text
    }

    /// Returns name and help of every metric of our own that has a series, in the order of names.
    #[must_use]
    pub fn reference(&self) -> Vec<(String, String)> {
        let families = self.catalogue.0.gather();
        let ours = families.iter().filter(|family| family.name().starts_with(PREFIX));
        ours.map(|family| (family.name().to_owned(), family.help().to_owned())).collect()
    }
}

/// Makes metrics and registers them.
#[derive(Debug, Clone)]
struct Catalogue(Arc<Registry>);

impl Catalogue {
    fn register<M: prometheus::core::Collector + Clone + 'static>(&self, metric: M) -> M {
        self.0.register(Box::new(metric.clone())).expect("each name stands once in this catalogue");
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(full(name), help).expect("the name is well-formed"))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(full(name), help).expect("the name is well-formed"))
    }

    fn float(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(full(name), help).expect("the name is well-formed"))
    }

    fn process(&self) {
        #[cfg(target_os = "linux")]
        {
            let collector = Box::new(process::Process::new());
            self.0.register(collector).expect("each name stands once in this catalogue");
        }
    }

    fn build_info(&self) {
        let opts = Opts::new(full("build_info"), "Always 1; the label tells which version runs.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        self.register(Gauge::with_opts(opts).expect("the name is well-formed")).set(1.0);
    }
}

fn full(name: &str) -> String {
    format!("{PREFIX}_{name}")
}
