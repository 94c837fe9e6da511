//! The rules between settings. Each setting by itself has been found good before.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::kind::Value;
use super::rate::{Per, Rate};
use super::{Config, Quota};

/// The time in which a full burst must be regained. Beyond it a burst is no longer an allowance for a peak; and the
/// limiter counts both in nanoseconds of 64 bits.
const LONGEST_REFILL: Duration = Duration::from_secs(24 * 3600);

/// Two settings that do not go together. Whichever was given is told, the first rather than the second.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) sides: [Side; 2],
}

/// One of the two, seen from itself.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) path: &'static str,
    /// What it must be, to be read before the other's path: `must be longer than`.
    pub(super) must: &'static str,
    /// What it could be, given the other.
    pub(super) better: Value,
}

/// Returns the rules that are broken.
pub(super) fn broken(config: &Config) -> Vec<Broken> {
    let Config { server, upstream, cache, throttle, .. } = config;
    let files = |one: &'static str, here: &Option<PathBuf>, other: &'static str, there: &Option<PathBuf>| {
        (here.is_some() && there.is_none()).then(|| alone(one, other))
    };
    // Without a store nothing must fit there.
    let capacity = if cache.capacity > 0 { cache.capacity } else { u64::MAX };
    let (fetch_buffer, inspect_buffer) = (cache.fetch_buffer as u64, cache.inspect_buffer as u64);
    let (body, most_body) = (cache.max_body as u64, capacity.min(fetch_buffer));
    let (certificate, key) = ("server.tls_certificate", "server.tls_key");
    let (client_certificate, client_key) = ("upstream.client_certificate", "upstream.client_key");
    [
        listeners(config.admin.listen, config.server.listen),
        drain(config.server.drain_deadline, config.server.drain_delay),
        files(certificate, &server.tls_certificate, key, &server.tls_key),
        files(key, &server.tls_key, certificate, &server.tls_certificate),
        files("server.tls_client_ca", &server.tls_client_ca, certificate, &server.tls_certificate),
        files(client_certificate, &upstream.client_certificate, client_key, &upstream.client_key),
        files(client_key, &upstream.client_key, client_certificate, &upstream.client_certificate),
        fits(["cache.max_body", "cache.capacity"], body, capacity, most_body),
        fits(["cache.max_body", "cache.fetch_buffer"], body, fetch_buffer, most_body),
        fits(["cache.max_inspect", "cache.inspect_buffer"], cache.max_inspect as u64, inspect_buffer, inspect_buffer),
        refill(["throttle.operator.burst", "throttle.operator.rate"], &throttle.operator),
        refill(["throttle.login.burst", "throttle.login.rate"], &throttle.login),
        refill(["throttle.other.burst", "throttle.other.rate"], &throttle.other),
        throttle.upstream.quota().and_then(|q| refill(["throttle.upstream.burst", "throttle.upstream.rate"], &q)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Two files of which the first is of no use alone. Only the first can have been given, so its side is told.
fn alone(one: &'static str, other: &'static str) -> Broken {
    const MUST: &str = "is of no use without";
    Broken { sides: [one, other].map(|path| Side { path, must: MUST, better: Value::Absent }) }
}

fn listeners(admin: SocketAddr, server: SocketAddr) -> Option<Broken> {
    const MUST: &str = "must not share its port with";
    let beside = |one: SocketAddr, other: SocketAddr| {
        let port = other.port().checked_add(1).unwrap_or(other.port() - 1);
        Value::Address(SocketAddr::new(one.ip(), port))
    };
    collide(admin, server).then(|| Broken {
        sides: [
            Side { path: "admin.listen", must: MUST, better: beside(admin, server) },
            Side { path: "server.listen", must: MUST, better: beside(server, admin) },
        ],
    })
}

/// Returns whether the system would refuse to listen on both. `[::]` takes the addresses of IPv4 too.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |wide: SocketAddr, narrow: SocketAddr| {
        wide.ip() == narrow.ip() || wide.ip().is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    one.port() == other.port() && one.port() != 0 && (covers(one, other) || covers(other, one))
}

fn drain(deadline: Duration, delay: Duration) -> Option<Broken> {
    let later = Value::Duration(delay + Duration::from_secs(25));
    (deadline <= delay).then(|| Broken {
        sides: [
            Side { path: "server.drain_deadline", must: "must be longer than", better: later },
            Side { path: "server.drain_delay", must: "must be shorter than", better: Value::Duration(Duration::ZERO) },
        ],
    })
}

/// Room for many must have room for the largest of them. What that may be at the `most` may be less than this room: of two
/// proposals for one setting each must be good.
fn fits([one, all]: [&'static str; 2], largest: u64, room: u64, most: u64) -> Option<Broken> {
    (largest > room).then(|| Broken {
        sides: [
            Side { path: one, must: "must not be larger than", better: Value::Number(most) },
            Side { path: all, must: "must not be smaller than", better: Value::Number(largest) },
        ],
    })
}

/// Returns the rule that a quota breaks if its burst takes too long to regain: the side of the burst, then of the rate.
pub(super) fn refill([burst, rate]: [&'static str; 2], quota: &Quota) -> Option<Broken> {
    let period = quota.rate.period().as_nanos();
    let most = u64::try_from(LONGEST_REFILL.as_nanos() / period).unwrap_or(u64::MAX);
    // The slowest rate regains 24 cells in that time: neither example below is zero or out of bounds.
    let an_hour = quota.burst.get().div_ceil(24);
    let faster = NonZeroU32::new(an_hour).and_then(|count| Rate::new(count, Per::Hour))?;
    (u64::from(quota.burst.get()) > most).then(|| Broken {
        sides: [
            Side { path: burst, must: "takes more than 24h to regain at", better: Value::Number(most) },
            Side { path: rate, must: "takes more than 24h to regain", better: Value::Rate(faster) },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_collide_as_the_system_sees_it() {
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
        ] {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(collide(one, other), expected, "{one} {other}");
            assert_eq!(collide(other, one), expected, "{other} {one}");
        }
    }
}
