//! What the files that we read have in common: TOML whose names and values have their places.
//!
//! What a newcomer would get wrong: a place is a span of *this* text, from which the byte order mark has been taken. So
//! the text is parsed here and nowhere else.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item, Value};

use super::kind::Kind;
use super::problem::{Place, Problem};
use super::raw::{Given, Written, shown_source, shown_text};
use super::setting::Setting;

/// Where something stands in a text, in bytes.
pub(super) type Span = Option<Range<usize>>;

/// The text of a file.
#[derive(Clone, Copy)]
pub(super) struct FileText<'a> {
    file: &'a Path,
    text: &'a str,
}

impl<'a> FileText<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text); // which some editors write, and none shows
        Self { file, text }
    }

    /// Parses the text. If it is not TOML there is one problem, the first that the parser meets.
    pub(super) fn parse(&self) -> Result<Document<&'a str>, Vec<Problem>> {
        Document::parse(self.text).map_err(|error| {
            let fault = format!("is not valid TOML: {}", error.message());
            vec![self.problem("", error.span(), fault, None)]
        })
    }

    /// Returns a setting that was given; `name` is the place of its name.
    pub(super) fn given(&self, setting: &'static Setting, item: &Item, name: Span) -> Given {
        let shown = self.shown(&setting.kind, item);
        Given { setting, written: written(item), shown, place: self.place(value_or_name(item, name)) }
    }

    /// Returns a value as it is shown.
    pub(super) fn shown(&self, kind: &Kind, item: &Item) -> String {
        let source = item.as_value().and_then(Value::span).map(|span| &self.text[span]);
        match (item.as_str(), source) {
            (Some(text), _) => shown_text(kind, text),
            (None, Some(source)) => shown_source(kind, source),
            (None, None) => "[…]".to_owned(),
        }
    }

    /// Returns a problem of which no value is shown.
    pub(super) fn problem(&self, path: &str, at: Span, fault: String, example: Option<String>) -> Problem {
        Problem { path: path.to_owned(), value: None, place: self.place(at), fault, example }
    }

    pub(super) fn place(&self, span: Span) -> Place {
        let file: PathBuf = self.file.to_owned();
        match span.and_then(|span| self.text.get(..span.start)) {
            Some(before) => {
                let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
                let line = before.matches('\n').count() + 1;
                Place::Position { file, line, column: before[line_start..].chars().count() + 1 }
            }
            None => Place::File(file),
        }
    }
}

/// Returns where a value stands, or its name if it has no place of its own.
pub(super) fn value_or_name(item: &Item, name: Span) -> Span {
    item.as_value().and_then(Value::span).or(name)
}

/// Joins a path. A name that needs quotes has them: with a dot it would be taken for a path, with a line's end for two
/// messages.
pub(super) fn joined(section: &str, name: &str) -> String {
    let name = if is_bare(name) { name.to_owned() } else { format!("{name:?}") };
    match section {
        "" => name,
        _ => format!("{section}.{name}"),
    }
}

/// Returns whether TOML has a name without quotes.
pub(super) fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Returns a value as it was written.
pub(super) fn written(item: &Item) -> Written {
    match item.as_value() {
        Some(value) => written_value(value),
        None if item.is_array_of_tables() => Written::Other("a list of tables"),
        None => Written::Other("a table"),
    }
}

fn written_value(value: &Value) -> Written {
    match value {
        Value::Boolean(boolean) => Written::Boolean(*boolean.value()),
        Value::Integer(integer) => Written::Integer(*integer.value()),
        Value::String(text) => Written::Text(text.value().clone()),
        Value::Float(_) => Written::Other("a number with a fraction"),
        Value::Datetime(_) => Written::Other("a date or time"),
        Value::Array(items) => Written::List(items.iter().map(written_value).collect()),
        Value::InlineTable(_) => Written::Other("a table"),
    }
}
