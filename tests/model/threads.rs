//! The fence as its threads see it: in every order in which they can run, and with every value that the memory model
//! lets them read. The sources are the gateway's; lock and atomic are loom's.
//!
//! What a newcomer would get wrong: what is not loom's is invisible to it. The upstream's version and the flag that tells
//! of a released answer are therefore loom's, too, and the upstream's version is read without any order of its own: what a
//! fetch must see, it must see because of the fence and the flag.

use std::sync::Arc;

use chathub_gateway::chathub::Groups;
use chathub_gateway::store::key::CacheKey;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::thread;

use crate::upstream::{Question, X, operator, organization};
use shared::{Fence, Seen};

#[path = "../../src/store/fence/machine.rs"]
#[allow(dead_code, unreachable_pub, reason = "the threads need less of it than the gateway")]
mod machine;
#[path = "../../src/store/fence/operators.rs"]
mod operators;
#[path = "../../src/store/fence/shared.rs"]
#[allow(dead_code, unreachable_pub, reason = "the threads need less of it than the gateway")]
mod shared;

/// What the fence is built of here.
mod parts {
    pub(super) use loom::sync::Mutex;
    pub(super) use loom::sync::atomic::AtomicU64;
    pub(super) use std::collections::BTreeMap as Table;
    pub(super) type Index<V> = Table<crate::chathub::id::OperatorId, V>;

    pub(super) const REMEMBERED: usize = 1024;
    pub(super) const MOST_CLAIMED: usize = 100;
    pub(super) const MOST_INDEXED: usize = 100;
    pub(super) const MOST_ORGANIZATIONS: usize = 100;
}

/// A stored response: what its fetch knew, and the version it brought.
struct Stored {
    stamp: machine::Stamp,
    version: u64,
    seen: Seen,
}

/// The fence, the upstream, and how many writes have been answered.
struct World {
    fence: Arc<Fence>,
    upstream: AtomicU64,
    answered: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        let fence = Arc::new(Fence::new());
        Arc::new(Self { fence, upstream: AtomicU64::new(0), answered: AtomicU64::new(0) })
    }

    /// Fetches the list and registers it, if it may be stored.
    fn fetch(&self) -> Option<Stored> {
        let held = self.fence.begin_fetch(key());
        let version = self.upstream.load(Relaxed);
        let landed = self.fence.land(&key(), &held.stamp, &[operator(X)]);
        landed.ok().map(|()| Stored { stamp: held.stamp, version, seen: Seen::never() })
    }

    /// Writes, and releases the answer.
    fn write(&self, groups: &Groups) {
        let write = self.fence.begin_write(groups);
        let version = self.upstream.fetch_add(1, Relaxed) + 1;
        drop(write);
        self.answer(version);
    }

    /// Tells that the write which produced `version` was answered.
    fn answer(&self, version: u64) {
        self.answered.fetch_max(version, Release);
    }

    /// Begins a read and looks whether it would be given something older than an answer that was released before.
    fn read(&self, stored: &Stored) {
        let answered = self.answered.load(Acquire);
        if self.fence.is_usable(&key(), &stored.stamp, &stored.seen) {
            assert!(stored.version >= answered, "a read is older than a write");
        }
    }
}

fn key() -> CacheKey {
    Question { who: 0, list: 0 }.key()
}

fn synchronize() -> Groups {
    Groups::Organizations(vec![organization(0)])
}

fn switch() -> Groups {
    Groups::Operator(operator(X))
}

/// Runs `history` in every order that has no more than so many switches of a thread that could have run on.
fn explore(name: &str, preemptions: Option<usize>, history: impl Fn() + Send + Sync + 'static) {
    // The digests are drawn before, since drawing them is a step of no thread.
    let _ = key();
    let orders = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (begun, counted) = (std::time::Instant::now(), Arc::clone(&orders));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        history();
    });
    println!("{name}: {} orders, {:.2?}", orders.load(std::sync::atomic::Ordering::Relaxed), begun.elapsed());
}

