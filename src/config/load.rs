//! Lays the sources over each other: defaults, file, environment, flags.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::kind::Fault;
use super::problem::{Place, Problem, Problems};
use super::raw::{Given, Raw};
use super::rule::{self, Broken};
use super::setting;
use super::{Arguments, Config};

/// Names the file, unless the flag does.
const FILE_VARIABLE: &str = "CHATHUB_GATEWAY_CONFIG";

/// Returns the settings that the sources give together, each of which wins over those before it: the built-in defaults,
/// the file that `--config` or else `CHATHUB_GATEWAY_CONFIG` names, the variables `CHATHUB_GATEWAY__…`, the flags.
///
/// An empty variable sets nothing, if the setting may be absent, and otherwise is a problem; an empty
/// `CHATHUB_GATEWAY_CONFIG` names no file. Only `read` touches the world, and is called for one path at most.
///
/// # Errors
///
/// All that is wrong in any source, also with values that a later source overrides.
pub fn load(
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Config, Problems> {
    let (config, problems) = understand(gather(arguments, environment, read));
    Problems::from_unordered(problems).map_or(Ok(config), Err)
}

/// Returns the settings as [`load`] does, but looks at those that are `wanted` only, `admin.listen` among them: whatever is
/// wrong elsewhere has its default. For whoever asks a gateway that runs; it may run on older settings than those that are
/// there now, and is not to be called dead for a fault in a file that it has refused.
///
/// # Errors
///
/// All that is wrong with the `wanted`; and that the file cannot be read, if it must be: neither environment nor flag gives
/// `admin.listen`.
pub fn load_wanted(
    wanted: &[&str],
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Config, Problems> {
    let raw = gather(arguments, environment, read);
    let is_beside_the_file = |place: &Place| matches!(place, Place::Environment(_) | Place::Flag(_));
    let mut given = raw.given.iter();
    let can_be_asked = given.any(|given| given.setting.path == "admin.listen" && is_beside_the_file(&given.place));
    let (config, mut problems) = understand(raw);
    problems.retain(|problem| match problem.path.as_str() {
        "" => !can_be_asked,
        path => wanted.contains(&path),
    });
    Problems::from_unordered(problems).map_or(Ok(config), Err)
}

/// Takes what the sources give.
fn gather(
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Raw {
    let environment: Vec<_> = environment.into_iter().collect();
    let mut raw = Raw::default();
    if let Some((file, named_by)) = named_file(arguments, &environment) {
        match read(&file) {
            Ok(text) => raw.read_file(&file, &text),
            Err(error) => raw.problems.push(unreadable(file, named_by, &error)),
        }
    }
    raw.read_environment(&environment);
    raw.read_flags(arguments);
    raw
}

fn named_file(arguments: &Arguments, environment: &[(OsString, OsString)]) -> Option<(PathBuf, &'static str)> {
    if let Some(file) = &arguments.config {
        return Some((file.clone(), "--config"));
    }
    let (_, file) = environment.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty())?;
    Some((file.into(), FILE_VARIABLE))
}

/// The problem that a file is which a setting or a flag names in vain.
pub(super) fn unreadable(file: PathBuf, named_by: &str, error: &io::Error) -> Problem {
    let fault = format!("cannot be read, though {named_by} names it: {error}");
    Problem { path: String::new(), value: None, place: Place::File(file), fault, example: None }
}

/// Reads what was given into the defaults, and returns what is wrong with it, in no order.
fn understand(raw: Raw) -> (Config, Vec<Problem>) {
    let mut config = Config::default();
    let mut problems = raw.problems;
    let mut faulty = Vec::new();
    for given in &raw.given {
        match given.setting.read(&given.written) {
            Ok(value) => given.setting.set(&mut config, value),
            Err(fault) => {
                faulty.push(given.setting.path);
                problems.push(given.problem(fault));
            }
        }
    }
    let rules = rule::broken(&config).into_iter();
    // Beside a faulty value its default stands, and a rule would speak of something that nobody wrote.
    let rules = rules.filter(|rule| !rule.sides.iter().any(|side| faulty.contains(&side.path)));
    problems.extend(rules.filter_map(|rule| broken_rule(rule, &config, &raw.given)));
    (config, problems)
}

/// Tells of a broken rule at the side that was given. One was, for the defaults keep the rules.
fn broken_rule(rule: Broken, config: &Config, given: &[Given]) -> Option<Problem> {
    let [first, second] = rule.sides;
    let last_given = |path| given.iter().rfind(|given| given.setting.path == path);
    let (side, given, other) = match last_given(first.path) {
        Some(given) => (first, given, second.path),
        None => last_given(second.path).map(|given| (second, given, first.path))?,
    };
    let other = setting::find(other)?;
    let other_value = other.kind.plain(&other.get(config));
    if other_value.is_empty() {
        return Some(given.problem_alone(format!("{} {}, which is absent", side.must, other.path), other));
    }
    let fault = format!("{} {} ({other_value})", side.must, other.path);
    Some(given.problem(Fault::new(fault).instead(side.better)))
}
