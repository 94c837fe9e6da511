//! The settings as their users meet them: a file, an environment, a line of flags, and what comes of them.

mod lists;
mod messages;
mod sources;
mod table;

use std::ffi::OsString;
use std::path::Path;

use super::{Arguments, Config, Problems, load};

/// Loads `gateway.toml` with that text, an environment, and flags.
fn load_all(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Config, Problems> {
    let arguments = Arguments { config: Some("gateway.toml".into()), ..arguments(flags) };
    load(&arguments, variables(environment), |path| {
        assert_eq!(path, Path::new("gateway.toml"));
        Ok(text.to_owned())
    })
}

fn load_file(text: &str) -> Result<Config, Problems> {
    load_all(text, &[], &[])
}

fn load_environment(environment: &[(&str, &str)]) -> Result<Config, Problems> {
    load(&Arguments::default(), variables(environment), |_| unreachable!("no file is named"))
}

fn arguments(flags: &[&str]) -> Arguments {
    let line = std::iter::once("chathub-gateway").chain(flags.iter().copied());
    clap::Parser::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"))
}

fn variables(environment: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    environment.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Returns the messages.
fn messages(loaded: Result<Config, Problems>) -> Vec<String> {
    let problems = loaded.expect_err("the settings are wrong");
    problems.iter().map(ToString::to_string).collect()
}

/// Returns the only message.
fn message(loaded: Result<Config, Problems>) -> String {
    let mut messages = messages(loaded);
    assert_eq!(messages.len(), 1, "{messages:#?}");
    messages.remove(0)
}
