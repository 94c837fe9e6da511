//! Equal misses share one fetch, unless a write lies between them.
//!
//! The obvious table of running fetches, keyed by what they fetch, breaks the promise that no read is older than a
//! write: one that comes after the write would be handed what was fetched before it. So a flight carries the ticket of
//! its fetch, and only a request that knows of no later move joins it (DESIGN 4). And who joins a fetch that was
//! running when another of the same list was answered gets only what that one brought, or fetches anew: it may have
//! been read earlier.

pub mod flight;
pub mod layer;
pub mod service;

pub use flight::Flights;
pub use layer::CollapseLayer;
