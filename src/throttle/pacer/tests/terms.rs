//! Other terms while it runs.

use super::*;

/// A cell of one who waited counts from when it was due, if that was just before; with the terms its time may become due.
const TICK: Duration = Duration::from_millis(2);

impl World {
    fn changes(&mut self, terms: Terms) {
        self.changes_with(terms, None);
    }

    /// Other terms, and another quota of those who have one of their own.
    fn changes_with(&mut self, terms: Terms, single: Option<Quota>) {
        self.terms += 1;
        let released = self.pacer.set_terms(self.now, terms, |_, _| single);
        self.note(released);
    }

    fn comes_with(&mut self, quota: Option<Quota>) -> Arrival {
        self.comes_by(self.terms, quota)
    }

    fn comes_by(&mut self, terms: u32, quota: Option<Quota>) -> Arrival {
        self.pacer.arrive(self.now, &read(), terms, || quota.map(special), || 0).0
    }
}

fn goes(told: Told) -> bool {
    told == Told::Go
}

#[test]
fn whoever_waits_goes_by_the_new_rate() {
    let mut world = World::new(terms(per_second(1, 1)));
    (0..5).for_each(|_| _ = world.comes(read()));
    world.passes(millis(500));
    world.changes(terms(per_second(10, 1)));
    let changed = world.now;
    world.empties();
    let after: Vec<_> = (1..5).map(|who| (world.went(who).unwrap() - changed).as_millis()).collect();
    // Half a cell was missing, and so it is.
    assert_eq!(after, [50, 150, 250, 350]);
}

#[test]
fn a_lower_rate_refuses_those_for_whom_it_would_be_too_long_and_the_others_keep_their_places() {
    let mut world = World::new(terms(per_second(10, 1)));
    (0..41).for_each(|_| _ = world.comes(read()));
    world.changes(terms(per_second(1, 1)));
    let refused: Vec<_> = world.gone.iter().filter(|gone| gone.pass.is_none()).map(|gone| gone.who).collect();
    world.empties();
    assert_eq!(refused, (16..41).collect::<Vec<_>>(), "one second each, and fifteen are the longest");
    let went: Vec<_> = (1..16).map(|who| world.went(who).unwrap()).collect();
    assert!(went.is_sorted() && went.windows(2).all(|two| two[1] - two[0] == SECOND), "{went:?}");
}

#[test]
fn cells_that_were_used_do_not_come_back() {
    let mut world = World::new(terms(per_second(1, 10)));
    assert!((0..8).all(|_| goes(world.comes(read()))));
    world.changes(terms(per_second(5, 10)));
    assert!((0..2).all(|_| goes(world.comes(read()))));
    assert!(!goes(world.comes(read())), "two were left, and two are");
}

#[test]
fn a_smaller_burst_takes_what_is_above_it() {
    let mut world = World::new(terms(per_second(1, 10)));
    assert!((0..9).all(|_| goes(world.comes(read()))));
    world.changes(terms(per_second(1, 3)));
    assert_eq!(world.comes(read()), Told::Wait(SECOND + Duration::from_secs(1) / 3 + SECOND * 4));
}

#[test]
fn a_quota_of_its_own_comes_and_goes_when_its_credential_does() {
    let (of_class, own) = (per_second(1, 1), per_second(1, 3));
    let mut world = World::new(terms(of_class));
    let goes = |world: &mut World, special| matches!(world.comes_with(special), Arrival::Go(_));
    assert!(goes(&mut world, None));
    assert!(!goes(&mut world, Some(own)), "within the same terms it is not asked for again");
    world.passes(SECOND * 10);
    world.changes(terms(of_class));
    assert!((0..3).all(|_| goes(&mut world, Some(own))));
    world.passes(SECOND * 10);
    world.changes(terms(of_class));
    assert!(goes(&mut world, None));
    assert!(!goes(&mut world, None), "it has none any more");
}

#[test]
fn who_asks_by_older_terms_changes_nothing_that_newer_ones_have_told() {
    let (of_class, own) = (per_second(1, 1), per_second(1, 3));
    let mut world = World::new(terms(of_class));
    assert!(matches!(world.comes_with(Some(own)), Arrival::Go(_)));
    world.passes(SECOND * 10);
    world.changes_with(terms(of_class), None);
    // One that began before comes late, with what it was told then.
    assert!(matches!(world.comes_by(1, Some(own)), Arrival::Go(_)));
    assert!(matches!(world.comes_with(None), Arrival::Wait(..)), "it has no quota of its own any more");
    world.passes(SECOND * 10);
    assert!(matches!(world.comes_by(1, Some(own)), Arrival::Go(_)));
    assert!(matches!(world.comes_by(1, Some(own)), Arrival::Wait(..)), "nor does a later one bring it back");
    // And a lane that such a one makes is told anew by the next.
    let mut world = World::new(terms(of_class));
    world.changes(terms(of_class));
    assert!(matches!(world.comes_by(1, Some(own)), Arrival::Go(_)));
    assert!(matches!(world.comes_with(None), Arrival::Wait(..)));
}

