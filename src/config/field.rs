//! Between a field's own type and the [`Value`] of the table.
//!
//! The table knows a setting by its [`Kind`](super::kind::Kind), the program by the type of its field. The bounds of
//! the kind have been checked when a value is taken here; a value that still does not fit is a wrong row of the table,
//! and a test visits every row.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::Rate;
use super::kind::Value;
use super::word::Word;
use crate::chathub::OrganizationId;

/// A type that a field of [`Config`](super::Config) can have.
pub(super) trait Field: Sized {
    /// Returns the value as the table holds it.
    fn to_value(&self) -> Value;

    /// Returns the value as the program holds it; `None` if the row's kind is not the field's.
    fn from_value(value: Value) -> Option<Self>;
}

/// Implements [`Field`] for types that a variant of [`Value`] holds as they are.
macro_rules! held_as_is {
    ($($variant:ident => $type:ty,)+) => {
        $(impl Field for $type {
            fn to_value(&self) -> Value {
                Value::$variant(self.clone())
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(held) => Some(held),
                    _ => None,
                }
            }
        })+
    };
}

held_as_is! {
    Address => SocketAddr,
    Duration => Duration,
    Number => u64,
    Path => PathBuf,
    Rate => Rate,
    Switch => bool,
    Url => http::Uri,
}

/// Implements [`Field`] for other numbers. They are narrower than the table's, but so are their bounds.
macro_rules! held_as_number {
    ($($type:ty: $from:expr, $to:expr;)+) => {
        $(impl Field for $type {
            fn to_value(&self) -> Value {
                Value::Number($to(*self))
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Number(number) => $from(number),
                    _ => None,
                }
            }
        })+
    };
}

held_as_number! {
    u8: |number| Self::try_from(number).ok(), u64::from;
    u32: |number| Self::try_from(number).ok(), u64::from;
    usize: |number| Self::try_from(number).ok(), |number| number as u64;
    NonZeroU32: |number| u32::try_from(number).ok().and_then(Self::new), |number: Self| u64::from(number.get());
    NonZeroUsize: |number| usize::try_from(number).ok().and_then(Self::new), |number: Self| number.get() as u64;
}

impl<T: Field> Field for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Absent, T::to_value)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Absent => Some(None),
            present => T::from_value(present).map(Some),
        }
    }
}

/// None are absent.
impl Field for Vec<OrganizationId> {
    fn to_value(&self) -> Value {
        match self.is_empty() {
            true => Value::Absent,
            false => Value::Numbers(self.iter().map(|id| id.get().into()).collect()),
        }
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Absent => Some(Self::new()),
            Value::Numbers(all) => {
                all.into_iter().map(|number| OrganizationId::new(u32::try_from(number).ok()?)).collect()
            }
            _ => None,
        }
    }
}

impl<T: Word> Field for T {
    fn to_value(&self) -> Value {
        let index = T::ALL.iter().position(|word| word == self).expect("every value is among all");
        Value::Word(T::WORDS[index])
    }

    fn from_value(value: Value) -> Option<Self> {
        let Value::Word(given) = value else { return None };
        let index = T::WORDS.iter().position(|word| *word == given)?;
        T::ALL.get(index).copied()
    }
}
