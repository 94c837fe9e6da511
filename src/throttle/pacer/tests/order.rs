//! Who goes before whom.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn each_rank_goes_in_the_order_of_arrival_and_no_read_overtakes_a_write(
        rate in 1..50_u32,
        burst in 1..10_u32,
        steps in steps(250, 2, 2),
    ) {
        let mut world = World::new(terms(per_second(rate, burst)));
        play(&mut world, &steps);
        world.empties();
        let order: Vec<_> = world.gone.iter().map(|gone| gone.who).collect();
        for (place, earlier) in order.iter().enumerate() {
            for later in &order[place + 1..] {
                let (first, second) = (world.came[*earlier].ask, world.came[*later].ask);
                // One who went first though it came later:
                if earlier > later && first.owner == second.owner {
                    prop_assert_eq!((first.rank, second.rank), (Rank::Write, Rank::Foreground));
                }
            }
        }
    }
}

#[test]
fn a_write_goes_ahead_of_the_reads_that_wait() {
    let mut world = World::new(terms(per_second(5, 1)));
    world.comes(read());
    (0..20).for_each(|_| {
        world.comes(read());
    });
    assert_eq!(world.comes(write()), Told::Wait(millis(200)));
    world.passes(millis(200));
    assert!(world.went(21).is_some());
    assert!(world.went(1).is_none());
}

#[test]
fn writes_do_not_starve_reads() {
    let mut world = World::new(terms(per_second(5, 1)));
    world.comes(read());
    let Told::Wait(predicted) = world.comes(read()) else { panic!("it waits") };
    // Four cells are what a read can spare, and a third of its own wait.
    assert_eq!(predicted, millis(200) * 4 / 3 + millis(800));
    let start = world.now;
    for _ in 0..100 {
        world.comes(write());
        world.passes(millis(100));
    }
    assert!(world.went(1).unwrap() - start <= predicted);
}

#[test]
fn in_a_line_full_of_reads_a_write_still_waits_for_one_cell_only() {
    let mut world = World::new(terms(per_second(5, 5)));
    while !matches!(world.comes(read()), Told::Refused(..)) {}
    assert_eq!(world.comes(write()), Told::Wait(millis(200)));
}

#[test]
fn of_fifty_writes_at_once_in_a_line_full_of_reads_about_half_are_let_in() {
    let mut world = World::new(terms(per_second(5, 5)));
    while !matches!(world.comes(read()), Told::Refused(..)) {}
    let waits = (0..50).map(|_| world.comes(write())).filter(|told| matches!(told, Told::Wait(_))).count();
    assert!((18..40).contains(&waits), "{waits}");
    world.empties();
}

#[test]
fn however_many_writes_come_reads_are_let_in_behind_them() {
    let mut world = World::new(terms(per_second(5, 5)));
    let (mut let_in, start) = (0, world.now);
    while world.now - start < Duration::from_secs(60) {
        while !matches!(world.comes(write()), Told::Refused(..)) {}
        let_in += usize::from(matches!(world.comes(read()), Told::Wait(_)));
        world.passes(millis(200));
    }
    let served = world.times(|ask| ask.rank == Rank::Foreground).len();
    assert!(let_in > 20 && served > 15, "{let_in} let in, {served} served of 300 cells");
}

#[test]
fn background_work_takes_only_a_cell_that_would_be_lost() {
    let mut world = World::new(terms(per_second(5, 5)));
    let background = ask(Rank::Background);
    assert_eq!(world.comes(background), Told::Go);
    assert_eq!(world.comes(background), Told::Refused(millis(200), Rejection::NoSpareCell));
    world.passes(millis(199));
    assert!(matches!(world.comes(background), Told::Refused(..)), "the bucket is not full yet");
    world.passes(millis(1));
    assert_eq!(world.comes(background), Told::Go);
    // The burst is there for those who are waited for, but for the one cell.
    let went = (0..5).filter(|_| world.comes(read()) == Told::Go).count();
    assert_eq!(went, 4);
    assert!(matches!(world.comes(background), Told::Refused(..)), "it does not wait either");
}

#[test]
fn ten_peers_that_ask_too_much_of_one_credential_get_the_same_each() {
    let mut world = World::new(terms(per_second(50, 20)));
    let start = world.now;
    // Each asks for about thrice its share, at moments of its own; some for a little more than others.
    for tick in 0..60_000_u64 {
        world.passes(millis(1));
        let from = tick * 7919 % 71 % 10;
        if tick % 6 == from % 6 {
            world.comes(Ask { peer: peer(u8::try_from(from).unwrap()), ..read() });
        }
    }
    let since = |from| world.times(|ask| ask.peer == peer(from)).into_iter().filter(|at| *at - start > SECOND * 20);
    let served: Vec<_> = (0..10).map(|from| since(from).count()).collect();
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(most * 100 <= least * 105, "{served:?}");
}

#[test]
fn a_peer_that_asks_for_everything_leaves_room_for_the_others() {
    let mut world = World::new(terms(per_second(20, 5)));
    let greedy = Ask { peer: peer(0), is_rested: false, ..read() };
    for _ in 0..3000 {
        world.passes(millis(5));
        world.comes(greedy);
    }
    for polite in 1..10 {
        let told = world.comes(Ask { peer: peer(polite), ..read() });
        assert!(matches!(told, Told::Wait(_)), "{polite}: {told:?}");
    }
    assert!(matches!(world.comes(greedy), Told::Refused(_, Rejection::Unfair)));
}

#[test]
fn on_one_address_whoever_has_rested_finds_room_that_whoever_asks_on_and_on_cannot_fill() {
    let mut world = World::new(terms(per_second(20, 5)));
    let greedy = Ask { is_rested: false, ..read() };
    for _ in 0..3000 {
        world.passes(millis(5));
        world.comes(greedy);
    }
    // Who has not rested is told to, and will be let in.
    assert_eq!(world.comes(greedy), Told::Refused(SECOND, Rejection::Unfair));
    for polite in 1..10 {
        assert!(matches!(world.comes(read()), Told::Wait(_)), "{polite}");
    }
}

#[test]
fn whoever_has_rested_has_the_whole_line() {
    let count = |is_rested| {
        let mut world = World::new(terms(per_second(5, 1)));
        world.comes(read());
        let ask = Ask { is_rested, ..read() };
        (0..100).filter(|_| matches!(world.comes(ask), Told::Wait(_))).count()
    };
    // Three quarters of 15 s at 5/s, and seven eighths of that.
    assert_eq!([true, false].map(count), [56, 49]);
}
