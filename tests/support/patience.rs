//! Waiting for what is about to happen, within a bound, so that a test fails instead of hanging.

#![allow(dead_code, reason = "every test binary that mounts this module uses another part of it")]

use std::time::Duration;

/// How long anything may take that is to happen at once. It only bounds a failing test; no passing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long lies between two looks at something that tells nobody when it changes.
const GLANCE: Duration = Duration::from_millis(5);

/// Waits for an event.
///
/// # Panics
///
/// If it does not come.
#[track_caller]
pub(crate) fn soon<F: Future>(event: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, event).await {
            Ok(output) => output,
            Err(_) => panic!("what {caller} waits for did not happen"),
        }
    }
}

/// Looks again and again, and returns the first thing seen that is wanted. For what happens by the passing of time.
///
/// # Panics
///
/// If it is never seen.
#[track_caller]
pub(crate) fn eventually<T, F: Future<Output = T>>(
    look: impl Fn() -> F,
    is_wanted: impl Fn(&T) -> bool,
) -> impl Future<Output = T> {
    soon(async move {
        loop {
            let seen = look().await;
            if is_wanted(&seen) {
                return seen;
            }
            tokio::time::sleep(GLANCE).await;
        }
    })
}
