//! Equal values share memory: the same list as many credentials see it, the same fields as many lists have.
//!
//! Only bytes are shared, never authority: an entry is found under its own credential alone, and what it may be used for
//! is its own affair. That another entry has the same bytes can be seen by nobody.
//!
//! What a newcomer would get wrong: a value must not be dropped while the pool is locked. It may be the last of its
//! kind, and then it takes the lock itself.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use foldhash::quality::RandomState;

/// Values of one kind that are in use. Clones are the same pool.
pub struct Pool<T>(Arc<Known<T>>);

struct Known<T> {
    values: Mutex<Values<T>>,
    /// Keyed by chance, since what is hashed comes from elsewhere. Whoever finds two of one hash gains nothing: values are
    /// compared.
    hashes: RandomState,
}

type Values<T> = HashMap<u64, Weak<Pooled<T>>, foldhash::fast::RandomState>;

/// A value that may be shared with others.
pub struct Shared<T>(Arc<Pooled<T>>);

struct Pooled<T> {
    value: T,
    hash: u64,
    pool: Arc<Known<T>>,
}

impl<T> Pool<T> {
    /// Returns a value that is equal to this one, and the same for all who ask while it is in use.
    pub fn share(&self, value: T) -> Shared<T>
    where
        T: Hash + Eq,
    {
        let hash = self.0.hashes.hash_one(&value);
        self.find(hash, |known| *known == value).unwrap_or_else(|| self.insert(hash, value))
    }

    /// Returns the value with this key, of which `is_it` tells, and makes it if nobody has it.
    pub fn share_with<E>(
        &self,
        key: impl Hash,
        is_it: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Shared<T>, E> {
        let hash = self.0.hashes.hash_one(key);
        match self.find(hash, is_it) {
            Some(known) => Ok(known),
            None => Ok(self.insert(hash, make()?)),
        }
    }

    fn find(&self, hash: u64, is_it: impl FnOnce(&T) -> bool) -> Option<Shared<T>> {
        // Found or not, it is dropped after the lock.
        let known = self.0.lock().get(&hash).and_then(Weak::upgrade);
        known.filter(|known| is_it(&known.value)).map(Shared)
    }

    /// Takes a value in. Where another one of the same hash is in use, which comes once in four thousand million, or
    /// somebody has just taken in the same, it is nobody else's.
    fn insert(&self, hash: u64, value: T) -> Shared<T> {
        let pooled = self.pooled(value, hash);
        let mut values = self.0.lock();
        let place = values.entry(hash).or_default();
        if place.strong_count() == 0 {
            *place = Arc::downgrade(&pooled);
        }
        Shared(pooled)
    }

    fn pooled(&self, value: T, hash: u64) -> Arc<Pooled<T>> {
        Arc::new(Pooled { value, hash, pool: Arc::clone(&self.0) })
    }

    /// Returns how many different values are in use.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<T> Known<T> {
    fn lock(&self) -> MutexGuard<'_, Values<T>> {
        // Each change is one step, so a panic elsewhere left it whole.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Pooled<T> {
    fn drop(&mut self) {
        let mut values = self.pool.lock();
        // In its place there may be one that came after it.
        if values.get(&self.hash).is_some_and(|known| known.strong_count() == 0) {
            values.remove(&self.hash);
        }
        if values.len() < values.capacity() / 4 {
            values.shrink_to_fit();
        }
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Arc::new(Known { values: Mutex::default(), hashes: RandomState::default() }))
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// Lengths and contents are nobody's business: content may name people.
impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever its value, its hash is the same.
    #[derive(PartialEq, Eq)]
    struct Colliding(u8);

    impl Hash for Colliding {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }

    #[test]
    fn equal_values_are_one_while_somebody_has_them() {
        let pool = Pool::default();
        let (first, second) = (pool.share(String::from("a")), pool.share(String::from("a")));
        assert!(std::ptr::eq(&*first, &*second));
        assert_eq!(pool.len(), 1);
        drop(first);
        assert_eq!((second.as_str(), pool.len()), ("a", 1));
        drop(second);
        assert_eq!(pool.len(), 0);
    }

    #[test]
    fn values_that_share_a_hash_are_told_apart() {
        let pool = Pool::default();
        let (first, second) = (pool.share(Colliding(1)), pool.share(Colliding(2)));
        assert_eq!((first.0.value.0, second.0.value.0), (1, 2));
        drop(first);
        let third = pool.share(Colliding(3));
        drop(second);
        assert!(std::ptr::eq(&*pool.share(Colliding(3)), &*third), "who leaves takes only himself along");
    }

    #[test]
    fn a_pool_that_is_used_by_many_at_once_ends_empty() {
        let pool = Pool::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000_u32).for_each(|number| drop(pool.share(number % 7))));
            }
        });
        assert_eq!(pool.len(), 0);
    }
}
