//! The store and its fence: what is hidden, what is told apart, and that the index follows the entries whatever happens.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::chathub::id::OperatorId;
use crate::chathub::{Groups, List, OrganizationId};
use crate::clock::Clock;
use crate::testing::{self, entry, is_current, key, store_list};

fn store(capacity: u64) -> Store {
    Store::new(capacity, Duration::from_secs(60), &testing::metrics().store)
}

fn organization(id: u32) -> OrganizationId {
    OrganizationId::new(id).unwrap()
}

fn operator(id: i32) -> Groups {
    Groups::Operator(OperatorId(id))
}

#[test]
fn a_write_hides_what_was_fetched_before_it_and_no_other_organization() {
    let store = store(1 << 20);
    for id in [24, 24 + 4096, 6] {
        store_list(&store, key("a", id), &[]).unwrap();
    }
    let write = store.fence().begin_write(&Groups::Organizations(vec![organization(24)]));
    assert!(!is_current(&store, &key("a", 24)));
    drop(write);
    assert!(!is_current(&store, &key("a", 24)));
    assert!(is_current(&store, &key("a", 6)) && is_current(&store, &key("a", 24 + 4096)));
}

#[test]
fn what_is_fetched_during_a_write_is_not_stored_though_it_lands_after_it() {
    let store = store(1 << 20);
    let write = store.fence().begin_write(&Groups::All);
    let fetch = store.begin_fetch(key("a", 24), false);
    assert_eq!(store.publish(&entry(&fetch, &[])), Err(Refusal::WriteInFlight));
    drop(write);
    assert_eq!(store.publish(&entry(&fetch, &[])), Err(Refusal::Overtaken));
    assert_eq!(store_list(&store, key("a", 24), &[]), Ok(()));
}

#[test]
fn a_request_during_a_write_may_share_a_fetch_begun_during_it_and_none_after_it_may() {
    let store = store(1 << 20);
    let before = store.begin_fetch(key("a", 24), false);
    let write = store.fence().begin_write(&Groups::Organizations(vec![organization(24)]));
    let (during, another) = (store.begin_fetch(key("a", 24), false), store.begin_fetch(key("a", 24), false));
    assert!(another.may_share(&during) && !another.may_share(&before));
    drop(write);
    let after = store.begin_fetch(key("a", 24), false);
    assert!(!after.may_share(&during));
    drop(store.fence().begin_write(&Groups::Organizations(vec![organization(6)])));
    assert!(store.begin_fetch(key("a", 24), false).may_share(&after), "a write elsewhere parts nobody");
    assert!(!store.begin_fetch(key("b", 24), false).may_share(&after), "two credentials never share");
    assert!(!store.begin_fetch(key("a", 24), true).may_share(&after), "a refresh never shares");
}

#[test]
fn a_switch_touches_the_organizations_that_have_the_operator_and_every_list_if_these_are_too_many() {
    let store = store(1 << 20);
    let is_touched = |id| !is_current(&store, &key("a", id));
    let refresh = |ids: &[u32]| ids.iter().for_each(|id| store_list(&store, key("a", *id), &[7]).unwrap());
    store_list(&store, key("a", 99), &[8]).unwrap();
    refresh(&[1, 2, 3]);
    store_list(&store, key("b", 2), &[7]).unwrap();
    drop(store.fence().begin_write(&operator(7)));
    assert!([1, 2, 3].into_iter().all(is_touched) && !is_touched(99));
    // Of two lists of one organization one leaves; the organization is still told apart, and then is the only one.
    store.entries.invalidate(&key("b", 2));
    refresh(&[1, 2, 3]);
    [1, 3].into_iter().for_each(|id| store.entries.invalidate(&key("a", id)));
    drop(store.fence().begin_write(&operator(7)));
    assert!(is_touched(2) && !is_touched(99));
    let many: Vec<u32> = (1..=17).collect();
    refresh(&many);
    drop(store.fence().begin_write(&operator(7)));
    assert!(many.iter().all(|id| is_touched(*id)) && is_touched(99), "nobody can tell whose he is");
    many.iter().for_each(|id| store.entries.invalidate(&key("a", *id)));
    store_list(&store, key("a", 99), &[8]).unwrap();
    refresh(&[1]);
    drop(store.fence().begin_write(&operator(7)));
    assert!(is_touched(1) && !is_touched(99), "when all are gone it is told apart again");
}

