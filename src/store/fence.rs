//! Why a read is never older than a write (DESIGN 4).
//!
//! # The protocol
//!
//! A *slot* is one atomic number that holds two: how many writes are in flight (low bits) and a generation (high
//! bits). There is a slot for everything, some thousands for organizations, and some thousands for credentials; ids
//! are spread over them, and two that meet in one slot merely invalidate each other.
//!
//! * A fetch copies the numbers of its slots before its first await: its [`Stamp`].
//! * A write adds one write and one generation before its first byte goes upstream ([`Fence::begin`]), one generation
//!   when it ends and before its answer is released ([`Write::raise`]), and takes the write away again then or, if its
//!   outcome is in doubt, after the quarantine ([`Write`]'s drop). Each is one atomic addition.
//! * A stored response is used only while its slots hold *exactly* the numbers of its stamp and no write is in flight;
//!   a flight is joined only while its slots hold exactly the numbers of its stamp.
//!
//! # Why it is right
//!
//! Let a write's answer leave the gateway, and a read begin after that. The raise at the write's end came before the
//! answer, so it is in the slot when the read looks. A generation never falls. So a stamp that equals the slot was
//! taken after that raise: its fetch began after the upstream had applied the write. The same holds for a flight the
//! read may join. Whether an answer is put into the store before, during or after the raise makes no difference, for
//! it carries its stamp and the stamp is compared when it is used, not only when it is stored.
//!
//! The first raise serves the time in between: a fetch that began during the write may or may not see it, so its stamp
//! has a write in flight and is never stored; one that began before the write differs by the first raise already.
//!
//! The number of writes in flight is bounded by the number of connections, far below 2^24; 2^40 generations last for
//! thirty thousand years at one write a second, and a thousand years at thirty. All operations are sequentially
//! consistent, which costs nothing here for loads and removes the need to argue about weaker orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::key::CacheKey;
use crate::chathub::Groups;
use crate::chathub::credential::Digest;
use crate::chathub::request::List;

const WRITE: u64 = 1;
const GENERATION: u64 = 1 << 24;
const WRITES: u64 = GENERATION - 1;

/// Slots for organizations, and as many for credentials: 32 KiB each.
const SLOTS: usize = 4096;

/// The numbers of a fetch's slots before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    all: u64,
    organization: u64,
    credential: u64,
}

impl Stamp {
    /// Returns whether no write was in flight when the stamp was taken.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        (self.all | self.organization) & WRITES == 0
    }
}

/// The slots.
pub struct Fence {
    all: AtomicU64,
    organizations: Box<[AtomicU64]>,
    credentials: Box<[AtomicU64]>,
}

impl Fence {
    /// Creates a fence with no writes behind it.
    #[must_use]
    pub fn new() -> Self {
        let slots = || std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect();
        Self { all: AtomicU64::default(), organizations: slots(), credentials: slots() }
    }

    /// Takes the stamp of a fetch. Call it before the fetch's first await.
    #[must_use]
    pub fn stamp(&self, key: &CacheKey) -> Stamp {
        Stamp {
            all: self.all.load(SeqCst),
            organization: self.organization(key.list).map_or(0, |slot| slot.load(SeqCst)),
            credential: self.credential(key.credential).load(SeqCst),
        }
    }

    /// Returns whether nothing has moved since `stamp` was taken.
    #[must_use]
    pub fn is_current(&self, key: &CacheKey, stamp: &Stamp) -> bool {
        self.stamp(key) == *stamp
    }

    /// Begins a write: nothing fetched so far may be used for `groups` any more. Call it before the write's first byte
    /// goes upstream.
    #[must_use]
    pub fn begin(self: &Arc<Self>, groups: Groups) -> Write {
        let write = Write { fence: Arc::clone(self), groups };
        write.add(WRITE + GENERATION);
        write
    }

    /// Hides all that was fetched with one credential.
    pub fn forget(&self, credential: Digest) {
        self.credential(credential).fetch_add(GENERATION, SeqCst);
    }

    fn organization(&self, list: List) -> Option<&AtomicU64> {
        list.organization().map(|id| &self.organizations[id.get() as usize % SLOTS])
    }

