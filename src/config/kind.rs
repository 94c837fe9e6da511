//! What a setting can be: how it is read, what bounds it, how it is printed.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::numbers::{self, Numbers};
use super::raw::Written;
use super::{Rate, address, suggestion, unit};

/// What a setting is, with its bounds.
#[derive(Debug)]
pub(super) enum Kind {
    /// An IP address with a port.
    Address,
    /// A duration.
    Duration(RangeInclusive<Duration>),
    /// A whole number.
    Number(RangeInclusive<u64>),
    /// Several whole numbers. A list of none is the same as its absence.
    Numbers(Numbers),
    /// A file.
    Path,
    /// So many a second, a minute, an hour.
    Rate,
    /// A number of bytes.
    Size(RangeInclusive<u64>),
    /// True or false.
    Switch,
    /// A URL that names a host.
    Url,
    /// One of these.
    Word(&'static [&'static str]),
}

/// A setting's value on its way between text and field. A number and a size are told apart by their kind only.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Absent,
    Address(SocketAddr),
    Duration(Duration),
    Number(u64),
    Numbers(Vec<u64>),
    Path(PathBuf),
    Rate(Rate),
    Switch(bool),
    Url(http::Uri),
    Word(&'static str),
}

/// Why a value was refused, and what was probably meant.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) instead: Option<Value>,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), instead: None }
    }

    pub(super) fn instead(self, value: impl Into<Option<Value>>) -> Self {
        Self { instead: value.into(), ..self }
    }
}

impl Kind {
    /// Reads what was given and checks it against the bounds. A guess at what was meant is within them.
    pub(super) fn read(&self, written: &Written) -> Result<Value, Fault> {
        self.read_unbounded(written).and_then(|value| self.bounded(value)).map_err(|fault| Fault {
            instead: fault.instead.filter(|value| self.bounded(value.clone()).is_ok()),
            ..fault
        })
    }

    fn read_unbounded(&self, written: &Written) -> Result<Value, Fault> {
        match (self, written) {
            (_, Written::NotUnicode) => Err(Fault::new("is not valid UTF-8")),
            (_, Written::Plain(text) | Written::Text(text)) if text.is_empty() => Err(Fault::new("is empty")),
            (Self::Number(bounds), Written::Integer(number)) => {
                u64::try_from(*number).map(Value::Number).map_err(|_| out_of_bounds(bounds, u64::to_string))
            }
            (Self::Number(_) | Self::Switch, Written::Plain(text)) => self.read_bare(text),
            (Self::Numbers(numbers), Written::List(items)) => numbers.read(items),
            (Self::Numbers(numbers), Written::Plain(text)) => numbers.read_text(text),
            (Self::Switch, Written::Boolean(switch)) => Ok(Value::Switch(*switch)),
            (Self::Number(_) | Self::Numbers(_) | Self::Switch, _) => Err(self.wrong_type(written)),
            (_, Written::Plain(text) | Written::Text(text)) => self.read_text(text),
            // Almost right: the reader of the text knows better what is missing.
            (Self::Duration(_) | Self::Size(_) | Self::Rate | Self::Address, Written::Integer(number)) => {
                self.read_text(&number.to_string())
            }
            _ => Err(self.wrong_type(written)),
        }
    }

    /// Reads what TOML writes without quotes.
    fn read_bare(&self, text: &str) -> Result<Value, Fault> {
        match self {
            Self::Switch => text.parse().map(Value::Switch).map_err(|_| Fault::new("is neither true nor false")),
            _ => text.parse().map(Value::Number).map_err(|_| Fault::new("is not a whole number")),
        }
    }

    /// Reads what TOML writes in quotes.
    fn read_text(&self, text: &str) -> Result<Value, Fault> {
        match self {
            Self::Address => address::read_address(text).map(Value::Address),
            Self::Duration(_) => unit::read_duration(text).map(Value::Duration),
            Self::Numbers(numbers) => numbers.read_text(text),
            Self::Path => Ok(Value::Path(text.into())),
            Self::Rate => unit::read_rate(text).map(Value::Rate),
            Self::Size(_) => unit::read_size(text).map(Value::Number),
            Self::Url => address::read_url(text).map(Value::Url),
            Self::Word(words) => read_word(text, words).map(Value::Word),
            Self::Number(_) | Self::Switch => self.read_bare(text),
        }
    }

