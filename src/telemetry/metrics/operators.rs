//! Operators by status, of the few organizations that the settings name.
//!
//! The one family whose label is not a fixed word: an organization is a number that a client chooses. So nothing a client
//! does makes a series; the settings do, at most a hundred organizations' worth.
//!
//! What a newcomer would get wrong: that the numbers are the present ones. They are those of the list that was stored last,
//! whoever's credential it was fetched with, and a second metric tells when that was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, IntGaugeVec};

use super::{Catalogue, Gauges};
use crate::chathub::OrganizationId;
use crate::chathub::status::{OperatorStatus, StatusCounts};

/// Operators by status. Clones share the series.
#[derive(Debug, Clone)]
pub struct OperatorsMetrics(Arc<Operators>);

#[derive(Debug)]
struct Operators {
    counts: IntGaugeVec,
    seen: GaugeVec,
    /// It is locked for each list that is stored, and written to only when the settings are read.
    watched: RwLock<HashMap<OrganizationId, Series>>,
}

/// The series of one organization.
#[derive(Debug)]
struct Series {
    counts: Gauges<OperatorStatus>,
    seen: Gauge,
    /// The order of the fetch that brought what they say.
    order: Mutex<Option<u64>>,
}

impl OperatorsMetrics {
    pub(super) fn new(all: &Catalogue) -> Self {
        Self(Arc::new(Operators {
            counts: all.gauge_vec(
                "operators",
                "Operators of an organization (metrics.organizations) by status, in the list that was stored last.",
                &["organization", "status"],
            ),
            seen: all.float_vec(
                "operators_seen_timestamp_seconds",
                "When a list of an organization's operators was stored last, since 1970; 0: none was.",
                &["organization"],
            ),
            watched: RwLock::default(),
        }))
    }

    /// These organizations, and no others, have series from now on. Those that had them before keep what they say.
    pub fn watch(&self, organizations: &[OrganizationId]) {
        let Operators { counts, seen, watched } = &*self.0;
        // Held throughout, so of two who watch at once one is right as a whole, and nobody sets what is being removed.
        let mut watched = watched.write().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|organization, _| {
            let stays = organizations.contains(organization);
            if !stays {
                let name = organization.get().to_string();
                // It fails only for a series that is not there.
                let _ = seen.remove_label_values(&[&name]);
                for status in OperatorStatus::ALL {
                    let _ = counts.remove_label_values(&[&name, status.as_str()]);
                }
            }
            stays
        });
        for organization in organizations {
            watched.entry(*organization).or_insert_with(|| {
                let name = organization.get().to_string();
                Series {
                    counts: Gauges::new(|status| counts.with_label_values(&[&name, status[0]])),
                    seen: seen.with_label_values(&[&name]),
                    order: Mutex::default(),
                }
            });
        }
    }

    /// A list of this organization was stored. `order` is that of its fetch: what an earlier one brought is passed over, for
    /// those who store do so at once and in any order.
    pub fn stored(&self, organization: OrganizationId, order: u64, counts: &StatusCounts, since_1970: Duration) {
        let watched = self.0.watched.read().unwrap_or_else(PoisonError::into_inner);
        let Some(series) = watched.get(&organization) else { return };
        let mut last = series.order.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last > order) {
            return;
        }
        *last = Some(order);
        OperatorStatus::ALL.iter().for_each(|status| series.counts.of(*status).set(counts.of(*status).into()));
        series.seen.set(since_1970.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chathub::payload;
    use crate::chathub::request::List;
    use crate::testing;

    fn organization(id: u32) -> OrganizationId {
        OrganizationId::new(id).unwrap()
    }

    /// The counts of a list with that many active operators.
    fn active(count: usize) -> StatusCounts {
        let members: Vec<_> = (0..count).map(|id| format!(r#"{{"id":{id},"name":"A","status":0}}"#)).collect();
        let list = format!("[{}]", members.join(","));
        payload::operators(List::Operators(organization(24)), list.as_bytes()).unwrap().statuses
    }

    /// The lines of the series of operators.
    fn series(metrics: &crate::telemetry::metrics::Metrics) -> Vec<String> {
        let text = String::from_utf8(metrics.expose()).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("chathub_gateway_operators"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn an_organization_that_is_named_has_its_series_at_once_and_nobody_else_ever() {
        let metrics = testing::metrics();
        metrics.operators.stored(organization(24), 0, &active(3), Duration::from_secs(7));
        assert_eq!(series(&metrics), [""; 0]);

        metrics.operators.watch(&[organization(24)]);
        metrics.operators.stored(organization(6), 1, &active(3), Duration::from_secs(7));

        let expected = [
            r#"{organization="24",status="active"} 0"#,
            r#"{organization="24",status="deleted"} 0"#,
            r#"{organization="24",status="inactive"} 0"#,
            r#"{organization="24",status="other"} 0"#,
            r#"_seen_timestamp_seconds{organization="24"} 0"#,
        ];
        assert_eq!(series(&metrics), expected);
    }

    #[test]
    fn what_a_later_fetch_brought_is_not_replaced_by_an_earlier_ones() {
        let metrics = testing::metrics();
        metrics.operators.watch(&[organization(24)]);
        for (order, count, at) in [(7, 2, 70), (6, 1, 71), (8, 3, 80)] {
            metrics.operators.stored(organization(24), order, &active(count), Duration::from_secs(at));
            let expected = if order == 6 { (2, 70) } else { (count, at) };
            assert_eq!(series(&metrics)[0], format!(r#"{{organization="24",status="active"}} {}"#, expected.0));
            assert_eq!(series(&metrics)[4], format!(r#"_seen_timestamp_seconds{{organization="24"}} {}"#, expected.1));
        }
    }

    #[test]
    fn naming_others_removes_what_is_no_longer_named_and_keeps_the_rest() {
        let metrics = testing::metrics();
        metrics.operators.watch(&[organization(24), organization(6)]);
        for id in [24, 6] {
            metrics.operators.stored(organization(id), 1, &active(3), Duration::from_secs(7));
        }

        metrics.operators.watch(&[organization(6), organization(42)]);

        let text = series(&metrics).join("\n");
        assert!(!text.contains(r#""24""#), "{text}");
        assert!(text.contains(r#"{organization="6",status="active"} 3"#), "{text}");
        assert!(text.contains(r#"{organization="42",status="active"} 0"#), "{text}");
        metrics.operators.watch(&[]);
        assert_eq!(series(&metrics), [""; 0]);
    }

    #[test]
    fn lists_are_stored_while_the_organizations_change_and_the_last_word_holds() {
        let metrics = testing::metrics();
        std::thread::scope(|scope| {
            for order in 0..4 {
                let operators = metrics.operators.clone();
                scope.spawn(move || {
                    for round in 0..500 {
                        operators.watch(&[organization(round % 3 + 1), organization(24)]);
                        operators.stored(organization(24), order, &active(1), Duration::from_secs(7));
                    }
                });
            }
        });
        metrics.operators.watch(&[organization(24)]);
        assert_eq!(series(&metrics).len(), OperatorStatus::ALL.len() + 1);
        assert_eq!(series(&metrics)[0], r#"{organization="24",status="active"} 1"#);
    }
}
