//! Lists of whole numbers: `[24, 25]` in the file, `24,25` in the environment.
//!
//! The first thing that is wrong with a list is its one problem, and what is good in it is the guess at what was meant: who
//! has a hundred numbers should see which of them it is.

use std::ops::RangeInclusive;

use super::kind::{Fault, Value, span};
use super::raw::Written;

/// What a list may hold: so many numbers, each within bounds, each once.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) each: RangeInclusive<u64>,
    pub(super) most: usize,
}

impl Numbers {
    /// Reads a list of the file.
    pub(super) fn read(&self, items: &[Written]) -> Result<Value, Fault> {
        self.checked(items.iter().map(|item| match item {
            Written::Integer(number) => Ok(u64::try_from(*number).ok()),
            other => Err(format!("is {}, not a whole number", other.type_name())),
        }))
    }

    /// Reads a list without brackets.
    pub(super) fn read_text(&self, text: &str) -> Result<Value, Fault> {
        self.checked(text.split(',').map(|item| match item.trim_ascii() {
            "" => Err("is empty".to_owned()),
            item => item.parse().map(Some).map_err(|_| "is not a whole number".to_owned()),
        }))
    }

    /// Takes the numbers, `None` for one that is below zero.
    fn checked(&self, items: impl Iterator<Item = Result<Option<u64>, String>>) -> Result<Value, Fault> {
        let (mut good, mut count, mut first_fault) = (Vec::new(), 0, None);
        for item in items {
            count += 1;
            let fault = match item {
                Ok(Some(number)) if good.contains(&number) => format!("has {number} twice"),
                Ok(Some(number)) if self.each.contains(&number) => {
                    if good.len() < self.most {
                        good.push(number);
                    }
                    continue;
                }
                Ok(_) => {
                    format!("item {count} is not between {}", span(&self.each, u64::to_string, " and "))
                }
                Err(fault) => format!("item {count} {fault}"),
            };
            first_fault.get_or_insert(fault);
        }
        if count > self.most {
            first_fault.get_or_insert(format!("has {count} items, and may have {}", self.most));
        }
        let meant = (!good.is_empty()).then_some(Value::Numbers(good));
        match first_fault {
            Some(fault) => Err(Fault::new(fault).instead(meant)),
            None => Ok(meant.unwrap_or(Value::Absent)),
        }
    }

    /// Returns the bounds in words.
    pub(super) fn bounds(&self) -> String {
        format!("up to {}, each {}", self.most, span(&self.each, u64::to_string, " to "))
    }
}

/// Prints a list with that between its numbers.
pub(super) fn joined(numbers: &[u64], between: &str) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(between)
}
