//! What an operator does at present, as lists tell it, and how many of a list do what.
//!
//! What a newcomer would get wrong: to leave out the deleted. The upstream keeps them in the list (contract 1.1).

crate::telemetry::label::words! {
    /// An operator's status (contract 1.1, 1.3).
    OperatorStatus {
        /// 0.
        Active = "active",
        /// 1.
        Inactive = "inactive",
        /// 2. It stays in the list, and may be made active again.
        Deleted = "deleted",
        /// A number that the contract does not know. It is told apart, lest it hides among the others.
        Other = "other",
    }
}

impl From<i64> for OperatorStatus {
    fn from(number: i64) -> Self {
        match number {
            0 => Self::Active,
            1 => Self::Inactive,
            2 => Self::Deleted,
            _ => Self::Other,
        }
    }
}

/// How many operators of a list have which status, each counted as often as it is listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusCounts([u32; OperatorStatus::ALL.len()]);

impl StatusCounts {
    /// Counts one operator.
    pub(super) fn count(&mut self, status: OperatorStatus) {
        self.0[status as usize] += 1;
    }

    /// Returns how many have that status.
    #[must_use]
    pub const fn of(&self, status: OperatorStatus) -> u32 {
        self.0[status as usize]
    }
}
