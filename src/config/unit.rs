//! Durations, sizes and rates as people write them, `"1m30s"`, `"64MiB"`, `"300/m"`, and back.
//!
//! A bare number is refused even where it could only be zero: in a settings file the unit is what a reader needs.

use std::num::NonZeroU32;
use std::time::Duration;

use super::kind::{Fault, Value};
use super::rate::{Per, Rate};

/// The units of durations and their lengths in milliseconds, longest first.
const DURATIONS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The units of sizes and their lengths in bytes, longest first. Only the binary ones are printed.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

/// Reads a duration: one or more whole numbers with units, the longer unit first, each at most once.
pub(super) fn read_duration(text: &str) -> Result<Duration, Fault> {
    if let Some(number) = bare_number(text) {
        return Err(Fault::new("has no unit").instead(Value::Duration(Duration::from_secs(number))));
    }
    let shape = || Fault::new("is not a duration (whole numbers, each with h, m, s or ms)");
    let (mut rest, mut total, mut previous) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let (number, unit, behind) = number_and_unit(rest).ok_or_else(shape)?;
        let length = length_of(unit, &DURATIONS).ok_or_else(|| unknown_unit(unit, "h, m, s and ms"))?;
        if length >= previous {
            return Err(shape());
        }
        let part = number.parse().ok().and_then(|number: u64| number.checked_mul(length));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(|| Fault::new("is too long"))?;
        (rest, previous) = (behind, length);
    }
    Ok(Duration::from_millis(total))
}

/// Prints a duration so that [`read_duration`] returns it: whole hours, else whole seconds, else milliseconds.
pub(super) fn print_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0s".to_owned(),
        hours if hours % 3_600_000 == 0 => format!("{}h", hours / 3_600_000),
        seconds if seconds % 1000 == 0 => format!("{}s", seconds / 1000),
        milliseconds => format!("{milliseconds}ms"),
    }
}

/// Reads a size in bytes: one whole number with a unit.
pub(super) fn read_size(text: &str) -> Result<u64, Fault> {
    if let Some(number) = bare_number(text) {
        return Err(Fault::new("has no unit").instead(Value::Number(number)));
    }
    let shape = || Fault::new("is not a size (a whole number with B, KiB, MiB or GiB)");
    let (number, unit, rest) = number_and_unit(text).ok_or_else(shape)?;
    if !rest.is_empty() {
        return Err(shape());
    }
    let length = length_of(unit, &SIZES).ok_or_else(|| unknown_unit(unit, "B, KiB, MiB, GiB, KB, MB and GB"))?;
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(length));
    bytes.ok_or_else(|| Fault::new("is too large"))
}

/// Prints a size so that [`read_size`] returns it: in the longest binary unit that fits without remainder.
pub(super) fn print_size(bytes: u64) -> String {
    let fits = |length: u64| length.is_power_of_two() && bytes.is_multiple_of(length);
    match SIZES.iter().find(|(_, length)| bytes > 0 && fits(*length)) {
        Some((unit, length)) => format!("{}{unit}", bytes / length),
        None => "0B".to_owned(),
    }
}

/// Reads a rate: one whole number above zero, a slash, and a second, a minute or an hour.
pub(super) fn read_rate(text: &str) -> Result<Rate, Fault> {
    if let Some(number) = bare_number(text) {
        let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
        let meant = count.and_then(|count| Rate::new(count, Per::Second));
        return Err(Fault::new("has no period").instead(meant.map(Value::Rate)));
    }
    let parts = text.split_once('/').filter(|(count, _)| is_number(count));
    let (count, per) = parts.ok_or_else(|| Fault::new("is not a rate (a whole number, a slash, and s, m or h)"))?;
    let found = Per::ALL.into_iter().find(|known| known.as_str() == per);
    let per = found.ok_or_else(|| Fault::new(format!("has the unknown period {per:?} (known are s, m and h)")))?;
    let rate = count.parse().ok().and_then(NonZeroU32::new).and_then(|count| Rate::new(count, per));
    rate.ok_or_else(|| Fault::new(format!("must be above zero and at most {}/s", Rate::MAX_PER_SECOND)))
}

/// Returns a number that was written without a unit, or the greatest if it is greater still.
fn bare_number(text: &str) -> Option<u64> {
    is_number(text).then(|| text.parse().unwrap_or(u64::MAX))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parts the digits at the front, the letters behind them, and the rest.
fn number_and_unit(text: &str) -> Option<(&str, &str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (unit, rest) = rest.split_at(letters);
    (!number.is_empty() && !unit.is_empty()).then_some((number, unit, rest))
}

fn length_of(unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length)
}

fn unknown_unit(unit: &str, known: &str) -> Fault {
    Fault::new(format!("has the unknown unit {unit:?} (known are {known})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit_and_together() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("1h1m1s1ms", 3_661_001),
            ("0s", 0),
        ] {
            assert_eq!(read_duration(text).unwrap(), Duration::from_millis(milliseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "s", "1.5s", "-1s", " 1s", "1s ", "1 s", "30s1m", "1s1s", "1m30", "1d", "1S", "99999999999999999999h"]
        {
            assert!(text.is_empty() || read_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_in_binary_and_decimal_units() {
        for (text, bytes) in [("0B", 0), ("512B", 512), ("8KiB", 8192), ("64MiB", 64 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(read_size(text).unwrap(), bytes, "{text}");
        }
        for (text, bytes) in [("2KB", 2000), ("3MB", 3_000_000), ("4GB", 4_000_000_000), ("1TiB", 1 << 40)] {
            assert_eq!(read_size(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "B",
            "64",
            "64M",
            "64mib",
            "1MiB1KiB",
            "1.5MiB",
            "-1B",
            "1 MiB",
            "99999999999999999999B",
            "99999999TiB",
        ] {
            assert!(read_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_read_in_every_period() {
        for text in ["5/s", "300/m", "1000/h", "1000000/s", "3600000000/h"] {
            assert_eq!(read_rate(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "5", "/s", "5/", "0/s", "-5/s", "0.5/s", "5/d", "5 / s", "1000001/s", "99999999999/h"] {
            assert!(read_rate(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_printed_duration_reads_as_itself(milliseconds in 0_u64..=86_400_000) {
            let duration = Duration::from_millis(milliseconds);
            proptest::prop_assert_eq!(read_duration(&print_duration(duration)).unwrap(), duration);
        }

        #[test]
        fn a_printed_size_reads_as_itself(bytes in 0_u64..=1 << 40, shift in 0_u32..40) {
            let bytes = bytes >> shift << shift;
            proptest::prop_assert_eq!(read_size(&print_size(bytes)).unwrap(), bytes);
        }

        #[test]
        fn no_text_whatever_makes_a_reader_panic(text in "[0-9]{0,22}[/a-zA-Zµ ]{0,4}[0-9]{0,3}[a-z]{0,2}") {
            let _ = (read_duration(&text), read_size(&text), read_rate(&text));
        }
    }
}
