//! Timestamps in UTC: RFC 3339, to the millisecond, and the common log format, to the second.

use std::time::Duration;

use crate::wire::number::put_digits;

/// Writes timestamps.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    rfc3339: Second,
    common: Second,
}

/// What is the same for a second. A date is reckoned only when the second is another than the last one.
#[derive(Debug, Default)]
struct Second {
    number: u64,
    /// Empty before the first.
    text: Vec<u8>,
}

impl Timestamps {
    /// Appends the instant that lies `since_1970` after 1970: `2000-02-29T13:55:36.007Z`.
    pub(super) fn rfc3339(&mut self, into: &mut Vec<u8>, since_1970: Duration) {
        into.extend_from_slice(self.rfc3339.text(since_1970.as_secs(), rfc3339_to_the_point));
        put_digits::<3>(into, u64::from(since_1970.subsec_millis()));
        into.push(b'Z');
    }

    /// Appends the same as servers have written it ever since NCSA's: `29/Feb/2000:13:55:36 +0000`.
    pub(super) fn common(&mut self, into: &mut Vec<u8>, since_1970: Duration) {
        into.extend_from_slice(self.common.text(since_1970.as_secs(), common));
    }
}

impl Second {
    fn text(&mut self, number: u64, render: impl FnOnce(&mut Vec<u8>, u64)) -> &[u8] {
        if self.number != number || self.text.is_empty() {
            self.number = number;
            self.text.clear();
            render(&mut self.text, number);
        }
        &self.text
    }
}

fn rfc3339_to_the_point(into: &mut Vec<u8>, seconds: u64) {
    let (year, month, day) = date(seconds / 86_400);
    put_digits::<4>(into, year);
    into.push(b'-');
    put_digits::<2>(into, month);
    into.push(b'-');
    put_digits::<2>(into, day);
    into.push(b'T');
    time_of_day(into, seconds);
    into.push(b'.');
}

fn common(into: &mut Vec<u8>, seconds: u64) {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let (year, month, day) = date(seconds / 86_400);
    put_digits::<2>(into, day);
    into.push(b'/');
    into.extend_from_slice(&MONTHS[month as usize * 3 - 3..month as usize * 3]);
    into.push(b'/');
    put_digits::<4>(into, year);
    into.push(b':');
    time_of_day(into, seconds);
    into.extend_from_slice(b" +0000");
}

fn time_of_day(into: &mut Vec<u8>, seconds: u64) {
    put_digits::<2>(into, seconds / 3600 % 24);
    into.push(b':');
    put_digits::<2>(into, seconds / 60 % 60);
    into.push(b':');
    put_digits::<2>(into, seconds % 60);
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
            (0, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z", "29/Feb/2000:00:00:00 +0000"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z", "29/Feb/2024:23:59:59 +0000"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z", "31/Dec/2024:23:59:59 +0000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z", "01/Mar/2100:00:00:00 +0000"),
        ];
        let mut timestamps = Timestamps::default();
        for (millis, rfc3339, common) in rows {
            let instant = Duration::from_millis(millis);
            // The second time from what is remembered.
            for _ in 0..2 {
                let (mut one, mut other) = (Vec::new(), Vec::new());
                timestamps.rfc3339(&mut one, instant);
                timestamps.common(&mut other, instant);
                assert_eq!((&one[..], &other[..]), (rfc3339.as_bytes(), common.as_bytes()));
            }
        }
    }
}
