//! The program from its start to its end: the subcommands that ask it, the exit codes, and restarts without a gap.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};

use crate::support::client::Client;
use crate::support::connection::Connection;
use crate::support::emulator::{Emulator, Endpoint, Fault, RateLimit};
use crate::support::nowhere::Nowhere;
use crate::support::program::{Program, run};
use crate::support::{eventually, soon};

/// How often the gateway is restarted under load. More with `RESTARTS=100`.
const RESTARTS: usize = 5;

const GET: &str = "GET /api/chat/chats HTTP/1.1\r\nhost: h\r\n";

/// Runs a subcommand that asks the program with this admin listener.
async fn ask(admin: SocketAddr, arguments: &'static str) -> Output {
    spawn_blocking(move || {
        let admin = admin.to_string();
        let arguments: Vec<_> = arguments.split(' ').chain(["--admin-listen", &admin]).collect();
        run(&arguments, &[])
    })
    .await
    .expect("a subcommand does not panic")
}

fn told(output: &Output) -> (Option<i32>, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).expect("what it says is text").trim_end();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_probe_tells_how_the_program_is_and_fails_with_a_reason_if_it_is_not_so() {
    let chathub = Emulator::start().await;
    let program = Program::before(&chathub.url(), &[("CHATHUB_GATEWAY__SERVER__DRAIN_DELAY", "20s")]).await;
    let admin = program.admin_address;
    for (probe, said) in [("probe", "ready"), ("probe live", "alive"), ("probe started", "started"), ("wait", "ready")]
    {
        assert_eq!(told(&ask(admin, probe).await), (Some(0), said, ""), "{probe}");
    }

    program.terminate();

    let is_ready = || async { ask(admin, "probe").await.status.code() };
    eventually(is_ready, |code| *code == Some(1)).await;
    let output = ask(admin, "probe").await;
    let reason = format!("chathub-gateway: {admin} answered 503 Service Unavailable to /readyz: draining");
    assert_eq!(told(&output), (Some(1), "", reason.as_str()));
    assert_eq!(told(&ask(admin, "probe live").await).0, Some(0), "it still serves");
    let output = ask(admin, "wait --timeout 200ms").await;
    assert!(told(&output).2.starts_with("chathub-gateway: not within 200ms: "), "{output:?}");
}

#[tokio::test]
async fn a_probe_of_what_is_not_there_says_where_it_asked() {
    let nowhere = Nowhere::new();
    let free = nowhere.address();
    let output = ask(free, "probe").await;
    let (code, _, reason) = told(&output);
    assert_eq!(code, Some(1));
    assert!(reason.starts_with(&format!("chathub-gateway: ask {free} for /readyz: ")), "{reason}");
    let output = ask(([127, 0, 0, 1], 0).into(), "quit").await;
    assert!(told(&output).2.contains("admin.listen names no port"), "{output:?}");
}

#[tokio::test]
async fn a_probe_does_not_fail_for_what_is_wrong_elsewhere_in_the_settings() {
    let chathub = Emulator::start().await;
    let program = Program::before(&chathub.url(), &[]).await;
    let admin = program.admin_address.to_string();
    let file = format!("{}/lifecycle_settings.toml", env!("CARGO_TARGET_TMPDIR"));
    let ask = |command: &str, flags: &[&str], settings: &str| {
        std::fs::write(&file, settings).unwrap();
        let output = run(&[&[command], flags].concat(), &[("CHATHUB_GATEWAY_CONFIG", file.as_str())]);
        let (code, said, reason) = told(&output);
        (code, format!("{said}{reason}"))
    };
    let by_flag = ["--admin-listen", admin.as_str()];
    let secret = "admin.token_file = \"/nowhere/token\"\n";
    let wrong = format!(
        "admin.max_connections = 0\nadmin.of_the_next_version = 1\nserver.drain_deadline = \"1\"\ncache.max_bdy = 1\nserver.drain_delay = \"9h\"\n{secret}"
    );
    let ready = (Some(0), "ready".to_owned());

    assert_eq!(ask("probe", &[], &format!("admin.listen = \"{admin}\"\n{wrong}")), ready);
    assert_eq!(ask("wait", &by_flag, &wrong), ready);
    assert_eq!(ask("probe", &by_flag, "[this is no TOML"), ready);

    let refused = [
        ("probe", [].as_slice(), "[this is no TOML", 78, "settings.toml:1:"),
        ("probe", &[], "admin.listen = \"here\"\ncache.max_bdy = 1", 78, "admin.listen = \"here\": "),
        ("quit", &by_flag, secret, 1, "read the secret in /nowhere/token (admin.token_file): "),
        ("drain", &by_flag, secret, 1, "read the secret in /nowhere/token (admin.token_file): "),
    ];
    for (command, flags, settings, code, reason) in refused {
        let (ended, said) = ask(command, flags, settings);
        assert!(
            ended == Some(code) && said.contains(reason) && said.lines().count() == 1,
            "{command}: {ended:?} {said}"
        );
    }
}

