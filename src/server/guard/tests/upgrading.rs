//! What follows a request that asks for another protocol.

use tokio::task::yield_now;

use super::*;

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
const HOUR: Duration = Duration::from_secs(3600);

/// A connection on which an upgrade was asked for, with `early` bytes behind the request.
async fn asked(early: &str) -> (Guard<DuplexStream>, Handle, DuplexStream) {
    let (mut guard, handle, mut client) = connection();
    client.write_all(format!("{UPGRADE}{early}").as_bytes()).await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), UPGRADE.as_bytes());
    handle.begin();
    (guard, handle, client)
}

#[tokio::test(start_paused = true)]
async fn bytes_wait_until_the_upgrade_is_granted_and_then_pass_raw() {
    let (mut guard, handle, mut client) = asked("\0early\n").await;
    assert!(waits(&mut guard, HOUR).await);
    client.write_all(b"\0later").await.unwrap();
    assert!(waits(&mut guard, HOUR).await);
    handle.upgraded();
    handle.answered();
    assert_eq!(read_once(&mut guard, 4).await.unwrap(), b"\0ear");
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), b"ly\n");
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), b"\0later");
    assert!(waits(&mut guard, HOUR).await, "no timer runs over a tunnel");
    drop(client);
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), b"");
}

#[tokio::test(start_paused = true)]
async fn requests_pass_again_when_the_upgrade_was_not_granted() {
    let (mut guard, handle, _client) = asked(&format!("{GET}{GET}\0")).await;
    assert!(waits(&mut guard, HOUR).await);
    handle.answered();
    let read = read_once(&mut guard, 8192).await.unwrap();
    assert_eq!(read, [GET.as_bytes(), GET.as_bytes(), SUBSTITUTE].concat());
    assert_eq!((handle.begin(), handle.begin()), (None, None));
    assert!(handle.begin().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_is_woken_by_the_decision() {
    for granted in [true, false] {
        for early in ["", GET] {
            let (mut guard, handle, mut client) = asked(early).await;
            let reads = tokio::spawn(async move { read_once(&mut guard, 8192).await });
            yield_now().await;
            if early.is_empty() {
                client.write_all(GET.as_bytes()).await.unwrap();
                yield_now().await;
            }
            assert!(!reads.is_finished());
            if granted {
                handle.upgraded();
            } else {
                drop(handle.answering());
            }
            assert_eq!(reads.await.unwrap().unwrap(), GET.as_bytes());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_the_decision_is_noticed() {
    let (mut guard, _, client) = asked("").await;
    drop(client);
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), b"");
}

#[tokio::test(start_paused = true)]
async fn a_pipelined_upgrade_waits_for_its_own_answer() {
    let (mut guard, handle, mut client) = connection();
    client.write_all(format!("{GET}{UPGRADE}{GET}").as_bytes()).await.unwrap();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), format!("{GET}{UPGRADE}").as_bytes());
    handle.answered();
    assert!(waits(&mut guard, HOUR).await);
    handle.answered();
    assert_eq!(read_once(&mut guard, 8192).await.unwrap(), GET.as_bytes());
}
