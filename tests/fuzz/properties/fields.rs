//! Fields as the inputs have them: lines of `name: value`, up to an empty one or the end.
//!
//! A line that no server would take for a field is left out, rather than the whole input: the fuzzer would learn nothing
//! from what is thrown away.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Far below what the map can hold, which panics beyond it.
const MOST_FIELDS: usize = 1000;

/// Returns the fields at the beginning of `input`, and what stands behind the empty line.
pub(crate) fn split(input: &[u8]) -> (HeaderMap, &[u8]) {
    let mut fields = HeaderMap::new();
    let mut rest = input;
    while !rest.is_empty() {
        let (line, behind) = line(rest);
        rest = behind;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = field(line).filter(|_| fields.len() < MOST_FIELDS) {
            fields.append(name, value);
        }
    }
    (fields, rest)
}

/// Takes off the first line.
pub(crate) fn line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[]),
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}
