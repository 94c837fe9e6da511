//! What can be made to go wrong, and the gates that hold requests.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::{Chance, Emulator, Endpoint, Fault, Target};
use super::wire::{Ask, Reply, acme};

const LIST: &str = "GET /api/operator?organizationId=24";

fn list(chathub: &Emulator) -> Ask<'_> {
    acme(chathub, LIST)
}

async fn add(chathub: &Emulator) -> Option<Reply> {
    let body = r#"[{"organizationId":24,"name":"Ann"},{"organizationId":6,"name":"Ben"}]"#;
    acme(chathub, "POST /api/operator/synchronize").json(body).try_send().await
}

#[tokio::test]
async fn a_fault_befalls_the_next_requests_of_its_endpoint_only() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(503), Some(2));
    assert_eq!(acme(&chathub, "GET /api/company/organization").send().await.status, 200);
    for status in [503, 503, 200] {
        let reply = list(&chathub).send().await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn deciding_faults_take_turns_and_adding_ones_join() {
    let chathub = Emulator::start().await;
    let field = ("Set-Cookie".to_owned(), "a=b".to_owned());
    chathub.fault(Endpoint::ListOperators, Fault::StatusBefore(500), Some(1));
    chathub.fault(Target::Any, Fault::Fields(vec![field]), Some(2));
    chathub.fault(Endpoint::ListOperators, Fault::StatusAfter(502), Some(1));
    for (status, cookie) in [(500, Some("a=b")), (502, Some("a=b")), (200, None)] {
        let reply = list(&chathub).send().await;
        assert_eq!((reply.status, reply.field("set-cookie")), (status, cookie));
    }
}

#[tokio::test]
async fn a_standing_fault_stays_until_cleared() {
    let chathub = Emulator::start().await;
    chathub.fault(Target::Any, Fault::StatusBefore(500), None);
    for _ in 0..3 {
        assert_eq!(list(&chathub).send().await.status, 500);
    }
    chathub.clear_faults();
    assert_eq!(list(&chathub).send().await.status, 200);
}

#[tokio::test]
async fn faults_before_applying_change_nothing_and_faults_after_it_do() {
    for (fault, status, applied) in [
        (Fault::DropBefore, None, 0),
        (Fault::DropAfter, None, 1),
        (Fault::StatusBefore(502), Some(502), 0),
        (Fault::StatusAfter(502), Some(502), 1),
        (Fault::Html, Some(200), 0),
        (Fault::Unauthorized, Some(401), 0),
        (Fault::PartialSynchronize(1), Some(500), 1),
        (Fault::Large(100), Some(200), 1),
        (Fault::StatusBefore(429), Some(429), 0),
    ] {
        let chathub = Emulator::start().await;
        chathub.fault(Endpoint::Synchronize, fault.clone(), Some(1));
        let reply = add(&chathub).await;
        assert_eq!(reply.map(|reply| reply.status), status, "{fault:?}");
        assert_eq!(chathub.applied().len(), applied, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_left_to_chance_follows_from_the_seed() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let chathub = Emulator::start().await;
        let chance = Chance { target: Target::Any, per_thousand: 500, fault: Fault::StatusBefore(503) };
        chathub.leave_to_chance(seed, vec![chance]);
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(list(&chathub).send().await.status);
        }
        assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
        chathub.clear_faults();
        assert_eq!(list(&chathub).send().await.status, 200);
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_partial_synchronize_adds_the_first_items() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::Synchronize, Fault::PartialSynchronize(1), Some(1));
    add(&chathub).await;
    assert_eq!(chathub.applied()[0].organizations, [24]);
}

#[tokio::test]
async fn a_cut_body_ends_without_its_last_chunk() {
    let chathub = Emulator::start().await;
    let whole = list(&chathub).send().await;
    chathub.fault(Endpoint::ListOperators, Fault::CutBody, Some(1));
    let cut = list(&chathub).send().await;
    assert_eq!((cut.status, cut.is_complete), (200, false));
    assert!(!cut.body.is_empty() && whole.body.starts_with(&cut.body));
    let outcomes: Vec<_> = chathub.tallies().into_iter().map(|tally| tally.outcome).collect();
    assert_eq!(outcomes, ["200", "dropped"]);
}

#[tokio::test]
async fn a_body_that_hangs_keeps_its_connection_open() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::HangInBody, Some(1));
    let mut stream = TcpStream::connect(chathub.authority()).await.unwrap();
    let (key, host) = (chathub.profile_key("acme"), chathub.authority());
    let head = format!("{LIST} HTTP/1.1\r\nHost: {host}\r\nX-Authorization-Key: {key}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains("John Smith") {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(!text.contains("Mike Wilson"));
    let more = stream.try_read(&mut [0; 1]);
    assert_eq!(more.map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
}

#[tokio::test]
async fn a_page_of_html_comes_with_200() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::Html, Some(1));
    let reply = list(&chathub).send().await;
    assert_eq!((reply.status, reply.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(reply.text().starts_with("<!DOCTYPE html>"));
}

#[tokio::test]
async fn a_large_answer_is_json_of_that_size() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::Large(1_000_000), Some(1));
    let reply = list(&chathub).send().await;
    assert_eq!((reply.body.len(), reply.json().is_array()), (1_000_000, true));
}

