//! Histories written by hand: what must pass passes, and each rule finds what it is for.

use super::*;
use crate::recorder::{Call, Seen};

/// The settings of all histories here: the gateway gives up after 100 ms and holds a quarantine of 100 ms.
const TERMS: Terms = Terms { head_timeout: ms(100), quarantine: ms(100) };

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A history of organization 24, in milliseconds.
#[derive(Default)]
struct Tale(History);

impl Tale {
    fn new() -> Self {
        let credentials = ["a token".to_owned(), "a key".to_owned()].into();
        Self(History { credentials, terms: TERMS, ..History::default() })
    }

    fn operation(mut self, span: (u64, u64), what: What, seen: Option<Seen>) -> Self {
        let (begin, end) = (ms(span.0), ms(span.1));
        self.0.operations.push(Operation { client: 0, credential: 0, what, begin, end, seen });
        self
    }

    /// A list that went forward.
    fn list(self, span: (u64, u64), version: u64) -> Self {
        self.operation(span, LIST, Some(Seen { version: Some(version), ..seen(200) }))
    }

    /// A list from memory.
    fn hit(self, span: (u64, u64), version: u64) -> Self {
        let hit = Seen { version: Some(version), cache: "hit; ttl=59".into(), ..seen(200) };
        self.operation(span, LIST, Some(hit))
    }

    /// A write with this status, or one whose client left; applied as this version at this time, or not at all.
    fn write(mut self, span: (u64, u64), status: Option<u16>, applied: Option<(u64, u64)>) -> Self {
        let tag = self.0.operations.len() as u64;
        if let Some((at, version)) = applied {
            self.0.applied.push(Applied { tag, version, organizations: vec![24], at: ms(at) });
        }
        self.operation(span, What::Write { call: Call::Status { operator: 101 }, tag }, status.map(seen))
    }

    fn purge(self, span: (u64, u64), organization: Option<u32>) -> Self {
        self.operation(span, What::Purge { organization }, Some(seen(200)))
    }

    /// Changes what was told last.
    fn with(mut self, change: impl FnOnce(&mut Operation)) -> Self {
        change(self.0.operations.last_mut().unwrap());
        self
    }

    /// The rules that are broken, each with the read that breaks it.
    fn broken(&self) -> Vec<(Rule, usize)> {
        check(&self.0).violations.iter().map(|violation| (violation.rule, violation.read)).collect()
    }

    fn explained(&self) -> usize {
        check(&self.0).explained
    }
}

const LIST: What = What::List { organization: 24, is_refresh: false };

fn seen(status: u16) -> Seen {
    Seen { status, version: None, made_for: Some(0), made_at: Some(ms(0)), cache: "fwd=uri-miss".into() }
}

// === (a) ===

#[test]
fn a_read_after_a_write_that_shows_it_is_good() {
    let tale = Tale::new().list((0, 1), 1).write((2, 5), Some(200), Some((3, 2))).hit((6, 7), 2);
    assert_eq!(tale.broken(), []);
}

#[test]
fn a_read_that_began_after_a_write_was_answered_must_show_it_whatever_the_answer() {
    for status in [200, 404, 500, 502, 504] {
        let tale = Tale::new().write((0, 5), Some(status), Some((3, 2))).list((6, 7), 1);
        assert_eq!(tale.broken(), [(Rule::OlderThanAWrite, 1)], "{status}");
    }
}

#[test]
fn a_read_that_overlaps_a_write_may_show_either() {
    let tale = Tale::new().write((2, 5), Some(200), Some((3, 2))).list((4, 9), 1).list((0, 9), 2);
    assert_eq!(tale.broken(), []);
}

#[test]
fn a_read_that_began_when_a_write_was_answered_is_not_judged() {
    let tale = Tale::new().write((2, 5), Some(200), Some((3, 2))).list((5, 6), 1);
    assert_eq!(tale.broken(), []);
}

#[test]
fn a_write_that_was_not_applied_binds_nothing() {
    let tale = Tale::new().write((2, 5), Some(503), None).list((6, 7), 1);
    assert_eq!(tale.broken(), []);
}

#[test]
fn a_write_binds_for_its_own_organizations_only() {
    let other = What::List { organization: 6, is_refresh: false };
    let tale = Tale::new().write((2, 5), Some(200), Some((3, 2))).list((6, 7), 1).with(|list| list.what = other);
    assert_eq!(tale.broken(), []);
}

#[test]
fn an_answer_that_is_not_a_complete_list_is_not_judged() {
    let tale = Tale::new().write((2, 5), Some(200), Some((3, 2))).operation((6, 7), LIST, Some(seen(504)));
    assert_eq!(tale.operation((6, 7), LIST, None).broken(), []);
}

#[test]
fn a_newer_write_does_not_hide_that_an_older_one_binds() {
    let tale = Tale::new().write((0, 5), Some(200), Some((3, 2))).write((0, 50), Some(200), Some((4, 3)));
    assert_eq!(tale.list((6, 7), 1).broken(), [(Rule::OlderThanAWrite, 2)]);
}

