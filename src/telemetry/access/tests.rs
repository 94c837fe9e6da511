use super::*;
use crate::chathub::credential::{Credential, CredentialKind};
use crate::chathub::{OrganizationId, Route};
use crate::testing;
use crate::wire::account::Turn;
use crate::wire::cache_status::{CacheStatus, Detail, Outcome};
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

fn hit() -> Account {
    Account { cache: CacheStatus { outcome: Outcome::Hit { ttl: 3 }, detail: None }, ..Account::default() }
}

/// The line without its line feed, which is its only one.
fn text(format: AccessFormat, line: &Line, account: &Account) -> String {
    let mut renderer = Renderer::default();
    let text = str::from_utf8(renderer.render(format, line, &told(account))).unwrap().to_owned();
    assert_eq!(text.find('\n'), Some(text.len() - 1), "{text}");
    text.trim_end().to_owned()
}

fn rendered(line: &Line, account: &Account) -> serde_json::Value {
    serde_json::from_str(&text(AccessFormat::Json, line, account)).unwrap()
}

/// Names and values as readers of logfmt take them: what stands in quotes is escaped as in JSON.
fn members(line: &str) -> Vec<(String, String)> {
    let (mut all, mut rest) = (Vec::new(), line);
    while let Some((name, value)) = rest.split_once('=') {
        let value = if value.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
            let unescaped = values.next().unwrap().unwrap();
            rest = value[values.byte_offset()..].trim_start();
            unescaped
        } else {
            let (value, behind) = value.split_once(' ').unwrap_or((value, ""));
            assert!(!value.contains(['=', '"']), "strict readers refuse it: {line}");
            rest = behind;
            value.to_owned()
        };
        all.push((name.to_owned(), value));
    }
    assert_eq!(rest, "", "{line}");
    all
}

/// Everything that a line can tell.
fn everything() -> Account {
    let digest = testing::digests().digest_other(b"x");
    Account {
        route: Some(Route::ListOperators),
        organization: OrganizationId::new(24),
        credential: Some(Credential { kind: CredentialKind::Bearer, digest }),
        cache: CacheStatus { outcome: Outcome::Hit { ttl: 3 }, detail: Some(Detail::Overtaken) },
        turn: Some(Turn { waited: Duration::from_millis(200), predicted: Some(Duration::from_millis(1067)) }),
        rate_limit: None,
        upstream_time: Some(Duration::from_micros(12)),
        refusal: None,
    }
}

fn write(log: &AccessLog) {
    log.lines(AccessFormat::Json, 100).write(&line("/"), &told(&Account::default()));
}

#[test]
fn a_line_tells_what_happened_and_nothing_secret() {
    let account = everything();
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
    assert_eq!(told["credential"], format!("bearer:{:08x}", account.credential.unwrap().digest.prefix()));
    assert!(!told.to_string().contains("canary"));
}

#[test]
fn logfmt_tells_what_json_tells() {
    let request = line("/api/operator?access_token=canary");
    for account in [everything(), hit(), Account::default()] {
        let json = rendered(&request, &account);
        let mut logfmt = members(&text(AccessFormat::Logfmt, &request, &account));

        logfmt.sort_unstable();
        let plain = |value: &serde_json::Value| value.as_str().map_or(value.to_string(), str::to_owned);
        let expected: Vec<_> =
            json.as_object().unwrap().iter().map(|(name, value)| (name.clone(), plain(value))).collect();
        let as_number = |(name, value): (String, String)| match value.parse::<f64>() {
            Ok(number) => (name, number.to_string()),
            Err(_) => (name, value),
        };
        let both =
            [logfmt, expected].map(|all| all.into_iter().map(as_number).collect::<std::collections::BTreeSet<_>>());
        assert_eq!(both[0], both[1]);
    }
}

#[test]
fn the_combined_format_is_apaches_with_nothing_of_what_a_client_sent_but_method_and_path() {
    let (mut head, ()) = http::Request::post("/api/operator/status?access_token=canary")
        .header("referer", "https://shop.example/?access_token=canary")
        .header("user-agent", "canary")
        .body(())
        .unwrap()
        .into_parts();
    let mut told_of = |version, peer: &str, bytes| {
        head.version = version;
        let request = Request::new(head.clone(), Body::empty(), peer.parse().unwrap(), tokio::time::Instant::now());
        let account = everything();
        let told = Told { bytes, ..told(&account) };
        let mut renderer = Renderer::default();
        String::from_utf8(renderer.render(AccessFormat::Combined, &Line::of(&request), &told).to_vec()).unwrap()
    };
    assert_eq!(
        told_of(http::Version::HTTP_11, "127.0.0.1", 17),
        "127.0.0.1 - - [01/Jan/1970:00:00:01 +0000] \"POST /api/operator/status HTTP/1.1\" 200 17 \"-\" \"-\"\n"
    );
    assert_eq!(
        told_of(http::Version::HTTP_2, "2001:db8::1", 0),
        "2001:db8::1 - - [01/Jan/1970:00:00:01 +0000] \"POST /api/operator/status HTTP/2.0\" 200 - \"-\" \"-\"\n"
    );
}

