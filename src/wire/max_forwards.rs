//! `Max-Forwards` (RFC 9110 §7.6.2): how many gateways and proxies a client lets pass its OPTIONS on.
//!
//! It is how a client finds out where a chain of them loops or breaks: each counts itself, and who finds none left answers.
//! What a newcomer would get wrong: to count for other methods, too, whose field belongs to whoever receives them; or to
//! refuse what is no number, which means nothing to us and goes on as it came.

use http::header::{HeaderMap, HeaderValue, MAX_FORWARDS};

/// Counts this gateway, and returns whether the request may go on. To be called for OPTIONS alone.
pub fn goes_on(fields: &mut HeaderMap) -> bool {
    let mut values = fields.get_all(MAX_FORWARDS).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return true };
    let Some(left) = number(value.as_bytes()) else { return true };
    let Some(left) = left.checked_sub(1) else { return false };
    fields.insert(MAX_FORWARDS, HeaderValue::from(left));
    true
}

/// Returns the number, or the greatest that we count with if it is above that.
fn number(digits: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(digits).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_falls_by_one_until_there_is_none_left_and_all_else_stays() {
        for (before, after) in [
            (&["1"][..], Some(&["0"][..])),
            (&["10"], Some(&["9"])),
            (&["007"], Some(&["6"])),
            (&["99999999999999999999"], Some(&["4294967294"])),
            (&["0"], None),
            (&["000"], None),
            (&[], Some(&[])),
            (&[""], Some(&[""])),
            (&["-1"], Some(&["-1"])),
            (&["+1"], Some(&["+1"])),
            (&["1, 1"], Some(&["1, 1"])),
            (&["0", "0"], Some(&["0", "0"])),
        ] {
            let mut fields =
                before.iter().map(|value| (MAX_FORWARDS, HeaderValue::from_static(value))).collect::<HeaderMap>();
            let goes_on = goes_on(&mut fields);
            assert_eq!(goes_on, after.is_some(), "{before:?}");
            assert_eq!(fields.get_all(MAX_FORWARDS).iter().collect::<Vec<_>>(), after.unwrap_or(before), "{before:?}");
        }
    }
}
