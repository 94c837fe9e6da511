//! Before and after every write: hides what it makes stale, and sees the write through (DESIGN 4).
//!
//! Two layers: [`InspectionLayer`] learns from a write's content what it makes stale; [`InvalidationLayer`] fences it.
//! The second stands *below* the throttle, at the last step before the upstream, and that is why three rules need no
//! code: a write that waits for its turn hides nothing yet, one that is refused hides nothing at all, and a client that
//! leaves while its write waits takes it back. From there on the write is a task of its own; no client can stop it.

pub mod inspect;
pub mod layer;
pub mod outcome;
pub mod service;

pub use inspect::InspectionLayer;
pub use layer::InvalidationLayer;