#[tokio::test]
async fn whoever_may_not_purge_may_not_end_the_program_either() {
    let chathub = Emulator::start().await;
    let file = format!("{}/lifecycle_secret", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, "long-random-word\n").unwrap();
    let secret = [("CHATHUB_GATEWAY__ADMIN__TOKEN_FILE", file.as_str())];
    let program = Program::before(&chathub.url(), &secret).await;
    let admin = program.admin_address;
    for command in ["drain", "quit"] {
        let output = ask(admin, command).await;
        let (code, _, reason) = told(&output);
        assert!(code == Some(1) && reason.contains("403 Forbidden"), "{command}: {reason}");
    }
    assert_eq!(told(&ask(admin, "probe").await).0, Some(0));

    let admin = admin.to_string();
    let output = run(&["quit", "--admin-listen", &admin], &secret);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(program.ends().await.code, Some(0));
}

#[tokio::test]
async fn who_knows_that_nobody_is_coming_any_more_spares_the_program_the_wait() {
    let chathub = Emulator::start().await;
    let slow = [("CHATHUB_GATEWAY__SERVER__DRAIN_DELAY", "5m"), ("CHATHUB_GATEWAY__SERVER__DRAIN_DEADLINE", "10m")];
    for is_stopping in [false, true] {
        let program = Program::before(&chathub.url(), &slow).await;
        let admin = program.admin_address;
        if is_stopping {
            program.terminate();
            let is_ready = || async { ask(admin, "probe").await.status.code() };
            eventually(is_ready, |code| *code == Some(1)).await;
        }

        assert_eq!(told(&ask(admin, "quit --now").await).0, Some(0));

        assert_eq!(program.ends().await.code, Some(0), "stopping before: {is_stopping}");
    }
}

