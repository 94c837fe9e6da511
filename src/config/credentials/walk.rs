//! The way through the file: every credential, which one it is, and its quotas.
//!
//! It goes on after a problem, so that all are told; what it found counts only if there was none.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use toml_edit::{Item, TableLike};

use super::section::{HIDDEN, Names, Section, is_name, shown_name};
use super::{SingleCredential, sha256};
use crate::chathub::credential::token;
use crate::config::field::Field;
use crate::config::kind::{Fault, Kind, Value};
use crate::config::problem::Problem;
use crate::config::raw::{Given, Written};
use crate::config::text::{FileText, Span, value_or_name, written};
use crate::config::{Quota, rule, setting};
use crate::secret::Secret;

/// What a credential has.
const CREDENTIAL: Names = Names {
    known: &["file", "sha256", "operator", "other"],
    deeper: &["operator.rate", "operator.burst"],
    aside: &["login"],
    there_is: "a credential has file or sha256, operator, other",
};

/// What a quota has.
const QUOTA: Names =
    Names { known: &["rate", "burst"], deeper: &[], aside: &[], there_is: "a quota has rate and burst" };

/// What makes a SHA-256 in hexadecimal.
const SHA256SUM: &str = r#"printf %s "$TOKEN" | sha256sum"#;

const NO_WORD: &str = "names a file with something else than one word of visible ASCII without a comma; write the \
    credential alone into it, without `Bearer`";
const EXAMPLE_FILE: &str = "/run/secrets/chathub-token";
const EXAMPLE_QUOTA: &str = r#"{ rate = "5/s", burst = 5 }"#;

/// The way through one file.
pub(super) struct Walk<'a, R> {
    text: FileText<'a>,
    /// Where relative paths begin.
    directory: &'a Path,
    read: R,
    problems: Vec<Problem>,
    /// The path of the section that has the credential of that SHA-256.
    owners: HashMap<[u8; 32], String>,
}

impl<'a, R: FnMut(&Path) -> io::Result<Vec<u8>>> Walk<'a, R> {
    pub(super) fn new(text: FileText<'a>, directory: &'a Path, read: R) -> Self {
        Self { text, directory, read, problems: Vec::new(), owners: HashMap::new() }
    }

    /// Returns all credentials, or all problems.
    pub(super) fn document(mut self, table: &dyn TableLike) -> Result<Vec<SingleCredential>, Vec<Problem>> {
        let mut all = Vec::new();
        for (name, item) in table.iter() {
            let at = table.key(name).and_then(|key| key.span());
            if !is_name(name) {
                self.no_name(at.clone());
            }
            match item.as_table_like() {
                Some(table) => all.extend(self.credential(name, at, table)),
                None => self.no_table(shown_name(name), item, at, "a section", "[reports]".to_owned()),
            }
        }
        if self.problems.is_empty() { Ok(all) } else { Err(self.problems) }
    }

    fn credential(&mut self, name: &str, at: Span, table: &dyn TableLike) -> Option<SingleCredential> {
        let mut section = Section::new(shown_name(name).to_owned(), at, table);
        self.unknown(&mut section, &CREDENTIAL);
        self.login(&section);
        let sha256 = self.identity(&section);
        let operator = self.quota(&section, "operator");
        let other = self.quota(&section, "other");
        if !section.has("operator") && !section.has("other") {
            self.missing(&section, "gives no quota", format!("operator = {EXAMPLE_QUOTA}"));
        }
        Some(SingleCredential { name: name.to_owned(), sha256: sha256?, operator, other })
    }

    // === which credential ===

    /// Returns the SHA-256 of the credential that the section means.
    fn identity(&mut self, section: &Section) -> Option<[u8; 32]> {
        let from_file = section.get("file").map(|item| self.credential_file(item));
        let from_file = from_file.and_then(|read| self.claim(section, "file", read));
        let given = section.get("sha256").map(|item| read_sha256(&written(item)));
        let given = given.and_then(|read| self.claim(section, "sha256", read));
        if section.get("file").is_some() && section.get("sha256").is_some() {
            self.problem(&section.path, section.at.clone(), "has both file and sha256; keep one", None);
        }
        if !section.has("file") && !section.has("sha256") {
            self.missing(section, "names no credential", file_line(&Value::Path(EXAMPLE_FILE.into())));
        }
        from_file.or(given)
    }

    /// Reads a credential from its own file.
    fn credential_file(&mut self, item: &Item) -> Result<[u8; 32], Fault> {
        let path = match Kind::Path.read(&written(item)) {
            Ok(Value::Path(path)) => path,
            Ok(_) => unreachable!("a path is read as a path"),
            Err(fault) => return Err(fault.instead(Value::Path(EXAMPLE_FILE.into()))),
        };
        let content = (self.read)(&self.directory.join(&path)).map_err(|error| unreadable(&path, &error))?;
        let content = Secret::new(content);
        if content.word().is_empty() {
            return Err(Fault::new("names an empty file; write the credential into it"));
        }
        token(content.word()).map(sha256).ok_or_else(|| Fault::new(NO_WORD))
    }

    /// Notes whose credential it is, or tells what is wrong with it.
    fn claim(&mut self, section: &Section, name: &str, read: Result<[u8; 32], Fault>) -> Option<[u8; 32]> {
        let read = read.and_then(|sha256| match self.owners.get(&sha256) {
            Some(owner) if *owner != section.path => {
                Err(Fault::new(format!("is the credential of `{owner}` too; give it one name and its quotas there")))
            }
            _ => Ok(sha256),
        });
        match read {
            Ok(sha256) => {
                self.owners.insert(sha256, section.path.clone());
                Some(sha256)
            }
            Err(fault) => {
                self.hidden_value(section, name, fault);
                None
            }
        }
    }

