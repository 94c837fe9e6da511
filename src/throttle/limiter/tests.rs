//! On paused time: a wait is exact to the timer's tick, and costs nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::error::Cause;
use crate::telemetry::metrics::Metrics;
use crate::testing;

const SECOND: Duration = Duration::from_secs(1);

/// So many a second, and so many at once.
fn terms(rate: u32, burst: u32) -> Terms {
    let quota = Quota::new(SECOND / rate, NonZeroU32::new(burst).unwrap());
    Terms {
        quotas: [quota; Class::ALL.len()],
        upstream: None,
        max_wait: Duration::from_secs(15),
        max_waiting: 1000,
        max_waiting_per_lane: 1000,
        max_lanes: 100,
        max_stop: Duration::from_secs(300),
        is_adaptive: true,
    }
}

fn refused(error: Error) -> Refusal {
    let Cause::Throttled(refusal) = error.cause else { panic!("{error}") };
    refusal
}

/// A limiter, and the metrics in which it counts.
struct Fixture {
    limiter: Limiter,
    metrics: Metrics,
}

impl Fixture {
    fn new(mode: Mode, rate: u32, burst: u32) -> Self {
        let metrics = testing::metrics();
        Self { limiter: Limiter::start(mode, terms(rate, burst), Clock::start(), metrics.throttle.clone()), metrics }
    }

    fn ask(&self, rank: Rank) -> Asked {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let owner = testing::digests().digest_other(b"somebody");
        self.limiter.ask(&Ask { class: Class::Operator, owner, rank, peer, is_rested: true }, || None)
    }

    /// Somebody asks, and waits in a task.
    fn comes(&self) -> JoinHandle<Result<(Admitted, Instant), Error>> {
        let asked = self.ask(Rank::Foreground);
        tokio::spawn(async move { asked.admitted().await.map(|admitted| (admitted, Instant::now())) })
    }

    /// Somebody asks, and is refused at once.
    async fn is_refused(&self) -> Refusal {
        refused(self.ask(Rank::Foreground).admitted().await.unwrap_err())
    }

    fn value(&self, series: &str) -> f64 {
        let text = String::from_utf8(self.metrics.expose()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("chathub_gateway_")?.strip_prefix(series));
        line.unwrap_or_else(|| panic!("there is no {series}")).trim().parse().unwrap()
    }