#[tokio::test]
async fn a_program_that_drains_serves_on_tells_connections_to_close_and_is_quiet_at_last() {
    let chathub = Emulator::start().await;
    let program = Program::before(&chathub.url(), &[]).await;
    let token = chathub.company_token("acme");
    let get = format!("{GET}authorization: Bearer {token}\r\n\r\n");
    let (mut busy, mut idle) = (Connection::open(program.address).await, Connection::open(program.address).await);
    idle.send(&get).await;
    assert_eq!(idle.answer().await.status, 200);
    let gate = chathub.stall(Endpoint::ListChats);
    busy.send(&get).await;
    soon(gate.reached(1)).await;

    let output = ask(program.admin_address, "drain --timeout 200ms").await;

    let (code, _, reason) = told(&output);
    assert_eq!(code, Some(1), "{reason}");
    assert!(reason.contains(r#""connections":2"#) && reason.contains(r#""phase":"leaving""#), "{reason}");
    gate.release();
    for connection in [&mut busy, &mut idle] {
        let answered = connection.answer();
        let answer = tokio::time::timeout(Duration::from_millis(100), answered).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) => {
                connection.send(&get).await;
                connection.answer().await
            }
        };
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        connection.closes().await;
    }
    let output = ask(program.admin_address, "drain").await;
    assert_eq!(told(&output).0, Some(0), "{output:?}");
    assert_eq!(program.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_program_is_not_quiet_while_an_answer_is_still_passing_through_logged_or_not() {
    for access in ["true", "false"] {
        let chathub = Emulator::start().await;
        chathub.fault(Endpoint::ListChats, Fault::HangInBody, Some(1));
        let program = Program::before(&chathub.url(), &[("CHATHUB_GATEWAY__LOG__ACCESS", access)]).await;
        let mut download = Connection::open(program.address).await;
        download.send(format!("{GET}authorization: Bearer {}\r\n\r\n", chathub.company_token("acme"))).await;
        assert_eq!(download.answer_without_content().await.status, 200);

        let output = ask(program.admin_address, "drain --timeout 100ms").await;

        let (code, _, reason) = told(&output);
        assert!(code == Some(1) && reason.contains(r#""requests":1"#), "{access}: {reason}");
        program.measures("chathub_gateway_answers_streaming 1").await;
        drop(download);
        let output = ask(program.admin_address, "drain").await;
        assert_eq!(told(&output).0, Some(0), "{access}: {output:?}");
        program.stop().await;
    }
}

#[tokio::test]
async fn sixty_four_requests_in_flight_are_answered_when_the_program_is_asked_to_stop() {
    let chathub = Emulator::start().await;
    let unpaced = [("CHATHUB_GATEWAY__THROTTLE__MODE", "off")];
    let program = Program::before(&chathub.url(), &unpaced).await;
    let company = Client::of(program.address).bearer(&chathub.company_token("acme"));
    let gate = chathub.stall(None);
    let asked: Vec<_> = (0..64).map(|_| tokio::spawn(company.ask("GET /api/chat/chats").send())).collect();
    soon(gate.reached(64)).await;

    program.terminate();

    let admin = Client::of(program.admin_address);
    eventually(|| admin.ask("GET /readyz").send(), |answer| answer.status == 503).await;
    gate.release();
    for answer in asked {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(program.ends().await.code, Some(0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_takes_as_many_file_descriptors_as_it_may_have() {
    let chathub = Emulator::start().await;
    let program = Program::limited_to(200, 300, &chathub.url()).await;

    program.measures("process_max_fds 300").await;

    let said = program.stop().await.stderr;
    assert!(said.contains("server.max_connections (10000)") && said.contains("\"descriptors\":300"), "{said}");
}

#[tokio::test]
async fn the_exit_code_tells_that_something_was_cut() {
    let chathub = Emulator::start().await;
    let program = Program::before(&chathub.url(), &[("CHATHUB_GATEWAY__SERVER__DRAIN_DEADLINE", "100ms")]).await;
    let gate = chathub.stall(None);
    let asked = tokio::spawn(Client::of(program.address).ask("GET /").try_send());
    soon(gate.reached(1)).await;

    assert_eq!(program.stop().await.code, Some(3));

    assert!(asked.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_one_program_after_another_takes_over_the_address() {
    let restarts = std::env::var("RESTARTS").map_or(RESTARTS, |number| number.parse().expect("RESTARTS is a number"));
    let chathub = Emulator::builder().rate_limit(RateLimit::Off).start().await;
    let environment = [
        ("CHATHUB_GATEWAY__SERVER__SHARE_PORT", "true"),
        ("CHATHUB_GATEWAY__SERVER__WORKERS", "1"),
        ("CHATHUB_GATEWAY__SERVER__DRAIN_DELAY", "100ms"),
        ("CHATHUB_GATEWAY__THROTTLE__MODE", "off"),
    ];
    let mut program = Program::before(&chathub.url(), &environment).await;
    let address = program.address;
    let load = Load::start(address, &chathub.company_token("acme"));

    for _ in 0..restarts {
        let next = Program::on(&address.to_string(), &chathub.url(), &environment).await;
        let said = std::mem::replace(&mut program, next).stop().await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
    }

    let (answered, failed) = load.end().await;
    println!("{restarts} restarts, {answered} requests, {} failed", failed.len());
    assert!(failed.is_empty(), "{} of {answered}: {:?}", failed.len(), failed.first());
    assert!(answered > restarts * 10, "{answered}");
}

/// Clients that ask without a pause: some keep their connections for as long as they may, some take a new one each time.
struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<Option<String>>,
}

impl Load {
    fn start(address: SocketAddr, token: &str) -> Self {
        let mut load = Self { is_over: Arc::default(), answered: Arc::default(), clients: JoinSet::new() };
        for number in 0..8 {
            let (is_over, answered) = (Arc::clone(&load.is_over), Arc::clone(&load.answered));
            let field = if number % 2 == 0 { "" } else { "connection: close\r\n" };
            let get = format!("{GET}authorization: Bearer {token}\r\n{field}\r\n");
            load.clients.spawn(async move {
                let mut kept = None;
                while !is_over.load(Relaxed) {
                    match exchange(address, kept.take(), &get).await {
                        Ok(connection) => kept = connection,
                        Err(failure) => return Some(failure),
                    }
                    answered.fetch_add(1, Relaxed);
                }
                None
            });
        }
        load
    }

    /// Ends the load, and returns how many requests were answered and how the others failed.
    async fn end(mut self) -> (usize, Vec<String>) {
        self.is_over.store(true, Relaxed);
        let mut failed = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            failed.extend(client.expect("a client does not panic"));
        }
        (self.answered.load(Relaxed), failed)
    }
}

/// Asks once, on the connection that was kept or on a new one, and returns it if it may be kept.
async fn exchange(address: SocketAddr, kept: Option<Connection>, get: &str) -> Result<Option<Connection>, String> {
    let is_kept = kept.is_some();
    let mut connection = match kept {
        Some(connection) => connection,
        None => Connection::open(address).await,
    };
    let failed = |error: std::io::Error| format!("{error}, on a connection that was kept: {is_kept}");
    connection.try_send(get).await.map_err(failed)?;
    let answer = connection.try_answer().await.map_err(failed)?;
    match answer.status {
        200 => Ok((answer.field("connection") != Some("close")).then_some(connection)),
        _ => Err(format!("{answer:?}")),
    }
}