#[test]
fn whoever_waits_by_a_quota_of_its_own_goes_by_the_new_one_though_nobody_comes() {
    let (of_class, slow, fast) = (per_second(1, 1), quota(SECOND * 5, 1), per_second(10, 1));
    let mut world = World::new(terms(of_class));
    (0..3).for_each(|_| _ = world.comes_with(Some(slow)));
    assert_eq!(world.waiting(), 2);
    world.changes_with(terms(of_class), Some(fast));
    let changed = world.now;
    world.empties();
    assert_eq!(world.now - changed, millis(200));
}

#[test]
fn whoever_waits_when_its_credential_gets_a_quota_goes_by_it_as_soon_as_another_comes() {
    let (of_class, fast) = (quota(SECOND * 5, 1), per_second(10, 1));
    let mut world = World::new(terms(of_class));
    (0..3).for_each(|_| _ = world.comes_with(None));
    world.changes(terms(of_class));
    assert!(matches!(world.comes_with(Some(fast)), Arrival::Wait(..)));
    let changed = world.now;
    world.empties();
    assert_eq!(world.now - changed, millis(300));
}

#[test]
fn nobody_waits_longer_than_a_longest_wait_that_was_lowered() {
    let own = per_second(1, 1);
    let mut world = World::new(Terms { upstream: Some(own), ..terms(own) });
    (0..10).for_each(|who| _ = world.comes(read_of(who)));
    let short = Terms { max_wait: SECOND * 3, upstream: Some(own), ..terms(own) };
    world.changes(short);
    let changed = world.now;
    world.empties();
    let refused: Vec<_> = world.gone.iter().filter(|gone| gone.pass.is_none()).map(|gone| gone.at - changed).collect();
    assert!(!refused.is_empty() && refused.iter().all(|at| *at <= SECOND * 3 + millis(102)), "{refused:?}");
    assert_eq!(world.waiting(), 0);
}

#[test]
fn a_lane_whose_turn_it_is_waits_if_its_burst_has_shrunk() {
    let mut world = World::new(Terms { upstream: Some(per_second(1, 1)), ..terms(per_second(1, 10)) });
    (0..6).for_each(|_| _ = world.comes(read()));
    // It takes its place among those who share the quota of all.
    world.passes(millis(1));
    let gone = world.gone.len();
    world.changes(Terms { upstream: Some(per_second(100, 10)), ..terms(per_second(1, 1)) });
    world.passes(millis(500));
    assert_eq!(world.gone.len(), gone, "its next cell is a second away");
    world.empties();
    assert_eq!(world.waiting(), 0);
}

#[test]
fn rates_that_were_lowered_are_whole_again_when_they_are_no_longer_to_be() {
    let own = per_second(50, 1);
    let mut world = World::new(terms(own));
    for round in (0..4).step_by(2) {
        world.comes(read());
        world.answers(round, Verdict::TooMany(None));
        world.comes(read());
        world.empties();
        world.answers(round + 1, Verdict::Accepted);
        world.passes(SECOND);
    }
    let lowest = |world: &World| world.pacer.trouble(Class::Operator, world.now).lowest;
    assert!(lowest(&world) < 1.0);
    world.changes(Terms { is_adaptive: false, ..terms(own) });
    assert_eq!(lowest(&world), 1.0);
}

#[test]
fn where_more_wait_than_may_by_now_newcomers_are_told_to_come_when_they_have_gone() {
    let own = per_second(1, 1);
    let mut world = World::new(terms(own));
    (1..=8).for_each(|who| (0..3).for_each(|_| _ = world.comes(read_of(who))));
    assert_eq!(world.waiting(), 16);
    world.changes(Terms { max_waiting: 8, ..terms(own) });
    let told = world.comes(read_of(1));
    let Told::Refused(retry_after, Rejection::Full) = told else { panic!("{told:?}") };
    world.passes(retry_after);
    assert!(matches!(world.comes(read_of(1)), Told::Go | Told::Wait(_)), "after {retry_after:?}");
}