    fn decided(&self, decision: &str) -> f64 {
        self.value(&format!(r#"throttle_decisions_total{{class="operator",decision="{decision}"}}"#))
    }
}

async fn went_after(start: Instant, task: JoinHandle<Result<(Admitted, Instant), Error>>) -> u128 {
    (task.await.unwrap().unwrap().1 - start).as_millis()
}

#[tokio::test(start_paused = true)]
async fn requests_over_quota_wait_their_turn_in_order() {
    let fixture = Fixture::new(Mode::Enforce, 5, 5);
    let start = Instant::now();
    let tasks: Vec<_> = (0..10).map(|_| fixture.comes()).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.push(went_after(start, task).await);
    }
    assert_eq!(times, [0, 0, 0, 0, 0, 200, 400, 600, 800, 1000]);
    assert_eq!((fixture.decided("admitted"), fixture.decided("waited")), (5.0, 5.0));
    assert_eq!(fixture.value(r#"throttle_late_total{class="operator"}"#), 0.0);
    assert_eq!(fixture.value(r#"throttle_waiting{class="operator"}"#), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_one_does_not_fall_behind_by_the_timers_ticks() {
    // A cell each 33.3 ms; timers have ticks of one.
    let fixture = Fixture::new(Mode::Enforce, 30, 1);
    let start = Instant::now();
    let tasks: Vec<_> = (0..91).map(|_| fixture.comes()).collect();
    let mut last = 0;
    for task in tasks {
        last = went_after(start, task).await;
    }
    assert!((3000..=3002).contains(&last), "{last} ms for 90 cells");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_the_timer_waits_for_later_is_served_in_time() {
    let fixture = Fixture::new(Mode::Enforce, 5, 1);
    // The task waits for the next second, in which it looks for idle lanes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    let tasks = [fixture.comes(), fixture.comes()];
    for (task, after) in tasks.into_iter().zip([0, 200]) {
        assert_eq!(went_after(start, task).await, after);
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_when_a_request_comes_not_when_it_is_first_polled() {
    let fixture = Fixture::new(Mode::Enforce, 1, 1);
    let (first, second, third) =
        (fixture.ask(Rank::Foreground), fixture.ask(Rank::Foreground), fixture.ask(Rank::Foreground));
    let start = Instant::now();
    third.admitted().await.unwrap();
    assert_eq!(Instant::now() - start, SECOND * 2);
    second.admitted().await.unwrap();
    first.admitted().await.unwrap();
    assert_eq!(Instant::now() - start, SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_line_gives_its_place_up() {
    let fixture = Fixture::new(Mode::Enforce, 1, 1);
    let start = Instant::now();
    drop(fixture.comes());
    let leaving: Vec<_> = (0..6).map(|_| fixture.comes()).collect();
    let last = fixture.comes();
    tokio::task::yield_now().await;
    leaving.iter().for_each(JoinHandle::abort);
    assert_eq!(went_after(start, last).await, 1000);
    assert_eq!(fixture.value(r#"throttle_waiting{class="operator"}"#), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_bound_is_refused_at_once() {
    let fixture = Fixture::new(Mode::Enforce, 1, 1);
    let waiting: Vec<_> = (0..12).map(|_| fixture.comes()).collect();
    let start = Instant::now();
    let refusal = fixture.is_refused().await;
    assert_eq!(Instant::now(), start, "a refusal does not wait");
    assert_eq!((refusal.rejection, refusal.retry_after), (Rejection::TooLong, Duration::from_millis(750)));
    assert_eq!(fixture.value(r#"throttle_rejections_total{reason="too_long"}"#), 1.0);
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn observing_delays_and_refuses_nobody_and_counts_what_the_line_would_have_done() {
    let fixture = Fixture::new(Mode::Observe, 1, 1);
    let start = Instant::now();
    for _ in 0..20 {
        let admitted = fixture.ask(Rank::Foreground).admitted().await.unwrap();
        assert!(admitted.rate_limit.is_none(), "nobody is told of a quota that does not bind");
    }
    assert_eq!(Instant::now(), start);
    // One goes, eleven fill the line, and for the rest it is full.
    let counts = ["admitted", "would_wait", "would_reject"].map(|decision| fixture.decided(decision));
    assert_eq!(counts, [1.0, 11.0, 8.0]);
    assert_eq!(fixture.value(r#"throttle_waiting{class="operator"}"#), 11.0);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(fixture.value(r#"throttle_waiting{class="operator"}"#), 0.0);
}

#[tokio::test(start_paused = true)]
async fn with_the_throttle_off_nothing_is_counted_not_even_background_work() {
    let fixture = Fixture::new(Mode::Off, 1, 1);
    for _ in 0..10 {
        fixture.ask(Rank::Background).admitted().await.unwrap();
    }
    assert_eq!(fixture.decided("admitted"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_lets_another_go() {
    let fixture = Fixture::new(Mode::Enforce, 5, 5);
    let first = fixture.ask(Rank::Foreground).admitted().await.unwrap().admission.unwrap();
    assert!(first.answered(Verdict::TooMany(None)).is_some());
    let start = Instant::now();
    let (probe, next) = (fixture.comes(), fixture.comes());
    let (admitted, at) = probe.await.unwrap().unwrap();
    assert_eq!(at - start, SECOND);
    drop(admitted);
    assert_eq!(went_after(start, next).await, 1000);
    let stops = r#"throttle_stops_total{class="operator",status="429"}"#;
    assert_eq!(fixture.value(stops), 1.0);
    assert_eq!(fixture.value(r#"throttle_stopped{class="operator"}"#), 1.0);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_refused_when_the_upstream_stops_them_for_too_long() {
    let fixture = Fixture::new(Mode::Enforce, 1, 1);
    let first = fixture.ask(Rank::Foreground).admitted().await.unwrap().admission.unwrap();
    let waiting = fixture.comes();
    tokio::task::yield_now().await;
    let left = first.answered(Verdict::Unavailable(Some(Duration::from_secs(60)))).map(|left| left.own);
    assert_eq!(left.map(|own| (own.left, own.lasts_seconds)), Some((0, 60)));
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.spent.as_deref().and_then(|spent| spent.turn).map(|turn| turn.waited), Some(Duration::ZERO));
    let refusal = refused(error);
    assert_eq!((refusal.rejection, refusal.retry_after), (Rejection::Stopped, Duration::from_millis(48_750)));
    assert_eq!(fixture.value(r#"throttle_stops_total{class="operator",status="503"}"#), 1.0);
}

#[tokio::test(start_paused = true)]
async fn idle_credentials_are_forgotten_within_a_second() {
    let fixture = Fixture::new(Mode::Enforce, 5, 5);
    drop(fixture.ask(Rank::Foreground).admitted().await.unwrap());
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(fixture.value(r#"throttle_credentials{class="operator"}"#), 0.0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told_though_nobody_else_holds_the_limiter() {
    let fixture = Fixture::new(Mode::Enforce, 1, 1);
    drop(fixture.comes());
    let waiting = fixture.comes();
    drop(fixture);
    assert!(waiting.await.unwrap().is_ok());
}

#[test]
fn nobody_is_refused_while_cells_are_free() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        let fixture = Fixture::new(Mode::Enforce, 1, 100);
        let tasks: Vec<_> = (0..100).map(|_| fixture.comes()).collect();
        for task in tasks {
            assert!(task.await.unwrap().is_ok());
        }
        assert_eq!(fixture.decided("admitted"), 100.0);
    });
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told_at_once_when_other_terms_let_it_go_or_refuse_it() {
    let mut fixture = Fixture::new(Mode::Enforce, 1, 1);
    let start = Instant::now();
    let first: Vec<_> = (0..4).map(|_| fixture.comes()).collect();
    tokio::task::yield_now().await;
    fixture.limiter = fixture.limiter.renewed(Mode::Enforce, terms(10, 1), |_, _| None);
    let mut times = Vec::new();
    for task in first {
        times.push(went_after(start, task).await);
    }
    assert_eq!(times, [0, 100, 200, 300]);

    let mut second: Vec<_> = (0..20).map(|_| fixture.comes()).collect();
    tokio::task::yield_now().await;
    fixture.limiter = fixture.limiter.renewed(Mode::Enforce, terms(1, 1), |_, _| None);
    assert!(second.pop().unwrap().await.unwrap().is_err(), "twenty seconds are too long");
}

fn goes_at_once(fixture: &Fixture) -> bool {
    matches!(fixture.ask(Rank::Foreground).at_once(), Either::Left(Ok(_)))
}

#[tokio::test(start_paused = true)]
async fn a_limiter_in_another_mode_has_the_same_lanes() {
    let mut fixture = Fixture::new(Mode::Off, 1, 1);
    assert!((0..5).all(|_| goes_at_once(&fixture)));
    fixture.limiter = fixture.limiter.renewed(Mode::Enforce, terms(1, 1), |_, _| None);
    assert!(goes_at_once(&fixture));
    fixture.limiter = fixture.limiter.renewed(Mode::Observe, terms(1, 1), |_, _| None);
    assert!(goes_at_once(&fixture));
    assert_eq!((fixture.decided("admitted"), fixture.decided("would_wait")), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn what_a_refusal_of_the_upstream_leaves_lasts_no_longer_than_it_says_though_others_wait() {
    let fixture = Fixture::new(Mode::Enforce, 1, 1);
    let first = fixture.ask(Rank::Foreground).admitted().await.unwrap().admission.unwrap();
    let waiting: Vec<_> = (0..3).map(|_| fixture.comes()).collect();
    tokio::task::yield_now().await;
    let left = first.answered(Verdict::TooMany(Some(Duration::from_secs(5)))).map(|left| left.own);
    assert_eq!(left.map(|own| (own.left, own.lasts_seconds)), Some((0, 5)));
    drop(waiting);
}
