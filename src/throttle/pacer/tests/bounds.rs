//! Quotas and tables are never exceeded.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_span_of_time_holds_more_than_burst_and_rate_allow(
        period in 1..2_000_000_000_u64,
        burst in 1..10_u32,
        steps in steps(250, 1, 3),
    ) {
        let quota = quota(Duration::from_nanos(period), burst);
        let mut world = World::new(terms(quota));
        play(&mut world, &steps);
        world.empties();
        assert_conforming(&world.times(|_| true), &quota);
    }

    #[test]
    fn a_late_timer_adds_no_more_than_what_the_rate_gives_in_a_tick(
        rate in 1..2000_u32,
        burst in 1..10_u32,
        lateness in 0..5_000_u64,
        steps in steps(250, 1, 3),
    ) {
        let quota = per_second(rate, burst);
        let mut world = World { lateness: Duration::from_micros(lateness), ..World::new(terms(quota)) };
        play(&mut world, &steps);
        world.passes(Duration::from_secs(60));
        assert_conforming_but_for(&world.times(|_| true), &quota, millis(2));
    }

    #[test]
    fn neither_eviction_nor_a_full_table_gives_anybody_a_fresh_burst(
        rate in 1..20_u32,
        burst in 1..10_u32,
        max_lanes in 1..4_usize,
        steps in steps(250, 6, 1),
    ) {
        let quota = per_second(rate, burst);
        let mut world = World::new(Terms { max_lanes, ..terms(quota) });
        for step in &steps {
            play(&mut world, std::slice::from_ref(step));
            world.pacer.tidy(world.now, 16);
            prop_assert!(world.pacer.count(Class::Operator).lanes <= max_lanes);
        }
        world.empties();
        for who in 0..6 {
            assert_conforming(&world.times(|ask| ask.owner == owner(who)), &quota);
        }
    }
}

#[test]
fn idle_credentials_make_room_and_busy_ones_stay() {
    let mut world = World::new(Terms { max_lanes: 2, ..terms(per_second(1, 5)) });
    world.comes(read_of(1));
    world.passes(Duration::from_secs(5));
    world.comes(read_of(2));
    world.comes(read_of(3));
    let left: Vec<_> = (1..=3).map(|who| world.pacer.table.find(Class::Operator, owner(who)).is_some()).collect();
    assert_eq!(left, [false, true, true]);
}

#[test]
fn those_who_find_no_lane_share_one_burst() {
    let mut world = World::new(Terms { max_lanes: 2, ..terms(per_second(1, 5)) });
    [1, 2].iter().for_each(|who| {
        world.comes(read_of(*who));
    });
    let went = (3..20).filter(|who| world.comes(read_of(*who)) == Told::Go).count();
    assert_eq!(went, 5);
}

#[test]
fn a_hundred_thousand_idle_credentials_are_forgotten_and_their_memory_given_back() {
    let mut world = World::new(Terms { max_lanes: 100_000, ..terms(per_second(1, 5)) });
    for who in 0..100_000 {
        world.comes(read_of(who));
    }
    assert_eq!(world.pacer.count(Class::Operator).lanes, 100_000);
    world.passes(SECOND);
    world.tidies();
    assert_eq!(world.pacer.count(Class::Operator).lanes, 0);
    assert!(world.pacer.table.capacity() < 2000, "{}", world.pacer.table.capacity());
}

#[test]
fn no_more_wait_than_may_in_one_line_and_in_all() {
    let mut world = World::new(Terms { max_waiting_per_lane: 4, max_waiting: 8, ..terms(per_second(1, 1)) });
    let tell = |world: &mut World, who| (0..6).map(|_| world.comes(read_of(who))).collect::<Vec<_>>();
    let is_wait = |told: &Told| matches!(told, Told::Wait(_));
    let first = tell(&mut world, 1);
    // A quarter of the places is for writes. The first of three goes in a second, and makes room.
    assert_eq!(first.iter().filter(|told| is_wait(told)).count(), 3);
    assert_eq!(first[4], Told::Refused(SECOND, Rejection::LineFull));
    assert!(is_wait(&world.comes(write())));
    let second = tell(&mut world, 2);
    assert_eq!(second.iter().filter(|told| is_wait(told)).count(), 2);
    assert_eq!(second[3], Told::Refused(SECOND, Rejection::Full));
    assert_eq!(world.waiting(), 6);
}