    // === its quotas ===

    fn quota(&mut self, section: &Section, class: &str) -> Option<Quota> {
        let item = section.get(class)?;
        let (path, at) = (section.path_of(class), section.span(class));
        let Some(table) = item.as_table_like() else {
            self.no_table(&path, item, at, "a quota", format!("{class} = {EXAMPLE_QUOTA}"));
            return None;
        };
        let mut section = Section::new(path, at, table);
        self.unknown(&mut section, &QUOTA);
        let rate = self.part(&section, class, "rate");
        let burst = self.part(&section, class, "burst");
        let quota = Quota { rate: rate?, burst: burst? };
        self.refill(&section, class, &quota);
        Some(quota)
    }

    /// Reads a quota's rate or burst, as the setting for all credentials is read.
    fn part<T: Field>(&mut self, section: &Section, class: &str, name: &str) -> Option<T> {
        let Some(given) = self.given(section, class, name) else {
            if !section.has(name) {
                let setting = part_setting(class, name);
                let example = format!("{name} = {}", setting.kind.literal(&setting.default()));
                self.missing(section, &format!("has no {name}"), example);
            }
            return None;
        };
        match given.setting.read(&given.written) {
            Ok(value) => T::from_value(value),
            Err(fault) => {
                self.problems.push(Problem { path: section.path_of(name), ..given.problem(fault) });
                None
            }
        }
    }

    fn given(&self, section: &Section, class: &str, name: &str) -> Option<Given> {
        let item = section.get(name)?;
        let mut given = self.text.given(part_setting(class, name), item, section.span(name));
        // What stands deeper has unknown names.
        if item.is_array() || item.is_inline_table() {
            given.shown = HIDDEN.to_owned();
        }
        Some(given)
    }

    fn refill(&mut self, section: &Section, class: &str, quota: &Quota) {
        let broken = rule::refill(["burst", "rate"], quota);
        if let (Some(broken), Some(given)) = (broken, self.given(section, class, "burst")) {
            let [burst, rate] = broken.sides;
            let fault = format!("{} {} ({})", burst.must, section.path_of(rate.path), quota.rate);
            let fault = Fault::new(fault).instead(burst.better);
            self.problems.push(Problem { path: section.path_of(burst.path), ..given.problem(fault) });
        }
    }

    // === what is wrong ===

    fn no_name(&mut self, at: Span) {
        let fault = "is not a name of 1 to 31 letters, digits, _ and -; it is not shown, for it may be the credential";
        self.problem(HIDDEN, at, fault, Some("[reports]".to_owned()));
    }

    /// Something else than a table. It is not shown: it was not meant for us.
    fn no_table(&mut self, path: &str, item: &Item, name: Span, wanted: &str, example: String) {
        let fault = format!("is {}, not {wanted}", written(item).type_name());
        self.problem(path, item.span().or(name), &fault, Some(example));
    }

    fn unknown(&mut self, section: &mut Section, names: &Names) {
        for (path, at, fault) in section.take_unknown(names) {
            self.problem(&path, at, &fault, None);
        }
    }

    fn login(&mut self, section: &Section) {
        if section.get("login").is_some() {
            let fault = "cannot be set for a credential: logins are counted by the peer's address (throttle.login)";
            self.problem(&section.path_of("login"), section.span("login"), fault, None);
        }
    }

    fn missing(&mut self, section: &Section, fault: &str, example: String) {
        self.problem(&section.path, section.at.clone(), fault, Some(example));
    }

    /// Something is wrong with what may be a credential.
    fn hidden_value(&mut self, section: &Section, name: &str, fault: Fault) {
        let Some(item) = section.get(name) else { return };
        let place = self.text.place(value_or_name(item, section.span(name)));
        let example = fault.instead.as_ref().map(file_line);
        let value = Some(self.text.shown(&Kind::Path, item));
        self.problems.push(Problem { path: section.path_of(name), value, place, fault: fault.what, example });
    }

    fn problem(&mut self, path: &str, at: Span, fault: &str, example: Option<String>) {
        self.problems.push(self.text.problem(path, at, fault.to_owned(), example));
    }
}

/// Returns the setting that a part of a quota stands in for.
fn part_setting(class: &str, name: &str) -> &'static setting::Setting {
    setting::find(&format!("throttle.{class}.{name}")).expect("every class has a quota in the table")
}

fn read_sha256(written: &Written) -> Result<[u8; 32], Fault> {
    let read = match written {
        Written::Text(text) => from_hexadecimal(text.as_bytes()),
        _ => None,
    };
    match read {
        None => Err(Fault::new(format!("is not 64 hexadecimal digits in quotes; {SHA256SUM} prints them"))),
        Some(of_nothing) if of_nothing == sha256(b"") => {
            Err(Fault::new(format!("is the SHA-256 of nothing; {SHA256SUM} prints it if TOKEN is not set")))
        }
        Some(sha256) => Ok(sha256),
    }
}

fn from_hexadecimal(digits: &[u8]) -> Option<[u8; 32]> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = digits.as_chunks();
    let bytes = pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    bytes.try_into().ok().filter(|_| rest.is_empty())
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let hint = if path.is_relative() { "; a relative path begins at the directory of this file" } else { "" };
    Fault::new(format!("cannot be read: {error}{hint}"))
}

fn file_line(file: &Value) -> String {
    format!("file = {}", Kind::Path.literal(file))
}
