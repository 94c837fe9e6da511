//! How a connection ends when the gateway does, before the real server library.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Duration;
use tower::service_fn;

use super::*;
use crate::phase::Phases;
use crate::server::connection;
use crate::testing;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that was answered once, and has sent a part of its next head when the gateway drains.
struct Draining {
    client: DuplexStream,
    phases: Phases,
    served: JoinHandle<()>,
}

impl Draining {
    async fn after(part: &str) -> Self {
        let (mut client, server) = duplex(64 * 1024);
        let (phases, settings) = (Phases::new(), settings());
        let watch = phases.watch();
        let served = tokio::spawn(async move {
            let stack = service_fn(|_: Request| async { Ok::<_, Infallible>(testing::status(200)) });
            connection::serve(server, Box::new(()), [127, 0, 0, 1].into(), None, stack, &settings, watch).await;
        });
        client.write_all(GET.as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = client.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200 OK\r\n"));
        client.write_all(part.as_bytes()).await.unwrap();
        // The connection is woken by it, and runs as soon as this gives way.
        tokio::task::yield_now().await;
        phases.enter(Phase::Leaving);
        phases.enter(Phase::Draining);
        tokio::task::yield_now().await;
        Self { client, phases, served }
    }

    /// Sends the rest, and returns all that comes back until the connection is closed.
    async fn answered(mut self, rest: &str) -> String {
        // A connection that was closed shows by what it answers.
        let _closed = self.client.write_all(rest.as_bytes()).await;
        let mut answers = String::new();
        self.client.read_to_string(&mut answers).await.unwrap();
        self.served.await.unwrap();
        drop(self.phases);
        answers
    }
}

fn settings() -> Settings {
    let limits = Limits {
        max_head: 4096,
        max_fields: 32,
        max_target: 1024,
        head_timeout: HEAD_TIMEOUT,
        idle_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_secs(10),
        send_timeout: Duration::from_secs(20),
        min_rate: 0,
    };
    let metrics = testing::metrics().connections;
    Settings { limits, max_requests: 100, max_streams: 1, max_resets: 1, max_control_frames: 1, metrics }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_head_came_in_part_before_the_end_is_answered_and_is_the_last() {
    for cut in 1..GET.len() {
        let (part, rest) = GET.split_at(cut);

        let answer = Draining::after(part).await.answered(&format!("{rest}{GET}")).await;

        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"),
            "{cut}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{cut}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_never_completed_keeps_the_end_waiting_no_longer_than_its_time() {
    let start = Instant::now();

    let answer = Draining::after("GET / HTT").await.answered("").await;

    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    assert!(start.elapsed() >= HEAD_TIMEOUT && start.elapsed() < HEAD_TIMEOUT * 2, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_has_begun_is_closed_at_once() {
    for nothing in ["", "\r\n"] {
        let start = Instant::now();
        assert_eq!(Draining::after(nothing).await.answered("").await, "");
        assert_eq!(start.elapsed(), Duration::ZERO, "{nothing:?}");
    }
}
