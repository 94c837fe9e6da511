//! What the upstream's refusals do.

use super::*;

const TOO_MANY: Verdict = Verdict::TooMany(None);

fn told_to_wait(seconds: u64) -> Verdict {
    Verdict::TooMany(Some(Duration::from_secs(seconds)))
}

/// One went and was refused.
fn refused(verdict: Verdict) -> World {
    let mut world = World::new(terms(per_second(5, 5)));
    assert_eq!(world.comes(read()), Told::Go);
    world.answers(0, verdict);
    world
}

/// When those who wait go, counted from now.
fn goes(world: &World, from: Duration, who: std::ops::Range<usize>) -> Vec<Option<u128>> {
    who.map(|who| world.went(who).map(|went| (went - from).as_millis())).collect()
}

#[test]
fn a_refusal_stops_all_and_one_probe_reopens() {
    let mut world = refused(TOO_MANY);
    let start = world.now;
    for _ in 0..4 {
        assert!(matches!(world.comes(read()), Told::Wait(_)));
    }
    world.passes(millis(1300));
    assert_eq!(goes(&world, start, 1..5), [Some(1000), None, None, None]);
    assert!(world.pass(1).is_probe);
    world.answers(1, Verdict::Accepted);
    world.empties();
    // There is no burst after a stop.
    assert_eq!(goes(&world, start, 2..5), [Some(1500), Some(1700), Some(1900)]);
}

#[test]
fn a_stop_lasts_as_the_upstream_says_within_the_bound() {
    for (verdict, seconds) in
        [(TOO_MANY, 1), (told_to_wait(7), 7), (told_to_wait(9000), 300), (Verdict::Unavailable(None), 1)]
    {
        let mut world = refused(verdict);
        world.passes(Duration::from_secs(seconds) - millis(1));
        assert_ne!(world.comes(read()), Told::Go, "{verdict:?}");
        world.passes(millis(1));
        assert!(world.went(1).is_some() || world.comes(read()) == Told::Go, "{verdict:?}");
    }
}

#[test]
fn refused_probes_double_the_stop_up_to_eight_seconds_and_an_accepted_one_ends_that() {
    let mut world = refused(TOO_MANY);
    let mut stops = Vec::new();
    for round in 1..7 {
        let stopped = world.now;
        world.comes(read());
        world.empties();
        stops.push((world.went(round).unwrap() - stopped).as_secs());
        world.answers(round, TOO_MANY);
    }
    assert_eq!(stops, [1, 2, 4, 8, 8, 8]);
    world.comes(read());
    world.empties();
    world.answers(7, Verdict::Accepted);
    world.passes(SECOND);
    world.comes(read());
    world.answers(8, TOO_MANY);
    let stopped = world.now;
    world.comes(read());
    world.empties();
    assert_eq!(world.went(9).unwrap() - stopped, SECOND);
}

#[test]
fn many_refusals_of_what_was_under_way_are_one_stop() {
    let mut world = World::new(terms(per_second(5, 5)));
    (0..5).for_each(|_| {
        world.comes(read());
    });
    let start = world.now;
    (0..5).for_each(|who| world.answers(who, TOO_MANY));
    world.comes(read());
    world.empties();
    assert_eq!(goes(&world, start, 5..6), [Some(1000)]);
    assert_eq!(world.pacer.trouble(Class::Operator, world.now).lowest, 1.0);
}

#[test]
fn a_later_refusal_of_the_same_event_can_only_lengthen_the_stop() {
    let mut world = World::new(terms(per_second(5, 5)));
    (0..3).for_each(|_| {
        world.comes(read());
    });
    let start = world.now;
    world.answers(0, told_to_wait(3));
    world.answers(1, told_to_wait(5));
    world.answers(2, told_to_wait(1));
    world.comes(read());
    world.empties();
    assert_eq!(goes(&world, start, 3..4), [Some(5000)]);
}