/// Paths that would be more than a path, if they could.
const HOSTILE: [&str; 5] = ["/a\"b\\c", "/\u{442}", "/a=b&status=500", "/\"}\\n{\"status\":500", "/\\\" 500 1 \\x0a"];

#[test]
fn odd_bytes_in_a_path_do_not_break_the_line() {
    for path in HOSTILE {
        // Nothing that is parsed as a target has a space.
        let path = &path.replace(' ', "");
        let line = line(path);
        assert_eq!(rendered(&line, &Account::default())["path"], **path);

        let logfmt = members(&text(AccessFormat::Logfmt, &line, &Account::default()));
        let told = |name: &str| {
            logfmt.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect::<Vec<_>>()
        };
        assert_eq!((told("path"), told("status")), (vec![&**path], vec!["200"]), "{logfmt:?}");

        let combined = text(AccessFormat::Combined, &line, &Account::default());
        let request = combined.split_once("] \"").unwrap().1;
        let end = request.char_indices().find(|(at, letter)| *letter == '"' && !is_escaped(request, *at)).unwrap().0;
        assert_eq!(&request[end..], "\" 200 17 \"-\" \"-\"", "{combined}");
        assert!(combined.is_ascii(), "{combined}");
    }
    let combined = text(AccessFormat::Combined, &line("/a\"b\\\u{442}"), &Account::default());
    assert!(combined.contains(r#""GET /a\"b\\\xd1\x82 HTTP/1.1""#), "{combined}");
}

fn is_escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[test]
fn an_id_that_is_fit_for_json_is_one_value_in_logfmt_too() {
    let (head, ()) = http::Request::get("/").header("x-request-id", "a=b,status=500").body(()).unwrap().into_parts();
    let peer = std::net::Ipv4Addr::LOCALHOST.into();
    let line = Line::of(&Request::new(head, Body::empty(), peer, tokio::time::Instant::now()));
    let logfmt = members(&text(AccessFormat::Logfmt, &line, &Account::default()));
    assert!(logfmt.contains(&("request_id".into(), "a=b,status=500".into())), "{logfmt:?}");
}

#[test]
fn of_hits_so_many_percent_are_told_evenly_and_of_all_else_every_one() {
    for percent in [0, 1, 3, 50, 99, 100] {
        let metrics = testing::metrics().access_log;
        let sink = Sink::default();
        let (log, writer) = AccessLog::start(sink.clone(), 1 << 20, metrics.clone()).unwrap();
        let lines = log.lines(AccessFormat::Logfmt, percent);
        for _ in 0..200 {
            lines.write(&line("/hit"), &told(&hit()));
            lines.write(&line("/other"), &told(&Account::default()));
        }
        drop(writer);
        let text = sink.text();
        assert_eq!(text.matches("/hit").count(), 2 * usize::from(percent), "{percent}");
        assert_eq!(text.matches("/other").count(), 200, "{percent}");
        assert_eq!(metrics.skipped.get(), 200 - 2 * u64::from(percent), "{percent}");
        // Between two that are told there are as many left out as between any others, or one less.
        let gaps = text.split("/hit").map(|between| between.matches("/other").count());
        let gaps: Vec<_> = gaps.skip(1).take(2 * usize::from(percent).saturating_sub(1)).collect();
        let widest = gaps.iter().max().copied().unwrap_or_default();
        assert!(gaps.iter().all(|gap| gap + 1 >= widest), "{percent}: {gaps:?}");
    }
}

/// What was written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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
fn lines_that_cannot_be_written_are_dropped_and_counted() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let metrics = testing::metrics().access_log;
    let (log, writer) = AccessLog::start(Full, 1 << 20, metrics.clone()).unwrap();
    for _ in 0..3 {
        write(&log);
    }
    drop(writer);
    assert_eq!(metrics.dropped.get(), 3);
}

#[test]
fn ending_the_writer_writes_what_waits() {
    let sink = Sink::default();
    let (log, writer) = AccessLog::start(sink.clone(), 1 << 20, testing::metrics().access_log).unwrap();
    for _ in 0..100 {
        write(&log);
    }
    drop(writer);
    assert_eq!(sink.text().lines().count(), 100);
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
