//! What is put into the model: small worlds, each for one thing that could go wrong.

use std::time::Instant;

use chathub_gateway::chathub::Groups;

use crate::explorer::explore;
use crate::fence::Refusal;
use crate::gateway::{Event, Gateway, Read, Write};
use crate::upstream::{DIRECTORY, Question, Thing, X, Y, operator, organization};
use crate::witness::Witness;

fn read(who: usize, list: usize) -> Read {
    Read { question: Question { who, list }, is_refresh: false }
}

fn refresh(who: usize, list: usize) -> Read {
    Read { is_refresh: true, ..read(who, list) }
}

fn synchronize(list: usize) -> Write {
    Write {
        groups: Groups::Organizations(vec![organization(list)]),
        changes: Thing::List(list),
        may_be_in_doubt: false,
    }
}

fn switch(who: usize) -> Write {
    Write { groups: Groups::Operator(operator(who)), changes: Thing::Operator(who), may_be_in_doubt: false }
}

fn doubtful(write: Write) -> Write {
    Write { may_be_in_doubt: true, ..write }
}

/// Explores a world and asks that all of `expected` happens in it.
fn check(name: &str, mut world: Gateway, expected: &[Witness]) {
    let begun = Instant::now();
    let explored = explore(&mut world);
    println!("{name}: {} states, {} steps, {:.2?}", explored.states, explored.steps, begun.elapsed());
    if let Some(fault) = explored.fault {
        panic!("{name}: {fault}");
    }
    let missing: Vec<_> = expected.iter().filter(|witness| !world.seen.contains(witness)).collect();
    assert!(missing.is_empty(), "{name}: never happened: {missing:?}");
}

/// Also if the list is evicted while it is looked up.
#[test]
fn a_list_is_never_older_than_a_synchronize() {
    let world =
        Gateway { reads: vec![read(0, 0); 3], writes: vec![synchronize(0)], evictions: 1, ..Gateway::default() };
    let expected = [
        Witness::Hit,
        Witness::Shared,
        Witness::MayNotShare,
        Witness::LeftBetweenLookupAndVerdict,
        Witness::Hidden(Refusal::Overtaken),
        Witness::Refused(Refusal::WriteInFlight),
        Witness::Refused(Refusal::Overtaken),
    ];
    check("synchronize", world, &expected);
}

#[test]
fn a_list_is_never_older_than_two_synchronizes() {
    let writes = vec![synchronize(0), synchronize(0)];
    let world = Gateway { reads: vec![read(0, 0); 2], writes, ..Gateway::default() };
    check("two synchronizes", world, &[Witness::Hit, Witness::Shared, Witness::MayNotShare]);
}

#[test]
fn a_list_is_never_older_than_a_write_in_doubt_once_that_is_settled() {
    let world = Gateway { reads: vec![read(0, 0); 2], writes: vec![doubtful(synchronize(0))], ..Gateway::default() };
    let expected = [
        Witness::Refused(Refusal::Quarantined),
        Witness::Hidden(Refusal::Quarantined),
        Witness::AppliedInDoubt,
        Witness::NeverApplied,
    ];
    check("doubt", world, &expected);
}

#[test]
fn a_list_is_never_older_than_a_switch_and_a_synchronize() {
    let writes = vec![switch(X), synchronize(0)];
    let world = Gateway { reads: vec![read(0, 0); 2], writes, ..Gateway::default() };
    check("switch and synchronize", world, &[Witness::PreciseSwitch, Witness::UnknownOperator]);
}

#[test]
fn a_refresh_neither_joins_nor_hides_what_is_newer() {
    let reads = vec![refresh(0, 0), read(0, 0), read(0, 0)];
    let world = Gateway { reads, writes: vec![synchronize(0)], ..Gateway::default() };
    check("refresh", world, &[Witness::Hit, Witness::Shared, Witness::LaterFetchIsStored]);
}

#[test]
fn a_list_is_never_older_than_a_switch() {
    let reads = vec![read(0, 0), read(1, 0)];
    let world = Gateway { reads, writes: vec![switch(X)], evictions: 1, ..Gateway::default() };
    check("switch", world, &[Witness::Stored, Witness::PreciseSwitch, Witness::UnknownOperator]);
}

/// The lists of both organizations may hold the operator, and one of them may be on its way.
#[test]
fn no_list_shows_an_operator_that_moves_as_it_was_before_a_switch() {
    let reads = vec![read(0, 0), read(0, 0), read(0, 1)];
    let events = vec![Event::Move { operator: X, to: 1 }];
    let world = Gateway { reads, writes: vec![switch(X)], events, ..Gateway::default() };
    check("move", world, &[Witness::Refused(Refusal::Switched), Witness::Lost, Witness::PreciseSwitch]);
}