#[test]
fn the_places_that_are_for_newcomers_are_so_in_number_too() {
    let mut world = World::new(Terms { max_waiting_per_lane: 64, ..terms(per_second(50, 1)) });
    let greedy = Ask { is_rested: false, ..read() };
    world.comes(read());
    let waits = |world: &mut World, ask| (0..100).filter(|_| matches!(world.comes(ask), Told::Wait(_))).count();
    assert_eq!(waits(&mut world, greedy), 42);
    assert_eq!(waits(&mut world, read()), 6);
    assert_eq!(waits(&mut world, write()), 16);
}

#[test]
fn with_no_room_to_wait_whoever_is_over_quota_is_refused() {
    for (in_line, in_all) in [(0, 10), (10, 0)] {
        let bounds = Terms { max_waiting_per_lane: in_line, max_waiting: in_all, ..terms(per_second(1, 1)) };
        let mut world = World::new(bounds);
        assert_eq!(world.comes(read()), Told::Go);
        assert!(matches!(world.comes(read()), Told::Refused(wait, _) if wait == SECOND));
    }
}

#[test]
fn classes_and_credentials_do_not_wait_for_one_another() {
    let mut world = World::new(terms(per_second(1, 1)));
    assert_eq!(world.comes(read()), Told::Go);
    assert!(matches!(world.comes(read()), Told::Wait(_)));
    assert_eq!(world.comes(read_of(2)), Told::Go);
    assert_eq!(world.comes(Ask { class: Class::Other, ..read() }), Told::Go);
}

#[test]
fn whoever_leaves_the_crowd_takes_along_what_it_used_and_that_it_was_stopped() {
    let mut world = World::new(Terms { max_lanes: 1, ..terms(per_second(1, 5)) });
    world.comes(read_of(1));
    (0..5).for_each(|_| assert_eq!(world.comes(read_of(2)), Told::Go));
    world.answers(3, Verdict::TooMany(Some(Duration::from_secs(7))));
    world.passes(SECOND);
    world.tidies();
    // There is room for it now.
    assert!(matches!(world.comes(read_of(2)), Told::Wait(_)));
    assert!(world.pacer.table.find(Class::Operator, owner(2)).is_some());
    let start = world.now;
    world.empties();
    assert_eq!(world.went(6).unwrap() - start, Duration::from_secs(6));
}

#[test]
fn a_late_refusal_does_not_stop_the_crowd() {
    let mut world = World::new(Terms { max_lanes: 1, ..terms(per_second(1, 1)) });
    world.comes(read_of(1));
    world.passes(SECOND);
    world.tidies();
    world.comes(read_of(2));
    world.answers(0, Verdict::TooMany(None));
    assert_eq!(world.comes(read_of(3)), Told::Go, "in the crowd");
}

#[test]
fn a_quota_of_its_own_holds_though_the_table_is_full() {
    let mut world = World::new(Terms { max_lanes: 1, ..terms(per_second(1, 5)) });
    world.comes(read_of(1));
    let told = || Some(special(per_second(1, 2)));
    let went = (0..5).filter(|_| matches!(world.pacer.arrive(world.now, &read_of(2), 1, told, || 0).0, Arrival::Go(_)));
    assert_eq!(went.count(), 2);
}

#[test]
fn a_credential_may_have_a_quota_of_its_own() {
    let mut world = World::new(terms(per_second(1, 1)));
    let told = Some(special(per_second(10, 3)));
    let went = (0..5).filter(|_| matches!(world.pacer.arrive(world.now, &read(), 1, || told, || 0).0, Arrival::Go(_)));
    assert_eq!(went.count(), 3);
}
