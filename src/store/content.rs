//! The content of a list as it is stored: its bytes, and what was read in them.
//!
//! A list is mostly fetched anew because its time is over, not because it has changed. So content that is known already is
//! not read again: what equal bytes say of equal kinds of lists is the same.

use bytes::Bytes;

use super::pool::{Pool, Shared};
use crate::chathub::List;
use crate::chathub::payload::Operators;

/// Content that was found to be a list.
#[derive(Debug)]
pub struct Content {
    /// The bytes, as they are answered.
    pub bytes: Bytes,
    /// The operators that it holds.
    pub operators: Operators,
    /// As what it was read.
    kind: Kind,
}

/// What a list is a list of. The same bytes may be both, and then hold operators only as one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Operators,
    Organizations,
}

impl From<List> for Kind {
    fn from(list: List) -> Self {
        match list {
            List::Operators(_) => Self::Operators,
            List::Organizations => Self::Organizations,
        }
    }
}

impl Pool<Content> {
    /// Returns content with the operators that `read` finds in it, which is not called if somebody else has the same.
    /// `bytes` must be as long as its memory.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub fn content<E>(
        &self,
        list: List,
        bytes: Bytes,
        read: impl FnOnce(&[u8]) -> Result<Operators, E>,
    ) -> Result<Shared<Content>, E> {
        let kind = Kind::from(list);
        self.share_with(
            (kind, &bytes),
            |known| known.kind == kind && known.bytes == bytes,
            || Ok(Content { operators: read(&bytes)?, bytes: bytes.clone(), kind }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chathub::OrganizationId;
    use crate::chathub::id::OperatorId;

    /// Reads one operator, and counts that it was asked.
    fn read(count: &mut u32) -> Result<Operators, &'static str> {
        *count += 1;
        Ok(Operators { ids: Box::from([OperatorId(7)]), ..Operators::default() })
    }

    #[test]
    fn what_is_known_is_not_read_again_while_somebody_has_it() {
        let (pool, mut times) = (Pool::default(), 0);
        let of = |id| List::Operators(OrganizationId::new(id).unwrap());
        let bytes = Bytes::from_static(b"[7]");
        let first = pool.content(of(24), bytes.clone(), |_| read(&mut times)).unwrap();
        let second = pool.content(of(6), bytes.clone(), |_| read(&mut times)).unwrap();
        assert!(std::ptr::eq(&*first, &*second));
        assert_eq!((second.operators.ids.to_vec(), times), (vec![OperatorId(7)], 1));
        drop((first, second));
        pool.content(of(24), bytes, |_| read(&mut times)).unwrap();
        assert_eq!(times, 2);
    }

    #[test]
    fn one_kind_of_list_says_nothing_about_the_other() {
        let (pool, bytes) = (Pool::default(), Bytes::from_static(b"[]"));
        let operators = List::Operators(OrganizationId::new(24).unwrap());
        let held = pool.content(operators, bytes.clone(), |_| read(&mut 0)).unwrap();
        let other = pool.content(List::Organizations, bytes, |_| Ok::<_, &str>(Operators::default())).unwrap();
        assert_eq!((held.operators.ids.len(), other.operators.ids.len()), (1, 0));
    }

    #[test]
    fn what_is_no_list_is_not_kept() {
        let pool: Pool<Content> = Pool::default();
        let refused = pool.content(List::Organizations, Bytes::from_static(b"<html>"), |_| Err("no list"));
        assert_eq!((refused.unwrap_err(), pool.len()), ("no list", 0));
    }
}
