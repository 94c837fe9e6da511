//! The upstream as the model needs it: versions in place of contents.

use chathub_gateway::chathub::credential::{Digest, DigestKey};
use chathub_gateway::chathub::id::{OperatorId, OrganizationId};
use chathub_gateway::chathub::request::List;
use chathub_gateway::store::key::CacheKey;

/// The lists: of the operators of two organizations, and of the organizations.
pub(crate) const LISTS: usize = 3;
/// The list of the organizations.
pub(crate) const DIRECTORY: usize = 2;
/// Two operators, X and Y.
pub(crate) const OPERATORS: usize = 2;
pub(crate) const X: usize = 0;
pub(crate) const Y: usize = 1;

/// How often each thing was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Versions {
    pub(crate) lists: [u8; LISTS],
    pub(crate) operators: [u8; OPERATORS],
}

impl Versions {
    /// Takes what is later of each.
    pub(crate) fn raise(&mut self, other: &Self) {
        let raise = |mine: &mut [u8], other: &[u8]| mine.iter_mut().zip(other).for_each(|(a, b)| *a = *b.max(a));
        raise(&mut self.lists, &other.lists);
        raise(&mut self.operators, &other.operators);
    }
}

/// What one write, or the dashboard, changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Thing {
    /// The members of a list.
    List(usize),
    /// The state of an operator.
    Operator(usize),
}

/// The state of the upstream.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) struct Upstream {
    pub(crate) versions: Versions,
    /// In whose list each operator is.
    pub(crate) homes: [usize; OPERATORS],
}

impl Upstream {
    pub(crate) fn new() -> Self {
        Self { versions: Versions::default(), homes: [0, 1] }
    }

    /// Changes something and returns what has been produced.
    pub(crate) fn change(&mut self, thing: Thing) -> Versions {
        let mut produced = Versions::default();
        let (version, copy) = match thing {
            Thing::List(list) => (&mut self.versions.lists[list], &mut produced.lists[list]),
            Thing::Operator(operator) => (&mut self.versions.operators[operator], &mut produced.operators[operator]),
        };
        *version += 1;
        *copy = *version;
        produced
    }

    /// Returns the present version of something.
    pub(crate) fn present(&self, thing: Thing) -> Versions {
        let mut present = Versions::default();
        match thing {
            Thing::List(list) => present.lists[list] = self.versions.lists[list],
            Thing::Operator(operator) => present.operators[operator] = self.versions.operators[operator],
        }
        present
    }

    /// Reads a list.
    pub(crate) fn read(&self, question: Question) -> View {
        let shown =
            |operator: usize| (self.homes[operator] == question.list).then_some(self.versions.operators[operator]);
        View { question, version: self.versions.lists[question.list], operators: [shown(X), shown(Y)] }
    }
}

/// A list as one credential asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) who: usize,
    pub(crate) list: usize,
}

impl Question {
    pub(crate) fn key(self) -> CacheKey {
        let list = if self.list == DIRECTORY { List::Organizations } else { List::Operators(organization(self.list)) };
        CacheKey { credential: credential(self.who), list }
    }

    /// Returns the names of the groups that it belongs to.
    pub(crate) fn groups(self) -> Vec<(&'static str, usize)> {
        let mut groups = vec![("every list", 0), ("credential", self.who)];
        if self.list != DIRECTORY {
            groups.extend([("every operator list", 0), ("organization", self.list)]);
        }
        groups
    }
}

/// A list as it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct View {
    pub(crate) question: Question,
    pub(crate) version: u8,
    /// The operators that it shows, each with its state.
    pub(crate) operators: [Option<u8>; OPERATORS],
}

impl View {
    pub(crate) fn shows(&self, operator: usize) -> bool {
        self.operators[operator].is_some()
    }

    /// Returns the operators that it shows, in order.
    pub(crate) fn ids(&self) -> Vec<OperatorId> {
        (0..OPERATORS).filter(|operator| self.shows(*operator)).map(operator).collect()
    }

    /// Returns whether something that it shows is older than in `least`.
    pub(crate) fn is_older(&self, least: &Versions) -> bool {
        let shown = self.operators.iter().zip(least.operators);
        self.version < least.lists[self.question.list]
            || shown.flat_map(|(is, least)| is.map(|is| is < least)).any(|older| older)
    }

    /// Returns the versions that it shows.
    pub(crate) fn versions(&self) -> Versions {
        let mut versions = Versions { operators: self.operators.map(Option::unwrap_or_default), ..Versions::default() };
        versions.lists[self.question.list] = self.version;
        versions
    }
}

pub(crate) fn organization(list: usize) -> OrganizationId {
    OrganizationId::new(list as u32 + 1).expect("a small number")
}

pub(crate) fn operator(operator: usize) -> OperatorId {
    OperatorId(operator as i32 + 1)
}

/// Two credentials, in the order of their digests: these are random, and a trace should be the same in every run.
pub(crate) fn credential(who: usize) -> Digest {
    static BOTH: std::sync::OnceLock<[Digest; 2]> = std::sync::OnceLock::new();
    let both = BOTH.get_or_init(|| {
        let key = DigestKey::random().expect("random numbers");
        let mut both = [key.digest_other(b"A"), key.digest_other(b"B")];
        both.sort();
        both
    });
    both[who]
}
