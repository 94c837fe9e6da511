//! Files that are read once, and looked at again to see whether they have changed.
//!
//! What a newcomer would get wrong: to watch them for events. Kubernetes puts a new directory in the place of the old one
//! behind a symbolic link, so the file that is watched never changes. The files are small; they are read every few seconds
//! and compared, by a thread that serves nobody. And whoever writes a file may have emptied it first, or be between two that
//! belong together: they must have settled.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::secret::Secret;

/// How long a changed file may wait to be seen.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long files must stay as they are before they are read.
const SETTLED_AFTER: Duration = Duration::from_millis(250);

/// What was found in files: not what they hold, for some hold credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Found>);

/// The hash of a file's content, or why there is none.
type Found = Result<[u8; 32], io::ErrorKind>;

impl Files {
    /// Looks at files.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), look_at(path))).collect())
    }

    /// Looks at others too.
    pub fn add(&mut self, others: &Self) {
        self.0.extend(others.0.clone());
    }

    /// Reads a file, and looks at it. One that cannot be read again, such as a pipe, is not looked at later.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let content = std::fs::read(path);
        if !is_other_than_a_file(path) {
            self.0.insert(path.to_owned(), found(content.as_deref()));
        }
        content
    }

    /// Looks at the same again.
    #[must_use]
    pub fn now(&self) -> Self {
        Self::of(self.0.keys())
    }

    /// Waits until one has changed, and changes no more.
    pub async fn change(&self) {
        let mut seen = self.clone();
        while seen == *self {
            sleep(POLL_INTERVAL).await;
            seen = self.later().await;
        }
        loop {
            sleep(SETTLED_AFTER).await;
            match self.later().await {
                now if now == seen => return,
                now => seen = now,
            }
        }
    }

    async fn later(&self) -> Self {
        let same = self.clone();
        // It does not fail: looking does not panic, and nobody stops it. If it did, nothing has been seen.
        tokio::task::spawn_blocking(move || same.now()).await.unwrap_or_else(|_| self.clone())
    }
}

/// Returns whether it is a pipe, a device or the like: reading it again would wait, or find nothing.
#[must_use]
pub fn is_other_than_a_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn look_at(path: &Path) -> Found {
    if is_other_than_a_file(path) {
        return Err(io::ErrorKind::Unsupported);
    }
    let content = std::fs::read(path).map(Secret::new);
    found(content.as_ref().map(Secret::expose))
}

fn found(content: Result<&[u8], &io::Error>) -> Found {
    content.map(|content| Sha256::digest(content).into()).map_err(io::Error::kind)
}

impl std::fmt::Debug for Files {
    /// Paths alone: what was hashed may be guessed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