#[test]
fn those_who_would_wait_too_long_are_refused_when_the_stop_begins_and_the_others_keep_their_order() {
    let mut world = World::new(terms(per_second(1, 1)));
    (0..12).for_each(|_| {
        world.comes(read());
    });
    world.passes(millis(500));
    let start = world.now;
    world.answers(0, told_to_wait(8));
    // The probe at 8 s, a second for its answer, and then one a second: the bound of 15 s is kept for four of eleven.
    let refused: Vec<_> = world.gone.iter().filter(|gone| gone.pass.is_none()).map(|gone| gone.who).collect();
    assert_eq!(refused, [7, 8, 9, 10, 11]);
    world.passes(Duration::from_secs(8));
    world.answers(1, Verdict::Accepted);
    world.empties();
    assert_eq!(goes(&world, start, 1..7), [8000, 9000, 10_000, 11_000, 12_000, 13_000].map(Some));
}

#[test]
fn a_newcomer_waits_or_is_refused_by_the_same_rule() {
    let mut world = refused(told_to_wait(5));
    assert_eq!(world.comes(read()), Told::Wait(Duration::from_secs(5) * 4 / 3 + (SECOND + millis(200)) * 4));
    let mut world = refused(told_to_wait(60));
    // In 48.75 s the rest of the stop is three quarters of the longest wait.
    assert_eq!(world.comes(read()), Told::Refused(millis(48_750), Rejection::Stopped));
    world.passes(millis(48_750));
    assert!(matches!(world.comes(read()), Told::Wait(_)));
}

#[test]
fn a_stopped_lane_says_that_nothing_is_left() {
    let mut world = refused(told_to_wait(60));
    let id = world.pacer.table.find(Class::Operator, owner(1)).unwrap();
    let own = |world: &World| world.pacer.rate_limit(id, world.now).own;
    assert_eq!((own(&world).left, own(&world).lasts_seconds), (0, 60));
    world.passes(Duration::from_secs(60));
    assert_eq!(own(&world).left, 5, "a probe may go");
}

#[test]
fn a_wait_of_zero_is_none_and_so_is_backed_off_from() {
    let mut world = refused(told_to_wait(0));
    let start = world.now;
    world.comes(read());
    world.empties();
    assert_eq!(goes(&world, start, 1..2), [Some(1000)]);
}

#[test]
fn a_probe_that_is_lost_while_nobody_waits_costs_the_next_nothing() {
    let mut world = World::new(terms(quota(Duration::from_secs(60), 5)));
    world.comes(read());
    world.answers(0, TOO_MANY);
    world.passes(SECOND);
    assert_eq!(world.comes(read()), Told::Go);
    let probe = world.pass(1);
    world.pacer.lost_probe(world.now, &probe);
    world.passes(Duration::from_secs(600));
    assert_eq!(world.comes(read()), Told::Go);
}

#[test]
fn those_who_are_refused_while_they_wait_are_told_the_truth() {
    let mut world = World::new(terms(per_second(1, 1)));
    (0..11).for_each(|_| {
        world.comes(read());
    });
    world.comes(write());
    let id = world.pacer.table.find(Class::Operator, owner(1)).unwrap();
    let mut released = world.pacer.answered(world.now, &world.pass(0), told_to_wait(60)).unwrap().released;
    assert_eq!(released.len(), 11);
    assert!(world.pacer.table.lane(id).line.is_empty());
    let waits = released.drain(..).map(|(who, release)| match release {
        Release::Refused(refusal) => (world.came[who].ask.rank, refusal.retry_after),
        Release::Go(_) => panic!("{who} goes"),
    });
    // A write may wait for the whole of the longest wait, a read for three quarters.
    for (rank, retry_after) in waits {
        assert_eq!(retry_after, if rank == Rank::Write { millis(45_000) } else { millis(48_750) });
    }
}

#[test]
fn a_probe_that_is_lost_is_replaced_at_once() {
    let mut world = refused(TOO_MANY);
    (0..3).for_each(|_| {
        world.comes(read());
    });
    world.passes(millis(1100));
    let probe = world.pass(1);
    world.pacer.lost_probe(world.now, &probe);
    world.passes(Duration::ZERO);
    assert!(world.pass(2).is_probe);
    assert!(world.went(3).is_none());
}

#[test]
fn a_probe_of_which_nothing_is_heard_holds_the_lane_for_a_second_only() {
    let mut world = refused(TOO_MANY);
    let start = world.now;
    (0..3).for_each(|_| {
        world.comes(read());
    });
    world.empties();
    assert_eq!(goes(&world, start, 1..4), [Some(1000), Some(2200), Some(2400)]);
}

