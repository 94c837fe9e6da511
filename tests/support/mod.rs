//! What integration tests stand on: an emulated ChatHub, a gateway before it, and clients of both kinds.

pub(crate) mod answer;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod emulator;
pub(crate) mod gateway;
pub(crate) mod http2;
pub(crate) mod metrics;
pub(crate) mod nowhere;
pub(crate) mod patience;
pub(crate) mod program;
pub(crate) mod scripted;

pub(crate) use patience::{PATIENCE, eventually, soon};
