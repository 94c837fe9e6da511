//! Clients' connections: accepted within bounds, followed strictly, ended without losing a request.
//!
//! A [`connection`] is HTTP/1.1 or HTTP/2, over TCP or [`tls`]. hyper frames and serves; [`guard`] stands between it
//! and the socket so that a request whose length is in doubt reaches nobody; [`outflow`] and [`allowance`] see to it
//! that clients keep up; [`phase`](crate::phase) tells all of them when to end; [`workers`] are the threads they run
//! on.
//!
//! What a newcomer would get wrong: a limit that hyper enforces is answered by hyper, with an empty body that nobody
//! counts. So the guard enforces them, and hyper's own are set out of reach.

mod allowance;
pub mod connection;
pub mod framing;
pub mod guard;
mod http1;
mod http2;
pub mod listener;
mod outflow;
mod rest;
pub mod tls;
pub mod workers;