    fn bounded(&self, value: Value) -> Result<Value, Fault> {
        match (self, &value) {
            (Self::Duration(bounds), Value::Duration(duration)) if !bounds.contains(duration) => {
                Err(out_of_bounds(bounds, |duration| unit::print_duration(*duration)))
            }
            (Self::Size(bounds), Value::Number(bytes)) if !bounds.contains(bytes) => {
                Err(out_of_bounds(bounds, |bytes| unit::print_size(*bytes)))
            }
            (Self::Number(bounds), Value::Number(number)) if !bounds.contains(number) => {
                Err(out_of_bounds(bounds, u64::to_string))
            }
            _ => Ok(value),
        }
    }

    fn wrong_type(&self, written: &Written) -> Fault {
        let meant = match written {
            Written::Text(text) => self.read_text(text).ok(),
            _ => None,
        };
        Fault::new(format!("is {}, not {}", written.type_name(), self.wanted())).instead(meant)
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Address => "an address in quotes",
            Self::Duration(_) => "a duration in quotes",
            Self::Number(_) => "a whole number",
            Self::Numbers(_) => "a list of whole numbers",
            Self::Path => "a path in quotes",
            Self::Rate => "a rate in quotes",
            Self::Size(_) => "a size in quotes",
            Self::Switch => "true or false",
            Self::Url => "a URL in quotes",
            Self::Word(_) => "a word in quotes",
        }
    }

    /// Returns the bounds in words, for documentation; `None` if the kind says all.
    pub(super) fn bounds(&self) -> Option<String> {
        match self {
            Self::Duration(bounds) => Some(span(bounds, |duration| unit::print_duration(*duration), " to ")),
            Self::Number(bounds) => Some(span(bounds, u64::to_string, " to ")),
            Self::Numbers(numbers) => Some(numbers.bounds()),
            Self::Rate => Some(format!("up to {}/s", Rate::MAX_PER_SECOND)),
            Self::Size(bounds) => Some(span(bounds, |bytes| unit::print_size(*bytes), " to ")),
            Self::Word(words) => Some(one_of(words)),
            Self::Address | Self::Path | Self::Switch | Self::Url => None,
        }
    }

    /// Prints a value as the environment and the flags have it; empty if it is absent.
    pub(super) fn plain(&self, value: &Value) -> String {
        match value {
            Value::Absent => String::new(),
            Value::Address(address) => address.to_string(),
            Value::Duration(duration) => unit::print_duration(*duration),
            Value::Number(bytes) if matches!(self, Self::Size(_)) => unit::print_size(*bytes),
            Value::Number(number) => number.to_string(),
            Value::Numbers(all) => numbers::joined(all, ","),
            Value::Path(path) => path.to_string_lossy().into_owned(),
            Value::Rate(rate) => rate.to_string(),
            Value::Switch(switch) => switch.to_string(),
            Value::Url(url) => address::print_url(url),
            Value::Word(word) => (*word).to_owned(),
        }
    }

    /// Prints a value as TOML has it.
    pub(super) fn literal(&self, value: &Value) -> String {
        match (self, value) {
            (_, Value::Numbers(all)) => format!("[{}]", numbers::joined(all, ", ")),
            (Self::Number(_) | Self::Switch, _) => self.plain(value),
            _ => toml_edit::Value::from(self.plain(value)).to_string(),
        }
    }

    /// Hides in something given for this kind what may be secret. Who puts the token where its file belongs should not
    /// find it in a log.
    pub(super) fn redact(&self, given: String) -> String {
        match self {
            Self::Url => address::redact_url(&given),
            Self::Path => "***".to_owned(),
            _ => given,
        }
    }
}

fn read_word(text: &str, words: &'static [&'static str]) -> Result<&'static str, Fault> {
    let found = words.iter().find(|word| **word == text);
    found.copied().ok_or_else(|| {
        let near = suggestion::nearest(text, words.iter().copied());
        Fault::new(format!("is not {}", one_of(words))).instead(near.map(Value::Word))
    })
}

fn one_of(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}

fn out_of_bounds<T>(bounds: &RangeInclusive<T>, print: impl Fn(&T) -> String) -> Fault {
    Fault::new(format!("must be between {}", span(bounds, print, " and ")))
}

pub(super) fn span<T>(bounds: &RangeInclusive<T>, print: impl Fn(&T) -> String, between: &str) -> String {
    [print(bounds.start()), print(bounds.end())].join(between)
}
