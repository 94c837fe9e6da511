//! The subcommands that ask a running gateway: `probe`, `wait`, `drain` and `quit`. They are for containers that have
//! neither a shell nor curl, so that probes and hooks can call the one program that is there.
//!
//! They find the gateway by the settings it was started with, as they read them from the same file and environment, and
//! speak to its admin listener. What a newcomer would get wrong: to read all settings for that. The file may have changed
//! since, for the worse or for a newer gateway; the one that runs has refused it and serves, and a probe that failed for it
//! would have the kubelet kill what then cannot start. So they look at nothing but [`wanted`].
//! And to print nothing: a probe that fails is read in the events of a pod at night; its one line says what was asked, of
//! whom, and what came.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::{Command, Config, Probed};
use crate::secret::Secret;

/// How long lies between two looks.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a single question may take, unless it is told otherwise.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it is waited for a gateway to get ready, unless it is told otherwise.
const START: Duration = Duration::from_secs(60);

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a gateway did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The settings name no port to ask at.
    #[error("admin.listen names no port; give the gateway and this command the same one")]
    NoPort,
    /// The secret could not be read.
    #[error("read the secret in {path} (admin.token_file)")]
    Secret {
        /// The file.
        path: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answered.
    #[error("ask {address} for {path}")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// What for.
        path: &'static str,
        /// Why not.
        #[source]
        source: Source,
    },
    /// It answered otherwise.
    #[error("{address} answered {status} to {path}: {said}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// What for.
        path: &'static str,
        /// The answer's status.
        status: StatusCode,
        /// Its content.
        said: String,
    },
    /// It took too long.
    #[error("not within {limit:?}: {state}")]
    TooLong {
        /// How long it was waited.
        limit: Duration,
        /// What was there at the end.
        state: String,
    },
}

/// Returns the settings without which a subcommand cannot ask.
#[must_use]
pub const fn wanted(command: Command) -> &'static [&'static str] {
    match command {
        Command::Drain { .. } | Command::Quit { .. } => &["admin.listen", "admin.token_file"],
        _ => &["admin.listen"],
    }
}

/// Does what a subcommand asks for, and returns what is to be told.
///
/// # Errors
///
/// [`ControlError`].
pub async fn run(command: Command, config: &Config) -> Result<String, ControlError> {
    let gateway = Asked::of(config)?;
    match command {
        Command::Probe { what, timeout } => gateway.once("GET", what.path(), timeout.unwrap_or(PATIENCE)).await,
        Command::Wait { timeout } => gateway.ready(timeout.unwrap_or(START)).await,
        Command::Drain { timeout } => {
            gateway.by_secret(config)?.drained(timeout.unwrap_or(config.server.drain_deadline)).await
        }
        Command::Quit { now: false } => gateway.by_secret(config)?.once("POST", "/quit", PATIENCE).await,
        Command::Quit { now: true } => gateway.by_secret(config)?.once("POST", "/quit?now", PATIENCE).await,
        Command::Check | Command::Config => Ok(String::new()),
    }
}

impl Probed {
    const fn path(self) -> &'static str {
        match self {
            Self::Ready => "/readyz",
            Self::Live => "/livez",
            Self::Started => "/startupz",
        }
    }
}

/// The gateway that is asked.
struct Asked {
    address: SocketAddr,
    secret: Option<Secret>,
}

/// What it says of itself.
#[derive(Deserialize)]
struct State {
    requests: usize,
    writes: usize,
}

impl Asked {
    fn of(config: &Config) -> Result<Self, ControlError> {
        let mut address = config.admin.listen;
        if address.port() == 0 {
            return Err(ControlError::NoPort);
        }
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
            });
        }
        Ok(Self { address, secret: None })
    }

    /// The same, shown the secret that it wants for what changes it.
    fn by_secret(self, config: &Config) -> Result<Self, ControlError> {
        let secret = config.admin.token_file.as_deref().map(|path| {
            let told = |source| ControlError::Secret { path: path.display().to_string(), source };
            Secret::read(path).map_err(told)
        });
        Ok(Self { secret: secret.transpose()?, ..self })
    }

    /// Asks once, and is content with nothing but success.
    async fn once(&self, method: &str, path: &'static str, limit: Duration) -> Result<String, ControlError> {
        let asked = timeout_at(Instant::now() + limit, self.ask(method, path)).await;
        match asked.map_err(|_| ControlError::TooLong { limit, state: format!("no answer to {path}") })?? {
            (status, said) if status.is_success() => Ok(said),
            (status, said) => Err(ControlError::Refused { address: self.address, path, status, said }),
        }
    }

    /// Asks until the gateway is ready.
    async fn ready(&self, limit: Duration) -> Result<String, ControlError> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.once("GET", "/readyz", left.min(PATIENCE)).await {
                Err(error) if Instant::now() + GLANCE >= until => {
                    return Err(ControlError::TooLong { limit, state: crate::error::chain(&error) });
                }
                Err(_) => sleep(GLANCE).await,
                ready => return ready,
            }
        }
    }

    /// Lets the gateway leave, and waits until no request is under way, nor an answer that passes through. Connections that
    /// nobody uses, and streams, go when it ends.
    async fn drained(&self, limit: Duration) -> Result<String, ControlError> {
        let until = Instant::now() + limit;
        let mut said = self.once("POST", "/drain", PATIENCE).await?;
        loop {
            let state = serde_json::from_str(&said);
            if state.is_ok_and(|State { requests, writes }| requests + writes == 0) {
                return Ok(said);
            }
            if Instant::now() + GLANCE >= until {
                return Err(ControlError::TooLong { limit, state: said.trim_end().to_owned() });
            }
            sleep(GLANCE).await;
            said = self.once("GET", "/drain", PATIENCE).await?;
        }
    }

    async fn ask(&self, method: &str, path: &'static str) -> Result<(StatusCode, String), ControlError> {
        let answered = self.exchange(method, path).await;
        answered.map_err(|source| ControlError::Unreachable { address: self.address, path, source })
    }

    async fn exchange(&self, method: &str, path: &str) -> Result<(StatusCode, String), Source> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if let Some(secret) = &self.secret {
            request = request.header(AUTHORIZATION, [b"Bearer ", secret.word()].concat());
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let (head, content) = response.into_parts();
        let content = content.collect().await?.to_bytes();
        Ok((head.status, String::from_utf8_lossy(&content).trim_end().to_owned()))
    }
}
