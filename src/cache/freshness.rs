//! How long a response is fresh (RFC 9111 §4.2), as arithmetic on what was stored.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, DATE, EXPIRES, HeaderName};

use crate::wire::cache_control::CacheControl;

/// Returns how long a response is fresh, counted from its generation.
///
/// The upstream sends no lifetime by itself (contract section 6), so `set` counts, the setting of the list. If it does
/// say one (`s-maxage` before `max-age` before `Expires`, RFC 9111 §4.2.1), the shorter of the two counts.
#[must_use]
pub fn lifetime(set: Duration, control: &CacheControl, fields: &HeaderMap) -> Duration {
    let said = control.s_maxage.or(control.max_age).or_else(|| expires(fields));
    said.map_or(set, |said| said.min(set))
}

/// `Expires` less `Date`; an unreadable `Expires` is in the past (RFC 9111 §5.3).
fn expires(fields: &HeaderMap) -> Option<Duration> {
    fields.contains_key(EXPIRES).then(|| {
        let lifetime = || date(fields, &EXPIRES)?.duration_since(date(fields, &DATE)?).ok();
        lifetime().unwrap_or_default()
    })
}

fn date(fields: &HeaderMap, name: &HeaderName) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(fields.get(name)?.to_str().ok()?).ok()
}

/// Returns the age that a response had when it was received, by its `Age` field; zero if it has none or an unreadable
/// one (RFC 9111 §5.1).
#[must_use]
pub fn initial_age(fields: &HeaderMap) -> Duration {
    let seconds =
        fields.get(AGE).and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse::<u32>().ok());
    Duration::from_secs(seconds.unwrap_or(0).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const MINUTE: Duration = Duration::from_secs(60);

    fn life(lines: &[(HeaderName, &'static str)]) -> u64 {
        let fields = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        lifetime(MINUTE, &CacheControl::of(&fields), &fields).as_secs()
    }

    #[test]
    fn the_setting_counts_where_the_upstream_is_silent() {
        assert_eq!(life(&[]), 60);
    }

    #[test]
    fn the_upstream_can_shorten_a_life_but_not_lengthen_it() {
        use http::header::CACHE_CONTROL;
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=10")]), 10);
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=5, s-maxage=20")]), 20);
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=3600")]), 60);
    }

    #[test]
    fn expires_is_measured_from_date_and_unreadable_is_past() {
        let date = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(life(&[date.clone(), (EXPIRES, "Sun, 06 Nov 1994 08:49:57 GMT")]), 20);
        assert_eq!(life(&[date.clone(), (EXPIRES, "Sun, 06 Nov 1994 08:49:17 GMT")]), 0);
        assert_eq!(life(&[date, (EXPIRES, "0")]), 0);
    }

    #[test]
    fn an_age_on_arrival_is_counted() {
        let fields = [(AGE, HeaderValue::from_static("7"))].into_iter().collect();
        assert_eq!(initial_age(&fields), Duration::from_secs(7));
        let odd = [(AGE, HeaderValue::from_static("-7"))].into_iter().collect();
        assert_eq!(initial_age(&odd), Duration::ZERO);
    }
}