    fn credential(&self, digest: Digest) -> &AtomicU64 {
        &self.credentials[digest.spread() as usize % SLOTS]
    }
}

impl Default for Fence {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fence").field("all", &self.all).finish_non_exhaustive()
    }
}

/// A write in flight. While it lives, nothing of its groups is stored or answered from memory.
#[derive(Debug)]
pub struct Write {
    fence: Arc<Fence>,
    groups: Groups,
}

impl Write {
    /// Hides all that was fetched since the write began. Call it before the write's answer is released.
    pub fn raise(&self) {
        self.add(GENERATION);
    }

    fn add(&self, amount: u64) {
        self.each(|slot| {
            slot.fetch_add(amount, SeqCst);
        });
    }

    fn each(&self, act: impl Fn(&AtomicU64)) {
        match &self.groups {
            Groups::None => {}
            Groups::All => act(&self.fence.all),
            Groups::Organizations(ids) => {
                for id in ids {
                    self.fence.organization(List::Operators(*id)).into_iter().for_each(&act);
                }
            }
        }
    }
}

impl Drop for Write {
    /// Ends the write: one more generation and one write less.
    fn drop(&mut self) {
        self.each(|slot| {
            slot.fetch_add(GENERATION - WRITE, SeqCst);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chathub::OrganizationId;
    use crate::chathub::credential::DigestKey;

    fn organization(id: u32) -> OrganizationId {
        OrganizationId::new(id).unwrap()
    }

    fn key(who: &[u8], id: u32) -> CacheKey {
        let digest = DigestKey::random().unwrap().digest_other(who);
        CacheKey { credential: digest, list: List::Operators(organization(id)) }
    }

    #[test]
    fn a_write_hides_what_was_fetched_before_it() {
        let fence = Arc::new(Fence::new());
        let key = key(b"a", 24);
        let before = fence.stamp(&key);
        let write = fence.begin(Groups::Organizations(vec![organization(24)]));
        assert!(!fence.is_current(&key, &before));
        drop(write);
        assert!(!fence.is_current(&key, &before));
    }

    #[test]
    fn a_fetch_that_began_during_a_write_is_never_quiet_nor_current_after_it() {
        let fence = Arc::new(Fence::new());
        let key = key(b"a", 24);
        let write = fence.begin(Groups::All);
        let during = fence.stamp(&key);
        assert!(!during.is_quiet());
        assert!(fence.is_current(&key, &during), "one that comes during the write may join it");
        write.raise();
        assert!(!fence.is_current(&key, &during), "one that comes after its answer may not");
        drop(write);
        assert!(!fence.is_current(&key, &during));
        assert!(fence.stamp(&key).is_quiet());
    }

    #[test]
    fn a_write_to_one_organization_leaves_the_others() {
        let fence = Arc::new(Fence::new());
        let other = key(b"a", 6);
        let stamp = fence.stamp(&other);
        drop(fence.begin(Groups::Organizations(vec![organization(24)])));
        assert!(fence.is_current(&other, &stamp));
    }

    #[test]
    fn organizations_that_share_a_slot_are_raised_and_lowered_together() {
        let fence = Arc::new(Fence::new());
        let shared = 24 + SLOTS as u32;
        let write = fence.begin(Groups::Organizations(vec![organization(24), organization(shared)]));
        assert!(!fence.stamp(&key(b"a", shared)).is_quiet());
        drop(write);
        assert!(fence.stamp(&key(b"a", 24)).is_quiet());
    }

    #[test]
    fn forgetting_a_credential_leaves_the_others() {
        let fence = Arc::new(Fence::new());
        let list = List::Organizations;
        let digests = DigestKey::random().unwrap();
        let mine = CacheKey { credential: digests.digest_other(b"a"), list };
        let slot = |key: &CacheKey| key.credential.spread() as usize % SLOTS;
        let other = (0..u8::MAX).map(|n| CacheKey { credential: digests.digest_other(&[n]), list });
        let other = other.into_iter().find(|other| slot(other) != slot(&mine)).unwrap();
        let (stamp, kept) = (fence.stamp(&mine), fence.stamp(&other));
        fence.forget(mine.credential);
        assert!(!fence.is_current(&mine, &stamp));
        assert!(fence.is_current(&other, &kept));
    }
}
