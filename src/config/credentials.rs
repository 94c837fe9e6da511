//! Quotas of single credentials, from the file that `throttle.credentials_file` names.
//!
//! ```toml
//! # A name of your own for the credential, which stands in messages only.
//! [reports]
//! # The credential itself, from a file of its own (a relative path begins at the directory of this file) …
//! file = "/run/secrets/chathub-reports-token"
//! # … or the SHA-256 of its value in hexadecimal: printf %s "$TOKEN" | sha256sum
//! # sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! operator = { rate = "2/s", burst = 2 }
//! other = { rate = "10/s", burst = 5 }
//! ```
//!
//! What a newcomer would get wrong: after loading nobody holds a credential, only its SHA-256, and a message shows
//! nothing that may be one: neither what was given as `file` or `sha256` (people paste the credential there), nor the
//! value of an unknown name, nor a name that is too long for a name.

mod section;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::load::unreadable;
use super::problem::{Place, Problem, Problems};
use super::text::FileText;
use super::{Config, Quota};
use walk::Walk;

/// The setting that names the file.
const SETTING: &str = "throttle.credentials_file";

/// Quotas of single credentials.
#[derive(Clone, Default, PartialEq)]
pub struct Credentials {
    all: Vec<SingleCredential>,
    /// Where in `all` the credential of that SHA-256 is.
    by_sha256: HashMap<[u8; 32], usize>,
}

/// A credential that has quotas of its own. Its `Debug` does not show the SHA-256: what was given for it may have been
/// a credential of 64 hexadecimal digits.
#[derive(Clone, PartialEq)]
pub struct SingleCredential {
    /// What the file calls it: 1 to 31 letters, digits, `_` and `-`.
    pub name: String,
    /// The SHA-256 of its value.
    pub sha256: [u8; 32],
    /// The quota in place of `throttle.operator`, if it has one.
    pub operator: Option<Quota>,
    /// The quota in place of `throttle.other`, if it has one.
    pub other: Option<Quota>,
}

impl Credentials {
    /// Reads the file; `read` is called for it and for each credential's own file.
    ///
    /// # Errors
    ///
    /// All that is wrong in it and with the files that it names.
    pub fn load(path: &Path, mut read: impl FnMut(&Path) -> io::Result<Vec<u8>>) -> Result<Self, Problems> {
        let loaded = match read(path) {
            Ok(bytes) => Self::from_bytes(path, &bytes, read),
            Err(error) => Err(vec![unreadable(path.to_owned(), SETTING, &error)]),
        };
        loaded.map_err(|problems| Problems::from_unordered(problems).expect("what is refused has a problem"))
    }

    /// Reads the file that the settings name; without one no credential has quotas of its own.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn of_settings(config: &Config, read: impl FnMut(&Path) -> io::Result<Vec<u8>>) -> Result<Self, Problems> {
        let file = config.throttle.credentials_file.as_deref();
        file.map_or(Ok(Self::default()), |file| Self::load(file, read))
    }

    fn from_bytes(
        file: &Path,
        bytes: &[u8],
        read: impl FnMut(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, Vec<Problem>> {
        let Ok(text) = str::from_utf8(bytes) else {
            let (place, fault) = (Place::File(file.to_owned()), "is not valid UTF-8".to_owned());
            return Err(vec![Problem { path: String::new(), value: None, place, fault, example: None }]);
        };
        let text = FileText::new(file, text);
        let document = text.parse()?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let all = Walk::new(text, directory, read).document(document.as_table())?;
        let by_sha256 = all.iter().enumerate().map(|(index, single)| (single.sha256, index)).collect();
        Ok(Self { all, by_sha256 })
    }

    /// Returns the entries in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &SingleCredential> {
        self.all.iter()
    }

    /// Returns the entry for a credential's value, whichever field it came in: the bare word, without `Bearer`.
    ///
    /// Its SHA-256 is computed only if there are entries.
    #[must_use]
    pub fn of(&self, value: &[u8]) -> Option<&SingleCredential> {
        if self.is_empty() {
            return None;
        }
        self.of_sha256(&sha256(value))
    }

    /// Returns the entry of that SHA-256.
    #[must_use]
    pub fn of_sha256(&self, sha256: &[u8; 32]) -> Option<&SingleCredential> {
        self.by_sha256.get(sha256).map(|index| &self.all[*index])
    }

    /// Returns whether no credential has quotas of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

fn sha256(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.all).finish()
    }
}

impl fmt::Debug for SingleCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SingleCredential");
        shown.field("name", &self.name).field("operator", &self.operator).field("other", &self.other);
        shown.finish_non_exhaustive()
    }
}
