//! Reads content into memory, if it is not too long and there is room.
//!
//! What a newcomer would get wrong: that what is given up is lost. Content that turns out to be too long, or finds no room
//! for its next part, goes on as if it had not been touched, what was read of it first.

use bytes::Bytes;
use http_body_util::BodyExt;

use super::Body;
use super::body::BodyError;
use crate::buffer::{Buffer, Share};

/// What is taken at the least for content of which is not known how long it is.
const FIRST: usize = 4 << 10;

/// What came of reading content into memory.
#[derive(Debug)]
pub enum Collected {
    /// All of it is there.
    Whole(Whole),
    /// It is longer than the limit: content that gives all of it.
    TooLarge(Body),
    /// There is no room for it: content that gives all of it.
    NoRoom(Body),
}

/// Content in memory, in one exactly sized piece, and its share of the room.
#[derive(Debug)]
pub struct Whole {
    content: Bytes,
    /// Given back with the content.
    _share: Share,
}

impl Whole {
    /// Returns the bytes. Whoever keeps them longer than this answers for their memory.
    #[must_use]
    pub const fn content(&self) -> &Bytes {
        &self.content
    }

    /// Returns content to be sent on, which has its share for as long as anything of it is held.
    #[must_use]
    pub fn into_body(self) -> Body {
        Bytes::from_owner(self).into()
    }
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

/// Reads `body` into memory, at most `limit` bytes of it and as many as find room in `buffer`. Trailers are left out.
///
/// Room is taken as the bytes come, not as they are announced: an announcement costs a client nothing.
///
/// # Errors
///
/// [`BodyError`] if the content broke before its end.
pub async fn collect(mut body: Body, limit: usize, buffer: &Buffer) -> Result<Collected, BodyError> {
    let announced = body.exact_len().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limit) {
        return Ok(Collected::TooLarge(body));
    }
    if announced.is_some_and(|length| !buffer.has_room_for(length)) {
        buffer.was_full();
        return Ok(Collected::NoRoom(body));
    }
    let mut part = Part { read: Vec::new(), share: buffer.share(), most: announced.unwrap_or(limit) };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > limit - part.read.len() {
            return Ok(Collected::TooLarge(part.before(data, body)));
        }
        if !part.take(&data) {
            buffer.was_full();
            return Ok(Collected::NoRoom(part.before(data, body)));
        }
    }
    Ok(Collected::Whole(part.into_whole()))
}

/// The part of a content that has been read.
struct Part {
    read: Vec<u8>,
    /// As many bytes as `read` has memory.
    share: Share,
    /// No more than this will be read.
    most: usize,
}

impl Part {
    /// Adds what was read next, if there is room for it.
    fn take(&mut self, data: &[u8]) -> bool {
        let needed = self.read.len() + data.len();
        if needed > self.read.capacity() {
            // Twice as much as before, else long content would be copied at every frame; or what it takes.
            let ample = (2 * self.read.capacity()).max(FIRST).min(self.most).max(needed);
            let Some(capacity) = [ample, needed].into_iter().find(|bytes| self.share.grow_to(*bytes)) else {
                return false;
            };
            self.read.reserve_exact(capacity - self.read.len());
        }
        self.read.extend_from_slice(data);
        true
    }

    fn into_whole(self) -> Whole {
        let Self { mut read, mut share, .. } = self;
        read.shrink_to_fit();
        share.shrink_to(read.capacity());
        Whole { content: read.into(), _share: share }
    }

    /// Returns content that gives what was read, then `data`, then the rest.
    fn before(self, data: Bytes, rest: Body) -> Body {
        let rest = rest.after(data);
        if self.read.is_empty() { rest } else { rest.after(Bytes::from_owner(self.into_whole())) }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;
    use crate::telemetry::metrics::BufferMetrics;
    use crate::testing;

    fn buffer(most: usize) -> (Buffer, BufferMetrics) {
        let metrics = testing::metrics().inspect_buffer;
        (Buffer::new(most, metrics.clone()), metrics)
    }

    /// Content of unknown length, in parts.
    fn streamed(parts: &'static [&'static str]) -> Body {
        let frames = stream::iter(parts).map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes()))));
        Body::streamed(StreamBody::new(frames))
    }

    fn read(body: Body, limit: usize, buffer: &Buffer) -> Collected {
        collect(body, limit, buffer).now_or_never().expect("it is all there").unwrap()
    }

    fn all(body: Body) -> Bytes {
        body.collect().now_or_never().expect("it is all there").unwrap().to_bytes()
    }

    #[test]
    fn content_takes_as_much_room_as_it_is_long_until_its_last_byte_is_let_go() {
        let (buffer, metrics) = buffer(1 << 20);
        let Collected::Whole(whole) = read(streamed(&["abc", "", "defg"]), 7, &buffer) else { panic!() };
        assert_eq!((&whole.content()[..], metrics.held.get()), (&b"abcdefg"[..], 7));
        let mut sent = all(whole.into_body());
        let last = sent.split_off(6);
        drop(sent);
        assert_eq!(metrics.held.get(), 7);
        drop(last);
        assert_eq!((metrics.held.get(), metrics.full.get()), (0, 0));
    }

    #[test]
    fn content_that_is_too_long_goes_on_whole_and_has_its_share_for_so_long() {
        let (buffer, metrics) = buffer(1 << 20);
        let Collected::TooLarge(body) = read(streamed(&["abc", "defg"]), 6, &buffer) else { panic!() };
        assert_eq!(metrics.held.get(), 3);
        assert_eq!(all(body), "abcdefg");
        assert_eq!((metrics.held.get(), metrics.full.get()), (0, 0));
    }

    #[test]
    fn content_that_finds_no_room_goes_on_whole_and_is_counted() {
        for (parts, held) in [(&["abc", "defg"][..], 3), (&["abcdefg"], 0)] {
            let (buffer, metrics) = buffer(6);
            let Collected::NoRoom(body) = read(streamed(parts), 100, &buffer) else { panic!() };
            assert_eq!((metrics.held.get(), metrics.full.get()), (held, 1), "{parts:?}");
            assert_eq!(all(body), "abcdefg");
            assert_eq!(metrics.held.get(), 0);
        }
        let (buffer, metrics) = buffer(6);
        let Collected::NoRoom(body) = read(Bytes::from_static(b"abcdefg").into(), 100, &buffer) else { panic!() };
        assert_eq!((all(body).len(), metrics.full.get()), (7, 1), "one that is announced is not begun");
    }

    #[test]
    fn long_content_takes_no_more_than_twice_its_length_on_the_way_and_no_more_than_the_limit() {
        let (buffer, metrics) = buffer(1 << 20);
        let mut part = Part { read: Vec::new(), share: buffer.share(), most: 100_000 };
        for length in (1..=100).map(|count| count * 1000) {
            assert!(part.take(&[b'x'; 1000]));
            let held = usize::try_from(metrics.held.get()).unwrap();
            assert_eq!(held, part.read.capacity());
            assert!((length..=FIRST.max(2 * length).min(100_000)).contains(&held), "{held} of {length}");
        }
        assert_eq!(part.into_whole().content().len(), 100_000);
    }
}
