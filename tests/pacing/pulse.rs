//! Whether the machine let things go on while something was measured.
//!
//! A machine that stops for half a second breaks promises that a gateway keeps: whoever was to go within that time goes
//! late, or not at all. What a newcomer would get wrong: to allow for that by a looser bound, which then also allows a
//! gateway's own faults. What was disturbed is measured again instead.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::bed::Measured;
use crate::settings::Settings;

/// From when on the gateway itself counts a wake-up as late (`LATE` of its pacer): before, nothing has become of it.
const PAUSE: Duration = Duration::from_millis(100);

const BEAT: Duration = Duration::from_millis(10);

/// How often a scenario is played at most.
const TIMES: usize = 5;

/// A task among all others that wants to run at each beat.
#[derive(Debug)]
pub(crate) struct Pulse {
    end: oneshot::Sender<()>,
    longest: JoinHandle<Duration>,
}

impl Pulse {
    /// Begins to beat.
    pub(crate) fn begin() -> Self {
        let (end, mut ended) = oneshot::channel();
        let longest = tokio::spawn(async move {
            let (mut longest, mut last) = (Duration::ZERO, Instant::now());
            while ended.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                sleep(BEAT).await;
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            longest
        });
        Self { end, longest }
    }

    /// The longest time between two beats.
    pub(crate) async fn longest(self) -> Duration {
        // It fails only if the task has ended, and then the wait for it tells why.
        let _ = self.end.send(());
        self.longest.await.expect("a pulse does not panic")
    }
}

impl Measured {
    /// Whether the machine was there all the while.
    pub(crate) fn is_calm(&self) -> bool {
        self.longest_pause < PAUSE
    }
}

/// Plays until nothing disturbed it, or so often. The long form has a machine for itself and is played once.
pub(crate) async fn undisturbed<F>(settings: &Settings, play: impl Fn() -> F) -> Measured
where
    F: Future<Output = Measured>,
{
    let mut measured = play().await;
    for _ in 1..settings.pick(TIMES, 1) {
        if measured.is_calm() {
            break;
        }
        println!("\nthe machine paused for {} ms: played again", measured.longest_pause.as_millis());
        measured = play().await;
    }
    measured
}