#[test]
fn forgetting_a_credential_leaves_the_others_and_no_trace_of_one_that_has_nothing() {
    let store = store(1 << 20);
    store_list(&store, key("a", 24), &[]).unwrap();
    store_list(&store, key("b", 24), &[]).unwrap();
    for stranger in 0..1000 {
        store.fence().forget(key(&format!("stranger {stranger}"), 1).credential);
    }
    assert!(is_current(&store, &key("a", 24)) && is_current(&store, &key("b", 24)));
    store.fence().forget(key("a", 24).credential);
    assert!(!is_current(&store, &key("a", 24)));
    assert!(is_current(&store, &key("b", 24)));
    assert_eq!(store.size().groups, 5, "two lists, organization, two credentials: strangers leave no trace");
}

#[test]
fn the_fence_remembers_nothing_when_nothing_is_left() {
    let store = store(1 << 20);
    store_list(&store, key("a", 24), &[101, 102]).unwrap();
    let fetch = store.begin_fetch(key("b", 6), false);
    let mut write = store.fence().begin_write(&operator(101));
    write.doubt();
    assert!(store.size().groups > 0);
    drop((fetch, write));
    store.entries.invalidate(&key("a", 24));
    assert_eq!(store.size(), Size { entries: 0, weight: 0, contents: 0, groups: 0, operators: 0 });
}

#[test]
fn an_older_answer_that_lands_later_leaves_the_index_as_it_is() {
    let store = store(1 << 20);
    let (older, newer) = (store.begin_fetch(key("a", 24), false), store.begin_fetch(key("a", 24), true));
    store.publish(&entry(&newer, &[101])).unwrap();
    assert_eq!(store.publish(&entry(&older, &[102])), Err(Refusal::Overtaken));
    assert_eq!(store.size().operators, 1);
    store_list(&store, key("a", 6), &[103]).unwrap();
    drop(store.fence().begin_write(&operator(101)));
    assert!(!is_current(&store, &key("a", 24)));
    assert!(is_current(&store, &key("a", 6)));
}

#[test]
fn the_index_is_bounded_by_the_capacity() {
    let store = store(200_000);
    for id in 1..=100 {
        let operators: Vec<i32> = (id * 1000..id * 1000 + 500).collect();
        store_list(&store, key("a", id.unsigned_abs()), &operators).unwrap();
        assert!(store.size().operators <= 200_000 / 64, "an operator weighs 64 bytes at least");
    }
    assert!(store.size().operators > 0);
}

#[test]
fn a_fetch_that_lasts_longer_than_the_memory_of_switches_is_not_stored() {
    let store = store(1 << 20);
    store_list(&store, key("a", 24), &[101]).unwrap();
    let (slow, empty) = (store.begin_fetch(key("a", 6), false), store.begin_fetch(key("a", 42), false));
    for _ in 0..1025 {
        drop(store.fence().begin_write(&operator(101)));
    }
    assert_eq!(store.publish(&entry(&slow, &[7])), Err(Refusal::Switched));
    assert_eq!(store.publish(&entry(&empty, &[])), Ok(()), "it holds nobody who could be switched");
    assert_eq!(store_list(&store, key("a", 6), &[7]), Ok(()));
}

/// What can happen to stored lists.
#[derive(Debug, Clone)]
enum Event {
    Store { who: u8, organization: u32, operators: Vec<i32> },
    Remove { who: u8, organization: u32 },
    Switch(i32),
    Purge,
}

fn event() -> impl Strategy<Value = Event> {
    let operators = proptest::collection::btree_set(0..6, 0..4).prop_map(|set| set.into_iter().collect());
    prop_oneof![
        4 => (0..2_u8, 1..4_u32, operators).prop_map(|(who, organization, operators)| Event::Store { who, organization, operators }),
        1 => (0..2_u8, 1..4_u32).prop_map(|(who, organization)| Event::Remove { who, organization }),
        3 => (0..6).prop_map(Event::Switch),
        1 => Just(Event::Purge),
    ]
}

proptest! {
    /// Against the simplest thing that could work: a map of what is stored, searched whenever an operator is switched.
    #[test]
    fn a_switch_hides_the_organizations_of_the_lists_that_hold_the_operator(events in proptest::collection::vec(event(), 1..40)) {
        let store = store(1 << 20);
        let mut held: BTreeMap<(u8, u32), (Vec<i32>, bool)> = BTreeMap::new();
        for event in events {
            match event {
                Event::Store { who, organization, operators } => {
                    store_list(&store, key(&who.to_string(), organization), &operators).unwrap();
                    held.insert((who, organization), (operators, true));
                }
                Event::Remove { who, organization } => {
                    store.entries.invalidate(&key(&who.to_string(), organization));
                    held.remove(&(who, organization));
                }
                Event::Switch(id) => {
                    drop(store.fence().begin_write(&operator(id)));
                    let known: Vec<u32> =
                        held.iter().filter(|(_, (all, _))| all.contains(&id)).map(|((_, of), _)| *of).collect();
                    for ((_, of), (_, is_current)) in &mut held {
                        *is_current &= !known.is_empty() && !known.contains(of);
                    }
                }
                Event::Purge => {
                    store.fence().purge(&Groups::All);
                    held.values_mut().for_each(|(_, is_current)| *is_current = false);
                }
            }
            for ((who, organization), (_, expected)) in &held {
                prop_assert_eq!(is_current(&store, &key(&who.to_string(), *organization)), *expected);
            }
            let distinct: std::collections::BTreeSet<_> = held.values().flat_map(|(all, _)| all).collect();
            prop_assert_eq!(store.size().operators, distinct.len());
        }
    }
}

