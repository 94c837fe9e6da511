//! Arguments, settings, runtime, the gateway, exit code.

use std::process::ExitCode;

use chathub_gateway::config::{Arguments, Command, Config, Format, load};
use chathub_gateway::error::chain;
use chathub_gateway::gateway::Ended;
use chathub_gateway::{Gateway, telemetry};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Something did not work.
const FAILED: u8 = 1;
/// The settings are wrong (EX_CONFIG of sysexits).
const WRONG_SETTINGS: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match load(&arguments, std::env::vars_os(), |path| std::fs::read_to_string(path)) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return WRONG_SETTINGS.into();
        }
    };
    match arguments.command {
        Some(Command::Check) => println!("the settings are good"),
        Some(Command::Config) => print!("{}", config.to_toml()),
        None => return run(config),
    }
    ExitCode::SUCCESS
}

fn run(config: Config) -> ExitCode {
    let level = config.log.level.as_str().parse().expect("the levels have tracing's names");
    telemetry::logging::start(level, config.log.format == Format::Json);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = config.server.workers {
        runtime.worker_threads(workers.get());
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    runtime.block_on(async {
        let upstream = config.upstream.url.clone();
        let gateway = match Gateway::bind(config, std::io::stdout()) {
            Ok(gateway) => gateway,
            Err(error) => return failed(&error),
        };
        let stop = match stop() {
            Ok(stop) => stop,
            Err(error) => return failed(&error),
        };
        let (listen, admin) = (gateway.address(), gateway.admin_address());
        tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, %admin, %upstream, "serving");
        match gateway.run(stop).await {
            Ended::Drained => tracing::info!("stopped: every request had its answer"),
            Ended::Cut { connections } => tracing::warn!(connections, "stopped: connections were cut at the deadline"),
        }
        ExitCode::SUCCESS
    })
}

/// Resolves when the gateway is asked to stop.
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "asked to stop"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "asked to stop"),
        }
    })
}

/// Says on standard error, for people, what could not be done and why.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("chathub-gateway: {}", chain(error));
    FAILED.into()
}
