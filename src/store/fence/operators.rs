//! Which stored lists hold an operator, and which operators were switched lately.
//!
//! A status write names an operator only. The index tells whose lists it makes stale. It is exact about what is stored
//! and knows nothing of answers that are still on their way: what these hold is only known when they are there. So an
//! answer is asked, when it lands, whether one of its operators was switched since its fetch began.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::parts::{Index, MOST_INDEXED, MOST_ORGANIZATIONS, REMEMBERED};
use crate::chathub::id::{OperatorId, OrganizationId};

/// Where an operator is. There is one of these for each operator of each stored list, and nearly always he is in one
/// organization: so it is as small as that needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// `None` if there are several.
    organization: Option<OrganizationId>,
    /// The stored lists that hold him, of all organizations.
    lists: u32,
}

/// Organizations, and how many stored lists of each hold an operator.
type Several = SmallVec<[(OrganizationId, u32); 2]>;

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
    places: Index<Place>,
    /// Those who are in several organizations, but for those who are in too many.
    several: Index<Several>,
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
        let organizations = match self.places.get(&operator)?.organization {
            Some(organization) => SmallVec::from_elem(organization, 1),
            None => self.several.get(&operator)?.iter().map(|(organization, _)| *organization).collect(),
        };
        Some(Switch { operator, organizations })
    }

    /// Adds a list.
    pub(super) fn add(&mut self, organization: OrganizationId, operators: &[OperatorId]) {
        if operators.len() > MOST_INDEXED {
            self.unindexed += 1;
            return;
        }
        for operator in operators {
            self.add_one(organization, *operator);
        }
    }

    fn add_one(&mut self, organization: OrganizationId, operator: OperatorId) {
        let new = Place { organization: Some(organization), lists: 0 };
        let place = self.places.entry(operator).or_insert(new);
        place.lists += 1;
        match place.organization {
            Some(only) if only == organization => {}
            Some(first) => {
                place.organization = None;
                let all = [(first, place.lists - 1), (organization, 1)];
                self.several.insert(operator, all.into_iter().collect());
            }
            None => {
                let Some(all) = self.several.get_mut(&operator) else { return };
                match all.iter().position(|(of, _)| *of == organization) {
                    Some(found) => all[found].1 += 1,
                    None if all.len() < MOST_ORGANIZATIONS => all.push((organization, 1)),
                    None => drop(self.several.remove(&operator)),
                }
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
            self.remove_one(organization, *operator);
        }
    }

    fn remove_one(&mut self, organization: OrganizationId, operator: OperatorId) {
        let Some(place) = self.places.get_mut(&operator) else { return };
        place.lists -= 1;
        if place.lists == 0 {
            let is_in_several = place.organization.is_none();
            self.places.remove(&operator);
            if is_in_several {
                self.several.remove(&operator);
            }
            return;
        }
        let Some(all) = self.several.get_mut(&operator) else { return };
        if let Some((_, lists)) = all.iter_mut().find(|(of, _)| *of == organization) {
            *lists -= 1;
        }
        all.retain(|(_, lists)| *lists > 0);
        if let [(only, _)] = all[..] {
            place.organization = Some(only);
            self.several.remove(&operator);
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
        self.places.len()
    }
}
