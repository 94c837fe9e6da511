//! What the upstream's server makes of a request path before it looks for a route (contract 5.1).
//!
//! The order matters: percent-decoding comes first and dot segments go afterwards, so `%2e%2e` climbs; `%2F` is never
//! decoded, so it cannot make a segment.

/// Decodes a raw path and removes its dot segments; `None` if it holds a null character.
pub(super) fn normalize(raw: &str) -> Option<String> {
    let decoded = if raw.contains('%') { decode(raw) } else { raw.to_owned() };
    if decoded.contains('\0') {
        return None;
    }
    Some(if decoded.contains("/.") { remove_dot_segments(&decoded) } else { decoded })
}

/// Parts a normalized path into its segments; `None` if one is empty, save for one trailing slash.
pub(super) fn segments(path: &str) -> Option<Vec<&str>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    let segments: Vec<&str> = path.split('/').collect();
    segments.iter().all(|segment| !segment.is_empty()).then_some(segments)
}

fn decode(raw: &str) -> String {
    let mut decoded = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let (bytes, length) = escaped_run(&rest[at..]);
        if bytes.is_empty() {
            decoded.push('%');
        }
        push_decoded(&mut decoded, &bytes);
        rest = &rest[at + length..];
    }
    decoded.push_str(rest);
    decoded
}

/// The bytes of a run of `%XX`, and the length of its text; a lone percent sign is a run of no bytes.
fn escaped_run(text: &str) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    for escape in text.as_bytes().chunks(3) {
        let [b'%', high, low] = escape else { break };
        let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16)) else {
            break;
        };
        bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits make a byte"));
    }
    let length = bytes.len().max(1) * if bytes.is_empty() { 1 } else { 3 };
    (bytes, length)
}

/// Appends what a run of escapes stands for; a slash and what is no UTF-8 stay as they were.
fn push_decoded(decoded: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '/' => decoded.push_str("%2F"),
                other => decoded.push(other),
            }
        }
        for byte in chunk.invalid() {
            decoded.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// RFC 3986 §5.2.4; a path that ends in a dot segment keeps its trailing slash.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.split('/').skip(1) {
        ends_in_dots = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    if ends_in_dots {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}
