//! ChatHub emulated as a program: something to put the gateway in front of and to try its calls against.
//!
//! The credential it prints is a demonstration key of the emulator and opens nothing else.

#[path = "emulator.rs"]
mod emulator;

use std::process::ExitCode;

use emulator::{Builder, Emulator, RateLimit};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Emulates the SMSBAT ChatHub API on 127.0.0.1.

Usage: chathub [OPTIONS]

Options:
      --port <PORT>          Port of the API [default: 2430]
      --control-port <PORT>  Port of the control calls [default: 2431]
      --no-rate-limit        Answer as often as asked
  -h, --help                 Print this help";

/// What the command line asks for.
enum Order {
    Help,
    Start(Builder),
}

#[tokio::main]
async fn main() -> ExitCode {
    let builder = match read(std::env::args().skip(1)) {
        Ok(Order::Start(builder)) => builder,
        Ok(Order::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            return ExitCode::from(64);
        }
    };
    match builder.try_start().await {
        Ok(chathub) => serve(chathub).await,
        Err(error) => {
            eprintln!("cannot listen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut builder = Emulator::builder().port(2430).control_port(2431);
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        builder = match name.as_str() {
            "-h" | "--help" => return Ok(Order::Help),
            "--no-rate-limit" => builder.rate_limit(RateLimit::Off),
            "--port" => builder.port(port(&name, value.or_else(|| arguments.next()))?),
            "--control-port" => builder.control_port(port(&name, value.or_else(|| arguments.next()))?),
            _ => return Err(format!("unknown option {name}")),
        };
    }
    Ok(Order::Start(builder))
}

fn port(name: &str, value: Option<String>) -> Result<u16, String> {
    let value = value.ok_or_else(|| format!("{name} needs a port"))?;
    value.parse().map_err(|_| format!("{name} {value}: not a port, say for example {name} 2430"))
}

async fn serve(chathub: Emulator) -> ExitCode {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        eprintln!("cannot listen for signals");
        return ExitCode::FAILURE;
    };
    print_welcome(&chathub);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    println!("stopped");
    ExitCode::SUCCESS
}

fn print_welcome(chathub: &Emulator) {
    let key = format!("X-Authorization-Key: {}", chathub.profile_key("acme"));
    println!("ChatHub (emulated) on {}, control calls on {}\n", chathub.url(), chathub.control_url());
    for (what, base) in [("Directly", chathub.url().as_str()), ("Through a gateway", "http://127.0.0.1:2428")] {
        println!("{what}:");
        println!("  curl -i -H '{key}' '{base}/api/operator?organizationId=24'");
        println!("  curl -i -H '{key}' '{base}/api/company/organization'");
        println!(
            "  curl -i -H '{key}' -H 'Content-Type: application/json' \\\n    -d '[{{\"organizationId\":24,\"name\":\"Ann Lee\"}}]' '{base}/api/operator/synchronize'"
        );
        println!(
            "  curl -i -H '{key}' -H 'Content-Type: application/json' \\\n    -d '{{\"id\":103,\"status\":0}}' '{base}/api/operator/status'\n"
        );
    }
    println!("What reached it:\n  curl {}/counters\n", chathub.control_url());
    println!("Ctrl-C ends it.");
}
