//! A gateway within the test's process, on ports of its own.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chathub_gateway::config::Arguments;
use chathub_gateway::gateway::Ended;
use chathub_gateway::reload::{Loaded, Source, Unfit};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::answer::Answer;
use super::client::Client;
use super::connection::Connection;
use super::emulator::Emulator;
use super::metrics::Exposition;
use super::{eventually, soon};

/// A gateway that is about to start.
#[derive(Debug)]
pub(crate) struct Builder {
    settings: Settings,
}

/// What would stand in its file.
#[derive(Debug, Clone)]
struct Settings {
    listen: SocketAddr,
    text: String,
}

/// The file with a gateway's settings. It goes with the gateway.
#[derive(Debug)]
struct File {
    source: Source,
    path: PathBuf,
}

/// A running gateway. Dropping it lets it drain.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
    admin_address: SocketAddr,
    log: Log,
    stop: oneshot::Sender<()>,
    settings: Settings,
    file: Mutex<File>,
    again: mpsc::UnboundedSender<Result<Loaded, Unfit>>,
    running: JoinHandle<Ended>,
}

/// A gateway that was asked to stop.
#[derive(Debug)]
pub(crate) struct Stopping {
    running: JoinHandle<Ended>,
}

/// The access log as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    text: Arc<watch::Sender<String>>,
}

impl Gateway {
    /// A gateway before an emulator, with the default settings.
    pub(crate) fn before(chathub: &Emulator) -> Builder {
        Self::before_url(&chathub.url())
    }

    /// A gateway before any upstream, with the default settings.
    pub(crate) fn before_url(url: &str) -> Builder {
        let text = format!("admin.listen = '127.0.0.1:0'\nupstream.url = '{url}'\n");
        Builder { settings: Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), text } }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators connect.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// A client with a token.
    pub(crate) fn client(&self, token: &str) -> Client {
        self.anybody().bearer(token)
    }

    /// A client without a credential.
    pub(crate) fn anybody(&self) -> Client {
        Client::of(self.address)
    }

    /// A connection for bytes.
    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// A client of the operators' listener.
    pub(crate) fn operators(&self) -> Client {
        Client::of(self.admin_address)
    }

    /// What the operators' listener answers.
    pub(crate) async fn admin(&self, line: &str) -> Answer {
        self.operators().ask(line).send().await
    }

    /// The metrics of this moment.
    pub(crate) async fn metrics(&self) -> Exposition {
        Exposition::parse(self.admin("GET /metrics").await.text())
    }

    /// Waits until a metric has a value.
    pub(crate) async fn reaches(&self, series: &str, value: f64) {
        let look = || async { self.metrics().await.value(series) };
        eventually(look, |seen| *seen == value).await;
    }

    /// Waits until a counter has come so far. For those that may go on meanwhile: the gateway does not wait for our look.
    pub(crate) async fn passes(&self, series: &str, count: f64) {
        let look = || async { self.metrics().await.value(series) };
        eventually(look, |seen| *seen >= count).await;
    }

    /// Lets the gateway read its settings again, with these besides or in place of those of the same names.
    pub(crate) fn reload(&self, settings: &str) {
        let (mut all, mut file) = (self.settings.clone(), self.file.lock().expect("nobody panics while reading"));
        all.add(settings);
        all.write(&file.path);
        self.again.send(file.source.read()).expect("the gateway runs");
    }

    /// Lets the gateway read its settings again, and waits until they are in force.
    pub(crate) async fn changes_to(&self, settings: &str) {
        let done = r#"settings_reloads_total{outcome="done"}"#;
        let before = self.metrics().await.value(done);
        self.reload(settings);
        self.reaches(done, before + 1.0).await;
    }

    /// The access log.
    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }

    /// Asks the gateway to stop, and does not wait.
    pub(crate) fn begin_to_stop(self) -> Stopping {
        // It fails only if the gateway has ended, and then the wait for it tells why.
        let _ = self.stop.send(());
        Stopping { running: self.running }
    }

    /// Stops the gateway. Its access log is then complete.
    pub(crate) async fn stop(self) -> Ended {
        self.begin_to_stop().ended().await
    }
}

