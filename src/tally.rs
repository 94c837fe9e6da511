//! Counts what is under way, so that a gateway that stops can wait for it.

use tokio::sync::watch;

/// What is under way. Clones share the count.
#[derive(Debug, Clone)]
pub struct Tally(watch::Sender<usize>);

/// One that is under way, while it lives.
#[derive(Debug)]
pub struct UnderWay(watch::Sender<usize>);

impl Tally {
    /// Starts with none.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Counts one for as long as the value lives.
    #[must_use]
    pub fn begin(&self) -> UnderWay {
        self.0.send_modify(|count| *count += 1);
        UnderWay(self.0.clone())
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until none is left. Call it when no new one can come.
    pub async fn ended(&self) {
        // It fails only if the sender has gone, and that is here.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_wait_ends_with_the_last_one() {
        let tally = Tally::new();
        assert!(tally.ended().now_or_never().is_some(), "there is none");
        let (first, second) = (tally.begin(), tally.clone().begin());
        assert_eq!(tally.count(), 2);
        drop(first);
        assert!(tally.ended().now_or_never().is_none());
        drop(second);
        assert!(tally.ended().now_or_never().is_some());
    }
}
