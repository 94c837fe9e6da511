//! Ids of the ChatHub API as types of their own, so that an operator is never taken for an organization.

/// An organization, as the canonical form of its list names it: 1 to 2147483647 (contract 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrganizationId(std::num::NonZeroU32);

impl OrganizationId {
    /// Returns the id, unless it is zero or beyond the upstream's 32-bit signed integer.
    #[must_use]
    pub fn new(id: u32) -> Option<Self> {
        std::num::NonZeroU32::new(id).filter(|id| i32::try_from(id.get()).is_ok()).map(Self)
    }

    /// Reads the canonical spelling: `[1-9][0-9]{0,9}`, at most 2147483647.
    #[must_use]
    pub fn from_canonical(digits: &[u8]) -> Option<Self> {
        if digits.len() > 10 || digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let id = digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        Self::new(u32::try_from(id).ok()?)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// An operator: the upstream's 32-bit signed integer (contract 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
pub struct OperatorId(pub i32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        for (digits, id) in [("1", 1), ("24", 24), ("2147483647", 2_147_483_647)] {
            assert_eq!(OrganizationId::from_canonical(digits.as_bytes()).map(OrganizationId::get), Some(id));
        }
        for other in ["", "0", "024", "+24", "-1", "24 ", "0x18", "2147483648", "9999999999", "11111111111", "24.0"] {
            assert_eq!(OrganizationId::from_canonical(other.as_bytes()), None, "{other}");
        }
    }
}
