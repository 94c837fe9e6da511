//! An address at which nobody listens, for as long as a test needs it.
//!
//! What a newcomer would get wrong: to bind a port, and to take it for closed once it is free again. A test beside this
//! one may be given it.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is taken; whoever connects is refused.
#[derive(Debug)]
pub(crate) struct Nowhere {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Nowhere {
    /// Takes any free port. A gateway may yet listen on it, if it is told to; it is nobody else's when that has ended.
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket can be had");
        socket.set_reuseaddr(true).expect("the system knows the option");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port on loopback can be bound");
        Self { address: socket.local_addr().expect("a bound socket has an address"), _socket: socket }
    }

    /// Where nobody is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
