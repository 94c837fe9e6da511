//! Arguments, settings, runtime, the gateway, exit code.
//!
//! The allocator is the system's. jemalloc took 7 % less processor time for hits and 9 % less memory at 100,000 stored
//! lists, but needs `make` to build, which a machine with nothing but Rust lacks; mimalloc held 14 MB when idle instead of
//! six, which a sidecar pays in every pod.

use std::process::ExitCode;

use chathub_gateway::config::{Arguments, Command, Format, Problems};
use chathub_gateway::error::chain;
use chathub_gateway::gateway::{self, Ended, StartError};
use chathub_gateway::reload::{Loaded, Source, Unfit};
use chathub_gateway::{Gateway, control, descriptors, telemetry};
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Something did not work.
const FAILED: u8 = 1;
/// Something was cut at the deadline.
const CUT: u8 = 3;
/// The settings are wrong (EX_CONFIG of sysexits).
const WRONG_SETTINGS: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command;
    let source = Source::new(arguments, std::env::vars_os());
    let Some(command) = command else {
        return run(source).unwrap_or_else(|error| failed(&*error));
    };
    let said = match command {
        Command::Check => check(source).map(|()| "the settings are good".to_owned()),
        Command::Config => print(source),
        command => ask(command, &source),
    };
    match said {
        Ok(said) => println!("{}", said.trim_end()),
        Err(error) => return failed(&*error),
    }
    ExitCode::SUCCESS
}

/// Reads the settings and all files that they name, as a gateway that starts does.
fn check(mut source: Source) -> Result<(), Box<dyn std::error::Error>> {
    let loaded = source.read()?;
    Ok(gateway::check_tls(&loaded.config)?)
}

/// Returns the settings as a file.
fn print(mut source: Source) -> Result<String, Box<dyn std::error::Error>> {
    Ok(source.config().map_err(Unfit::from)?.to_toml())
}

/// Asks a gateway that runs.
fn ask(command: Command, source: &Source) -> Result<String, Box<dyn std::error::Error>> {
    let config = source.wanted(control::wanted(command)).map_err(Unfit::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(control::run(command, &config))?)
}

fn run(mut source: Source) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let loaded = source.read()?;
    let log = &loaded.config.log;
    telemetry::logging::start(log.level, log.format == Format::Json);
    let (descriptors, connections) = (descriptors::raise(), loaded.config.server.max_connections);
    if let Some(descriptors) = descriptors.filter(|most| *most < connections as u64) {
        tracing::warn!(
            descriptors,
            "the system gives fewer file descriptors than server.max_connections ({connections}), and each takes one or two: \
             lower the setting, or raise the hard limit (ulimit -Hn, LimitNOFILE=)"
        );
    }
    // The first of the workers; the gateway starts the others.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(loaded, source));
    // Not waited for: a name that is being looked up cannot be stopped.
    runtime.shutdown_background();
    ended
}

async fn serve(loaded: Loaded, source: Source) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let upstream = loaded.config.upstream.url.clone();
    let gateway = Gateway::bind(loaded, std::io::stdout())?;
    let mut signals = Signals::new()?;
    let again = source.again(signal(SignalKind::hangup())?);
    if upstream.scheme_str() == Some("http") {
        tracing::warn!(%upstream, "credentials go to the upstream in the clear: upstream.url with http is for tests only");
    }
    let (listen, admin, workers) = (gateway.address(), gateway.admin_address(), gateway.workers());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, %admin, %upstream, workers, "serving");
    let (ask, asked) = oneshot::channel();
    let insisted = async {
        signals.next().await;
        // The gateway runs, so it is there to be asked.
        let _ = ask.send(());
        signals.next().await;
    };
    tokio::select! {
        ended = gateway.run(async { drop(asked.await) }, again) => Ok(tell(ended)),
        () = insisted => {
            tracing::warn!("stopped at once: asked twice");
            Ok(FAILED.into())
        }
    }
}

fn tell(ended: Ended) -> ExitCode {
    match ended {
        Ended::Drained => {
            tracing::info!("stopped: every request had its answer");
            return ExitCode::SUCCESS;
        }
        Ended::Cut { connections, writes: 0 } => {
            tracing::warn!(connections, "stopped: connections were cut at the deadline");
        }
        Ended::Cut { connections, writes } => {
            tracing::warn!(
                connections,
                writes,
                "stopped: writes were cut at the deadline, and their outcome is unknown"
            );
        }
    }
    CUT.into()
}

/// The signals that ask the gateway to stop. The second one does not wait for the drain.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!(signal = "SIGTERM", "asked to stop"),
            _ = self.interrupt.recv() => tracing::info!(signal = "SIGINT", "asked to stop"),
        }
    }
}

/// Says on standard error, for people, what is wrong with the settings.
fn wrong(problems: &Problems) -> ExitCode {
    eprintln!("{problems}");
    WRONG_SETTINGS.into()
}

/// Says on standard error, for people, what could not be done and why.
fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    if let Some(Unfit::Problems(problems)) = error.downcast_ref() {
        return wrong(problems);
    }
    eprintln!("chathub-gateway: {}", chain(error));
    // A file that settings name is a part of them.
    let is_of_settings = error.is::<Unfit>() || matches!(error.downcast_ref(), Some(StartError::Tls(_)));
    if is_of_settings { WRONG_SETTINGS.into() } else { FAILED.into() }
}
