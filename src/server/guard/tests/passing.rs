//! What passes, over reads and buffers of any size.

use proptest::prelude::*;

use super::*;
use crate::server::framing::tests::faults::{FIELDS, REQUEST_LINES};

fn requests() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(request(), 1..6)
}

fn request() -> impl Strategy<Value = String> {
    let before = prop::sample::select(vec!["", "\r\n", "\r\n\r\n"]);
    let target = "/[a-z0-9/]{0,30}(\\?[a-z=&]{0,20})?";
    let fields = prop::collection::vec("[A-Za-z0-9-]{1,20}: ?[ -~]{0,60}", 0..6);
    (before, target, fields, body()).prop_map(|(before, target, fields, body)| {
        let fields: String = fields.iter().map(|field| format!("x-{field}\r\n")).collect();
        format!("{before}POST {target} HTTP/1.1\r\nHost: a\r\n{fields}{body}")
    })
}

/// The last fields of a head and the body behind it.
fn body() -> impl Strategy<Value = String> {
    let chunk = ("[ -~]{1,40}", "(;[a-z=]{0,10})?").prop_map(|(data, extension)| {
        let length = data.len();
        format!("{length:x}{extension}\r\n{data}\r\n")
    });
    let chunks = prop::collection::vec(chunk, 0..5);
    let trailers = "(t: [a-z]{0,20}\r\n){0,3}";
    prop_oneof![
        2 => Just("\r\n".to_owned()),
        1 => "[ -~\r\n]{0,200}".prop_map(|body| format!("content-length: {}\r\n\r\n{body}", body.len())),
        1 => (chunks, trailers).prop_map(|(chunks, trailers)| {
            format!("transfer-encoding: chunked\r\n\r\n{}0\r\n{trailers}\r\n", chunks.concat())
        }),
    ]
}

fn faulty() -> impl Strategy<Value = String> {
    let fields = FIELDS.iter().map(|(fields, _)| format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    let lines = REQUEST_LINES.iter().map(|(head, _)| (*head).to_owned());
    prop::sample::select(lines.chain(fields).collect::<Vec<_>>())
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        prop::collection::vec(1usize..10, 1..5),
        prop::collection::vec(1usize..200, 1..5),
        prop::collection::vec(1usize..10_000, 1..5),
    ]
}

/// Reads with the given rooms, over and over, until the end of input, or until nothing more is going to come.
fn read_all(guard: &mut Guard<Script>, rooms: &[usize]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut all = Vec::new();
        for room in rooms.iter().cycle() {
            // The clock leaps when everything waits, and nothing waits in a script.
            match tokio::time::timeout(Duration::from_secs(3600), read_once(guard, *room)).await {
                Ok(Ok(read)) if !read.is_empty() => all.extend(read),
                _ => break,
            }
        }
        all
    })
}

fn guard(bytes: &[u8], pieces: &[usize]) -> (Guard<Script>, Handle) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _clock = runtime.enter();
    Guard::new(Script::new(bytes, pieces), &LIMITS)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn valid_requests_pass_unchanged(requests in requests(), pieces in sizes(), rooms in sizes()) {
        let sent = requests.concat();
        let (mut guard, handle) = guard(sent.as_bytes(), &pieces);
        let read = read_all(&mut guard, &rooms);
        prop_assert_eq!(read.escape_ascii().to_string(), sent.as_bytes().escape_ascii().to_string());
        for _ in requests {
            prop_assert_eq!(handle.begin(), None);
        }
    }

    #[test]
    fn a_faulty_head_never_passes_and_all_before_it_does(
        requests in prop::collection::vec(request(), 0..4),
        faulty in faulty(),
        behind in "[ -~\r\n]{0,100}",
        pieces in sizes(),
        rooms in sizes(),
    ) {
        let good = requests.concat();
        let (mut guard, handle) = guard(format!("{good}{faulty}{behind}").as_bytes(), &pieces);
        let read = read_all(&mut guard, &rooms);
        let expected = [good.as_bytes(), SUBSTITUTE].concat();
        prop_assert_eq!(read.escape_ascii().to_string(), expected.escape_ascii().to_string());
        for _ in requests {
            prop_assert_eq!(handle.begin(), None);
        }
        prop_assert!(matches!(handle.begin(), Some(Fault::Malformed(_))));
    }
}

#[tokio::test]
async fn whole_requests_are_not_copied() {
    let (mut guard, _, mut client) = connection();
    client.write_all(format!("{GET}{GET}").as_bytes()).await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), format!("{GET}{GET}").as_bytes());
    assert!(guard.withheld.is_empty());
}

#[tokio::test]
async fn the_end_of_input_within_a_head_is_the_end_of_input() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(format!("{GET}GET / HT").as_bytes()).await.unwrap();
    drop(client);
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), GET.as_bytes());
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), b"");
    assert_eq!((handle.begin(), handle.begin()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_broken_body_is_an_error_and_nothing_follows() {
    let (mut guard, _, mut client) = connection();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write_all(format!("{head}x\r\n\r\n{GET}").as_bytes()).await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), head.as_bytes());
    for _ in 0..2 {
        let error = read_once(&mut guard, 8192).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(BodyFault::find(&error), Some(BodyFault::Malformed("a chunk has no size")));
    }
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_by_a_head_and_a_read() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(&[b'a'; 64 * 1024]).await.unwrap();
    assert_eq!(read_once(&mut guard, 1000).await.unwrap(), SUBSTITUTE);
    assert_eq!(handle.begin(), Some(Fault::HeadTooLarge));
    let mut left = vec![0; 64 * 1024];
    let unread = guard.io.read(&mut left).await.unwrap();
    assert!(unread >= 64 * 1024 - LIMITS.max_head - 1000, "{unread} bytes were left unread");
    assert!(waits(&mut guard, Duration::from_secs(3600)).await, "after the substitute a read waits");
}

#[tokio::test]
async fn writes_are_passed_on_vectored() {
    let (mut guard, _, mut client) = connection();
    assert!(guard.is_write_vectored());
    let slices = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
    assert_eq!(guard.write_vectored(&slices).await.unwrap(), 4);
    guard.flush().await.unwrap();
    guard.shutdown().await.unwrap();
    let mut read = String::new();
    client.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "abcd");
}
