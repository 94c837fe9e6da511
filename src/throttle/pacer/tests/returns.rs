//! Whoever comes back as it was told is let in, whatever the reasons for which it was refused.
//!
//! Scripts are random, from fixed seeds, and in each several are refused: for each of them the script is played anew up to
//! there, and then nobody comes but the one who was refused.

use proptest::test_runner::RngSeed;

use super::*;
use crate::wire::rate_limit::whole_seconds;

const SCRIPTS: u32 = 256;
/// Of so many refusals of a script one is looked at, as playing it anew for each would take long.
const EACH: usize = 3;

fn seeded(seed: u64) -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::with_cases(SCRIPTS) }
}

/// Few places, in each line and in all.
fn scarce() -> impl Strategy<Value = Terms> {
    (50..3000_u64, 1..6_u32, 0..30_usize, 1..30_usize, 1..20_u32).prop_map(
        |(period, burst, in_all, in_line, max_wait)| Terms {
            max_wait: SECOND * max_wait,
            max_waiting: in_all,
            max_waiting_per_lane: in_line,
            ..terms(quota(millis(period), burst))
        },
    )
}

fn troubled(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let stops = (any::<usize>(), 1..4000_u64).prop_map(|(nth, wait)| vec![Step::IsStopped { nth, wait }]);
    let part = prop_oneof![4 => steps(20, 6, 3), 1 => stops];
    proptest::collection::vec(part, 1..most / 10).prop_map(|parts| parts.concat())
}

/// Plays a script, and returns what those heard who were refused and came back as they were told, and were so again.
fn refused_again(terms: &Terms, steps: &[Step]) -> Vec<(Rank, Told, Told)> {
    let mut world = World::new(terms.clone());
    let mut refused = Vec::new();
    for (played, step) in steps.iter().enumerate() {
        play(&mut world, std::slice::from_ref(step));
        if let (Step::Comes { .. }, Some(Came { ask, told, .. })) = (step, world.came.last().copied())
            && matches!(told, Told::Refused(_, rejection) if rejection != Rejection::NoSpareCell)
        {
            refused.push((played, ask, told));
        }
    }
    refused
        .into_iter()
        .step_by(EACH)
        .filter_map(|(played, ask, told)| comes_back(terms, &steps[..=played], ask, told))
        .collect()
}

fn comes_back(terms: &Terms, script: &[Step], ask: Ask, first: Told) -> Option<(Rank, Told, Told)> {
    let Told::Refused(retry_after, _) = first else { return None };
    let mut world = World::new(terms.clone());
    play(&mut world, script);
    world.passes(Duration::from_secs(whole_seconds(retry_after).max(1)));
    let second = world.comes(Ask { is_rested: true, ..ask });
    matches!(second, Told::Refused(..)).then_some((ask.rank, first, second))
}

proptest! {
    #![proptest_config(seeded(1))]

    #[test]
    fn whoever_comes_back_alone_as_it_was_told_is_let_in_whatever_it_was_refused_for(
        terms in scarce(),
        steps in steps(120, 6, 3),
    ) {
        prop_assert_eq!(refused_again(&terms, &steps), []);
    }

    #[test]
    fn so_is_whoever_comes_back_where_the_upstream_stops_credentials(terms in scarce(), steps in troubled(120)) {
        prop_assert_eq!(refused_again(&terms, &steps), []);
    }

    #[test]
    fn where_there_is_a_quota_of_all_nobody_finds_it_full_again(
        all in 1..20_u32,
        together in 1..10_u32,
        terms in scarce(),
        steps in steps(120, 6, 3),
    ) {
        let terms = Terms { upstream: Some(per_second(all, together)), ..terms };
        // When its own turn comes is less certain there.
        let mut again = refused_again(&terms, &steps);
        again.retain(|(_, _, second)| matches!(second, Told::Refused(_, Rejection::Full)));
        prop_assert_eq!(again, []);
    }
}

#[test]
fn a_read_that_finds_no_place_since_writes_have_more_of_them_comes_back_when_enough_have_gone() {
    let mut world = World::new(Terms { max_waiting: 8, ..terms(per_second(1, 1)) });
    (0..7).for_each(|_| _ = world.comes(read()));
    (0..2).for_each(|_| _ = world.comes(write()));
    assert_eq!(world.waiting(), 8);
    // Six may wait if it is a read, so three must go first.
    assert_eq!(world.comes(read_of(2)), Told::Go);
    assert_eq!(world.comes(read_of(2)), Told::Refused(SECOND * 3, Rejection::Full));
    world.passes(SECOND * 3);
    world.comes(read_of(2));
    assert!(matches!(world.comes(read_of(2)), Told::Wait(_)));
}

/// So many writes wait, each of a credential of its own, that came this long after one another.
fn many(writes: u32, apart: Duration) -> World {
    let most = writes as usize;
    let bounds = Terms { max_waiting: most, max_lanes: most * 2, ..terms(per_second(1, 1)) };
    let mut world = World::new(bounds);
    for who in 1..=writes {
        world.passes(apart);
        let write = Ask { owner: owner(who), ..write() };
        (0..2).for_each(|_| _ = world.comes(write));
    }
    assert_eq!(world.waiting(), most);
    world
}

#[test]
fn where_ten_thousand_wait_a_read_is_told_when_as_many_have_gone_as_there_are_places_for_writes_alone() {
    let apart = Duration::from_micros(50);
    let mut world = many(10_000, apart);
    assert_eq!(world.comes(read_of(0)), Told::Go);
    // The first comes 50 µs after the beginning and goes a second later; now is half a second after it.
    assert_eq!(world.comes(read_of(0)), Told::Refused(apart * 2501 + SECOND - millis(500), Rejection::Full));
}

#[test]
fn where_more_would_have_to_go_than_can_be_played_ahead_a_refusal_tells_when_all_have_gone() {
    let mut world = many(10_000, Duration::ZERO);
    let bounds = Terms { max_waiting: 100, ..terms(per_second(1, 1)) };
    assert!(world.pacer.set_terms(world.now, bounds, |_, _| None).is_empty());
    assert_eq!(world.comes(read_of(0)), Told::Go);
    assert_eq!(world.comes(read_of(0)), Told::Refused(SECOND * 15, Rejection::Full));
}

#[test]
fn when_five_hundred_are_refused_at_once_it_is_reckoned_once_when_enough_will_have_gone() {
    let mut world = World::new(Terms { max_lanes: 20_000, ..terms(quota(millis(10), 1)) });
    (0..501).for_each(|_| _ = world.comes(read_of(0)));
    for who in 1..=9000 {
        let write = Ask { owner: owner(who), ..write() };
        (0..2).for_each(|_| _ = world.comes(write));
    }
    assert_eq!(world.waiting(), 9500);
    vacancy::RECKONED.with(|count| count.set(0));

    world.answers(0, Verdict::TooMany(Some(SECOND * 300)));

    assert_eq!((world.waiting(), vacancy::RECKONED.with(std::cell::Cell::get)), (9000, 1));
}
