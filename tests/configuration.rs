//! The program's settings as an operator meets them: files, variables, flags, messages and exit codes.

#[path = "support/patience.rs"]
mod patience;
#[path = "support/program.rs"]
mod program;

use std::path::PathBuf;
use std::process::Output;

use patience::{eventually, soon};
use program::{Program, run};
use tokio::net::TcpListener;

/// The settings are wrong.
const WRONG: Option<i32> = Some(78);

/// Writes a file with settings, named for its test.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    std::fs::write(&path, text).expect("the directory for tests can be written");
    path.to_str().expect("its name is text").to_owned()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("what it says is text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("what it says is text")
}

#[test]
fn five_mistakes_in_one_file_are_five_messages_each_with_what_would_be_right() {
    let text = "[server]\nlisten = \"2428\"\nmax_fields = 0\n\n[cache]\noperators_ttl = \"60\"\nquarantin = \"5s\"\n\n\
        [throttle.operator]\nrate = 5\n";
    let file = file("five_mistakes", text);
    for command in [&["--config", &file][..], &["check", "--config", &file], &["config", "--config", &file]] {
        let output = run(command, &[]);

        assert_eq!(output.status.code(), WRONG, "{command:?}");
        assert_eq!(stdout(&output), "");
        let expected = [
            format!(
                r#"{file}:2:10: server.listen = "2428": has no address; write for example listen = "127.0.0.1:2428""#
            ),
            format!(
                "{file}:3:14: server.max_fields = 0: must be between 1 and 1000; write for example max_fields = 100"
            ),
            format!(r#"{file}:6:17: cache.operators_ttl = "60": has no unit; write for example operators_ttl = "60s""#),
            format!("{file}:7:1: cache.quarantin: is unknown; did you mean `cache.quarantine`?"),
            format!(r#"{file}:10:8: throttle.operator.rate = 5: has no period; write for example rate = "5/s""#),
        ];
        assert_eq!(stderr(&output).lines().collect::<Vec<_>>(), expected, "{command:?}");
    }
}

#[test]
fn mistakes_of_all_sources_are_told_together() {
    let file = file("all_sources", "[log]\nlevel = \"loud\"\n");
    let environment = [("CHATHUB_GATEWAY__CACHE__CAPACITY", "64M"), ("CHATHUB_GATEWAY__CASH__CAPACITY", "1MiB")];

    let output = run(&["check", "--config", &file, "--upstream", "chat.example"], &environment);

    assert_eq!(output.status.code(), WRONG);
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 4, "{said}");
    for (place, example) in [
        ("log.level", "level = \"info\""),
        ("CHATHUB_GATEWAY__CACHE__CAPACITY", "CHATHUB_GATEWAY__CACHE__CAPACITY=64MiB"),
        ("CHATHUB_GATEWAY__CASH__CAPACITY", "CHATHUB_GATEWAY__CACHE__CAPACITY"),
        ("flag --upstream", "--upstream https://chat.example"),
    ] {
        let told = said.lines().any(|line| line.contains(place) && line.contains(example));
        assert!(told, "{place} and {example} in {said}");
    }
}

#[test]
fn a_later_source_wins_over_an_earlier_one() {
    let file =
        file("order", "cache.operators_ttl = '10s'\ncache.organizations_ttl = '10s'\nupstream.url = 'http://file'");
    let environment = [
        ("CHATHUB_GATEWAY_CONFIG", file.as_str()),
        ("CHATHUB_GATEWAY__CACHE__OPERATORS_TTL", "20s"),
        ("CHATHUB_GATEWAY__UPSTREAM__URL", "http://variable"),
    ];

    let output = run(&["config", "--upstream", "http://flag"], &environment);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = stdout(&output);
    for line in ["operators_ttl = \"20s\"", "organizations_ttl = \"10s\"", "url = \"http://flag\""] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line} in {said}");
    }
}

