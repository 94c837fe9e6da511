//! What is wrong with the settings: where, with what, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong.
///
/// It prints as one line:
/// `gateway.toml:3:17: cache.operators_ttl = "60": has no unit; write for example operators_ttl = "60s"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, `cache.operators_ttl`; empty if it is none, as with a file that is not TOML.
    pub path: String,
    /// What was given, cut if it is long, with what may be secret hidden. `None` where nothing was given, or for
    /// something unknown.
    pub value: Option<String>,
    /// Where it was given.
    pub place: Place,
    /// What is wrong, to be read behind the value: `has no unit`.
    pub fault: String,
    /// What would be right, in the form of the place: a line of TOML, an assignment to the variable, a flag. `None`
    /// where the fault says it.
    pub example: Option<String>,
}

/// Where a setting was given. Places are ordered as the sources are laid over each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File(PathBuf),
    /// A place in the file.
    Position {
        /// The file, as it was named.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag, with its dashes.
    Flag(&'static str),
}

/// All that is wrong with the settings; never nothing. It prints one line for each, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (self.path.as_str(), &self.value) {
            ("", _) => {}
            (path, Some(value)) => write!(f, "{path} = {value}: ")?,
            (path, None) => write!(f, "{path}: ")?,
        }
        f.write_str(&self.fault)?;
        match &self.example {
            Some(example) => write!(f, "; write for example {example}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Position { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Environment(name) => write!(f, "environment variable {}", name.escape_debug()),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

// === impl Problems ===

impl Problems {
    /// Returns the problems in the order of their places, or `None` if there are none.
    pub(super) fn from_unordered(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by(|one, other| one.place.cmp(&other.place));
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Returns the problems in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
