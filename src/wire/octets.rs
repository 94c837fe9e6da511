//! Questions about every byte of a text, answered many bytes at a time.

/// Returns whether `good` says so of every byte.
///
/// There is no way out before the end of a part, so that the compiler can look at a whole part at once: a token has
/// hundreds of bytes.
#[inline]
pub fn all(text: &[u8], good: impl Fn(u8) -> bool) -> bool {
    let odd = |odds, byte: &u8| odds | u8::from(!good(*byte));
    let (parts, rest) = text.as_chunks::<16>();
    if !parts.iter().all(|part| part.iter().fold(0, odd) == 0) {
        return false;
    }
    let Some(first) = rest.first() else { return true };
    // Filled up with what is asked about anyway, the rest is one more part.
    let mut last = [*first; 16];
    last[..rest.len()].copy_from_slice(rest);
    last.iter().fold(0, odd) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_byte_is_seen_wherever_it_stands() {
        for length in 0..50 {
            let mut text = vec![b'a'; length];
            assert!(all(&text, |byte| byte == b'a'));
            for place in 0..length {
                text[place] = b'b';
                assert!(!all(&text, |byte| byte == b'a'), "{place} of {length}");
                text[place] = b'a';
            }
        }
    }
}
