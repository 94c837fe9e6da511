//! The core of a gateway as benches stack it: everything is on, and no bound is met.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chathub_gateway::buffer::Buffer;
use chathub_gateway::cache::{CacheLayer, FillLayer, Lifetimes, Refresh};
use chathub_gateway::capacity::Capacity;
use chathub_gateway::chathub::credential::DigestKey;
use chathub_gateway::clock::Clock;
use chathub_gateway::collapse::{CollapseLayer, Flights};
use chathub_gateway::config::Mode;
use chathub_gateway::invalidation::{InspectionLayer, InvalidationLayer};
use chathub_gateway::shed::ShedLayer;
use chathub_gateway::stack::CoreParts;
use chathub_gateway::store::Store;
use chathub_gateway::tally::Tally;
use chathub_gateway::telemetry::metrics::Metrics;
use chathub_gateway::throttle::pacer::Terms;
use chathub_gateway::throttle::{Class, FeedbackLayer, Limiter, Quota, ThrottleLayer};
use chathub_gateway::upstream::retry::RetryReads;
use tokio::runtime::{Builder, Runtime};

/// The parts of a core. Lists are fresh for a minute.
pub(crate) fn core(clock: Clock, metrics: &Metrics, digests: DigestKey, mode: Mode) -> CoreParts {
    let minute = Duration::from_secs(60);
    let lifetimes = Lifetimes { operators: minute, organizations: minute };
    let store = Arc::new(Store::new(64 << 20, minute, &metrics.store));
    let plenty = Quota::new(Duration::from_nanos(1), NonZeroU32::MAX);
    let terms = Terms {
        quotas: [plenty; Class::ALL.len()],
        upstream: None,
        max_wait: minute,
        max_waiting: 1000,
        max_waiting_per_lane: 1000,
        max_lanes: 1000,
        max_stop: minute,
        is_adaptive: true,
    };
    let limiter = Limiter::start(mode, terms, clock, metrics.throttle.clone());
    CoreParts {
        cache: CacheLayer {
            store: Arc::clone(&store),
            lifetimes,
            refresh: Refresh { ahead: Duration::ZERO, metrics: metrics.refresh.clone() },
            clock,
        },
        collapse: CollapseLayer {
            flights: Arc::new(Flights::default()),
            store: Arc::clone(&store),
            timeout: minute,
            clock,
            metrics: metrics.collapse.clone(),
        },
        fill: FillLayer {
            store: Arc::clone(&store),
            lifetimes,
            max_body: 1 << 20,
            buffer: Buffer::new(32 << 20, metrics.fetch_buffer.clone()),
            total_timeout: minute,
            clock,
            operators: metrics.operators.clone(),
        },
        retry: RetryReads::new(20, metrics.upstream.clone()),
        inspection: InspectionLayer {
            max_inspect: 1 << 20,
            buffer: Buffer::new(32 << 20, metrics.inspect_buffer.clone()),
        },
        shed: ShedLayer { capacity: Capacity::new(1000) },
        throttle: ThrottleLayer { limiter, credentials: Arc::default(), digests },
        invalidation: InvalidationLayer {
            store,
            quarantine: minute,
            metrics: metrics.invalidation.clone(),
            writes: Tally::new(),
        },
        feedback: FeedbackLayer { clock },
    }
}

/// A runtime like a worker's.
#[allow(dead_code, reason = "not every bench that mounts this module needs one")]
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
