//! What the fence is built of. Nothing else in `fence/` names these types by their own paths, so that the model and the
//! loom test can build the same sources of parts that they control (`tests/model`).

pub(super) use std::collections::HashMap as Table;
pub(super) use std::sync::Mutex;
pub(super) use std::sync::atomic::AtomicU64;

/// How many switches are remembered. A fetch that took longer than this many status writes is not stored.
pub(super) const REMEMBERED: usize = 1024;
