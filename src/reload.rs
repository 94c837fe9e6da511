//! The settings with all that the files hold which they name, and where they come from again.
//!
//! They are read again at `SIGHUP`, and when a file has changed that they come from. Whatever is wrong then refuses them as
//! a whole, and nothing changes: a gateway never runs on half of a file.
//!
//! What a newcomer would get wrong: to look at the file that was named only. Quotas of single credentials stand in another,
//! their credentials in others again, and so do the authorities and certificates for the upstream.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use http::Uri;
use tokio::signal::unix::Signal;

use crate::config::{Arguments, Config, Credentials, Problems, load, load_wanted};
use crate::pem::TlsError;
use crate::secret::Secret;
use crate::upstream::connector::Trust;
use crate::watched::{Files, is_other_than_a_file};

/// Settings, and what is made of the files that they name. Those of the clients' TLS look after themselves.
#[derive(Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Quotas of single credentials.
    pub credentials: Arc<Credentials>,
    /// Whom the upstream's TLS trusts, and who we are to it. The same as before if nothing of it has changed.
    pub trust: Arc<Trust>,
    /// What those must know who may purge, from wherever.
    pub secret: Option<Arc<Secret>>,
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
    /// The secret of those who may purge could not be read, or there is none in the file.
    #[error("read the secret in {} (admin.token_file)", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A part of the gateway broke while it read them.
    #[error("read the settings: a part of the gateway broke")]
    Broken,
}

/// Where settings come from.
pub struct Source {
    arguments: Arguments,
    environment: Vec<(OsString, OsString)>,
    files: Files,
    /// They were read before, and the program runs on them.
    is_again: bool,
    trusted: Option<Trusted>,
}

/// Whom the upstream's TLS trusts, and by what.
struct Trusted {
    /// As it was at the start: another one waits for the next.
    url: Uri,
    paths: [Option<PathBuf>; 3],
    files: Files,
    trust: Arc<Trust>,
}

impl Source {
    /// Settings come from the arguments, the environment and the files that these name.
    #[must_use]
    pub fn new(arguments: Arguments, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let environment = environment.into_iter().collect();
        Self { arguments, environment, files: Files::default(), is_again: false, trusted: None }
    }

    /// Reads the settings, and no other file.
    ///
    /// # Errors
    ///
    /// All that is wrong with them.
    pub fn config(&mut self) -> Result<Config, Problems> {
        self.files = Files::default();
        let (files, is_again) = (&mut self.files, self.is_again);
        load(&self.arguments, self.environment.iter().cloned(), |path| text(read(files, is_again, path)?))
    }

    /// Reads the settings for whoever asks a gateway that runs, and wants no others than these. What is wrong elsewhere has
    /// its default: see [`load_wanted`].
    ///
    /// # Errors
    ///
    /// All that is wrong with those.
    pub fn wanted(&self, wanted: &[&str]) -> Result<Config, Problems> {
        load_wanted(wanted, &self.arguments, self.environment.iter().cloned(), |path| text(std::fs::read(path)?))
    }

    /// Reads the settings and the files that they name.
    ///
    /// # Errors
    ///
    /// [`Unfit`].
    pub fn read(&mut self) -> Result<Loaded, Unfit> {
        let config = self.config()?;
        let (files, is_again) = (&mut self.files, self.is_again);
        let credentials = Credentials::of_settings(&config, |path| read(files, is_again, path))?;
        let secret = config.admin.token_file.as_deref().map(|path| {
            let secret = read(files, is_again, path).and_then(Secret::from_file);
            secret.map(Arc::new).map_err(|source| Unfit::Secret { path: path.to_owned(), source })
        });
        let (secret, trust) = (secret.transpose()?, self.trust(&config)?);
        self.is_again = true;
        Ok(Loaded { config, credentials: Arc::new(credentials), trust, secret })
    }

    fn trust(&mut self, config: &Config) -> Result<Arc<Trust>, TlsError> {
        let mut settings = config.upstream.clone();
        let paths = [&settings.ca_file, &settings.client_certificate, &settings.client_key].map(Clone::clone);
        // Before they are used, so that a change in between is seen.
        let files = Files::of(paths.iter().flatten());
        self.files.add(&files);
        if let Some(known) = &self.trusted {
            if known.paths == paths && known.files == files {
                return Ok(Arc::clone(&known.trust));
            }
            settings.url = known.url.clone();
        }
        let trust = Arc::new(Trust::of(&settings)?);
        self.trusted = Some(Trusted { url: settings.url, paths, files, trust: Arc::clone(&trust) });
        Ok(trust)
    }

    /// Returns the settings each time they are read again: when `hangup` asks for it, or a file has changed.
    pub fn again(self, hangup: Signal) -> impl Stream<Item = Result<Loaded, Unfit>> + Unpin {
        let next = |(mut source, mut hangup): (Self, Signal)| async move {
            tokio::select! {
                Some(()) = hangup.recv() => tracing::info!(signal = "SIGHUP", "asked to read the settings again"),
                () = source.files.change() => {}
            }
            // Authorities of the system take some milliseconds to read.
            let read = tokio::task::spawn_blocking(move || {
                let loaded = catch_unwind(AssertUnwindSafe(|| source.read()));
                (loaded.unwrap_or(Err(Unfit::Broken)), source)
            });
            let (loaded, source) = read.await.ok()?;
            Some((loaded, (source, hangup)))
        };
        Box::pin(unfold((self, hangup), next))
    }
}

fn text(content: Vec<u8>) -> io::Result<String> {
    String::from_utf8(content).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads a file. A pipe can be read once: a second time it would be empty, and an empty file is good settings.
fn read(files: &mut Files, is_again: bool, path: &Path) -> io::Result<Vec<u8>> {
    if is_again && is_other_than_a_file(path) {
        return Err(io::Error::other("it is no file that can be read again; give a regular file to change settings"));
    }
    files.read(path)
}

impl fmt::Debug for Source {
    /// Neither arguments nor environment: anything may stand there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for Loaded {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "reload/tests.rs"]
mod tests;
