//! Which stored lists hold an operator, and which operators were switched lately.
//!
//! A status write names an operator only. The index tells whose lists it makes stale. It is exact about what is stored
//! and knows nothing of answers that are still on their way: what these hold is only known when they are there. So an
//! answer is asked, when it lands, whether one of its operators was switched since its fetch began.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::parts::{MOST_INDEXED, REMEMBERED, Table};
use crate::chathub::id::{OperatorId, OrganizationId};

/// The organizations in whose stored lists an operator is, and in how many of each. It is nearly always one.
type Lists = SmallVec<[(OrganizationId, u32); 1]>;

/// A status write for an operator that was in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    operator: OperatorId,
    /// Whose lists the write has moved. For these there is nothing more to ask.
    organizations: SmallVec<[OrganizationId; 1]>,
}

impl Switch {
    pub(super) fn organizations(&self) -> &[OrganizationId] {
        &self.organizations
    }

    /// Returns whether the write concerns a list and has not moved it.
    fn has_missed(&self, organization: OrganizationId, operators: &[OperatorId]) -> bool {
        !self.organizations.contains(&organization) && operators.binary_search(&self.operator).is_ok()
    }
}

/// The index and the switches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Operators {
    lists: Table<OperatorId, Lists>,
    /// Stored lists that are too long to be indexed.
    unindexed: usize,
    /// Status writes in flight or in doubt.
    switching: Vec<Switch>,
    /// The last status writes that ended, each with the number of its last move, in the order of these.
    switched: VecDeque<(u64, Switch)>,
    /// The number that belonged to the last switch that is no longer remembered.
    forgotten: u64,
}

impl Operators {
    /// Returns what a status write for the operator moves, or `None` if it is in no stored list, or nobody knows.
    pub(super) fn switch_of(&self, operator: OperatorId) -> Option<Switch> {
        if self.unindexed > 0 {
            return None;
        }
        let lists = self.lists.get(&operator)?;
        Some(Switch { operator, organizations: lists.iter().map(|(organization, _)| *organization).collect() })
    }

    /// Adds a list.
    pub(super) fn add(&mut self, organization: OrganizationId, operators: &[OperatorId]) {
        if operators.len() > MOST_INDEXED {
            self.unindexed += 1;
            return;
        }
        for operator in operators {
            let lists = self.lists.entry(*operator).or_default();
            match lists.iter_mut().find(|(of, _)| *of == organization) {
                Some((_, count)) => *count += 1,
                None => lists.push((organization, 1)),
            }
        }
    }

    /// Removes a list that was added.
    pub(super) fn remove(&mut self, organization: OrganizationId, operators: &[OperatorId]) {
        if operators.len() > MOST_INDEXED {
            self.unindexed -= 1;
            return;
        }
        for operator in operators {
            let Some(lists) = self.lists.get_mut(operator) else {
                continue;
            };
            if let Some((_, count)) = lists.iter_mut().find(|(of, _)| *of == organization) {
                *count -= 1;
            }
            lists.retain(|(_, count)| *count > 0);
            if lists.is_empty() {
                self.lists.remove(operator);
            }
        }
    }

    /// Begins a status write.
    pub(super) fn begin_switch(&mut self, switch: &Switch) {
        self.switching.push(switch.clone());
    }

    /// Ends a status write with its last move.
    pub(super) fn end_switch(&mut self, switch: &Switch, number: u64) {
        if let Some(place) = self.switching.iter().position(|running| running == switch) {
            self.switching.swap_remove(place);
        }
        self.switched.push_back((number, switch.clone()));
        if self.switched.len() > REMEMBERED {
            self.forgotten = self.switched.pop_front().map_or(self.forgotten, |(number, _)| number);
        }
    }

    /// Returns whether one of the operators of a list, which are in order, is being switched or was after move `taken`
    /// by a write that did not move the list, or nobody remembers.
    pub(super) fn has_switched(&self, taken: u64, organization: OrganizationId, operators: &[OperatorId]) -> bool {
        if operators.is_empty() {
            return false;
        }
        let since = self.switched.iter().rev().take_while(|(number, _)| *number > taken).map(|(_, switch)| switch);
        taken < self.forgotten || since.chain(&self.switching).any(|switch| switch.has_missed(organization, operators))
    }

    /// Returns how many operators there are in the index.
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }
}
