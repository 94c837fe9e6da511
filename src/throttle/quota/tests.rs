//! The arithmetic, and governor as its judge.

use governor::clock::FakeRelativeClock;
use governor::{Quota as Judge, RateLimiter};
use proptest::prelude::*;

use super::*;

fn quota(period: Duration, burst: u32) -> Quota {
    Quota::new(period, NonZeroU32::new(burst).unwrap())
}

fn take(bucket: &mut Bucket, quota: &Quota, now: Duration) -> bool {
    let conforms = bucket.next(quota) <= now;
    if conforms {
        bucket.take(quota, now);
    }
    conforms
}

#[test]
fn a_rested_bucket_gives_its_burst_and_then_one_cell_a_period() {
    let (quota, mut bucket) = (quota(Duration::from_millis(200), 5), Bucket::default());
    let start = Duration::from_secs(9);
    for left in (0..5).rev() {
        assert!(take(&mut bucket, &quota, start));
        assert_eq!(bucket.cells(&quota, start), left);
    }
    assert!(!take(&mut bucket, &quota, start));
    assert_eq!(bucket.next(&quota), start + Duration::from_millis(200));
    assert_eq!(bucket.cells(&quota, start + Duration::from_millis(199)), 0);
    assert_eq!(bucket.cells(&quota, start + Duration::from_millis(200)), 1);
    assert_eq!(bucket.until_full(start), Duration::from_secs(1));
    assert!(bucket.is_full(start + Duration::from_secs(1)));
}

#[test]
fn a_drained_bucket_has_its_next_cell_a_period_later() {
    let (quota, mut bucket) = (quota(Duration::from_millis(20), 25), Bucket::default());
    bucket.drain(&quota, Duration::from_secs(1));
    assert_eq!(bucket.cells(&quota, Duration::from_secs(1)), 0);
    assert_eq!(bucket.next(&quota), Duration::from_millis(1020));
}

#[test]
fn a_lowered_quota_has_no_burst() {
    let lowered = quota(Duration::from_millis(200), 5).at_share(0.1);
    assert_eq!(lowered, quota(Duration::from_secs(2), 1));
}

#[test]
fn quotas_are_told_as_their_documents_say_them() {
    let per = |seconds: u64, cells: u64| Duration::from_nanos((seconds * 1_000_000_000).div_ceil(cells));
    let rows = [
        (per(1, 5), 5, (5, 1)),
        (per(1, 1), 5, (5, 5)),
        (per(1, 50), 25, (50, 1)),
        (per(3600, 1), 1, (1, 3600)),
        (per(1, 3), 3, (3, 1)),
        (per(60, 7), 7, (7, 60)),
    ];
    for (period, burst, told) in rows {
        let quota = quota(period, burst);
        let limit = quota.limit("other", 0, quota.refill());
        assert_eq!((limit.quota, limit.window_seconds, limit.lasts_seconds), (told.0, told.1, told.1), "{quota:?}");
    }
}

proptest! {
    #[test]
    fn a_bucket_agrees_with_governor_on_every_cell(
        period in 1..2_000_000_000_u64,
        burst in 1..40_u32,
        gaps in proptest::collection::vec(0.0..3.0_f64, 1..200),
    ) {
        let clock = FakeRelativeClock::default();
        let judge = Judge::with_period(Duration::from_nanos(period)).unwrap().allow_burst(NonZeroU32::new(burst).unwrap());
        let judge = RateLimiter::direct_with_clock(judge, clock.clone());
        let (quota, mut bucket) = (quota(Duration::from_nanos(period), burst), Bucket::default());
        let mut now = Duration::ZERO;
        for gap in gaps {
            let gap = Duration::from_nanos((gap * period as f64) as u64);
            clock.advance(gap);
            now += gap;
            prop_assert_eq!(take(&mut bucket, &quota, now), judge.check().is_ok());
        }
    }

    #[test]
    fn what_conforms_to_a_lowered_quota_conforms_to_the_quota(
        burst in 1..40_u32,
        steps in proptest::collection::vec((0.02..1.0_f64, 0..300_u64), 1..200),
    ) {
        let quota = quota(Duration::from_millis(20), burst);
        let (mut lowered, mut full) = (Bucket::default(), Bucket::default());
        let mut now = Duration::ZERO;
        for (share, gap) in steps {
            now += Duration::from_millis(gap);
            if take(&mut lowered, &quota.at_share(share), now) {
                prop_assert!(take(&mut full, &quota, now), "at {now:?}");
            }
        }
    }
}
