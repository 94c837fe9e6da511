//! What somebody is told is true: the wait, and when to come back.

use super::*;
use crate::wire::rate_limit::whole_seconds;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nobody_waits_longer_than_predicted(
        rate in 1..50_u32,
        burst in 1..10_u32,
        steps in steps(250, 3, 3),
    ) {
        let mut world = World::new(terms(per_second(rate, burst)));
        play(&mut world, &steps);
        world.empties();
        for (who, came) in world.came.iter().enumerate() {
            if let (Told::Wait(predicted), Some(went)) = (came.told, world.went(who)) {
                prop_assert!(went - came.at <= predicted, "{who} waited {:?}, told {predicted:?}", went - came.at);
                prop_assert!(predicted <= Duration::from_secs(15));
            }
        }
        prop_assert_eq!(world.waiting(), 0);
    }

    #[test]
    fn whoever_is_refused_and_comes_back_as_told_is_let_in(
        rate in 1..50_u32,
        burst in 1..10_u32,
        bound in 0..60_usize,
        steps in steps(250, 2, 3),
    ) {
        let terms = || Terms { max_waiting_per_lane: bound, max_wait: Duration::from_secs(3), ..terms(per_second(rate, burst)) };
        let mut world = World::new(terms());
        play(&mut world, &steps);
        let refused = |came: &Came| match came.told {
            Told::Refused(retry_after, rejection) if rejection != Rejection::NoSpareCell => Some((retry_after, rejection)),
            _ => None,
        };
        let Some((who, came, (retry_after, rejection))) =
            world.came.iter().enumerate().find_map(|(who, came)| Some((who, *came, refused(came)?)))
        else {
            return Ok(());
        };
        // The same script up to there, and then nobody else comes.
        let until_refused = || {
            let mut world = World::new(terms());
            play(&mut world, &steps_until(&steps, who));
            assert!(matches!(world.came[who].told, Told::Refused(..)));
            world
        };
        let mut obeys = until_refused();
        obeys.passes(Duration::from_secs(whole_seconds(retry_after).max(1)));
        let told = obeys.comes(Ask { is_rested: true, ..came.ask });
        prop_assert!(!matches!(told, Told::Refused(..)), "told {retry_after:?} ({rejection:?}), then {told:?}");
        // And not a moment too late: before, it would have been refused.
        if matches!(rejection, Rejection::TooLong | Rejection::LineFull) {
            let mut early = until_refused();
            early.passes(retry_after.saturating_sub(Duration::from_micros(1)));
            let told = early.comes(came.ask);
            prop_assert!(matches!(told, Told::Refused(..)), "told {retry_after:?}, but {told:?} before");
        }
    }
}

/// The script up to the arrival with that number.
fn steps_until(steps: &[Step], who: usize) -> Vec<Step> {
    let mut arrivals = 0;
    let is_before = |step: &&Step| {
        let is_before = arrivals <= who;
        arrivals += usize::from(matches!(step, Step::Comes { .. }));
        is_before
    };
    let mut script: Vec<_> = steps.iter().take_while(is_before).copied().collect();
    while matches!(script.last(), Some(Step::Leaves { .. })) {
        script.pop();
    }
    script
}

#[test]
fn a_refusal_tells_when_one_would_be_let_in_not_when_the_line_is_empty() {
    let mut world = World::new(terms(per_second(5, 5)));
    let waits = (0..200).map(|_| world.comes(read())).filter(|told| matches!(told, Told::Wait(_))).count();
    // Three quarters of 15 s at 5/s; the last quarter is for writes.
    assert_eq!(waits, 56);
    assert_eq!(world.comes(read()), Told::Refused(millis(150), Rejection::TooLong));
    world.passes(millis(150));
    // A cell comes at 0.2 s only, but its place is within the bound now.
    assert!(matches!(world.comes(read()), Told::Wait(_)));
}

#[test]
fn with_no_wait_allowed_a_refusal_tells_when_a_cell_is_there() {
    let mut world = World::new(Terms { max_wait: Duration::ZERO, ..terms(quota(Duration::from_secs(3600), 1)) });
    assert_eq!(world.comes(read()), Told::Go);
    world.passes(Duration::from_secs(600));
    assert_eq!(world.comes(read()), Told::Refused(Duration::from_secs(3000), Rejection::TooLong));
}

#[test]
fn six_who_leave_delay_nobody() {
    let mut world = World::new(terms(per_second(1, 1)));
    for _ in 0..8 {
        world.comes(read());
    }
    (1..7).for_each(|who| world.leaves(who));
    let start = world.now;
    world.empties();
    assert_eq!(world.went(7), Some(start + SECOND));
    assert_eq!(world.gone.len(), 2);
}

proptest! {
    #[test]
    fn whoever_leaves_leaves_no_trace(
        rate in 1..50_u32,
        burst in 1..10_u32,
        present in proptest::collection::vec((0..200_u64, any::<bool>(), any::<bool>()), 1..120),
    ) {
        // Nobody is refused, so that both worlds hear the same from those who stay.
        let patient = || Terms { max_wait: Duration::from_secs(3600), ..terms(per_second(rate, burst)) };
        let (mut with, mut without) = (World::new(patient()), World::new(patient()));
        for (after, is_write, leaves) in present {
            let ask = if is_write { write() } else { read() };
            with.passes(millis(after));
            without.passes(millis(after));
            // One comes and leaves before the next event, but takes no cell of those who wait.
            if leaves && matches!(with.waiting(), 1..) {
                with.comes(ask);
                with.leaves(with.came.len() - 1);
            }
            with.comes(read());
            without.comes(read());
        }
        with.empties();
        without.empties();
        let times = |world: &World| world.gone.iter().map(|gone| gone.at).collect::<Vec<_>>();
        prop_assert_eq!(times(&with), times(&without));
    }
}
