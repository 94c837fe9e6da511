//! On paused time: a wait is exact, and costs nothing.

use std::num::NonZeroU32;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::testing;

fn quota(per_second: u32, burst: u32) -> Quota {
    Quota::per_second(NonZeroU32::new(per_second).unwrap()).allow_burst(NonZeroU32::new(burst).unwrap())
}

fn terms(mode: Mode, max_lanes: usize) -> Terms {
    let metrics = testing::metrics().throttle;
    Terms { mode, max_wait: Duration::from_secs(15), max_lanes, clock: Clock::start(), metrics }
}

fn limiter(per_second: u32, burst: u32) -> Arc<Limiter> {
    Arc::new(Limiter::new(Class::Operator, quota(per_second, burst), &terms(Mode::Enforce, 100)))
}

fn key(n: u32) -> Digest {
    testing::digests().digest_other(&n.to_be_bytes())
}

/// Asks in a task that has begun to wait when this returns.
async fn ask(limiter: &Arc<Limiter>, n: u32) -> tokio::task::JoinHandle<Result<Instant, Rejected>> {
    let limiter = Arc::clone(limiter);
    let asked = tokio::spawn(async move { limiter.admit(key(n)).await.map(|_| Instant::now()) });
    tokio::task::yield_now().await;
    asked
}

#[tokio::test(start_paused = true)]
async fn requests_over_quota_wait_their_turn_in_order() {
    let limiter = limiter(5, 5);
    let start = Instant::now();
    let mut asked = Vec::new();
    for _ in 0..10 {
        asked.push(ask(&limiter, 1).await);
    }
    let mut times = Vec::new();
    for asked in asked {
        times.push((asked.await.unwrap().unwrap() - start).as_millis());
    }
    assert_eq!(times, [0, 0, 0, 0, 0, 200, 400, 600, 800, 1000]);
}

#[tokio::test(start_paused = true)]
async fn credentials_do_not_wait_for_one_another() {
    let limiter = limiter(1, 1);
    let start = Instant::now();
    let first = ask(&limiter, 1).await;
    let waiting = ask(&limiter, 1).await;
    let other = ask(&limiter, 2).await;
    assert_eq!(first.await.unwrap().unwrap(), start);
    assert_eq!(other.await.unwrap().unwrap(), start);
    assert_eq!(waiting.await.unwrap().unwrap() - start, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_the_queue_delay_nobody() {
    let limiter = limiter(1, 1);
    let start = Instant::now();
    limiter.admit(key(1)).await.unwrap();
    let mut leaving = Vec::new();
    for _ in 0..6 {
        leaving.push(ask(&limiter, 1).await);
    }
    let last = ask(&limiter, 1).await;
    leaving.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(last.await.unwrap().unwrap() - start, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_bound_is_refused_at_once_and_truthfully() {
    let limiter = limiter(1, 1);
    limiter.admit(key(1)).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..15 {
        waiting.push(ask(&limiter, 1).await);
    }
    let start = Instant::now();
    let rejected = limiter.admit(key(1)).await.unwrap_err();
    assert_eq!(Instant::now(), start, "a refusal does not wait");
    assert_eq!(rejected.retry_after, Duration::from_secs(16));
    tokio::time::sleep(rejected.retry_after).await;
    let obeyed = Instant::now();
    limiter.admit(key(1)).await.unwrap();
    assert_eq!(Instant::now(), obeyed, "who obeys is admitted");
}

#[tokio::test(start_paused = true)]
async fn observing_delays_and_refuses_nobody() {
    let terms = terms(Mode::Observe, 100);
    let limiter = Limiter::new(Class::Operator, quota(1, 1), &terms);
    let start = Instant::now();
    for _ in 0..100 {
        limiter.admit(key(1)).await.unwrap();
    }
    assert_eq!(Instant::now(), start);
}

#[tokio::test(start_paused = true)]
async fn the_table_is_bounded_and_overflowing_it_gains_no_burst() {
    let limiter = Limiter::new(Class::Operator, quota(1, 5), &terms(Mode::Enforce, 2));
    for n in [1, 2] {
        limiter.admit(key(n)).await.unwrap();
    }
    let start = Instant::now();
    for n in 3..8 {
        limiter.admit(key(n)).await.unwrap();
    }
    assert_eq!(Instant::now(), start, "the shared lane has one burst");
    limiter.admit(key(8)).await.unwrap();
    assert_eq!(Instant::now() - start, Duration::from_secs(1), "for all of them together");
    assert_eq!(limiter.lanes(), 2);
}

#[tokio::test(start_paused = true)]
async fn idle_credentials_make_room_and_busy_ones_stay() {
    let limiter = Limiter::new(Class::Operator, quota(1, 5), &terms(Mode::Enforce, 2));
    limiter.admit(key(1)).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    limiter.admit(key(2)).await.unwrap();
    limiter.admit(key(3)).await.unwrap();
    assert!(limiter.lock().lanes.contains_key(&key(2)), "it has not its whole burst again");
    assert!(limiter.lock().lanes.contains_key(&key(3)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_window_holds_more_than_burst_and_rate_allow(
        rate in 1..20_u32,
        burst in 1..10_u32,
        gaps in proptest::collection::vec(0..400_u64, 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut times = runtime.block_on(admitted(rate, burst, &gaps));
        times.sort_unstable();
        for (first, from) in times.iter().enumerate() {
            for (last, to) in times.iter().enumerate().skip(first) {
                let allowed = f64::from(burst) + (*to - *from).as_secs_f64() * f64::from(rate);
                prop_assert!((last - first + 1) as f64 <= allowed + 0.01, "{rate}/s, burst {burst}, {gaps:?}");
            }
        }
    }
}

async fn admitted(rate: u32, burst: u32, gaps: &[u64]) -> Vec<Instant> {
    let limiter = limiter(rate, burst);
    let mut asked = Vec::new();
    for gap in gaps {
        tokio::time::advance(Duration::from_millis(*gap)).await;
        asked.push(ask(&limiter, 1).await);
    }
    let mut times = Vec::new();
    for asked in asked {
        times.extend(asked.await.unwrap().ok());
    }
    times
}

#[test]
fn nobody_is_refused_while_cells_are_free() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        let terms = Terms { max_wait: Duration::ZERO, ..terms(Mode::Enforce, 1000) };
        let limiter = Arc::new(Limiter::new(Class::Operator, quota(1, 25), &terms));
        for n in 0..100 {
            let asked: Vec<_> = (0..20).map(|_| tokio::spawn(admit(Arc::clone(&limiter), n))).collect();
            for asked in asked {
                assert!(asked.await.unwrap().is_ok());
            }
        }
    });
}

async fn admit(limiter: Arc<Limiter>, n: u32) -> Result<Duration, Rejected> {
    limiter.admit(key(n)).await
}
