//! What a stored response is stored under.
//!
//! There is no path and no `Accept` in it: only canonical lists are stored, and all requests of the accepted class get
//! the same bytes (contract 5.3). The credential is in it by its keyed digest, which covers the kind too.

use std::hash::{BuildHasher, Hasher};

use crate::chathub::credential::Digest;
use crate::chathub::request::List;

/// One list as one credential sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// The credential, kind and value.
    pub credential: Digest,
    /// The list.
    pub list: List,
}

/// Hashes a [`CacheKey`] without hashing its credential again: that is a digest under a key nobody knows, so nobody can
/// choose keys that fall together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digested;

/// The state of [`Digested`].
#[derive(Debug, Default)]
pub(super) struct Mix(u64);

impl Mix {
    /// Multiplies by an odd number (of the golden ratio) and takes from both halves of the product.
    fn add(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product ^ (product >> 64)) as u64;
    }
}

impl BuildHasher for Digested {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        Mix::default()
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.add(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    fn write_u128(&mut self, number: u128) {
        self.0 ^= number as u64 ^ (number >> 64) as u64;
    }

    fn write_isize(&mut self, number: isize) {
        self.add(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::chathub::OrganizationId;
    use crate::testing::digests;

    #[test]
    fn lists_of_one_credential_and_credentials_of_one_list_fall_apart() {
        let ids =
            || (1..=1000).map(|id| List::Operators(OrganizationId::new(id).unwrap())).chain([List::Organizations]);
        let digest = |name: u32| digests().digest_other(&name.to_be_bytes());
        let lists = ids().map(|list| CacheKey { credential: digest(0), list });
        let credentials = (1..1000).map(|name| CacheKey { credential: digest(name), list: List::Organizations });
        let hashes: Vec<u64> = lists.chain(credentials).map(|key| Digested.hash_one(key)).collect();
        for shift in [0, 44] {
            // As many places as hashes: if these fall by chance, about two thirds of the places are taken.
            let places: HashSet<u64> = hashes.iter().map(|hash| hash >> shift & 0x7ff).collect();
            assert!(places.len() > 1100, "{} of {} at {shift}", places.len(), hashes.len());
        }
    }
}
