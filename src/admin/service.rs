//! What the operators' listener answers.

use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::server::shutdown::{Phase, PhaseWatch};
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

type Content = Full<bytes::Bytes>;

/// Answers operators.
#[derive(Debug)]
pub struct Admin {
    /// What is exposed.
    pub metrics: Metrics,
    /// What is measured when it is exposed.
    pub store: Arc<Store>,
    /// Whether the gateway is ready.
    pub phases: PhaseWatch,
}

impl Admin {
    /// Answers one request.
    #[must_use]
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Content> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/metrics" => self.exposition(),
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" if self.phases.current() == Phase::Serving => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            // This listener is bound together with the other, so whoever reads this is late enough.
            "/startupz" => text(StatusCode::OK, "started\n"),
            _ => text(StatusCode::NOT_FOUND, "here are /metrics, /livez, /readyz and /startupz\n"),
        }
    }

    fn exposition(&self) -> Response<Content> {
        self.metrics.store.measured(&self.store.size());
        let mut response = Response::new(Full::from(self.metrics.expose()));
        let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
        response.headers_mut().insert(CONTENT_TYPE, format);
        response
    }
}

fn text(status: StatusCode, content: &'static str) -> Response<Content> {
    let mut response = Response::new(Full::from(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::shutdown::Phases;
    use crate::testing;

    fn status(admin: &Admin, method: &str, path: &str) -> u16 {
        admin.answer(&Request::builder().method(method).uri(path).body(()).unwrap()).status().as_u16()
    }

    #[test]
    fn readiness_falls_when_draining_begins_and_life_does_not() {
        let (phases, metrics) = (Phases::new(), testing::metrics());
        let store = Arc::new(Store::new(0, std::time::Duration::ZERO, &metrics.store));
        let admin = Admin { metrics, store, phases: phases.watch() };
        assert_eq!(status(&admin, "GET", "/readyz"), 200);
        phases.enter(Phase::Leaving);
        assert_eq!(status(&admin, "GET", "/readyz"), 503);
        assert_eq!(status(&admin, "GET", "/livez"), 200);
        assert_eq!(status(&admin, "POST", "/metrics"), 405);
        assert_eq!(status(&admin, "GET", "/nothing"), 404);
    }
}
