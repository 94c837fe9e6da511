//! Clients' connections: accepted within bounds, followed strictly, ended without losing a request.
//!
//! hyper frames and serves; [`guard`] stands between it and the socket so that a request whose length is in doubt
//! reaches nobody; [`shutdown`] tells all of them when to end; [`workers`] are the threads they run on. What a newcomer would get wrong: a limit that hyper
//! enforces is answered by hyper, with an empty body that nobody counts. So the guard enforces them, and hyper's own
//! are set out of reach.

pub mod connection;
pub mod framing;
pub mod guard;
pub mod listener;
pub mod shutdown;
pub mod workers;
