//! The settings with all that the files hold which they name, and where they come from again.
//!
//! They are read again at `SIGHUP`, and when a file has changed that they come from. Whatever is wrong then refuses them as
//! a whole, and nothing changes: a gateway never runs on half of a file.
//!
//! What a newcomer would get wrong: to watch files for events (see [`tls`](crate::server::tls)), and to watch the one that
//! was named only. Quotas of single credentials stand in another, their credentials in others again, and so do the
//! authorities and certificates for the upstream. Whatever was read is looked at every few seconds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use sha2::{Digest, Sha256};
use tokio::signal::unix::Signal;
use tokio::time::sleep;

use crate::config::{Arguments, Config, Credentials, Problems, load};
use crate::pem::TlsError;
use crate::secret::Secret;
use crate::upstream::connector::Trust;

/// How long a changed file may wait to be seen.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long it must stay as it is before it is read: whoever writes it may have emptied it first, and an empty file is
/// good settings.
const SETTLED_AFTER: Duration = Duration::from_millis(250);

/// Settings, and what is made of the files that they name. Those of the clients' TLS look after themselves.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Quotas of single credentials.
    pub credentials: Arc<Credentials>,
    /// Whom the upstream's TLS trusts, and who we are to it. The same as before if nothing of it has changed.
    pub trust: Arc<Trust>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// They are wrong, or the file with quotas of single credentials is.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// A certificate, a key or authorities cannot be used.
    #[error("use TLS")]
    Tls(#[from] TlsError),
}

/// Where settings come from.
pub struct Source {
    arguments: Arguments,
    environment: Vec<(OsString, OsString)>,
    files: Files,
    trusted: Option<Trusted>,
}

/// Whom the upstream's TLS trusts, and by what.
struct Trusted {
    settings: crate::config::Upstream,
    files: Files,
    trust: Arc<Trust>,
}

impl Loaded {
    /// Reads the files that settings name.
    ///
    /// # Errors
    ///
    /// [`Unfit`].
    pub fn of(config: Config) -> Result<Self, Unfit> {
        let credentials = Arc::new(Credentials::of_settings(&config)?);
        let trust = Arc::new(Trust::of(&config.upstream)?);
        Ok(Self { config, credentials, trust })
    }
}

impl Source {
    /// Settings come from the arguments, the environment and the files that these name.
    #[must_use]
    pub fn new(arguments: Arguments, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { arguments, environment: environment.into_iter().collect(), files: Files::default(), trusted: None }
    }

    /// Reads the settings, and no other file.
    ///
    /// # Errors
    ///
    /// All that is wrong with them.
    pub fn config(&mut self) -> Result<Config, Problems> {
        self.files = Files::default();
        load(&self.arguments, self.environment.iter().cloned(), |path| {
            String::from_utf8(self.files.read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }

    /// Reads the settings and the files that they name.
    ///
    /// # Errors
    ///
    /// [`Unfit`].
    pub fn read(&mut self) -> Result<Loaded, Unfit> {
        let config = self.config()?;
        let credentials = match &config.throttle.credentials_file {
            Some(file) => Credentials::load(file, |path| self.files.read(path))?,
            None => Credentials::default(),
        };
        let trust = self.trust(&config)?;
        Ok(Loaded { config, credentials: Arc::new(credentials), trust })
    }

    fn trust(&mut self, config: &Config) -> Result<Arc<Trust>, TlsError> {
        let settings = &config.upstream;
        // Before they are used, so that a change in between is seen.
        let files = Files::of([&settings.ca_file, &settings.client_certificate, &settings.client_key]);
        self.files.0.extend(files.0.clone());
        if let Some(known) = &self.trusted
            && known.settings == *settings
            && known.files == files
        {
            return Ok(Arc::clone(&known.trust));
        }
        let trust = Arc::new(Trust::of(settings)?);
        self.trusted = Some(Trusted { settings: settings.clone(), files, trust: Arc::clone(&trust) });
        Ok(trust)
    }

    /// Returns whether a file has changed that was read last.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.files.now() != self.files
    }

    /// Waits until a file has changed, and changes no more.
    async fn changes(&self) {
        let mut seen = self.files.clone();
        while seen == self.files {
            sleep(POLL_INTERVAL).await;
            seen = self.files.now();
        }
        loop {
            sleep(SETTLED_AFTER).await;
            match self.files.now() {
                now if now == seen => return,
                now => seen = now,
            }
        }
    }

    /// Returns the settings each time they are read again: when `hangup` asks for it, or a file has changed.
    pub fn again(self, hangup: Signal) -> impl Stream<Item = Result<Loaded, Unfit>> + Unpin {
        let next = |(mut source, mut hangup): (Self, Signal)| async move {
            tokio::select! {
                Some(()) = hangup.recv() => tracing::info!(signal = "SIGHUP", "asked to read the settings again"),
                () = source.changes() => {}
            }
            // Authorities of the system take some milliseconds to read.
            let read = tokio::task::spawn_blocking(move || (source.read(), source));
            let (loaded, source) = read.await.ok()?;
            Some((loaded, (source, hangup)))
        };
        Box::pin(unfold((self, hangup), next))
    }
}

impl fmt::Debug for Source {
    /// Neither arguments nor environment: anything may stand there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What was found in files: not what they hold, for some hold credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Files(BTreeMap<PathBuf, Found>);

/// The hash of a file's content, or why there is none.
type Found = Result<[u8; 32], io::ErrorKind>;

impl Files {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let content = std::fs::read(path);
        self.0.insert(path.to_owned(), found(content.as_deref()));
        content
    }

    /// Looks at those that there are.
    fn of<'a>(paths: impl IntoIterator<Item = &'a Option<PathBuf>>) -> Self {
        Self(paths.into_iter().flatten().map(|path| (path.clone(), look_at(path))).collect())
    }

    /// Looks at the same again.
    fn now(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), look_at(path))).collect())
    }
}

fn look_at(path: &Path) -> Found {
    let content = std::fs::read(path).map(Secret::new);
    found(content.as_ref().map(Secret::expose))
}

fn found(content: Result<&[u8], &io::Error>) -> Found {
    content.map(|content| Sha256::digest(content).into()).map_err(io::Error::kind)
}

#[cfg(test)]
#[path = "reload/tests.rs"]
mod tests;