#[tokio::test]
async fn latency_holds_until_the_clock_has_moved() {
    let chathub = Emulator::start().await;
    chathub.fault(Endpoint::ListOperators, Fault::LatencyBefore(Duration::from_secs(3600)), Some(1));
    let (reply, ()) = tokio::join!(list(&chathub).send(), async {
        chathub.wait_for_requests(Endpoint::ListOperators, 1).await;
        chathub.clock().advance(Duration::from_secs(3600));
    });
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn latency_in_real_time_is_waited_for() {
    let chathub = Emulator::start().await;
    chathub.switch(|switches| switches.latency_after = Duration::from_millis(30));
    let began = chathub.clock().now();
    list(&chathub).send().await;
    assert!(chathub.clock().now() - began >= Duration::from_millis(30));
}

#[tokio::test]
async fn a_gate_holds_requests_until_it_is_released() {
    let chathub = Emulator::start().await;
    let gate = chathub.stall(Endpoint::ListOperators);
    let (first, second, ()) = tokio::join!(list(&chathub).send(), list(&chathub).send(), async {
        gate.reached(2).await;
        assert_eq!(gate.inside(), 2);
        assert_eq!(acme(&chathub, "GET /api/company/organization").send().await.status, 200);
        gate.release();
    });
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(list(&chathub).send().await.status, 200, "a released gate holds nobody");
}

#[tokio::test]
async fn a_gate_lets_one_request_through_at_a_time() {
    let chathub = Emulator::start().await;
    let gate = chathub.stall(Endpoint::ListOperators);
    let first = async {
        let reply = list(&chathub).send().await;
        assert_eq!(gate.inside(), 1);
        gate.release();
        reply
    };
    let (first, second, ()) = tokio::join!(first, list(&chathub).send(), async {
        gate.reached(2).await;
        gate.release_one();
    });
    assert_eq!((first.status, second.status), (200, 200));
}

#[tokio::test]
async fn an_answer_held_at_the_gate_is_older_than_the_write_that_passed_it() {
    let chathub = Emulator::start().await;
    let gate = chathub.stall_answers(Endpoint::ListOperators);
    let (held, ()) = tokio::join!(list(&chathub).send(), async {
        gate.reached(1).await;
        add(&chathub).await;
        drop(gate);
    });
    assert!(!held.text().contains("Ann"));
    assert!(list(&chathub).send().await.text().contains("Ann"));
}

#[tokio::test]
async fn a_write_is_applied_though_its_client_has_gone() {
    let chathub = Emulator::start().await;
    let gate = chathub.stall(Endpoint::Synchronize);
    tokio::select! {
        _ = add(&chathub) => panic!("the gate is closed"),
        () = gate.reached(1) => {}
    }
    gate.release();
    while chathub.applied().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_dropped_emulator_frees_its_port() {
    let chathub = Emulator::start().await;
    let (url, port) = (chathub.authority(), chathub.authority().rsplit_once(':').unwrap().1.parse().unwrap());
    drop(chathub);
    let again = loop {
        if let Ok(again) = Emulator::builder().port(port).try_start().await {
            break again;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(again.authority(), url);
}
