//! The settings themselves, and how reading them again fared.

use std::sync::Arc;

use prometheus::IntGauge;

use super::connections::ReloadOutcome;
use super::{Catalogue, Counters};

/// The settings.
#[derive(Debug, Clone)]
pub struct SettingsMetrics {
    reloads: Arc<Counters<ReloadOutcome>>,
    failed: IntGauge,
    awaiting_restart: IntGauge,
}

impl SettingsMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self {
            reloads: Arc::new(all.counters(
                "settings_reloads_total",
                "Times the settings were read again, by what came of it.",
                "outcome",
            )),
            failed: all.gauge(
                "settings_reload_failed",
                "1 while the settings that were read last are refused and those before go on, otherwise 0.",
            ),
            awaiting_restart: all
                .gauge("settings_awaiting_restart", "Settings with another value that takes effect at the next start."),
        }
    }

    /// Settings were read again and are in force, but so many that wait for the next start.
    pub fn reloaded(&self, awaiting_restart: usize) {
        self.reloads.of(ReloadOutcome::Done).inc();
        self.failed.set(0);
        self.awaiting_restart.set(i64::try_from(awaiting_restart).unwrap_or(i64::MAX));
    }

    /// Settings were read again and refused.
    pub fn refused(&self) {
        self.reloads.of(ReloadOutcome::Failed).inc();
        self.failed.set(1);
    }
}
