use super::*;
use crate::chathub::credential::{Credential, CredentialKind};
use crate::chathub::{OrganizationId, Route};
use crate::testing;
use crate::wire::Body;
use crate::wire::account::Turn;
use crate::wire::cache_status::{CacheStatus, Outcome};

fn line(target: &str) -> Line {
    let (head, ()) = http::Request::get(target).header("x-request-id", "r-1").body(()).unwrap().into_parts();
    let id = RequestId::take_or_make(&head.headers);
    let peer = std::net::Ipv4Addr::LOCALHOST.into();
    Line::of(&Request { head, body: Body::empty(), peer, is_rested: true, id, fault: None })
}

fn rendered(line: &Line) -> serde_json::Value {
    let mut text = String::new();
    line.render(&mut text, Duration::from_secs(1), 17, Duration::from_micros(1_500));
    assert!(text.ends_with("}\n"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_line_tells_what_happened_and_nothing_secret() {
    let digest = testing::digests().digest_other(b"x");
    let account = Account {
        route: Some(Route::ListOperators),
        organization: OrganizationId::new(24),
        credential: Some(Credential { kind: CredentialKind::Bearer, digest }),
        cache: CacheStatus { outcome: Outcome::Hit { ttl: 3 }, detail: None },
        turn: Some(Turn { waited: Duration::from_millis(200), predicted: Some(Duration::from_millis(1067)) }),
        rate_limit: None,
        upstream_time: None,
    };
    let line = line("/api/operator?organizationId=24&access_token=canary").answered(StatusCode::OK, &account);
    let told = rendered(&line);
    assert_eq!(told["time"], "1970-01-01T00:00:01.000Z");
    assert_eq!(told["request_id"], "r-1");
    assert_eq!(told["path"], "/api/operator");
    assert_eq!(told["route"], "list_operators");
    assert_eq!(told["organization"], 24);
    assert_eq!(told["cache"], "hit");
    assert_eq!(told["throttle_wait"], 0.2);
    assert_eq!(told["throttle_predicted"], 1.067);
    assert_eq!(told["duration"], 0.0015);
    assert_eq!(told["bytes"], 17);
    assert_eq!(told["credential"], format!("bearer:{:08x}", digest.prefix()));
    assert!(!told.to_string().contains("canary"));
}

#[test]
fn odd_bytes_in_a_path_do_not_break_the_line() {
    let told = rendered(&line("/a\"b\\c"));
    assert_eq!(told["path"], "/a\"b\\c");
}

#[test]
fn lines_that_do_not_fit_are_dropped_and_counted() {
    let metrics = testing::metrics().access_log;
    let clock = Clock::start();
    let (log, writer) = AccessLog::start(std::io::sink(), 10, clock, metrics.clone()).unwrap();
    log.write(&line("/"), 0, Duration::ZERO);
    assert_eq!(metrics.dropped.get(), 1);
    drop(writer);
}

#[test]
fn ending_the_writer_writes_what_waits() {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let (log, writer) = AccessLog::start(sink.clone(), 1 << 20, Clock::start(), testing::metrics().access_log).unwrap();
    for _ in 0..100 {
        log.write(&line("/"), 0, Duration::ZERO);
    }
    drop(writer);
    assert_eq!(sink.0.lock().unwrap().iter().filter(|byte| **byte == b'\n').count(), 100);
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_gateway_from_stopping() {
    struct Stopped(std::sync::mpsc::Receiver<()>);
    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (read, stopped) = std::sync::mpsc::channel();
    let metrics = testing::metrics().access_log;
    let (log, writer) = AccessLog::start(Stopped(stopped), 1 << 20, Clock::start(), metrics).unwrap();
    log.write(&line("/"), 0, Duration::ZERO);
    drop(writer);
    drop(read);
}
