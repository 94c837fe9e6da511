//! The settings as they were given, from whichever source, not yet understood.
//!
//! Every source puts what it has into one [`Raw`]: the settings it names, in the order in which later ones win, and the
//! problems with names that no setting has. The environment and the flags know no types, so their values are
//! [`Plain`](Written::Plain) text and take whichever type is wanted.

use std::ffi::{OsStr, OsString};

use super::kind::{Fault, Kind, Value};
use super::problem::{Place, Problem};
use super::setting::{self, PREFIX, SETTINGS, Setting};
use super::{Arguments, suggestion};

/// How many characters of a value are shown.
const SHOWN: usize = 80;

/// All that was given.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) given: Vec<Given>,
    pub(super) problems: Vec<Problem>,
}

/// A setting that was given.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) written: Written,
    /// As it is shown: short, on one line, with what may be secret hidden.
    pub(super) shown: String,
    pub(super) place: Place,
}

/// A value as it was written.
#[derive(Debug)]
pub(super) enum Written {
    Boolean(bool),
    Integer(i64),
    List(Vec<Written>),
    /// Not text at all, from the environment or a flag.
    NotUnicode,
    /// Of a type that no setting has, which is named.
    Other(&'static str),
    /// From the environment or a flag.
    Plain(String),
    /// In quotes, from the file.
    Text(String),
}

impl Raw {
    /// Takes the variables that begin as settings do; others are not ours.
    ///
    /// The double underscore is what makes them ours: Kubernetes itself sets `CHATHUB_GATEWAY_PORT` and the like for a
    /// service of our name.
    pub(super) fn read_environment(&mut self, variables: &[(OsString, OsString)]) {
        for (name, value) in variables {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            match SETTINGS.iter().find(|setting| setting.variable() == name) {
                Some(setting) => self.push_plain(setting, value, Place::Environment(name.into_owned())),
                None => self.push_unknown_variable(&rest.to_lowercase().replace("__", "."), &name),
            }
        }
    }

    /// Takes the flags that are settings.
    pub(super) fn read_flags(&mut self, arguments: &Arguments) {
        for (flag, path, value) in [
            ("--listen", "server.listen", &arguments.listen),
            ("--admin-listen", "admin.listen", &arguments.admin_listen),
            ("--upstream", "upstream.url", &arguments.upstream),
        ] {
            if let Some(value) = value {
                let setting = setting::find(path).expect("flags are named for settings of the table");
                self.push_plain(setting, value, Place::Flag(flag));
            }
        }
    }

    fn push_plain(&mut self, setting: &'static Setting, value: &OsStr, place: Place) {
        let written = match value.to_str() {
            Some(text) => Written::Plain(text.to_owned()),
            None => Written::NotUnicode,
        };
        let shown = shown_text(&setting.kind, &value.to_string_lossy());
        self.given.push(Given { setting, written, shown, place });
    }

    fn push_unknown_variable(&mut self, path: &str, name: &str) {
        let fault = match suggestion::nearest(path, SETTINGS.iter().map(|setting| setting.path)) {
            Some(known) => format!("is unknown; did you mean `{}`?", setting::variable(known)),
            None => format!("is unknown; {}", suggestion::what_there_is(path)),
        };
        let place = Place::Environment(name.to_owned());
        self.problems.push(Problem { path: path.escape_debug().to_string(), value: None, place, fault, example: None });
    }
}

impl Given {
    /// Returns the problem that this one is.
    pub(super) fn problem(&self, fault: Fault) -> Problem {
        let good = fault.instead.unwrap_or_else(|| self.setting.example());
        Problem {
            path: self.setting.path.to_owned(),
            value: Some(self.shown.clone()),
            place: self.place.clone(),
            fault: fault.what,
            example: Some(self.example(self.setting, &good)),
        }
    }

    /// Returns the problem that this one is without another setting, which is absent.
    pub(super) fn problem_alone(&self, what: String, other: &'static Setting) -> Problem {
        Problem { example: Some(self.example(other, &other.example())), ..self.problem(Fault::new(what)) }
    }

    /// Returns how a setting is written where this one was.
    fn example(&self, setting: &Setting, value: &Value) -> String {
        let Setting { kind, .. } = setting;
        match &self.place {
            Place::File(_) | Place::Position { .. } => {
                format!("{} = {}", setting.section_and_name().1, kind.literal(value))
            }
            Place::Environment(_) => format!("{}={}", setting.variable(), kind.plain(value)),
            Place::Flag(flag) => format!("{flag} {}", kind.plain(value)),
        }
    }
}

impl Written {
    /// Returns what to call it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::List(_) => "a list",
            Self::NotUnicode | Self::Plain(_) | Self::Text(_) => "a string",
            Self::Other(name) => name,
        }
    }
}

/// Returns a text as it is shown. It is redacted as a whole, for cutting it could hide where a password ends.
pub(super) fn shown_text(kind: &Kind, text: &str) -> String {
    format!("{:?}", cut(&kind.redact(text.to_owned())))
}

/// Returns a piece of the file as it is shown.
pub(super) fn shown_source(kind: &Kind, source: &str) -> String {
    let line = source.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&kind.redact(line))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