#[test]
fn the_list_of_organizations_is_hidden_by_writes_of_everything_only() {
    let store = store(1 << 20);
    let organizations = CacheKey { list: List::Organizations, ..key("a", 1) };
    store_list(&store, organizations, &[]).unwrap();
    drop(store.fence().begin_write(&Groups::OperatorLists));
    drop(store.fence().begin_write(&operator(101)));
    assert!(is_current(&store, &organizations));
    drop(store.fence().begin_write(&Groups::All));
    assert!(!is_current(&store, &organizations));
}

#[test]
fn an_entry_that_was_removed_leaves_the_same_operators_of_another_list_in_the_index() {
    let store = store(1 << 20);
    store_list(&store, key("a", 24), &[101]).unwrap();
    store_list(&store, key("b", 24), &[101]).unwrap();
    store_list(&store, key("a", 6), &[102]).unwrap();
    store.entries.invalidate(&key("a", 24));
    drop(store.fence().begin_write(&operator(101)));
    assert!(!is_current(&store, &key("b", 24)));
    assert!(is_current(&store, &key("a", 6)), "the operator is still known");
}

#[test]
fn without_capacity_nothing_is_stored_and_nothing_is_held() {
    let store = store(0);
    for id in 1..=100 {
        assert_eq!(store_list(&store, key("a", id), &[101]), Err(Refusal::NoCapacity));
    }
    assert_eq!(store.size(), Size { entries: 0, weight: 0, contents: 0, groups: 0, operators: 0 });
}

#[test]
fn an_upstream_that_fails_at_every_write_costs_hits_and_not_memory() {
    let store = store(1 << 20);
    store_list(&store, key("a", 1), &[101]).unwrap();
    let thousand = |from: u32| Groups::Organizations((from..from + 1000).map(organization).collect());
    let mut writes: Vec<_> = (0..50).map(|n| store.fence().begin_write(&thousand(10 + n * 1000))).collect();
    writes.iter_mut().for_each(fence::Write::doubt);
    assert!(store.size().groups <= 4096 + 5, "{:?}", store.size());
    assert!(!is_current(&store, &key("a", 1)), "who is not named any more touches all");
    let switch = store.fence().begin_write(&operator(101));
    assert!(switch.claim().is_precise(), "there is room for one more");
    drop((writes, switch));
    assert_eq!(store_list(&store, key("a", 1), &[101]), Ok(()));
}

#[test]
fn while_a_list_too_long_to_be_indexed_is_stored_a_switch_hides_every_list_of_operators() {
    let store = store(1 << 30);
    let long: Vec<i32> = (1000..11_001).collect();
    store_list(&store, key("a", 24), &long).unwrap();
    store_list(&store, key("a", 6), &[7]).unwrap();
    assert_eq!(store.size().operators, 1);
    drop(store.fence().begin_write(&operator(7)));
    assert!(!is_current(&store, &key("a", 24)));
    store.entries.invalidate(&key("a", 24));
    store_list(&store, key("a", 6), &[7]).unwrap();
    store_list(&store, key("a", 42), &[8]).unwrap();
    drop(store.fence().begin_write(&operator(7)));
    assert!(is_current(&store, &key("a", 42)), "it has left, and the index is exact again");
}

#[test]
fn memory_is_reclaimed_by_the_longest_life_at_the_time_when_an_answer_was_stored() {
    let life = LongestLife::new(Duration::from_secs(60));
    let (store, now) = (store(1 << 20), Clock::start().now().into_std());
    let stored = entry(&store.begin_fetch(key("a", 24), false), &[]);
    let reclaimed = || life.expire_after_create(&stored.key, &stored, now);
    assert_eq!(reclaimed(), Some(Duration::from_secs(120)));
    life.set(Duration::from_secs(3600));
    assert_eq!(reclaimed(), Some(Duration::from_secs(7200)));
    assert_eq!(
        life.expire_after_update(&stored.key, &stored, now, None),
        reclaimed(),
        "nor does a newer one keep the old end"
    );
    store.set_longest_life(Duration::from_secs(7));
    assert_eq!(store.longest_life.reclaimed_after(), Duration::from_secs(14));
}
