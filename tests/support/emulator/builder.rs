//! How an emulator is set up and started.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};

use super::handle::Emulator;
use super::intake::Limits;
use super::rate::RateLimit;
use super::server;
use super::shared::Shared;
use super::switches::Switches;

/// How many requests are kept in full unless told otherwise.
const KEPT_REQUESTS: usize = 10_000;

/// How many connections may wait to be accepted: with the usual 128, a burst of more loses a second to a repeated SYN.
const BACKLOG: u32 = 4096;

/// The settings of an emulator that is about to start.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    switches: Switches,
    limits: Limits,
    port: u16,
    control_port: u16,
    kept_requests: usize,
}

impl Default for Builder {
    fn default() -> Self {
        let (switches, limits) = (Switches::default(), Limits::default());
        Self { switches, limits, port: 0, control_port: 0, kept_requests: KEPT_REQUESTS }
    }
}

impl Builder {
    /// How often a company may call; by default 75 times in any second and 50 on average.
    pub(crate) fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.switches.rate_limit = limit;
        self
    }

    /// The switches to start with; a rate limit set before is replaced by theirs.
    pub(crate) fn switches(mut self, switches: Switches) -> Self {
        self.switches = switches;
        self
    }

    /// How large requests may be.
    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The port of the API on 127.0.0.1; 0 is any free one.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The control port on 127.0.0.1; 0 is any free one.
    pub(crate) fn control_port(mut self, port: u16) -> Self {
        self.control_port = port;
        self
    }

    /// How many requests [`received`](Emulator::received) remembers; 0 spares benches the work.
    pub(crate) fn kept_requests(mut self, kept: usize) -> Self {
        self.kept_requests = kept;
        self
    }

    /// Starts the emulator.
    ///
    /// # Panics
    ///
    /// If a port cannot be bound.
    pub(crate) async fn start(self) -> Emulator {
        self.try_start().await.expect("a port on loopback can be bound")
    }

    /// Starts the emulator, or says why a port cannot be bound.
    pub(crate) async fn try_start(self) -> io::Result<Emulator> {
        let (api, control) = (listen(self.port)?, listen(self.control_port)?);
        let addresses = (api.local_addr()?, control.local_addr()?);
        let shared = Arc::new(Shared::new(self.switches, self.limits, self.kept_requests));
        let tasks = vec![
            tokio::spawn(server::serve_api(api, shared.clone())),
            tokio::spawn(server::serve_control(control, shared.clone())),
        ];
        Ok(Emulator::new(shared, addresses.0, addresses.1, tasks))
    }
}

/// Listens on loopback; an error names the address.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A restarted emulator takes its port although connections of the former one linger.
    socket.set_reuseaddr(true)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = socket.bind(address).and_then(|()| socket.listen(BACKLOG));
    listener.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
}