#[test]
fn no_hit_that_began_after_a_write_was_applied_may_lack_it_though_the_write_still_runs() {
    let tale = Tale::new().write((0, 50), Some(200), Some((3, 2)));
    assert_eq!(tale.hit((10, 11), 1).broken(), [(Rule::OlderThanAWrite, 1)]);
}

#[test]
fn no_hit_may_lack_a_write_whose_client_left_but_another_read_may() {
    let tale = || Tale::new().write((0, 2), None, Some((10, 2)));
    assert_eq!(tale().hit((20, 21), 1).broken(), [(Rule::OlderThanAWrite, 1)]);
    assert_eq!(tale().list((20, 21), 1).broken(), []);
}

#[test]
fn a_late_write_binds_hits_at_once_and_all_when_the_quarantine_is_over() {
    let tale = || Tale::new().write((0, 101), Some(504), Some((150, 2)));
    assert_eq!(tale().hit((151, 152), 1).broken(), [(Rule::OlderThanAWrite, 1)]);
    assert_eq!(tale().list((151, 152), 1).broken(), []);
    assert_eq!(tale().list((5000, 5001), 1).broken(), [(Rule::OlderThanAWrite, 1)]);
}

#[test]
fn a_write_that_was_applied_between_giving_up_and_the_answer_does_not_bind_by_its_answer() {
    let tale = Tale::new().write((0, 110), Some(504), Some((105, 2))).list((111, 112), 1);
    assert_eq!(tale.broken(), []);
}

#[test]
fn a_write_that_was_applied_after_the_quarantine_binds_nothing() {
    let tale = Tale::new().write((0, 101), Some(504), Some((250, 2)));
    assert_eq!(tale.hit((300, 301), 1).list((9000, 9001), 1).broken(), []);
}

// === (b) ===

#[test]
fn a_read_of_what_was_fetched_for_another_is_found() {
    let foreign = |list: &mut Operation| list.seen.as_mut().unwrap().made_for = Some(1);
    assert_eq!(Tale::new().list((0, 1), 1).with(foreign).broken(), [(Rule::FetchedForAnother, 0)]);
    let organizations = Tale::new().operation((0, 1), What::Organizations, Some(seen(200)));
    assert_eq!(organizations.with(foreign).broken(), [(Rule::FetchedForAnother, 0)]);
}

#[test]
fn a_list_of_which_nobody_knows_for_whom_it_was_fetched_is_found() {
    let unknown = |list: &mut Operation| list.seen.as_mut().unwrap().made_for = None;
    assert_eq!(Tale::new().list((0, 1), 1).with(unknown).broken(), [(Rule::FetchedForAnother, 0)]);
}

// === (c) ===

#[test]
fn a_step_back_over_a_write_in_flight_is_found() {
    let tale = Tale::new().write((0, 50), Some(200), Some((3, 2))).list((4, 5), 2).list((6, 7), 1);
    assert_eq!(tale.broken(), [(Rule::StepsBack, 2)]);
}

#[test]
fn reads_that_overlap_or_are_of_two_credentials_may_differ() {
    let tale = || Tale::new().write((0, 50), Some(200), Some((3, 2))).list((4, 8), 2).list((6, 7), 1);
    assert_eq!(tale().broken(), []);
    let tale = Tale::new().write((0, 50), Some(200), Some((3, 2))).list((4, 5), 2).list((6, 7), 1);
    let tale = tale.with(|list| (list.credential, list.seen.as_mut().unwrap().made_for) = (1, Some(1)));
    assert_eq!(tale.broken(), []);
}

#[test]
fn a_step_back_over_late_writes_alone_is_explained() {
    let late = || Tale::new().write((0, 101), Some(504), Some((250, 2)));
    let tale = late().list((300, 301), 2).list((302, 303), 1);
    assert_eq!((tale.broken(), tale.explained()), (vec![], 1));
    let tale = late().write((290, 400), Some(200), Some((295, 3))).list((300, 301), 3).list((302, 303), 1);
    assert_eq!((tale.broken(), tale.explained()), (vec![(Rule::StepsBack, 3)], 0));
}

// === purges ===

#[test]
fn a_list_that_outlives_a_purge_is_found() {
    let tale = |made: u64, organization| {
        let made = move |list: &mut Operation| list.seen.as_mut().unwrap().made_at = Some(ms(made));
        Tale::new().purge((2, 5), organization).hit((6, 7), 1).with(made)
    };
    assert_eq!(tale(1, Some(24)).broken(), [(Rule::OutlivesAPurge, 1)]);
    assert_eq!(tale(1, None).broken(), [(Rule::OutlivesAPurge, 1)]);
    assert_eq!(tale(1, Some(6)).broken(), []);
    assert_eq!(tale(3, Some(24)).broken(), []);
}

#[test]
fn a_list_that_overlaps_a_purge_may_have_been_fetched_before_it() {
    assert_eq!(Tale::new().purge((2, 5), None).list((4, 7), 1).broken(), []);
}