#[test]
fn a_read_after_the_answer_uses_nothing_older_whatever_was_seen_before() {
    explore("write and two reads", Some(3), || {
        let world = World::new();
        let stored = Arc::new(world.fetch().expect("nothing is going on"));
        let reader = thread::spawn({
            let (world, stored) = (Arc::clone(&world), Arc::clone(&stored));
            move || world.read(&stored)
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.write(&synchronize())
        });
        world.read(&stored);
        reader.join().unwrap();
        writer.join().unwrap();
        assert!(!world.fence.is_usable(&key(), &stored.stamp, &stored.seen));
    });
}

#[test]
fn a_fetch_that_lands_beside_a_write_is_not_used_after_its_answer() {
    for groups in [synchronize, switch] {
        explore("write and fetch", None, move || {
            let world = World::new();
            let writer = thread::spawn({
                let world = Arc::clone(&world);
                move || world.write(&groups())
            });
            if let Some(stored) = world.fetch() {
                world.read(&stored);
                world.read(&stored);
            }
            writer.join().unwrap();
        });
    }
}

#[test]
fn a_fetch_of_one_thread_is_used_by_another() {
    explore("write, fetch and read", Some(3), || {
        let world = World::new();
        let shelf = Arc::new(loom::sync::Mutex::new(None));
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.write(&synchronize())
        });
        let reader = thread::spawn({
            let (world, shelf) = (Arc::clone(&world), Arc::clone(&shelf));
            move || {
                let answered = world.answered.load(Acquire);
                let shelf = shelf.lock().unwrap();
                let found: Option<&Stored> = shelf.as_ref();
                if let Some(stored) = found.filter(|stored| world.fence.is_usable(&key(), &stored.stamp, &stored.seen))
                {
                    assert!(stored.version >= answered, "a read is older than a write");
                }
            }
        });
        let fetched = world.fetch();
        *shelf.lock().unwrap() = fetched;
        writer.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_read_after_both_of_two_answers_uses_nothing_older() {
    explore("two writes and a read", Some(2), || {
        let world = World::new();
        let stored = world.fetch().expect("nothing is going on");
        let writers = [synchronize(), switch()].map(|groups| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.write(&groups))
        });
        world.read(&stored);
        world.read(&stored);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert!(!world.fence.is_usable(&key(), &stored.stamp, &stored.seen));
    });
}

#[test]
fn a_read_after_the_quarantine_uses_nothing_older_than_what_was_applied_in_it() {
    explore("doubt and fetch", Some(3), || {
        let world = World::new();
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let mut write = world.fence.begin_write(&synchronize());
                write.doubt();
                let version = world.upstream.fetch_add(1, Relaxed) + 1;
                drop(write);
                world.answer(version);
            }
        });
        if let Some(stored) = world.fetch() {
            world.read(&stored);
            world.read(&stored);
        }
        writer.join().unwrap();
        let stored = world.fetch().expect("all is over");
        assert!(world.fence.is_usable(&key(), &stored.stamp, &stored.seen));
    });
}

/// A purge is the one change that moves once: if the number that hits compare lags behind by one, it shows here.
#[test]
fn a_read_after_a_purge_uses_nothing_older_though_another_purge_moves_something_else() {
    explore("two purges and a read", Some(2), || {
        let world = World::new();
        let stored = world.fetch().expect("nothing is going on");
        let purges = [0, 1].map(|list| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.fence.purge(&Groups::Organizations(vec![organization(list)]));
                world.answer(u64::from(list == 0));
            })
        });
        world.read(&stored);
        world.read(&stored);
        purges.into_iter().for_each(|purge| purge.join().unwrap());
        assert!(!world.fence.is_usable(&key(), &stored.stamp, &stored.seen));
    });
}

/// The first move of a write is what hits hear of it: without that, one that was seen to be good would be used on.
#[test]
fn nothing_is_used_while_a_write_is_under_way_though_it_was_just_seen_to_be_good() {
    explore("under way", None, || {
        let world = World::new();
        let stored = world.fetch().expect("nothing is going on");
        let is_usable = || world.fence.is_usable(&key(), &stored.stamp, &stored.seen);
        assert!(is_usable() && is_usable());
        let mut write = world.fence.begin_write(&synchronize());
        assert!(!is_usable());
        write.doubt();
        assert!(!is_usable());
        drop(write);
        assert!(!is_usable());
    });
}
