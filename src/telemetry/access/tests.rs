use super::*;
use crate::chathub::credential::{Credential, CredentialKind};
use crate::chathub::{OrganizationId, Route};
use crate::testing;
use crate::wire::account::Turn;
use crate::wire::cache_status::{CacheStatus, Outcome};
use crate::wire::{Account, Body, Request};

fn line(target: &str) -> Line {
    let (head, ()) = http::Request::get(target).header("x-request-id", "r-1").body(()).unwrap().into_parts();
    let (peer, now) = (std::net::Ipv4Addr::LOCALHOST.into(), tokio::time::Instant::now());
    Line::of(&Request::new(head, Body::empty(), peer, now))
}

fn told(account: &Account) -> Told<'_> {
    let (ended, took) = (Duration::from_secs(1), Duration::from_micros(1_500));
    Told { status: 200, account, bytes: 17, ended, took }
}

fn rendered(line: &Line, account: &Account) -> serde_json::Value {
    let mut renderer = Renderer::default();
    let text = renderer.render(line, &told(account));
    assert!(text.ends_with(b"}\n"));
    serde_json::from_slice(text).unwrap()
}

fn write(log: &AccessLog) {
    log.write(&line("/"), &told(&Account::default()));
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
        refusal: None,
    };
    let told = rendered(&line("/api/operator?organizationId=24&access_token=canary"), &account);
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
    for path in ["/a\"b\\c", "/\u{442}"] {
        assert_eq!(rendered(&line(path), &Account::default())["path"], path);
    }
}

#[test]
fn lines_that_do_not_fit_are_dropped_and_counted() {
    let metrics = testing::metrics().access_log;
    let (log, writer) = AccessLog::start(std::io::sink(), 10, metrics.clone()).unwrap();
    write(&log);
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
    let (log, writer) = AccessLog::start(sink.clone(), 1 << 20, testing::metrics().access_log).unwrap();
    for _ in 0..100 {
        write(&log);
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
    let (log, writer) = AccessLog::start(Stopped(stopped), 1 << 20, metrics).unwrap();
    write(&log);
    drop(writer);
    drop(read);
}
