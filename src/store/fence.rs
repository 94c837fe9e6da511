//! The fence between reads and writes: why a read is never older than a write (DESIGN 4).
//!
//! The [`machine`] is all that there is to be argued about, and `shared.rs` lets many threads use it at once. Both are
//! built of `parts.rs`, so that `tests/model` can build them of others.

pub mod machine;
mod neighbours;
mod operators;
mod parts;
mod shared;

pub use machine::{Refusal, Stamp};
pub use shared::{Fence, Held, Seen, Write};
