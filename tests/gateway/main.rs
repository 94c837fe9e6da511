//! What clients and operators see of a gateway, over real sockets, before an emulated ChatHub.
//!
//! "Was cached" means that the emulator saw nothing. Tests wait for events, never for time to pass, except where the
//! passing of time is what they are about.

mod collapsing;
mod content;
mod cooling;
mod counting;
mod doubt;
mod failure;
mod forwarding;
mod freshness;
mod holding;
mod http2;
mod hub;
mod invalidation;
mod isolation;
mod lifecycle;
mod limits;
mod logging;
mod operations;
mod purging;
mod quotas;
mod refusals;
mod reloading;
mod secrets;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;
mod throttling;
mod tls;
mod workers;
