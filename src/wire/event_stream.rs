//! Whether a field names the media type of server-sent events.

use http::header::{HeaderMap, HeaderName};
use memchr::memchr_iter;

/// Returns whether one of the media types in the fields of that name is `text/event-stream`.
#[must_use]
pub fn names_event_stream(fields: &HeaderMap, name: &HeaderName) -> bool {
    fields.get_all(name).iter().any(|value| lists_event_stream(value.as_bytes()))
}

/// Returns whether a list of media types and their parameters holds that of event streams.
fn lists_event_stream(value: &[u8]) -> bool {
    const MEDIA: &[u8] = b"text/event-stream";
    let is_it = |element: &[u8]| {
        let element = element.trim_ascii_start();
        element.split_at_checked(MEDIA.len()).is_some_and(|(media, rest)| {
            media.eq_ignore_ascii_case(MEDIA) && matches!(rest.trim_ascii_start().first(), None | Some(b';'))
        })
    };
    let mut start = 0;
    let ends = memchr_iter(b',', value).chain(std::iter::once(value.len()));
    // Most values are shorter than the word, or begin with another.
    ends.map(|end| &value[std::mem::replace(&mut start, end + 1)..end]).any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stream_is_found_in_any_list_of_media() {
        for value in
            ["text/event-stream", "Text/Event-Stream;q=1", "*/*, text/event-stream", "a/b;q=0,text/event-stream ;x"]
        {
            assert!(lists_event_stream(value.as_bytes()), "{value}");
        }
        for value in ["", "*/*", "text/event-streams", "text/event", "application/json; x=text/event-stream", ",,"] {
            assert!(!lists_event_stream(value.as_bytes()), "{value}");
        }
    }
}
