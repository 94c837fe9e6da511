//! The rate limit on the virtual clock, section 4.

use std::time::Duration;

use super::super::rate::Limiter;
use super::super::token::CompanyId;
use super::super::{Emulator, RateLimit};
use super::wire::{acme, ask};

const BODY: &str = r#"{"error":"Too Many Requests","message":"Rate limit exceeded. Please wait before sending more requests.","status":429}"#;
const ACME: Option<CompanyId> = Some(CompanyId(1));

/// How many of `asked` requests at one moment are let through.
fn admitted(limiter: &mut Limiter, limit: RateLimit, at: Duration, asked: usize) -> usize {
    (0..asked).filter(|_| limiter.take(limit, ACME, at).is_ok()).count()
}

#[test]
fn the_strict_window_lets_75_through_in_any_second_and_50_on_average() {
    let mut limiter = Limiter::default();
    let start = Duration::from_secs(1_000);
    let mut admit = |milliseconds, asked| {
        admitted(&mut limiter, RateLimit::default(), start + Duration::from_millis(milliseconds), asked)
    };
    assert_eq!(admit(0, 200), 75);
    assert_eq!(admit(999, 200), 0);
    assert_eq!(admit(1_000, 200), 50, "the window has room for 75, the average for 50");
    assert_eq!(admit(2_000, 200), 50);
    assert_eq!(admit(12_000, 200), 75);
}

#[test]
fn a_bucket_of_75_lets_125_through_in_its_first_second() {
    let mut limiter = Limiter::default();
    let limit = RateLimit::Bucket { rate: 50, capacity: 75 };
    let start = Duration::from_secs(1_000);
    assert_eq!(admitted(&mut limiter, limit, start, 200), 75);
    let steps = (1..=50).map(|step| admitted(&mut limiter, limit, start + Duration::from_millis(step * 20), 10));
    assert_eq!(steps.sum::<usize>(), 50);
}

#[test]
fn the_safe_pace_is_never_refused() {
    let mut limiter = Limiter::default();
    let start = Duration::from_secs(1_000);
    assert_eq!(admitted(&mut limiter, RateLimit::default(), start, 25), 25);
    for step in 1..=500 {
        let at = start + Duration::from_millis(step * 20);
        assert_eq!(admitted(&mut limiter, RateLimit::default(), at, 1), 1, "{step}");
    }
}

#[test]
fn companies_have_budgets_of_their_own() {
    let mut limiter = Limiter::default();
    let limit = RateLimit::Bucket { rate: 1, capacity: 1 };
    let at = Duration::from_secs(1_000);
    assert!(limiter.take(limit, ACME, at).is_ok());
    assert_eq!(limiter.take(limit, ACME, at), Err(Duration::from_secs(1)));
    assert!(limiter.take(limit, Some(CompanyId(2)), at).is_ok());
    assert!(limiter.take(limit, None, at).is_ok());
}

#[tokio::test]
async fn a_429_says_what_the_documentation_says() {
    let limit = RateLimit::StrictWindow { most: 2, window: Duration::from_secs(1), average: 2 };
    let chathub = Emulator::builder().rate_limit(limit).start().await;
    chathub.clock().freeze();
    let token = format!("Bearer {}", chathub.company_token("acme"));
    for expected in [200, 200, 429] {
        let reply = ask(&chathub, "GET /api/company/organization").with("Authorization", &token).send().await;
        assert_eq!(reply.status, expected);
    }
    let refused = acme(&chathub, "POST /api/operator/status").json(r#"{"id":103,"status":0}"#).send().await;
    assert_eq!((refused.status, refused.text().as_str()), (429, BODY), "all credentials of a company share one budget");
    assert_eq!(refused.field("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(refused.field("retry-after"), None);
    assert_eq!(chathub.applied(), [], "a refused write is not applied");
    chathub.switch(|switches| switches.retry_after = true);
    let refused = acme(&chathub, "GET /api/company/organization").send().await;
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    chathub.clock().advance(Duration::from_secs(1));
    assert_eq!(acme(&chathub, "GET /api/company/organization").send().await.status, 200);
}

#[tokio::test]
async fn the_limit_can_be_switched_off() {
    let chathub = Emulator::builder().rate_limit(RateLimit::Off).start().await;
    chathub.clock().freeze();
    for _ in 0..80 {
        assert_eq!(acme(&chathub, "GET /api/company/organization").send().await.status, 200);
    }
    assert_eq!(chathub.largest_window(), 80);
    assert_eq!((chathub.largest_window_of("acme"), chathub.largest_window_of("globex")), (80, 0));
}
