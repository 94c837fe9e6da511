//! Hashes operators such that those with neighbouring numbers lie side by side.
//!
//! The operators of an organization often have neighbouring numbers, as they were added together. To store a list means
//! to look up all of them, and under a hash that scatters them each is a miss of the processor's cache.
//!
//! What a newcomer would get wrong: the numbers themselves as hashes. Numbers that were given out in steps, one range for
//! each organization, would then fall onto each other. So only the lowest bits are kept, and the block that they stand in
//! is scattered by chance.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

/// Bits of a number that are kept: of as many operators as most organizations have.
const KEPT: u32 = 5;

/// Bits of a hash by which a table tells those apart that fall together.
const TAG: u64 = 0x7f << 57;

/// Makes the hashes of one table.
#[derive(Debug, Clone)]
pub(super) struct Neighbours(u64);

/// Makes one hash.
#[derive(Debug)]
pub(super) struct Neighbour {
    key: u64,
    hash: u64,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self(RandomState::default().hash_one(KEPT))
    }
}

impl BuildHasher for Neighbours {
    type Hasher = Neighbour;

    fn build_hasher(&self) -> Neighbour {
        Neighbour { key: self.0, hash: 0 }
    }
}

impl Hasher for Neighbour {
    fn finish(&self) -> u64 {
        self.hash
    }

    fn write(&mut self, bytes: &[u8]) {
        // Operators are numbers; whatever else comes is hashed, and no more is promised.
        bytes.iter().for_each(|byte| self.write_i32(i32::from(*byte) ^ (self.hash as i32)));
    }

    fn write_i32(&mut self, number: i32) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let number = u64::from(number.cast_unsigned());
        // The high half of a product depends on all bits of its factors, the low half spreads them.
        let product = u128::from((number >> KEPT) ^ self.key) * u128::from(ODD);
        let block = (product ^ (product >> 64)) as u64;
        let own = number & ((1 << KEPT) - 1);
        self.hash = (block << KEPT | own) & !TAG | number.wrapping_mul(ODD) & TAG;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::chathub::id::OperatorId;

    fn hashes(numbers: impl Iterator<Item = i32>) -> Vec<u64> {
        let neighbours = Neighbours::default();
        numbers.map(|number| neighbours.hash_one(OperatorId(number))).collect()
    }

    #[test]
    fn neighbours_lie_side_by_side_and_have_tags_of_their_own() {
        for block in [0, 32, 6400, i32::MAX - 31] {
            let hashes = hashes(block..=block + 31);
            let places: HashSet<u64> = hashes.iter().map(|hash| (hash & !TAG) >> KEPT).collect();
            let tags: HashSet<u64> = hashes.iter().map(|hash| hash & TAG).collect();
            assert_eq!(places.len(), 1);
            assert!(tags.len() > 20, "{} tags", tags.len());
        }
    }

    #[test]
    fn numbers_in_steps_do_not_fall_onto_each_other() {
        for step in [32, 100, 4096, 1 << 16] {
            // As many blocks as numbers: if these fall by chance, about two thirds are taken.
            let taken: HashSet<u64> =
                hashes((0..2048).map(|number| number * step)).iter().map(|hash| hash >> KEPT & 0x7ff).collect();
            assert!(taken.len() > 1100, "{} of 2048 in steps of {step}", taken.len());
        }
    }
}