#[test]
fn a_switch_in_doubt_lasts_until_it_is_settled() {
    let events = vec![Event::Move { operator: X, to: 1 }];
    let writes = vec![doubtful(switch(X))];
    let world = Gateway { reads: vec![read(0, 0), read(0, 1)], writes, events, ..Gateway::default() };
    check("switch in doubt", world, &[Witness::AppliedInDoubt, Witness::Refused(Refusal::Switched)]);
}

/// The last switch is remembered here, and no other.
#[test]
fn a_switch_that_is_forgotten_is_not_forgiven() {
    let purge = |who| Event::Purge(Groups::Operator(operator(who)), Thing::Operator(who));
    let events = vec![Event::Move { operator: X, to: 1 }, Event::Change(Thing::Operator(X)), purge(X), purge(Y)];
    let world = Gateway { reads: vec![read(0, 0), read(0, 1)], events, ..Gateway::default() };
    check("forgotten", world, &[Witness::Refused(Refusal::Switched)]);
}

#[test]
fn a_purge_hides_what_was_fetched_before_it() {
    let purge = Event::Purge(Groups::Organizations(vec![organization(0)]), Thing::List(0));
    let events = vec![Event::Change(Thing::List(0)), purge];
    let world = Gateway { reads: vec![read(0, 0); 2], writes: vec![synchronize(0)], events, ..Gateway::default() };
    check("purge", world, &[Witness::Hit, Witness::Hidden(Refusal::Overtaken), Witness::MayNotShare]);
}

#[test]
fn a_purge_of_an_operator_hides_every_list_that_shows_it() {
    let change = Event::Change(Thing::Operator(X));
    let purge = Event::Purge(Groups::Operator(operator(X)), Thing::Operator(X));
    let events = vec![Event::Move { operator: X, to: 1 }, change, purge];
    let world = Gateway { reads: vec![read(0, 0), read(0, 1)], events, ..Gateway::default() };
    check("purge of an operator", world, &[Witness::Stored, Witness::Refused(Refusal::Switched)]);
}

#[test]
fn what_was_fetched_with_a_refused_credential_is_hidden() {
    let events = vec![Event::Change(Thing::List(0)), Event::Forget(0)];
    let reads = vec![read(0, 0), read(0, 0), read(1, 0)];
    let world = Gateway { reads, events, ..Gateway::default() };
    check("forget", world, &[Witness::Hit, Witness::Hidden(Refusal::Overtaken), Witness::MayNotShare]);
}

#[test]
fn a_write_that_is_not_understood_touches_every_list_it_may_change() {
    let all = Write { groups: Groups::All, changes: Thing::List(DIRECTORY), may_be_in_doubt: false };
    let lists = Write { groups: Groups::OperatorLists, changes: Thing::List(0), may_be_in_doubt: false };
    let reads = vec![read(0, DIRECTORY), read(0, 0)];
    let world = Gateway { reads, writes: vec![all, lists], ..Gateway::default() };
    check("not understood", world, &[Witness::Stored, Witness::Refused(Refusal::WriteInFlight)]);
}

// === the same in larger worlds ===

#[test]
#[ignore = "larger: minutes without optimization"]
fn larger_a_list_is_never_older_than_a_switch_in_doubt_and_a_synchronize() {
    let writes = vec![doubtful(switch(X)), synchronize(0)];
    let world = Gateway { reads: vec![read(0, 0); 3], writes, ..Gateway::default() };
    check("larger doubt and synchronize", world, &[Witness::AppliedInDoubt, Witness::PreciseSwitch, Witness::Shared]);
}

#[test]
#[ignore = "larger: minutes without optimization"]
fn larger_no_list_shows_an_operator_that_moves_as_it_was_before_a_switch() {
    let reads = vec![read(0, 0), read(0, 0), read(0, 1)];
    let events = vec![Event::Move { operator: X, to: 1 }];
    let writes = vec![doubtful(switch(X))];
    let world = Gateway { reads, writes, events, evictions: 1, ..Gateway::default() };
    check("larger move", world, &[Witness::Lost, Witness::LeftBetweenLookupAndVerdict]);
}

#[test]
#[ignore = "larger: minutes without optimization"]
fn larger_a_refresh_neither_joins_nor_hides_what_is_newer() {
    let reads = vec![refresh(0, 0), read(0, 0), read(0, 0)];
    let writes = vec![doubtful(synchronize(0))];
    let world = Gateway { reads, writes, evictions: 1, ..Gateway::default() };
    check("larger refresh", world, &[Witness::Hit, Witness::Shared, Witness::LaterFetchIsStored]);
}
