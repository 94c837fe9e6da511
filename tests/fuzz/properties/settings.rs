//! Settings: a file is loaded or told what is wrong with it, and both are of use.
//!
//! An input is the text of a file. What a newcomer would get wrong: an operator acts upon a message. So what it proposes
//! is tried, and what it names must be there.

use std::ffi::OsString;
use std::path::Path;

use chathub_gateway::Config;
use chathub_gateway::config::{Arguments, Place, Problem, Problems, load, reference};

/// What hides a value.
const HIDDEN: &str = "***";

/// Faults that lie between two settings, each of which is good by itself.
const BETWEEN_TWO: [&str; 6] = [
    "must not share its port with",
    "must be longer than",
    "must be shorter than",
    "must not be larger than",
    "must not be smaller than",
    "takes more than 24h to regain",
];

/// Checks what comes of one file.
pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let loaded = load_file(text, Vec::new());
    assert_eq!(loaded, load_file(text, Vec::new()), "it is read the same again");
    match loaded {
        Ok(config) => is_loaded_as_it_is_printed(&config),
        Err(problems) => {
            assert!(problems.iter().len() > 0);
            problems.iter().for_each(|problem| tells_where_and_what(problem, text));
            problems.iter().for_each(hides_what_may_be_secret);
            proposes_what_is_good(text, &problems);
        }
    }
}

fn load_file(text: &str, environment: Vec<(OsString, OsString)>) -> Result<Config, Problems> {
    let arguments = Arguments { config: Some("gateway.toml".into()), ..Arguments::default() };
    load(&arguments, environment, |_| Ok(text.to_owned()))
}

fn is_loaded_as_it_is_printed(config: &Config) {
    let printed = config.to_toml();
    let again = load_file(&printed, Vec::new());
    let again = again.unwrap_or_else(|problems| panic!("what is printed is refused:\n{problems}\n{printed}"));
    assert_eq!(again, *config, "what is printed is loaded as itself");
    assert_eq!(again.to_toml(), printed);
}

/// A problem is one line that names a setting, or what was taken for one, and a place that there is.
fn tells_where_and_what(problem: &Problem, text: &str) {
    let message = problem.to_string();
    assert!(!message.chars().any(|letter| letter == '\n' || letter == '\r'), "{message:?} is more than one line");
    assert!(message.starts_with("gateway.toml"), "{message}");
    assert!(!problem.fault.is_empty());
    let is_of_the_file = problem.fault.starts_with("is not valid TOML");
    assert_eq!(problem.path.is_empty(), is_of_the_file, "{message}");
    match &problem.place {
        Place::File(file) => assert_eq!(file, Path::new("gateway.toml")),
        Place::Position { file, line, column } => {
            assert_eq!(file, Path::new("gateway.toml"));
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let there = text.split('\n').nth(line - 1).unwrap_or_else(|| panic!("{message} is behind the end"));
            assert!(*column <= there.chars().count() + 1, "{message} is behind the end of its line");
        }
        Place::Environment(_) | Place::Flag(_) => panic!("{message} names another source"),
    }
    let is_known = reference().any(|(path, ..)| path == problem.path);
    assert!(is_known || problem.value.is_none(), "the value of something unknown is not shown: {message}");
    assert!(!is_known || problem.value.is_some(), "what was given is shown: {message}");
}

/// Of a path nothing is shown, and of a URL neither who asks nor what for.
fn hides_what_may_be_secret(problem: &Problem) {
    let Some(value) = problem.value.as_deref() else { return };
    match problem.path.as_str() {
        "admin.token_file" | "throttle.credentials_file" => {
            assert!([HIDDEN, "\"***\"", "[…]"].contains(&value), "{value}");
        }
        "upstream.url" => {
            let value = value.trim_matches('"');
            let is_scheme =
                |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
            let parts = value.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
            let rest = parts.map_or(value, |(_, rest)| rest);
            if let Some((before, _)) = rest.rsplit_once('@') {
                assert!(before == HIDDEN, "{value}");
            }
            if let Some((_, behind)) = rest.split_once(['?', '#']) {
                assert!(HIDDEN.starts_with(behind.trim_end_matches('…')), "{value}");
            }
        }
        _ => {}
    }
}

/// What a message proposes for a setting is good, and what it proposes for two that do not go together mends them.
fn proposes_what_is_good(text: &str, problems: &Problems) {
    for problem in problems.iter().filter(|problem| problem.value.is_some() && !is_between_two(problem)) {
        if let Err(next) = load_file("", vec![proposed(problem)]) {
            assert!(next.iter().all(is_between_two), "{problem}\nis followed by\n{next}");
        }
    }
    if problems.iter().all(is_between_two)
        && let Err(next) = load_file(text, problems.iter().map(proposed).collect())
    {
        panic!("{problems}\nis followed by\n{next}");
    }
}

fn is_between_two(problem: &Problem) -> bool {
    BETWEEN_TWO.iter().any(|fault| problem.fault.starts_with(fault))
}

/// Returns the variable that sets what a message proposes: it wins over the file.
fn proposed(problem: &Problem) -> (OsString, OsString) {
    let example = problem.example.as_deref().unwrap_or_else(|| panic!("{problem} proposes nothing"));
    let (name, value) = example.split_once(" = ").unwrap_or_else(|| panic!("{problem} proposes no line"));
    assert_eq!(problem.path.rsplit('.').next(), Some(name), "{problem}");
    let variable = format!("CHATHUB_GATEWAY__{}", problem.path.to_uppercase().replace('.', "__"));
    (variable.into(), value.trim_matches('"').into())
}
