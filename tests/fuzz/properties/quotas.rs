//! Quotas of single credentials: who is named gets them, and no message says what may be a credential.
//!
//! An input is the text of the file that `throttle.credentials_file` names. What stands in it as `file` or as `sha256` may
//! be a credential, for people paste it there: so it is marked with [`SECRET`], and looked for.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use chathub_gateway::config::{Credentials, Place, Problem, Problems};
use toml_edit::{Document, Item, TableLike};

const FILE: &str = "/etc/quotas.toml";

/// What the inputs write for a credential, or for a part of one.
const SECRET: &str = "s3cret";

/// Checks what comes of one file.
pub(crate) fn check(input: &[u8]) {
    let loaded = load(input);
    assert!(loaded == load(input), "it is read the same again");
    match loaded {
        Ok(credentials) => gives_each_its_own(&credentials),
        Err(problems) => {
            assert!(problems.iter().len() > 0);
            problems.iter().for_each(tells_where);
            if !may_be_shown(input) {
                problems
                    .iter()
                    .map(Problem::to_string)
                    .for_each(|message| assert!(!message.contains(SECRET), "{message}"));
            }
        }
    }
}

/// Every other file holds its own name, and what stands behind a line's end is a second word.
fn load(input: &[u8]) -> Result<Credentials, Problems> {
    Credentials::load(Path::new(FILE), |path| match path.to_str() {
        Some(FILE) => Ok(input.to_vec()),
        Some(path) if !path.contains("nowhere") => Ok(path.as_bytes().to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    })
}

fn gives_each_its_own(credentials: &Credentials) {
    let mut seen = BTreeSet::new();
    for single in credentials.iter() {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!((1..32).contains(&single.name.len()) && single.name.bytes().all(is_letter), "{}", single.name);
        assert!(single.operator.is_some() || single.other.is_some(), "{} has no quota", single.name);
        assert!(seen.insert(single.sha256), "{} is another's credential", single.name);
        let hexadecimal: String = single.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = format!("{single:?}");
        assert!(!shown.contains(&hexadecimal) && !shown.contains(&format!("{:?}", &single.sha256[..4])), "{shown}");
    }
    assert_eq!(credentials.is_empty(), seen.is_empty());
    assert_eq!(credentials.of(b"/etc/nobody"), None);
}

/// A problem is one line, and names a place that may be.
fn tells_where(problem: &Problem) {
    let message = problem.to_string();
    assert!(!message.chars().any(|letter| letter == '\n' || letter == '\r'), "{message:?} is more than one line");
    let (Place::File(file) | Place::Position { file, .. }) = &problem.place else {
        panic!("{message} names another source");
    };
    assert_eq!(file, Path::new(FILE), "{message}");
    assert!(!problem.fault.is_empty());
}

/// Returns whether the mark stands anywhere but in a value of `file` or `sha256`.
fn may_be_shown(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Ok(document) = Document::parse(text) else { return false };
    let mut hidden = 0;
    for (_, item) in document.as_table().iter() {
        let Some(section) = item.as_table_like() else { continue };
        hidden += marks_in(section, "file", text) + marks_in(section, "sha256", text);
    }
    hidden < text.matches(SECRET).count()
}

fn marks_in(section: &dyn TableLike, name: &str, text: &str) -> usize {
    let span = section.get(name).and_then(Item::span);
    span.map_or(0, |span| text[span].matches(SECRET).count())
}
