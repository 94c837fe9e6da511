//! A table of the file with its path: a credential, or one of its quotas.
//!
//! What a newcomer would get wrong: a path is for messages only, and a name that may be a credential is not in it. Values
//! are looked up in the table.

use toml_edit::{Item, TableLike};

use crate::config::suggestion;
use crate::config::text::{Span, is_bare};

/// In place of a name that may be a credential.
pub(super) const HIDDEN: &str = "[…]";

/// A profile key, if it is a GUID, has 36 characters or 32 without its dashes; a name has fewer.
const LONGEST_NAME: usize = 31;

/// A table of the file.
pub(super) struct Section<'t> {
    pub(super) path: String,
    /// Where its name stands.
    pub(super) at: Span,
    pub(super) table: &'t dyn TableLike,
    /// Names that are absent, and that an unknown name was probably meant to be. Of them nothing more is said.
    meant: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) fn new(path: String, at: Span, table: &'t dyn TableLike) -> Self {
        Self { path, at, table, meant: Vec::new() }
    }

    /// Finds the unknown names, notes what they were probably meant to be, and returns for each its path, its place, and
    /// what is wrong with it.
    pub(super) fn take_unknown(&mut self, names: &Names) -> Vec<(String, Span, String)> {
        let is_known = |name: &str| names.known.contains(&name) || names.aside.contains(&name);
        let unknown = self.table.iter().map(|(name, _)| name).filter(|name| !is_known(name));
        let mut told = Vec::new();
        for name in unknown {
            let candidates = names.known.iter().chain(names.deeper).copied();
            let near = suggestion::nearest(name, candidates);
            self.meant.extend(near);
            let fault = match near {
                Some(near) => format!("is unknown; did you mean `{}.{near}`?", self.path),
                None => format!("is unknown; {}", names.there_is),
            };
            told.push((self.path_of(name), self.span(name), fault));
        }
        told
    }

    /// Returns whether there is such a name, or probably was meant to be.
    pub(super) fn has(&self, name: &str) -> bool {
        let is_meant = |meant: &&str| meant.split('.').next() == Some(name);
        self.table.get(name).is_some() || self.meant.iter().any(is_meant)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'t Item> {
        self.table.get(name)
    }

    /// Returns where a name stands.
    pub(super) fn span(&self, name: &str) -> Span {
        self.table.key(name).and_then(|key| key.span())
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}.{}", self.path, shown_name(name))
    }
}

/// The names that a section may have.
pub(super) struct Names {
    pub(super) known: &'static [&'static str],
    /// Paths of what is one level deeper, for a name that stands too high.
    pub(super) deeper: &'static [&'static str],
    /// What others tell of.
    pub(super) aside: &'static [&'static str],
    pub(super) there_is: &'static str,
}

/// Returns whether that can be a credential's name, and is no credential by the look of it.
pub(super) fn is_name(name: &str) -> bool {
    is_bare(name) && name.len() <= LONGEST_NAME
}

/// Returns a name as it is shown.
pub(super) fn shown_name(name: &str) -> &str {
    if is_name(name) { name } else { HIDDEN }
}