#[test]
fn no_settings_at_all_are_a_working_gateway() {
    assert_eq!(run(&["check"], &[]).status.code(), Some(0));

    let output = run(&["config"], &[]);

    let said = stdout(&output);
    for line in [
        "listen = \"127.0.0.1:2428\"",
        "listen = \"127.0.0.1:2429\"",
        "url = \"https://chatapi.smsbat.com\"",
        "operators_ttl = \"60s\"",
        "organizations_ttl = \"300s\"",
        "capacity = \"64MiB\"",
        "mode = \"enforce\"",
        "max_wait = \"15s\"",
        "rate = \"5/s\"",
        "rate = \"1/s\"",
        "rate = \"50/s\"",
    ] {
        let is_said = said.lines().any(|said| said.trim_start_matches("# ").starts_with(line));
        assert!(is_said, "{line} in {said}");
    }
}

#[test]
fn what_is_printed_can_be_given_back() {
    let printed = run(&["config"], &[("CHATHUB_GATEWAY__CACHE__OPERATORS_TTL", "1m30s")]);
    let file = file("printed", stdout(&printed));

    let again = run(&["config", "--config", &file], &[]);

    assert_eq!(stdout(&again), stdout(&printed));
    assert_eq!(run(&["check", "--config", &file], &[]).status.code(), Some(0));
}