impl Stopping {
    /// Waits for the end for so long, and returns whether it came. For what is *not* to happen.
    pub(crate) async fn has_ended_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, &mut self.running).await.is_ok()
    }

    /// Waits for the end.
    pub(crate) async fn ended(self) -> Ended {
        soon(self.running).await.expect("the gateway does not panic")
    }
}

impl Builder {
    /// Adds settings, in TOML with dotted keys.
    pub(crate) fn set(mut self, settings: &str) -> Self {
        self.settings.add(settings);
        self
    }

    /// Names the address for clients. Otherwise it is any free port.
    pub(crate) fn listen(mut self, listen: SocketAddr) -> Self {
        self.settings.listen = listen;
        self
    }

    /// Starts the gateway.
    ///
    /// # Panics
    ///
    /// If the settings are wrong, or the address is taken.
    pub(crate) async fn start(self) -> Gateway {
        let log = Log { text: Arc::new(watch::Sender::new(String::new())) };
        let (settings, mut file) = (self.settings.clone(), self.settings.source());
        let gateway = bind(&mut file, log.clone()).unwrap_or_else(|error| panic!("{error}"));
        let (address, admin_address) = (gateway.address(), gateway.admin_address());
        let (stop, stopped) = oneshot::channel();
        let (again, mut read) = mpsc::unbounded_channel();
        let read = stream::poll_fn(move |cx| read.poll_recv(cx));
        let running = tokio::spawn(gateway.run(async { drop(stopped.await) }, read));
        Gateway { address, admin_address, log, stop, settings, file: Mutex::new(file), again, running }
    }

    /// Binds the gateway's addresses, and does no more.
    pub(crate) fn try_bind(self) -> Result<(), Box<dyn Error>> {
        bind(&mut self.settings.source(), io::sink()).map(drop)
    }
}

fn bind(file: &mut File, log: impl io::Write + Send + 'static) -> Result<chathub_gateway::Gateway, Box<dyn Error>> {
    Ok(chathub_gateway::Gateway::bind(file.source.read()?, log)?)
}

impl Settings {
    fn add(&mut self, settings: &str) {
        let name = |line: &str| line.split(" = ").next().map(str::to_owned);
        let are_replaced: Vec<_> = settings.lines().map(name).collect();
        let kept: Vec<_> = self.text.lines().filter(|line| !are_replaced.contains(&name(line))).collect();
        self.text = kept.into_iter().chain(settings.lines()).flat_map(|line| [line, "\n"]).collect();
    }

    /// Where they are read from, in a file of their own.
    fn source(&self) -> File {
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("gateway-{}-{}.toml", std::process::id(), NUMBERS.fetch_add(1, Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        self.write(&path);
        let arguments = Arguments { config: Some(path.clone()), ..Arguments::default() };
        File { source: Source::new(arguments, []), path }
    }

    fn write(&self, path: &Path) {
        let text = format!("server.listen = '{}'\n{}", self.listen, self.text);
        std::fs::write(path, text).expect("the directory for tests can be written");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // It fails only if somebody else was faster.
        let _ = std::fs::remove_file(&self.path);
    }
}

// === impl Log ===

impl Log {
    /// Waits for so many lines.
    pub(crate) async fn lines(&self, count: usize) -> Vec<Value> {
        let mut text = self.text.subscribe();
        let text = soon(text.wait_for(|text| text.lines().count() >= count)).await.expect("the log is there");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }

    /// How long the log is now, in bytes: a mark for [`since`](Self::since).
    pub(crate) fn mark(&self) -> usize {
        self.text.borrow().len()
    }

    /// What was written since a mark.
    pub(crate) fn since(&self, mark: usize) -> String {
        self.text.borrow()[mark..].to_owned()
    }

    /// All that was written so far.
    pub(crate) fn text(&self) -> String {
        self.text.borrow().clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.text.send_modify(|text| text.push_str(written));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
