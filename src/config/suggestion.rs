//! What was probably meant by a name that nothing has.

use super::setting::{SECTIONS, SETTINGS};

/// Returns the candidate that is nearest to `given`, unless all are too far away to have been meant.
///
/// A setting's own name in the wrong section, or in none, is one step away.
pub(super) fn nearest<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let farthest = 1 + given.chars().count() / 5;
    candidates
        .map(|candidate| (steps(&given, candidate), candidate))
        .filter(|((steps, _), _)| *steps <= farthest)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// Returns the paths of all sections and settings.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let sections = SECTIONS.iter().map(|(path, _)| *path);
    sections.chain(SETTINGS.iter().map(|setting| setting.path))
}

/// Says what could have been written in place of `path`, for one that has no near neighbour.
pub(super) fn what_there_is(path: &str) -> String {
    let enclosing = || path.rsplit_once('.').map(|(section, _)| section);
    let section = [Some(path), enclosing()].into_iter().flatten().find(|section| is_section(section));
    let (place, names): (String, Vec<_>) = match section {
        Some(section) => (format!("`{section}` has"), members(section).collect()),
        None => ("the sections are".to_owned(), members("").collect()),
    };
    format!("{place} {}", names.join(", "))
}

/// Returns whether `path` is a section.
pub(super) fn is_section(path: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == path)
}

/// Returns the names of what stands directly in a section.
fn members(section: &str) -> impl Iterator<Item = &'static str> {
    paths().filter_map(move |path| match path.rsplit_once('.') {
        Some((parent, name)) => (parent == section).then_some(name),
        None => section.is_empty().then_some(path),
    })
}

/// Returns how far away a candidate is, and of equally far ones how unlike.
fn steps(given: &str, candidate: &str) -> (usize, usize) {
    let distance = distance(given, candidate);
    let misplaced = candidate.rsplit_once('.').is_some_and(|(_, name)| given.rsplit('.').next() == Some(name));
    (if misplaced { distance.min(1) } else { distance }, distance)
}

/// Returns how many letters must be added, removed or replaced to turn one into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