#[test]
fn a_password_in_the_upstreams_url_is_refused_and_not_repeated() {
    let output = run(&["check", "--upstream", "https://user:s3cret@chat.example"], &[]);

    assert_eq!(output.status.code(), WRONG);
    assert!(stderr(&output).starts_with("flag --upstream: upstream.url"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("s3cret"));
}

#[test]
fn a_file_that_is_not_there_or_not_toml_is_told_by_name() {
    let missing = run(&["check", "--config", "/nowhere/gateway.toml"], &[]);
    assert_eq!(missing.status.code(), WRONG);
    assert!(stderr(&missing).starts_with("/nowhere/gateway.toml: cannot be read"), "{}", stderr(&missing));

    let file = file("not_toml", "cache: 60s\n");
    let broken = run(&["check", "--config", &file], &[]);
    assert_eq!(broken.status.code(), WRONG);
    assert!(stderr(&broken).starts_with(&format!("{file}:1:")), "{}", stderr(&broken));
}

#[test]
fn wrong_usage_is_told_apart_from_wrong_settings() {
    assert_eq!(run(&["--unknown"], &[]).status.code(), Some(2));
    let help = run(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    for word in ["check", "config", "--config", "--listen", "--admin-listen", "--upstream", "Exit codes"] {
        assert!(stdout(&help).contains(word), "{word}");
    }
    assert!(stdout(&run(&["--version"], &[])).contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_program_says_where_it_serves_and_stops_when_asked() {
    let program = Program::before("http://127.0.0.1:9", &[]).await;

    let said = program.stop().await;

    assert_eq!(said.code, Some(0));
    assert!(said.stderr.contains(r#""upstream":"http://127.0.0.1:9/""#), "{said:?}");
    assert!(said.stderr.contains("SIGTERM"), "{said:?}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let arguments = ["--listen", "127.0.0.1:0", "--admin-listen", &address];
    let output = run(&arguments, &[]);

    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.starts_with(&format!("chathub-gateway: listen on {address} (admin.listen): ")), "{said}");
}

#[test]
fn a_secret_that_cannot_be_read_or_is_empty_is_told_at_the_start() {
    let empty = file("empty_secret", "\n");
    let anywhere =
        [("CHATHUB_GATEWAY__SERVER__LISTEN", "127.0.0.1:0"), ("CHATHUB_GATEWAY__ADMIN__LISTEN", "127.0.0.1:0")];
    for (path, told) in [(empty.as_str(), "the file is empty"), ("/nowhere/secret", "No such file")] {
        let [listen, admin] = anywhere;
        let settings = [listen, admin, ("CHATHUB_GATEWAY__ADMIN__TOKEN_FILE", path)];
        let output = run(&[], &settings);

        assert_eq!(output.status.code(), WRONG);
        assert_eq!(run(&["check"], &settings).stderr, output.stderr, "a check finds what a start would");
        let expected = format!("chathub-gateway: read the secret in {path} (admin.token_file): {told}");
        assert!(stderr(&output).contains(&expected), "{output:?}");
    }
}

#[test]
fn a_wrong_file_of_credentials_is_told_like_other_settings_and_a_good_one_is_accepted() {
    let anywhere =
        [("CHATHUB_GATEWAY__SERVER__LISTEN", "127.0.0.1:0"), ("CHATHUB_GATEWAY__ADMIN__LISTEN", "127.0.0.1:0")];
    let token = file("reports_token", "s3cret-of-reports\n");
    let quotas = "operator = { rate = \"2/s\", burst = 2 }\nother = { rate = \"10/s\", burst = 5 }\n";
    let good = file("good_credentials", &format!("[reports]\nfile = \"reports_token.toml\"\n{quotas}"));
    let wrong = file(
        "wrong_credentials",
        &format!("[reports]\nfile = {token:?}\noperator = {{ rate = 2, burst = 2 }}\n\n[sync]\nsha256 = \"s3cret\"\n"),
    );
    let named = |path| [anywhere[0], anywhere[1], ("CHATHUB_GATEWAY__THROTTLE__CREDENTIALS_FILE", path)];

    for command in [&[][..], &["check"]] {
        let output = run(command, &named(&wrong));

        assert_eq!(output.status.code(), WRONG, "{command:?}");
        let expected = [
            format!(r#"{wrong}:3:21: reports.operator.rate = 2: has no period; write for example rate = "2/s""#),
            format!(r#"{wrong}:5:2: sync: gives no quota; write for example operator = {{ rate = "5/s", burst = 5 }}"#),
            format!(
                r#"{wrong}:6:10: sync.sha256 = "***": is not 64 hexadecimal digits in quotes; printf %s "$TOKEN" | sha256sum prints them"#
            ),
        ];
        assert_eq!(stderr(&output).lines().collect::<Vec<_>>(), expected, "{command:?}");
    }
    let output = run(&["check"], &named(&good));
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "the settings are good\n"), "{output:?}");
    let output = run(&["check"], &named("/nowhere/credentials.toml"));
    assert_eq!(output.status.code(), WRONG);
    let expected = "/nowhere/credentials.toml: cannot be read, though throttle.credentials_file names it: No such file";
    assert!(stderr(&output).starts_with(expected), "{output:?}");
}

#[tokio::test]
async fn a_program_reads_its_settings_again_when_told_to_and_when_their_file_has_changed() {
    let path = file("reload", "cache.operators_ttl = \"60s\"\n");
    let program = Program::before("http://127.0.0.1:9", &[("CHATHUB_GATEWAY_CONFIG", &path)]).await;

    program.hang_up();
    program.measures(r#"chathub_gateway_settings_reloads_total{outcome="done"} 1"#).await;
    file("reload", "cache.operators_ttl = \"60\"\nlog.level = \"warn\"\n");
    program.measures("chathub_gateway_settings_reload_failed 1").await;
    file(
        "reload",
        "cache.operators_ttl = \"9s\"\nlog.level = \"warn\"\nserver.workers = 3\nserver.listen = \"127.0.0.1:1\"\n",
    );
    program.measures("chathub_gateway_settings_reload_failed 0").await;
    let said = program.stop().await;

    assert_eq!(said.code, Some(0));
    let lines: Vec<_> = said.stderr.lines().collect();
    let told = |level: &str, text: &str| {
        let line = format!(r#""level":"{level}""#);
        lines.iter().any(|found| found.contains(&line) && found.contains(text))
    };
    assert!(told("INFO", "SIGHUP"), "{said:?}");
    assert!(told("ERROR", "reload.toml:1:23: cache.operators_ttl = \\\"60\\\": has no unit"), "{said:?}");
    assert!(told("WARN", r#""settings":"server.workers""#), "a flag still wins over the file: {said:?}");
    assert!(!told("INFO", "stopping"), "the level is warn by now: {said:?}");
}
