//! Arguments, settings, exit code.

use std::process::ExitCode;

use chathub_gateway::config::{Arguments, Command, load};
use clap::Parser;

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
        None => {}
    }
    ExitCode::SUCCESS
}
