//! Reads the file into [`Raw`]: a walk along the parsed document that looks every name up in the table.
//!
//! The document keeps the place of every name and value, so a problem is told with its line and column. A file that is
//! not TOML is one problem, the first that the parser meets.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item, TableLike, Value};

use super::problem::{Place, Problem};
use super::raw::{Given, Raw, Written, shown_source, shown_text};
use super::setting::{self, Setting};
use super::suggestion;

impl Raw {
    /// Takes the settings of a file's text.
    pub(super) fn read_file(&mut self, file: &Path, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text); // which some editors write, and none shows
        let mut walk = Walk { file: file.to_owned(), text, raw: self };
        match Document::parse(text) {
            Ok(document) => walk.section("", document.as_table()),
            Err(error) => {
                let place = walk.place(error.span());
                walk.problem("", None, place, format!("is not valid TOML: {}", error.message()), None);
            }
        }
    }
}

/// The way through one file.
struct Walk<'a> {
    file: PathBuf,
    text: &'a str,
    raw: &'a mut Raw,
}

impl Walk<'_> {
    fn section(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let span = table.key(name).and_then(|key| key.span());
            let path = joined(section, name);
            match (setting::find(&path), item.as_table_like()) {
                (Some(setting), _) => self.setting(setting, item, span),
                (None, Some(table)) if suggestion::is_section(&path) => self.section(&path, table),
                (None, None) if suggestion::is_section(&path) => self.no_table(&path, item, span),
                (None, _) => self.unknown(&path, span),
            }
        }
    }

    fn setting(&mut self, setting: &'static Setting, item: &Item, name: Option<Range<usize>>) {
        let written = written(item);
        let source = item.as_value().and_then(Value::span).map(|span| &self.text[span]);
        let shown = match (&written, source) {
            (Written::Text(text), _) => shown_text(setting, text),
            (_, Some(source)) => shown_source(setting, source),
            (_, None) => "[…]".to_owned(),
        };
        let place = self.place(item.as_value().and_then(Value::span).or(name));
        self.raw.given.push(Given { setting, written, shown, place });
    }

    /// A section's name with something else behind it. That is not shown: it was not meant for us.
    fn no_table(&mut self, path: &str, item: &Item, name: Option<Range<usize>>) {
        let place = self.place(item.span().or(name));
        let fault = format!("is {}, not a section", written(item).type_name());
        self.problem(path, None, place, fault, Some(format!("[{path}]")));
    }

    /// A name that nothing has. Its value is not shown: it may be a secret that has another place.
    fn unknown(&mut self, path: &str, name: Option<Range<usize>>) {
        let fault = match suggestion::nearest(path, suggestion::paths()) {
            Some(known) => format!("is unknown; did you mean `{known}`?"),
            None => format!("is unknown; {}", suggestion::what_there_is(path)),
        };
        let place = self.place(name);
        self.problem(path, None, place, fault, None);
    }

    fn problem(&mut self, path: &str, value: Option<String>, place: Place, fault: String, example: Option<String>) {
        self.raw.problems.push(Problem { path: path.to_owned(), value, place, fault, example });
    }

    fn place(&self, span: Option<Range<usize>>) -> Place {
        let file = self.file.clone();
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

/// Joins a path. A name that needs quotes has them: with a dot it would be taken for a path, with a line's end for two
/// messages.
fn joined(section: &str, name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let name = if is_bare { name.to_owned() } else { format!("{name:?}") };
    match section {
        "" => name,
        _ => format!("{section}.{name}"),
    }
}

fn written(item: &Item) -> Written {
    match item.as_value() {
        Some(Value::Boolean(boolean)) => Written::Boolean(*boolean.value()),
        Some(Value::Integer(integer)) => Written::Integer(*integer.value()),
        Some(Value::String(text)) => Written::Text(text.value().clone()),
        Some(Value::Float(_)) => Written::Other("a number with a fraction"),
        Some(Value::Datetime(_)) => Written::Other("a date or time"),
        Some(Value::Array(_)) => Written::Other("a list"),
        Some(Value::InlineTable(_)) => Written::Other("a table"),
        None if item.is_array_of_tables() => Written::Other("a list of tables"),
        None => Written::Other("a table"),
    }
}
