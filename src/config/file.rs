//! Reads the file into [`Raw`]: a walk along the parsed document that looks every name up in the table.
//!
//! The document keeps the place of every name and value, so a problem is told with its line and column. A file that is
//! not TOML is one problem, the first that the parser meets.

use std::path::Path;

use toml_edit::{Item, TableLike};

use super::raw::Raw;
use super::setting;
use super::suggestion;
use super::text::{FileText, Span, joined, written};

impl Raw {
    /// Takes the settings of a file's text.
    pub(super) fn read_file(&mut self, file: &Path, text: &str) {
        let text = FileText::new(file, text);
        match text.parse() {
            Ok(document) => Walk { text, raw: self }.section("", document.as_table()),
            Err(problems) => self.problems.extend(problems),
        }
    }
}

/// The way through one file.
struct Walk<'a> {
    text: FileText<'a>,
    raw: &'a mut Raw,
}

impl Walk<'_> {
    fn section(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let span = table.key(name).and_then(|key| key.span());
            let path = joined(section, name);
            match (setting::find(&path), item.as_table_like()) {
                (Some(setting), _) => self.raw.given.push(self.text.given(setting, item, span)),
                (None, Some(table)) if suggestion::is_section(&path) => self.section(&path, table),
                (None, None) if suggestion::is_section(&path) => self.no_table(&path, item, span),
                (None, _) => self.unknown(&path, span),
            }
        }
    }

    /// A section's name with something else behind it. That is not shown: it was not meant for us.
    fn no_table(&mut self, path: &str, item: &Item, name: Span) {
        let fault = format!("is {}, not a section", written(item).type_name());
        self.problem(path, item.span().or(name), fault, Some(format!("[{path}]")));
    }

    /// A name that nothing has. Its value is not shown: it may be a secret that has another place.
    fn unknown(&mut self, path: &str, name: Span) {
        let fault = match suggestion::nearest(path, suggestion::paths()) {
            Some(known) => format!("is unknown; did you mean `{known}`?"),
            None => format!("is unknown; {}", suggestion::what_there_is(path)),
        };
        self.problem(path, name, fault, None);
    }

    fn problem(&mut self, path: &str, at: Span, fault: String, example: Option<String>) {
        self.raw.problems.push(self.text.problem(path, at, fault, example));
    }
}