#[test]
fn waits_that_were_predicted_during_a_stop_hold() {
    for answer in [None, Some(Verdict::Accepted)] {
        let mut world = refused(TOO_MANY);
        (0..30).for_each(|_| {
            world.comes(read());
        });
        world.passes(SECOND);
        if let Some(verdict) = answer {
            world.answers(1, verdict);
        }
        (0..10).for_each(|_| {
            world.comes(read());
        });
        world.empties();
        for (who, came) in world.came.iter().enumerate() {
            if let (Told::Wait(predicted), Some(went)) = (came.told, world.went(who)) {
                assert!(went - came.at <= predicted, "{who}");
            }
        }
    }
}

#[test]
fn a_refusal_that_comes_when_its_lane_is_forgotten_stops_the_credential_all_the_same() {
    let mut world = World::new(terms(per_second(5, 5)));
    world.comes(read());
    world.passes(Duration::from_secs(30));
    world.tidies();
    assert_eq!(world.pacer.count(Class::Operator).lanes, 0);
    world.answers(0, TOO_MANY);
    assert_ne!(world.comes(read()), Told::Go);
}

#[test]
fn a_second_refusal_within_a_minute_lowers_the_rate_which_recovers_in_ten() {
    let mut world = World::new(terms(per_second(50, 1)));
    // One is refused, a probe reopens, and the next has its cell.
    let refuse = |world: &mut World| {
        let who = world.came.len();
        assert_eq!(world.comes(read()), Told::Go);
        world.answers(who, TOO_MANY);
        world.comes(read());
        world.empties();
        world.answers(who + 1, Verdict::Accepted);
        world.passes(SECOND);
    };
    let lowest = |world: &World| world.pacer.trouble(Class::Operator, world.now).lowest;
    refuse(&mut world);
    assert_eq!(lowest(&world), 1.0);
    refuse(&mut world);
    let low = lowest(&world);
    assert!((0.4..=0.86).contains(&low), "{low}");
    world.passes(Duration::from_secs(60));
    assert!((lowest(&world) - low - 0.1).abs() < 1e-9);
    world.passes(Duration::from_secs(540));
    assert_eq!(lowest(&world), 1.0);
    world.tidies();
    assert_eq!(world.pacer.count(Class::Operator).lanes, 0, "all is forgotten");
}

#[test]
fn what_is_not_adaptive_never_lowers_its_rate() {
    let mut world = World::new(Terms { is_adaptive: false, ..terms(per_second(50, 1)) });
    for round in (0..6).step_by(2) {
        world.comes(read());
        world.answers(round, TOO_MANY);
        world.comes(read());
        world.empties();
        world.answers(round + 1, Verdict::Accepted);
        world.passes(SECOND);
    }
    assert_eq!(world.pacer.trouble(Class::Operator, world.now).lowest, 1.0);
}

/// An upstream with a limit of its own: a bucket of so many cells.
#[test]
fn below_a_hidden_limit_a_credential_settles_close_to_it() {
    let hidden = per_second(20, 20);
    let mut bucket = Bucket::default();
    let mut world = World::new(terms(per_second(50, 25)));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut seen = 0;
    let start = world.now;
    while world.now - start < Duration::from_secs(600) {
        world.comes(read());
        world.passes(millis(16));
        // An answer comes some milliseconds later; here at the next look.
        while seen < world.gone.len() {
            let Gone { who, at, pass } = world.gone[seen];
            seen += 1;
            if pass.is_none() {
                continue;
            }
            let conforms = bucket.next(&hidden) <= at;
            if conforms {
                bucket.take(&hidden, at);
                good.push(at - start);
                world.answers(who, Verdict::Accepted);
            } else {
                bad.push(at - start);
                world.answers(who, TOO_MANY);
            }
        }
    }
    let within = |times: &[Duration], from: u64, to: u64| {
        times.iter().filter(|at| (from..to).contains(&at.as_secs())).count() as f64
    };
    let share = within(&bad, 60, 600) / (within(&bad, 60, 600) + within(&good, 60, 600));
    let goodput = within(&good, 60, 600) / 540.0;
    println!("after a minute {:.2} % refused, {goodput:.2}/s of 20/s", share * 100.0);
    assert!(share < 0.01, "{share}");
    assert!(goodput > 17.0, "{goodput}");
}
