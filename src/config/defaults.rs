//! The built-in defaults, and nothing else: where each comes from is told at its field in [`super`].

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use super::{
    AccessFormat, Admin, Cache, Format, Level, Log, Mode, Per, Quota, Rate, Server, Throttle, Upstream, UpstreamQuota,
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 2428)),
            workers: None,
            share_port: false,
            max_connections: 10_000,
            max_connections_per_peer: None,
            max_requests_per_connection: None,
            max_streams: 100,
            max_resets: 100,
            max_control_frames: 10_000,
            max_in_flight: 1000,
            max_head: 32 * KIB,
            max_fields: 100,
            max_target: 8 * KIB,
            max_body: 32 * MIB,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            min_rate: 240,
            drain_delay: Duration::ZERO,
            drain_deadline: Duration::from_secs(25),
            tls_certificate: None,
            tls_key: None,
            tls_client_ca: None,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 2429)), max_connections: 64, token_file: None }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            url: http::Uri::from_static("https://chatapi.smsbat.com"),
            ca_file: None,
            client_certificate: None,
            client_key: None,
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            total_timeout: Duration::from_secs(60),
            pool_idle_timeout: Duration::from_secs(55),
            pool_max_idle: 64,
            warm: true,
            retry_percent: 20,
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            operators_ttl: Duration::from_secs(60),
            organizations_ttl: Duration::from_secs(300),
            capacity: 64 << 20,
            max_body: 8 * MIB,
            max_inspect: MIB,
            inspect_buffer: 32 * MIB,
            fetch_buffer: 32 * MIB,
            quarantine: Duration::from_secs(5),
            collapse_timeout: Duration::from_secs(10),
            refresh_ahead: Duration::ZERO,
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            max_wait: Duration::from_secs(15),
            max_waiting: 10_000,
            max_waiting_per_credential: 1000,
            max_credentials: 100_000,
            max_stop: Duration::from_secs(300),
            adaptive: true,
            credentials_file: None,
            operator: per_second(5, 5),
            login: per_second(1, 5),
            other: per_second(50, 25),
            upstream: UpstreamQuota { rate: None, burst: per_second(50, 20).burst },
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: Format::Json,
            access: true,
            access_format: AccessFormat::Json,
            access_hit_percent: 100,
            access_buffer: MIB,
        }
    }
}

fn per_second(count: u32, burst: u32) -> Quota {
    let non_zero = |number| NonZeroU32::new(number).expect("the defaults above are not zero");
    let rate = Rate::new(non_zero(count), Per::Second).expect("the defaults above are below the greatest rate");
    Quota { rate, burst: non_zero(burst) }
}
