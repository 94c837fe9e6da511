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
        if let Some(refused) = Refused::first(&narrow(rate, burst, bound), &steps) {
            let told = refused.comes_back_after(Duration::from_secs(whole_seconds(refused.retry_after).max(1)));
            prop_assert!(!matches!(told, Told::Refused(..)), "{refused:?}, then {told:?}");
        }
    }

    #[test]
    fn nobody_is_told_to_come_later_than_need_be(
        rate in 1..50_u32,
        burst in 1..10_u32,
        bound in 0..60_usize,
        steps in steps(250, 2, 1),
    ) {
        // Who has not rested is told to rest first.
        if let Some(refused) = Refused::first(&narrow(rate, burst, bound), &steps).filter(|refused| refused.ask.is_rested) {
            let early = refused.retry_after.saturating_sub(Duration::from_micros(1));
            let told = refused.comes_back_after(early);
            prop_assert!(matches!(told, Told::Refused(..)), "{refused:?}, but {told:?} before");
        }
    }
}

fn narrow(rate: u32, burst: u32, bound: usize) -> Terms {
    Terms { max_waiting_per_lane: bound, max_wait: Duration::from_secs(3), ..terms(per_second(rate, burst)) }
}

/// The first of a script who is refused, but for background work.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    terms: &'a Terms,
    script: &'a [Step],
    ask: Ask,
    pub(super) retry_after: Duration,
}

impl<'a> Refused<'a> {
    pub(super) fn first(terms: &'a Terms, steps: &'a [Step]) -> Option<Self> {
        let mut world = World::new(terms.clone());
        (0..steps.len()).find_map(|played| {
            play(&mut world, &steps[played..=played]);
            let Came { ask, told: Told::Refused(retry_after, rejection), .. } = *world.came.last()? else {
                return None;
            };
            let script = &steps[..=played];
            let is_last = matches!(script.last(), Some(Step::Comes { .. }));
            (is_last && rejection != Rejection::NoSpareCell).then_some(Self { terms, script, ask, retry_after })
        })
    }

    /// The same script, and then nobody else comes but the one who was refused.
    pub(super) fn comes_back_after(&self, time: Duration) -> Told {
        let mut world = World::new(self.terms.clone());
        play(&mut world, self.script);
        world.passes(time);
        world.comes(Ask { is_rested: true, ..self.ask })
    }
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
