//! A quota over all credentials.

use super::promises::Refused;
use super::*;
use crate::wire::rate_limit::whole_seconds;

fn with_upstream(own: Quota, upstream: Quota) -> Terms {
    Terms { upstream: Some(upstream), ..terms(own) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn neither_the_quota_of_all_nor_that_of_each_is_exceeded(
        rate in 1..50_u32,
        burst in 1..10_u32,
        all in 1..50_u32,
        together in 1..10_u32,
        steps in steps(250, 4, 2),
    ) {
        let (own, upstream) = (per_second(rate, burst), per_second(all, together));
        let mut world = World::new(with_upstream(own, upstream));
        play(&mut world, &steps);
        world.empties();
        prop_assert_eq!(world.waiting(), 0);
        assert_conforming(&world.times(|_| true), &upstream);
        for who in 0..4 {
            assert_conforming(&world.times(|ask| ask.owner == owner(who)), &own);
        }
    }

    #[test]
    fn nobody_waits_longer_than_the_longest_wait_for_whatever_end(
        rate in 1..50_u32,
        all in 1..20_u32,
        steps in steps(400, 12, 1),
    ) {
        let mut world = World::new(with_upstream(per_second(rate, 5), per_second(all, 2)));
        play(&mut world, &steps);
        world.empties();
        for gone in &world.gone {
            let waited = gone.at - world.came[gone.who].at;
            prop_assert!(waited <= Duration::from_secs(15) + millis(102), "{} waited {waited:?}", gone.who);
        }
    }

    #[test]
    fn whoever_is_refused_by_it_and_comes_back_as_told_is_let_in(
        rate in 1..50_u32,
        all in 1..20_u32,
        steps in steps(250, 6, 1),
    ) {
        let terms = Terms { max_wait: Duration::from_secs(3), ..with_upstream(per_second(rate, 5), per_second(all, 2)) };
        if let Some(refused) = Refused::first(&terms, &steps) {
            let told = refused.comes_back_after(Duration::from_secs(whole_seconds(refused.retry_after).max(1)));
            prop_assert!(!matches!(told, Told::Refused(..)), "{refused:?}, then {told:?}");
        }
    }
}

#[test]
fn while_the_same_credentials_wait_predictions_hold() {
    let mut world = World::new(with_upstream(per_second(50, 5), per_second(50, 20)));
    for round in 0..3000_u32 {
        world.comes(read_of(round % 4));
        world.passes(millis(u64::from(round % 3) * 4));
    }
    world.empties();
    let late = world.came.iter().enumerate().filter_map(|(who, came)| match (came.told, world.went(who)) {
        (Told::Wait(predicted), Some(went)) => (went - came.at).checked_sub(predicted),
        _ => None,
    });
    assert_eq!(late.max().unwrap_or_default(), Duration::ZERO);
}

#[test]
fn a_credential_with_a_long_line_delays_another_by_one_turn() {
    let mut world = World::new(with_upstream(per_second(50, 25), per_second(50, 20)));
    (0..500).for_each(|_| {
        world.comes(read_of(1));
    });
    world.passes(SECOND);
    let Told::Wait(_) = world.comes(read_of(2)) else { panic!("there is no cell left") };
    let (who, came) = (world.came.len() - 1, world.now);
    world.passes(SECOND);
    assert!(world.went(who).unwrap() - came <= millis(40), "{:?}", world.went(who).unwrap() - came);
}

#[test]
fn two_hundred_credentials_share_it_evenly() {
    let mut world = World::new(Terms { max_lanes: 1000, ..with_upstream(per_second(5, 5), per_second(200, 20)) });
    for _ in 0..50 {
        (0..200).for_each(|who| {
            world.comes(read_of(who));
        });
        world.passes(millis(200));
    }
    let served: Vec<_> = (0..200).map(|who| world.times(|ask| ask.owner == owner(who)).len()).collect();
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(most - least <= 1, "{least} to {most}");
}

#[test]
fn a_write_of_a_credential_of_which_nobody_waits_goes_ahead_of_others_but_not_two_in_a_row() {
    let mut world = World::new(with_upstream(per_second(50, 5), per_second(10, 1)));
    (0..40).for_each(|round| {
        world.comes(read_of(round % 10));
    });
    let first = world.came.len();
    (10..13).for_each(|who| {
        world.comes(Ask { owner: owner(who), ..write() });
    });
    let start = world.now;
    world.passes(SECOND);
    let waits: Vec<_> = (first..first + 3).map(|who| (world.went(who).unwrap() - start).as_millis()).collect();
    assert_eq!(waits, [100, 300, 500]);
}

#[test]
fn a_line_of_writes_takes_turns_like_any_other() {
    let mut world = World::new(with_upstream(per_second(50, 5), per_second(50, 1)));
    (0..210).for_each(|round| {
        world.comes(read_of(round % 10));
    });
    (0..210).for_each(|_| {
        world.comes(Ask { owner: owner(10), ..write() });
    });
    world.empties();
    for (who, came) in world.came.iter().enumerate().take(210) {
        if let (Told::Wait(predicted), Some(went)) = (came.told, world.went(who)) {
            assert!(went - came.at <= predicted, "{who} waited {:?}, told {predicted:?}", went - came.at);
        }
    }
}

#[test]
fn whoever_waits_too_long_since_others_came_is_refused_in_time() {
    let mut world = World::new(Terms { max_lanes: 1000, ..with_upstream(per_second(50, 5), per_second(1, 1)) });
    (0..6).for_each(|_| {
        world.comes(read_of(0));
    });
    for second in 0..30 {
        (1..11).for_each(|who| {
            world.comes(read_of(who + second % 3 * 10));
        });
        world.passes(SECOND);
    }
    let refused: Vec<_> = world.gone.iter().filter(|gone| gone.pass.is_none()).collect();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|gone| gone.at - world.came[gone.who].at <= Duration::from_secs(15) + millis(102)));
}

#[test]
fn background_work_leaves_the_cells_of_the_quota_of_all_to_others() {
    let mut world = World::new(with_upstream(per_second(50, 5), per_second(1, 2)));
    world.comes(read_of(1));
    let background = Ask { owner: owner(2), ..ask(Rank::Background) };
    assert!(matches!(world.comes(background), Told::Refused(_, Rejection::NoSpareCell)));
    world.passes(SECOND);
    assert_eq!(world.comes(background), Told::Go);
}
