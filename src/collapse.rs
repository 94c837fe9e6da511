//! Equal misses share one fetch, unless a write lies between them.
//!
//! The obvious table of running fetches, keyed by what they fetch, breaks the promise that no read is older than a
//! write: one that comes after the write would be handed what was fetched before it. So a flight carries the stamp of
//! its fetch, and only a request that comes under the *same* stamp joins it (DESIGN 4).

pub mod flight;
pub mod layer;
pub mod service;

pub use layer::CollapseLayer;