#[test]
fn a_lane_that_was_stopped_or_lowered_heeds_new_remedies() {
    let own = per_second(10, 1);
    let mut world = World::new(terms(own));
    assert!(goes(world.comes(read())));
    world.answers(0, Verdict::TooMany(Some(SECOND * 200)));
    world.changes(Terms { max_stop: SECOND * 2, ..terms(own) });
    world.passes(SECOND * 2);
    assert!(goes(world.comes(read())), "a probe goes");
}

#[test]
fn a_quota_of_all_that_is_taken_away_lets_those_go_who_wait_for_it() {
    let own = per_second(100, 10);
    let mut world = World::new(Terms { upstream: Some(per_second(1, 1)), ..terms(own) });
    (0..4).for_each(|who| _ = world.comes(read_of(who)));
    assert_eq!(world.waiting(), 3);
    world.changes(terms(own));
    world.passes(Duration::ZERO);
    assert_eq!(world.waiting(), 0);
    assert_eq!(world.gone.iter().filter(|gone| gone.pass.is_some()).count(), 4);
}

#[test]
fn a_quota_of_all_that_is_new_binds_those_who_wait() {
    let own = per_second(1, 1);
    let mut world = World::new(terms(own));
    (0..4).chain(0..4).for_each(|who| _ = world.comes(read_of(who)));
    world.changes(Terms { upstream: Some(per_second(1, 1)), ..terms(own) });
    world.empties();
    assert_conforming(&world.times(|_| true)[4..], &per_second(1, 1));
}

#[test]
fn fewer_lanes_are_allowed_once_those_that_are_there_are_idle() {
    let mut world = World::new(terms(per_second(1, 1)));
    (0..4).for_each(|who| _ = world.comes(read_of(who)));
    world.changes(Terms { max_lanes: 2, ..terms(per_second(1, 1)) });
    assert_eq!(world.pacer.count(Class::Operator).lanes, 4);
    world.passes(SECOND * 2);
    world.tidies();
    (4..8).for_each(|who| _ = world.comes(read_of(who)));
    assert_eq!(world.pacer.count(Class::Operator).lanes, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_same_terms_anew_change_nothing(
        rate in 1..50_u32,
        all in proptest::option::of(1..20_u32),
        first in steps(100, 4, 2),
        second in steps(100, 4, 2),
    ) {
        let terms = Terms { upstream: all.map(|rate| per_second(rate, 2)), ..terms(per_second(rate, 5)) };
        let [mut plain, mut changed] = [(); 2].map(|()| World::new(terms.clone()));
        play(&mut plain, &first);
        play(&mut changed, &first);
        changed.changes(terms);
        play(&mut plain, &second);
        play(&mut changed, &second);
        let told = |world: &World| world.came.iter().map(|came| came.told).collect::<Vec<_>>();
        prop_assert_eq!(told(&plain), told(&changed));
        prop_assert_eq!(plain.gone, changed.gone);
    }

    #[test]
    fn after_a_change_the_new_quota_holds_and_nobody_is_forgotten(
        (from, to) in (1..50_u32, 1..50_u32),
        (before, after) in (1..10_u32, 1..10_u32),
        (all_before, all_after) in (proptest::option::of(1..20_u32), proptest::option::of(1..20_u32)),
        first in steps(150, 4, 2),
        second in steps(150, 4, 2),
    ) {
        let all = |rate: Option<u32>| rate.map(|rate| per_second(rate, 2));
        let new = per_second(to, after);
        let mut world = World::new(Terms { upstream: all(all_before), ..terms(per_second(from, before)) });
        play(&mut world, &first);
        world.changes(Terms { upstream: all(all_after), ..terms(new) });
        let gone = world.gone.len();
        play(&mut world, &second);
        world.empties();
        prop_assert_eq!(world.waiting(), 0);
        let times = |select: &dyn Fn(&Ask) -> bool| -> Vec<Duration> {
            let later = world.gone[gone..].iter().filter(|gone| gone.pass.is_some());
            later.filter(|gone| select(&world.came[gone.who].ask)).map(|gone| gone.at).collect()
        };
        for who in 0..4 {
            assert_conforming_but_for(&times(&|ask| ask.owner == owner(who)), &new, TICK);
        }
        if let Some(quota) = all(all_after) {
            assert_conforming_but_for(&times(&|_| true), &quota, TICK);
        }
    }
}
