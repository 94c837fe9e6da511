//! Tells the throttle what the upstream answered.
//!
//! It stands right above the upstream, and not where requests wait: a write and a shared fetch go on when their client has
//! left, and what is answered then counts as much.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use tower::{Layer, Service};

use super::Verdict;
use super::limiter::Admission;
use crate::chathub::RoutedRequest;
use crate::clock::Clock;
use crate::error::Error;
use crate::wire::Response;

/// Puts a [`Feedback`] in front of a service.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackLayer {
    /// The time.
    pub clock: Clock,
}

impl<S> Layer<S> for FeedbackLayer {
    type Service = Feedback<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Feedback { inner, clock: self.clock }
    }
}

/// The service of [`FeedbackLayer`].
#[derive(Debug, Clone)]
pub struct Feedback<S> {
    inner: S,
    clock: Clock,
}

impl<S> Service<RoutedRequest> for Feedback<S>
where
    S: Service<RoutedRequest, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Error;
    type Future = Heard<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: RoutedRequest) -> Self::Future {
        let admission = request.head.extensions.remove();
        Heard { inner: self.inner.call(request), admission, clock: self.clock }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Feedback`].
    pub struct Heard<F> {
        #[pin]
        inner: F,
        admission: Option<Admission>,
        clock: Clock,
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for Heard<F> {
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        // That the upstream could not be reached says nothing about how often it may be asked. A probe that is not told of
        // came to nothing, and another goes.
        if let (Some(admission), Ok(response)) = (this.admission.take(), &mut result) {
            response.account.rate_limit = admission.answered(verdict(response, *this.clock));
        }
        Poll::Ready(result)
    }
}

fn verdict(response: &Response, clock: Clock) -> Verdict {
    let wait = || retry_after(response.message.headers(), || clock.wall());
    match response.message.status() {
        StatusCode::TOO_MANY_REQUESTS => Verdict::TooMany(wait()),
        StatusCode::SERVICE_UNAVAILABLE => Verdict::Unavailable(wait()),
        _ => Verdict::Accepted,
    }
}

/// Reads `Retry-After`, a number of seconds or a date (RFC 9110 §10.2.3). A date in the past is no wait; what is neither
/// says nothing.
///
/// A date is meant by the clock of whoever sent it, which `Date` shows (RFC 9110 §6.6.1): between two clocks that disagree
/// it would be any wait at all. Only without a `Date` it is held against `now`, our own time since 1970.
fn retry_after(fields: &HeaderMap, now: impl FnOnce() -> Duration) -> Option<Duration> {
    let value = fields.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        // One that has too many digits is longer than any bound.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let sent = || fields.get(DATE).and_then(|date| since_1970(date.to_str().ok()?));
    Some(since_1970(value)?.saturating_sub(sent().unwrap_or_else(now)))
}

fn since_1970(date: &str) -> Option<Duration> {
    let date = httpdate::parse_http_date(date.trim()).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_wait_is_read_as_seconds_or_as_a_date() {
        let now = Duration::from_secs(784_111_777);
        let rows = [
            ("7", Some(7)),
            ("0", Some(0)),
            ("99999999999999999999", Some(u64::from(u32::MAX))),
            ("Sun, 06 Nov 1994 08:49:39 GMT", Some(2)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ];
        for (value, seconds) in rows {
            let fields = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after(&fields, || now), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), || now), None);
    }

    #[test]
    fn a_date_is_a_wait_by_the_clock_of_whoever_sent_it() {
        let an_hour_off = Duration::from_secs(784_111_777 - 3600);
        let rows = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 10),
            ("Sun, 06 Nov 1994 08:49:57 GMT", 0),
            // Ours is all that is left.
            ("yesterday", 3610),
        ];
        for (date, seconds) in rows {
            let until = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:47 GMT");
            let fields = HeaderMap::from_iter([(RETRY_AFTER, until), (DATE, HeaderValue::from_static(date))]);
            assert_eq!(retry_after(&fields, || an_hour_off), Some(Duration::from_secs(seconds)), "{date}");
        }
    }
}
