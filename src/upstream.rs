//! The exchange with ChatHub, the leaf of the stack (DESIGN 6).
//!
//! It rests on hyper's connections, not on reqwest: reqwest parses every target as a URL and sends what that makes of it,
//! so `/api/./operator`, `/api/x/../operator` and a query with `'` leave otherwise than they came, and a gateway must
//! forward the bytes it got. Nor would it be cheap: a bare server that passes requests on took twice the instructions with
//! it than with hyper-util's client. Redirects, cookies, decompression and proxies from the environment are not there to be
//! switched off. Why the connections are pooled here is said in [`pool`].

pub mod body;
pub mod client;
pub mod connector;
pub mod error;
pub mod pool;
pub mod retry;
pub mod service;
pub mod streams;
pub mod tunnel;
mod websocket;

pub use client::Client;
pub use error::UpstreamError;
pub use service::{Parts, Upstream};
