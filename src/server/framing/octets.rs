//! Which bytes may stand where in a head: one table, looked up by class (RFC 9110 §5.5 and §5.6.2, RFC 3986 §3).
//!
//! The classes of a target are not the RFC's but those of [`http::Uri`], which takes some bytes that should have been
//! percent-encoded. Clients send those, and what they mean is not ours to say; but a target that it refuses would be
//! answered by the server library behind our back. A test compares the two, byte by byte.

/// A byte of a method or a field name.
pub(super) const TOKEN: u8 = 1;
/// A byte of a target's path.
pub(super) const PATH: u8 = 1 << 1;
/// A byte of a target's query.
pub(super) const QUERY: u8 = 1 << 2;
/// A byte of a host, outside of brackets: a registered name or an IPv4 address.
pub(super) const HOST: u8 = 1 << 3;
/// A byte of a host within brackets: an IPv6 address, or a later one.
pub(super) const LITERAL: u8 = 1 << 4;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 128 {
        let byte = octet as u8;
        let mut class = 0;
        if is_token(byte) {
            class |= TOKEN;
        }
        if byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'?' | b'`') {
            class |= PATH;
        }
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>') {
            class |= QUERY;
        }
        if is_host(byte) {
            class |= HOST;
        }
        if is_host(byte) && byte != b'%' || byte == b':' {
            class |= LITERAL;
        }
        classes[octet] = class;
        octet += 1;
    }
    classes
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Unreserved, percent and sub-delims; but not the comma, by which some join two `Host` fields into one.
const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        )
}

/// Returns whether `byte` is of `class`.
#[inline]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Returns how many bytes at the beginning of `bytes` are of `class`.
///
/// Goes by blocks, which spares most of the loop's own work: names and targets are a third of a head.
#[inline]
pub(super) fn run(bytes: &[u8], class: u8) -> usize {
    let (blocks, odd) = bytes.as_chunks::<8>();
    for (block, start) in blocks.iter().zip((0..).step_by(8)) {
        for (offset, &byte) in block.iter().enumerate() {
            if !is(byte, class) {
                return start + offset;
            }
        }
    }
    bytes.len() - odd.len() + odd.iter().position(|&byte| !is(byte, class)).unwrap_or(odd.len())
}

/// Returns the place of the first control character other than a tab, which no line may have in it (RFC 9110 §5.5).
///
/// That finds the end of a line, and makes sure of its bytes, in one go. Whether there is one in a block is asked with
/// vector instructions, into which the compiler turns the fold; where it is, only once a line.
#[inline]
pub(super) fn find_control(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk::<16>() {
        if has_control(block) {
            return Some(bytes.len() - rest.len() + first_control(block));
        }
        rest = behind;
    }
    let place = rest.iter().position(|&byte| is_control(byte))?;
    Some(bytes.len() - rest.len() + place)
}

#[inline]
fn has_control(block: &[u8; 16]) -> bool {
    block.iter().fold(false, |found, &byte| found | is_control(byte))
}

#[inline]
fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') | (byte == 0x7f)
}

/// Returns the place of the first control character in a block that has one.
#[inline]
fn first_control(block: &[u8; 16]) -> usize {
    let (halves, _) = block.as_chunks::<8>();
    match controls(halves[0]) {
        0 => 8 + controls(halves[1]).trailing_zeros() as usize / 8,
        controls => controls.trailing_zeros() as usize / 8,
    }
}

/// Sets the highest bit of each byte that is a control character other than a tab, the first byte being the lowest.
///
/// Each addition is made on seven bits, so that none carries into the next byte: the bit above says what came of it.
#[inline]
fn controls(block: [u8; 8]) -> u64 {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let bytes = u64::from_le_bytes(block);
    let low = bytes & all(0x7f);
    let not_below_space = low + all(0x80 - b' ');
    let not_tab = (low ^ all(b'\t')) + all(0x7f);
    let not_delete = (low ^ all(0x7f)) + all(0x7f);
    (!not_below_space & not_tab | !not_delete) & !bytes & all(0x80)
}

/// Returns `value` without the blanks around it (RFC 9110 §5.6.3: nothing but space and tab).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    #[test]
    fn a_target_may_hold_what_the_message_library_takes() {
        for byte in 0..=127u8 {
            let (path, query) = ([b'/', byte], [b'/', b'?', byte]);
            // A question mark ends the path; a fragment it would drop, and so forward another target than it was sent.
            let path_expected = Uri::try_from(&path[..]).is_ok() && !matches!(byte, b'?' | b'#');
            let query_expected = Uri::try_from(&query[..]).is_ok() && byte != b'#';
            assert_eq!(is(byte, PATH), path_expected, "path {byte:#x}");
            assert_eq!(is(byte, QUERY), query_expected, "query {byte:#x}");
        }
    }

    #[test]
    fn controls_are_all_but_the_tab() {
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_control() && byte != b'\t';
            assert_eq!(find_control(&[byte]).is_some(), expected, "alone: {byte:#x}");
            assert_eq!(find_control(&[byte; 16]), expected.then_some(0), "in a block: {byte:#x}");
        }
    }

    #[test]
    fn the_first_control_is_found_whatever_stands_around_it() {
        for length in 1..40 {
            for place in 0..length {
                for around in [b'a', b'\t', b' ', b'~', 0x80, 0xff] {
                    let mut line = vec![around; length];
                    assert_eq!(find_control(&line), None);
                    line[place..].fill(b'\r');
                    assert_eq!(find_control(&line), Some(place), "at {place} of {length} behind {around:#x}");
                }
            }
        }
    }

    #[test]
    fn a_run_ends_at_the_first_other_byte() {
        for length in 0..40 {
            for place in 0..=length {
                let mut name = vec![b'a'; length];
                name[place..].fill(b':');
                assert_eq!(run(&name, TOKEN), place);
            }
        }
    }

    #[test]
    fn names_are_tokens() {
        let tokens: Vec<u8> = (33..127).filter(|&byte| is(byte, TOKEN)).collect();
        let delimiters: Vec<u8> = (33..127).filter(|byte| !tokens.contains(byte)).collect();
        assert_eq!(delimiters, b"\"(),/:;<=>?@[\\]{}");
    }
}
