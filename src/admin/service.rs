//! What the operators' listener answers.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::purge::{Access, Purge, USAGE};
use crate::lifecycle::Lifecycle;
use crate::phase::Phase;
use crate::store::Store;
use crate::telemetry::metrics::{Metrics, StreamKind};

type Content = Full<bytes::Bytes>;

/// Answers operators.
#[derive(Debug)]
pub struct Admin {
    /// What is exposed.
    pub metrics: Metrics,
    /// What is measured when it is exposed.
    pub store: Arc<Store>,
    /// How the gateway is, and how it is asked to end.
    pub lifecycle: Lifecycle,
    /// Who may purge, and ask the gateway to leave or to end.
    pub access: Access,
}

impl Admin {
    /// Answers one request of a peer.
    #[must_use]
    pub fn answer<B>(&self, peer: IpAddr, request: &Request<B>) -> Response<Content> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match (request.uri().path(), is_read) {
            ("/purge", _) if request.method() == Method::POST => self.purge(peer, request),
            ("/drain" | "/quit", _) if request.method() == Method::POST => self.end(peer, request),
            ("/drain", true) => json(self.state()),
            ("/purge" | "/quit", _) => not_allowed("only POST\n", "POST"),
            ("/drain", false) => not_allowed("only GET, HEAD and POST\n", "GET, HEAD, POST"),
            (_, false) => not_allowed("only GET and HEAD\n", "GET, HEAD"),
            ("/metrics", true) => self.exposition(),
            ("/livez", true) => text(StatusCode::OK, "alive\n"),
            ("/readyz", true) if self.lifecycle.watch().current() == Phase::Serving => text(StatusCode::OK, "ready\n"),
            ("/readyz", true) => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            // This listener is bound together with the other, so whoever reads this is late enough.
            ("/startupz", true) => text(StatusCode::OK, "started\n"),
            _ => {
                text(StatusCode::NOT_FOUND, "here are /metrics, /livez, /readyz, /startupz, /drain, /quit and /purge\n")
            }
        }
    }

    fn purge<B>(&self, peer: IpAddr, request: &Request<B>) -> Response<Content> {
        if !self.access.allows(peer, request.headers()) {
            return forbidden();
        }
        let Some(purge) = Purge::from_query(request.uri().query()) else {
            return text(StatusCode::BAD_REQUEST, USAGE);
        };
        let said = purge.run(&self.store);
        self.metrics.store.purged(purge.scope());
        tracing::info!(done = said.trim_end(), %peer, "purged");
        json(said)
    }

    /// Lets the gateway leave, or end.
    fn end<B>(&self, peer: IpAddr, request: &Request<B>) -> Response<Content> {
        if !self.access.allows(peer, request.headers()) {
            return forbidden();
        }
        let (ends, is_now) = match (request.uri().path(), request.uri().query()) {
            ("/drain", None) => (false, false),
            ("/quit", None) => (true, false),
            ("/quit", Some("now")) => (true, true),
            _ => return text(StatusCode::BAD_REQUEST, "here are /drain, /quit and /quit?now\n"),
        };
        tracing::info!(%peer, ends, is_now, "asked by an operator to leave");
        self.lifecycle.leave();
        if is_now {
            self.lifecycle.hurry();
        }
        if ends {
            self.lifecycle.quit();
        }
        json(self.state())
    }

    fn state(&self) -> String {
        // What lasts looks like a request, and ends in its own way when the gateway does.
        let lasting = [StreamKind::Poll, StreamKind::Events].map(|kind| self.metrics.streams.open(kind));
        self.lifecycle.state(self.metrics.requests.under_way() - lasting.iter().sum::<i64>())
    }

    fn exposition(&self) -> Response<Content> {
        self.metrics.store.measured(&self.store.size());
        let mut response = Response::new(Full::from(self.metrics.expose()));
        let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
        response.headers_mut().insert(CONTENT_TYPE, format);
        response
    }
}

fn forbidden() -> Response<Content> {
    let advice =
        "send the secret of admin.token_file as a bearer token; without that setting, ask from 127.0.0.1 or ::1\n";
    text(StatusCode::FORBIDDEN, advice)
}

fn json(content: String) -> Response<Content> {
    let mut response = text(StatusCode::OK, content);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn not_allowed(advice: &'static str, methods: &'static str) -> Response<Content> {
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, advice);
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    refused
}

fn text(status: StatusCode, content: impl Into<Content>) -> Response<Content> {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::UnderWay;
    use crate::testing;

    fn status(admin: &Admin, method: &str, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        admin.answer(IpAddr::from([10, 0, 0, 7]), &request).status().as_u16()
    }

    #[test]
    fn readiness_falls_when_draining_begins_and_life_does_not() {
        let (lifecycle, metrics) = (Lifecycle::new(UnderWay::default()), testing::metrics());
        let store = Arc::new(Store::new(0, std::time::Duration::ZERO, &metrics.store));
        let access = Access::new(testing::digests().clone(), None);
        let admin = Admin { metrics, store, lifecycle: lifecycle.clone(), access };
        assert_eq!(status(&admin, "GET", "/readyz"), 200);
        assert_eq!(status(&admin, "POST", "/drain"), 403, "from elsewhere than loopback");
        let near = |path: &str| {
            let request = Request::post(path).body(()).unwrap();
            admin.answer(IpAddr::from([127, 0, 0, 1]), &request).status().as_u16()
        };
        for path in ["/quit?later", "/quit?", "/drain?now"] {
            assert_eq!(near(path), 400, "{path}");
        }
        assert_eq!(status(&admin, "GET", "/readyz"), 200);
        lifecycle.leave();
        assert_eq!(status(&admin, "GET", "/readyz"), 503);
        assert_eq!(status(&admin, "GET", "/livez"), 200);
        assert_eq!(status(&admin, "POST", "/metrics"), 405);
        assert_eq!(status(&admin, "GET", "/nothing"), 404);
        assert_eq!(status(&admin, "GET", "/purge"), 405);
        assert_eq!(status(&admin, "GET", "/quit"), 405);
        assert_eq!(status(&admin, "GET", "/drain"), 200);
        assert_eq!(status(&admin, "POST", "/purge"), 403, "from elsewhere than loopback, and there is no secret");
    }
}
