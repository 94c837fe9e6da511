//! What the fence is built of. Nothing else in `fence/` names these types by their own paths, so that the model and the
//! loom test can build the same sources of parts that they control (`tests/model`).

use super::neighbours::Neighbours;
use crate::chathub::id::OperatorId;

pub(super) use std::sync::Mutex;
pub(super) use std::sync::atomic::AtomicU64;

pub(super) type Table<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// A table by operators, of which those with neighbouring numbers lie side by side.
pub(super) type Index<V> = std::collections::HashMap<OperatorId, V, Neighbours>;

/// How many switches are remembered. A fetch that took longer than this many status writes is not stored.
pub(super) const REMEMBERED: usize = 1024;

/// How many groups writes may hold by name at once. While more are on their way or in doubt, each further write holds
/// every list of operators instead, which is always right: an upstream that fails costs hits, not memory.
pub(super) const MOST_CLAIMED: usize = 4096;

/// The longest list whose operators are indexed. While a longer one is stored, every status write touches every list of
/// operators: the index changes under the fence's lock, and that must not last.
pub(super) const MOST_INDEXED: usize = 10_000;

/// The most organizations of one operator that are told apart. A status write for one who is in more touches every list
/// of operators: to look through them for each list that is stored would take longer than to fetch it.
pub(super) const MOST_ORGANIZATIONS: usize = 16;
