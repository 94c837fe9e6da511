//! RFC 3339 timestamps in UTC, to the millisecond.

use std::time::Duration;

use crate::wire::number::put_digits;

/// Writes timestamps, and reckons a date only when the second is another than that of the last one.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    second: u64,
    /// The last timestamp up to and with the point before its milliseconds; empty before the first.
    text: Vec<u8>,
}

impl Timestamps {
    /// Appends the instant that lies `since_1970` after 1970.
    pub(super) fn render(&mut self, into: &mut Vec<u8>, since_1970: Duration) {
        let second = since_1970.as_secs();
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text.clear();
            to_the_second(&mut self.text, second);
        }
        into.extend_from_slice(&self.text);
        put_digits::<3>(into, u64::from(since_1970.subsec_millis()));
        into.push(b'Z');
    }
}

fn to_the_second(into: &mut Vec<u8>, seconds: u64) {
    let (year, month, day) = date(seconds / 86_400);
    put_digits::<4>(into, year);
    into.push(b'-');
    put_digits::<2>(into, month);
    into.push(b'-');
    put_digits::<2>(into, day);
    into.push(b'T');
    put_digits::<2>(into, seconds / 3600 % 24);
    into.push(b':');
    put_digits::<2>(into, seconds / 60 % 60);
    into.push(b':');
    put_digits::<2>(into, seconds % 60);
    into.push(b'.');
}

/// Returns the date of the day with this number. Years are counted from March, so that the leap day is the last.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_are_rendered() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        let mut timestamps = Timestamps::default();
        for (millis, text) in rows {
            // The second time from what is remembered.
            for _ in 0..2 {
                let mut rendered = Vec::new();
                timestamps.render(&mut rendered, Duration::from_millis(millis));
                assert_eq!(rendered, text.as_bytes());
            }
        }
    }
}
