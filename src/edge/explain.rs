//! Writes the fields by which the gateway tells what it did: `Cache-Status`, `X-Request-Id`, `RateLimit` (DESIGN 7).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue};
use tower::{Layer, Service};

use crate::wire::cache_status::CACHE_STATUS;
use crate::wire::request_id::X_REQUEST_ID;
use crate::wire::{Request, RequestId, Response};

/// Puts an [`Explain`] in front of a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExplainLayer;

impl<S> Layer<S> for ExplainLayer {
    type Service = Explain<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Explain { inner }
    }
}

/// The service of [`ExplainLayer`].
#[derive(Debug, Clone)]
pub struct Explain<S> {
    inner: S,
}

impl<S> Service<Request> for Explain<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Explained<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let id = request.id.clone();
        Explained { inner: self.inner.call(request), id }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Explain`].
    pub struct Explained<F> {
        #[pin]
        inner: F,
        id: RequestId,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Explained<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map_ok(|mut response| {
            let fields = response.message.headers_mut();
            tell(fields, response.account.cache.to_value(), this.id.to_value());
            if let Some(rate_limit) = &response.account.rate_limit {
                rate_limit.write(fields);
            }
            response
        })
    }
}

/// Writes both fields: into the room that stored responses keep for them, which is found in one walk, or else anew.
///
/// A cache before the upstream may have written its own status; ours comes after it (RFC 9211 §2).
fn tell(fields: &mut HeaderMap, status: HeaderValue, id: HeaderValue) {
    let (mut status, mut id) = (Some(status), Some(id));
    for (name, value) in fields.iter_mut().filter(|(_, value)| value.is_empty()) {
        let told = match name {
            name if *name == CACHE_STATUS => &mut status,
            name if *name == X_REQUEST_ID => &mut id,
            _ => continue,
        };
        if let Some(told) = told.take() {
            *value = told;
        }
    }
    if let Some(status) = status {
        fields.append(CACHE_STATUS, status);
    }
    if let Some(id) = id {
        fields.insert(X_REQUEST_ID, id);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn told(before: &[(HeaderName, &'static str)], name: HeaderName) -> Vec<HeaderValue> {
        let mut fields = before.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        tell(&mut fields, HeaderValue::from_static("status"), HeaderValue::from_static("id"));
        fields.get_all(name).iter().cloned().collect()
    }

    #[test]
    fn our_cache_status_comes_after_those_of_others_and_in_place_of_an_empty_one() {
        let rows = [(&[][..], &["status"][..]), (&[""], &["status"]), (&["theirs"], &["theirs", "status"])];
        for (before, after) in rows {
            let before: Vec<_> = before.iter().map(|value| (CACHE_STATUS, *value)).collect();
            assert_eq!(told(&before, CACHE_STATUS), after);
            assert_eq!(told(&before, X_REQUEST_ID), ["id"]);
        }
    }

    #[test]
    fn there_is_one_request_id_and_it_is_ours() {
        for before in ["", "theirs"] {
            assert_eq!(told(&[(X_REQUEST_ID, before)], X_REQUEST_ID), ["id"]);
        }
    }
}
