//! When a client is late, and when it is not, however long it takes.

use tokio::time::{Instant, sleep};

use super::*;

const HEAD: Duration = LIMITS.head_timeout;
const IDLE: Duration = LIMITS.idle_timeout;
const BODY: Duration = LIMITS.body_timeout;
/// The resolution of the timer.
const TICK: Duration = Duration::from_millis(1);
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n";

/// Reads, and returns what came and how long that took.
async fn timed_read(guard: &mut Guard<DuplexStream>) -> (io::Result<Vec<u8>>, Duration) {
    let start = Instant::now();
    let read = read_once(guard, 8192).await;
    (read, start.elapsed())
}

#[track_caller]
fn assert_took(took: Duration, expected: Duration) {
    assert!(took >= expected && took <= expected + TICK, "{took:?} instead of {expected:?}");
}

/// Sends a request, reads it, and answers it.
async fn exchange(guard: &mut Guard<DuplexStream>, handle: &Handle, client: &mut DuplexStream) {
    client.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(read_once(guard, 8192).await.unwrap(), GET.as_bytes());
    handle.begin();
    handle.answered();
    guard.write_all(b"answer").await.unwrap();
    client.read_exact(&mut [0; 6]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_sends_ends_quietly_after_the_head_timeout() {
    let (mut guard, handle, _client) = connection();
    let (read, took) = timed_read(&mut guard).await;
    assert_eq!(read.unwrap(), b"");
    assert_took(took, HEAD);
    assert_eq!(handle.begin(), None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_empty_lines_only_ends_quietly() {
    let (mut guard, _, mut client) = connection();
    client.write_all(b"\r\n").await.unwrap();
    let (read, took) = timed_read(&mut guard).await;
    assert_eq!(read.unwrap(), b"");
    assert_took(took, HEAD);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_quietly_after_the_last_answer_and_the_idle_timeout() {
    let (mut guard, handle, mut client) = connection();
    for _ in 0..3 {
        exchange(&mut guard, &handle, &mut client).await;
        assert!(waits(&mut guard, IDLE - TICK).await);
    }
    exchange(&mut guard, &handle, &mut client).await;
    let (read, took) = timed_read(&mut guard).await;
    assert_eq!(read.unwrap(), b"");
    assert_took(took, IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_after_the_head_timeout() {
    let (mut guard, handle, mut client) = connection();
    exchange(&mut guard, &handle, &mut client).await;
    assert!(waits(&mut guard, IDLE / 2).await);
    let start = Instant::now();
    let slow = tokio::spawn(async move {
        for byte in GET.bytes() {
            client.write_all(&[byte]).await.unwrap();
            sleep(HEAD / 10).await;
        }
    });
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), SUBSTITUTE);
    assert_took(start.elapsed(), HEAD);
    assert_eq!(handle.begin(), Some(Fault::HeadTimeout));
    slow.abort();
}

#[tokio::test(start_paused = true)]
async fn a_head_in_two_parts_has_its_time_from_its_first_byte_on() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(format!("{GET}GET").as_bytes()).await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), GET.as_bytes());
    assert!(waits(&mut guard, HEAD - TICK).await);
    client.write_all(&GET.as_bytes()[3..]).await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), GET.as_bytes());
    client.write_all(b"GET").await.unwrap();
    let (read, took) = timed_read(&mut guard).await;
    assert_eq!(read.unwrap(), SUBSTITUTE);
    assert_took(took, HEAD);
    assert_eq!((handle.begin(), handle.begin()), (None, None));
    assert_eq!(handle.begin(), Some(Fault::HeadTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_an_error() {
    let (mut guard, _, mut client) = connection();
    client.write_all(POST.as_bytes()).await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), POST.as_bytes());
    let (read, took) = timed_read(&mut guard).await;
    let error = read.unwrap_err();
    assert_eq!((error.kind(), BodyFault::find(&error)), (io::ErrorKind::TimedOut, Some(BodyFault::TimedOut)));
    assert_took(took, BODY);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_an_error_and_one_that_keeps_up_the_rate_is_not() {
    let rate = usize::try_from(LIMITS.min_rate).unwrap();
    for (bytes_a_second, is_late) in [(1, true), (rate / 2, true), (rate, false)] {
        let (mut guard, _, mut client) = connection();
        let length = bytes_a_second * 30;
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        read_once(&mut guard, 8192).await.unwrap();
        let dripping = tokio::spawn(async move {
            for _ in 0..30 {
                sleep(Duration::from_secs(1)).await;
                client.write_all(&vec![b'a'; bytes_a_second]).await?;
            }
            io::Result::Ok(client)
        });
        let mut read = 0;
        let ended = loop {
            match read_once(&mut guard, 8192).await {
                Ok(bytes) => read += bytes.len(),
                Err(error) => break Err(error),
            }
            if read == length {
                break Ok(());
            }
        };
        assert_eq!(ended.is_err(), is_late, "{bytes_a_second} bytes a second");
        dripping.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_has_its_time_only_while_it_is_asked_for() {
    let (mut guard, _, mut client) = connection();
    client.write_all(POST.as_bytes()).await.unwrap();
    read_once(&mut guard, 8192).await.unwrap();
    sleep(BODY * 5).await;
    assert!(waits(&mut guard, BODY - TICK).await);
    client.write_all(b"abcdefghi").await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), b"abcdefghi");
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_not_idle() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(GET.as_bytes()).await.unwrap();
    read_once(&mut guard, 8192).await.unwrap();
    handle.begin();
    assert!(waits(&mut guard, IDLE * 10).await);
    let answering = handle.answering();
    guard.write_all(b"head").await.unwrap();
    assert!(waits(&mut guard, IDLE * 10).await, "a body that is silent for long is still an answer");
    drop(answering);
    guard.write_all(b"end").await.unwrap();
    let (read, took) = timed_read(&mut guard).await;
    assert_eq!(read.unwrap(), b"");
    assert_took(took, IDLE);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_busy_until_all_requests_are_answered() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(format!("{GET}{GET}").as_bytes()).await.unwrap();
    read_once(&mut guard, 8192).await.unwrap();
    handle.answered();
    guard.write_all(b"first").await.unwrap();
    assert!(waits(&mut guard, IDLE * 3).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_not_been_written_yet_is_not_idle_time() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(GET.as_bytes()).await.unwrap();
    read_once(&mut guard, 8192).await.unwrap();
    sleep(IDLE * 3).await;
    handle.answered();
    assert!(waits(&mut guard, IDLE - TICK).await, "read between the answer and its first write");
}

#[tokio::test(start_paused = true)]
async fn a_connection_becomes_idle_though_nobody_reads_after_the_answer() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(GET.as_bytes()).await.unwrap();
    read_once(&mut guard, 8192).await.unwrap();
    // The library's read while the request is served. It reads again only when it is woken.
    let start = Instant::now();
    let reads = tokio::spawn(async move {
        let read = read_once(&mut guard, 8192).await;
        (read, guard)
    });
    sleep(IDLE / 3).await;
    handle.answered();
    let (read, _guard) = reads.await.unwrap();
    assert_eq!(read.unwrap(), b"");
    assert!(start.elapsed() <= IDLE * 2 + TICK, "an answer without a write counts from the next look on");
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn writes_put_the_idle_time_off() {
    let (mut guard, handle, mut client) = connection();
    exchange(&mut guard, &handle, &mut client).await;
    for _ in 0..5 {
        assert!(waits(&mut guard, IDLE - TICK).await);
        guard.write_all(b"more").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_may_be_as_long_as_a_duration_can_be() {
    let limits =
        Limits { head_timeout: Duration::MAX, idle_timeout: Duration::MAX, body_timeout: Duration::MAX, ..LIMITS };
    let (_client, server) = duplex(64);
    let (mut guard, _) = Guard::new(server, &limits);
    assert!(waits(&mut guard, HEAD * 1000).await);
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_a_fault_waits_for_the_client_to_finish() {
    let (mut guard, _, mut client) = connection();
    client.write_all(b"\0").await.unwrap();
    read_once(&mut guard, 8192).await.unwrap();
    let closing = tokio::spawn(async move { guard.shutdown().await });
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "our side is closed at once");
    client.write_all(&[0; 256 * 1024]).await.unwrap();
    assert!(!closing.is_finished());
    drop(client);
    closing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_does_not_wait_for_ever() {
    let (mut guard, _, mut client) = connection();
    client.write_all(POST.as_bytes()).await.unwrap();
    read_once(&mut guard, 8192).await.unwrap();
    let start = Instant::now();
    guard.shutdown().await.unwrap();
    assert_took(start.elapsed(), Duration::from_secs(2));
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_close_between_requests_does_not_wait() {
    let (mut guard, handle, mut client) = connection();
    exchange(&mut guard, &handle, &mut client).await;
    let start = Instant::now();
    guard.shutdown().await.unwrap();
    assert_took(start.elapsed(), Duration::ZERO);
}
