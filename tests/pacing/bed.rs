//! What a scenario stands on: an emulated ChatHub, a gateway before it, clients, and a window in which is measured.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::load::{End, Kind, Ledger, Sample, Visitor};
use crate::pulse::Pulse;
use crate::support::client::Client;
use crate::support::emulator::{Emulator, Switches};
use crate::support::gateway::Gateway;
use crate::support::metrics::Exposition;
use crate::timeline::{Counts, Timeline};
use crate::waits::Waits;

/// Every request goes upstream, and none for another.
const NOTHING_CACHED: &str = "cache.operators_ttl = '0s'\ncache.collapse_timeout = '0s'";

#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) chathub: Emulator,
    pub(crate) gateway: Gateway,
    ledger: Ledger,
}

/// From where clients come, as far as the gateway can see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Addresses {
    /// Each from its own.
    Own,
    /// All from 127.0.0.1.
    One,
}

/// How long is warmed up, which is not counted, and how long is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases {
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

impl Phases {
    /// When clients that begin now end.
    pub(crate) fn end(self) -> Instant {
        Instant::now() + self.warm_up + self.window
    }
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Measured {
    /// What ended within the window.
    pub(crate) samples: Vec<Sample>,
    /// What the gateway told of the requests of the window.
    pub(crate) waits: Waits,
    /// What reached the upstream within the window, and when.
    pub(crate) timeline: Timeline,
    /// The same since the start.
    pub(crate) upstream: Counts,
    /// The most requests that the upstream saw in any second since the start.
    pub(crate) fullest_second: u32,
    pub(crate) metrics: Exposition,
    /// Requests that were told to wait and were refused after all, within the window.
    pub(crate) outwaited: f64,
    /// Requests that clients did not send because too many were under way.
    pub(crate) unsent: u64,
    pub(crate) window: Duration,
    /// The longest time for which the machine let nothing go on, with the warm-up.
    pub(crate) longest_pause: Duration,
}

impl Addresses {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => "own addresses",
            Self::One => "one address",
        }
    }

    fn of(self, number: usize) -> IpAddr {
        match self {
            Self::Own => Ipv4Addr::new(127, 0, 0, u8::try_from(2 + number).expect("there are few clients")).into(),
            Self::One => Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Bed {
    /// Starts both.
    pub(crate) async fn start(switches: Switches, settings: &str) -> Self {
        let chathub = Emulator::builder().switches(switches).kept_requests(0).start().await;
        let gateway = Gateway::before(&chathub).set(NOTHING_CACHED).set(settings).start().await;
        Self { chathub, gateway, ledger: Ledger::default() }
    }

    /// A client with connections of its own.
    pub(crate) fn visitor(&self, number: usize, token: &str, addresses: Addresses) -> Visitor {
        let client = Client::coming_from(addresses.of(number), self.gateway.address()).bearer(token);
        Visitor { number, client, ledger: self.ledger.clone() }
    }

    /// Many clients that share connections, each with a token.
    pub(crate) fn visitors(&self, tokens: &[String]) -> Vec<Visitor> {
        let client = self.gateway.anybody();
        let visitor = |(number, token): (usize, &String)| Visitor {
            number,
            client: client.clone().bearer(token),
            ledger: self.ledger.clone(),
        };
        tokens.iter().enumerate().map(visitor).collect()
    }

    /// Measures while clients ask, who end with the window, and stops the gateway.
    pub(crate) async fn measure(self, phases: Phases, clients: JoinSet<u64>) -> Measured {
        let pulse = Pulse::begin();
        let began = Instant::now() + phases.warm_up;
        sleep_until(began).await;
        let mark = self.gateway.log().mark();
        let before = outwaited(&self.gateway.metrics().await);
        let timeline = Timeline::record(&self.chathub, phases.window).await;
        let metrics = self.gateway.metrics().await;
        let longest_pause = pulse.longest().await;
        let unsent = clients.join_all().await.into_iter().sum();
        let log = self.gateway.log();
        self.gateway.stop().await;
        let window = phases.window;
        Measured {
            samples: self.ledger.between(began, began + window),
            waits: Waits::read(&log.since(mark)),
            timeline,
            upstream: Counts::of(&self.chathub),
            fullest_second: self.chathub.largest_window(),
            outwaited: outwaited(&metrics) - before,
            metrics,
            unsent,
            window,
            longest_pause,
        }
    }
}

fn outwaited(metrics: &Exposition) -> f64 {
    metrics.find(r#"throttle_rejections_total{reason="outwaited"}"#).unwrap_or_default()
}

impl Measured {
    /// The requests of a client, of a kind, or both.
    pub(crate) fn of(&self, client: Option<usize>, kind: Option<Kind>) -> impl Iterator<Item = &Sample> + Clone {
        self.samples.iter().filter(move |sample| {
            client.is_none_or(|client| sample.client == client) && kind.is_none_or(|kind| sample.kind == kind)
        })
    }

    /// How many a client was served in a second.
    pub(crate) fn throughput(&self, client: usize, kind: Option<Kind>) -> f64 {
        served(self.of(Some(client), kind)) as f64 / self.window.as_secs_f64()
    }

    /// How many got an answer that nobody wanted, or none.
    pub(crate) fn failed(&self) -> usize {
        self.samples.iter().filter(|sample| sample.end == End::Failed).count()
    }
}

/// How many were served.
pub(crate) fn served<'a>(samples: impl Iterator<Item = &'a Sample>) -> usize {
    samples.filter(|sample| sample.end == End::Served).count()
}

/// How many were refused by the gateway.
pub(crate) fn refused<'a>(samples: impl Iterator<Item = &'a Sample>) -> usize {
    samples.filter(|sample| matches!(sample.end, End::Refused { .. })).count()
}
