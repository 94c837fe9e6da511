//! Where settings come from and which wins.

use std::io;
use std::time::Duration;

use super::*;
use crate::config::{Command, Mode, Place};

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(load_environment(&[]).unwrap(), Config::default());
    assert_eq!(load_file("").unwrap(), Config::default());
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let text = "\
[server]
listen = \"127.0.0.1:1\"
[admin]
listen = \"127.0.0.1:11\"
[upstream]
url = \"http://file.example\"
";
    let environment = [
        ("CHATHUB_GATEWAY__ADMIN__LISTEN", "127.0.0.1:12"),
        ("CHATHUB_GATEWAY__UPSTREAM__URL", "http://environment.example"),
    ];
    let config = load_all(text, &environment, &["--upstream", "http://flag.example"]).unwrap();

    assert_eq!(config.server.listen.port(), 1);
    assert_eq!(config.admin.listen.port(), 12);
    assert_eq!(config.upstream.url.host(), Some("flag.example"));
    assert_eq!(config.server.max_fields, Config::default().server.max_fields);
}

#[test]
fn all_three_flags_set_their_settings() {
    let flags = ["--listen", "[::1]:1", "--admin-listen", "[::1]:2", "--upstream", "http://flag.example:3/"];
    let config = load_all("", &[], &flags).unwrap();
    assert_eq!(config.server.listen.to_string(), "[::1]:1");
    assert_eq!(config.admin.listen.to_string(), "[::1]:2");
    assert_eq!(config.upstream.url.port_u16(), Some(3));
}

#[test]
fn a_list_is_a_list_in_the_file_and_has_commas_in_the_environment() {
    let variable = "CHATHUB_GATEWAY__METRICS__ORGANIZATIONS";
    let ids = |config: Config| config.metrics.organizations.iter().map(|id| id.get()).collect::<Vec<_>>();
    let text = "metrics.organizations = [24, 25]";
    assert_eq!(ids(load_file(text).unwrap()), [24, 25]);
    assert_eq!(ids(load_file("metrics.organizations = []").unwrap()), [0; 0]);
    assert_eq!(ids(load_all(text, &[(variable, "6, 42")], &[]).unwrap()), [6, 42]);
    assert_eq!(ids(load_all(text, &[(variable, "")], &[]).unwrap()), [0; 0], "empty undoes what the file gives");
}

#[test]
fn every_way_of_writing_a_table_is_the_same() {
    for text in [
        "[throttle]\nmode = 'off'\n[throttle.operator]\nburst = 7",
        "throttle.mode = 'off'\nthrottle.operator.burst = 7",
        "throttle = { mode = 'off', operator = { burst = 7 } }",
        "[throttle.operator]\nburst = 7\n[throttle]\nmode = 'off'",
    ] {
        let config = load_file(text).unwrap();
        assert_eq!((config.throttle.mode, config.throttle.operator.burst.get()), (Mode::Off, 7), "{text}");
    }
}

#[test]
fn a_value_that_is_overridden_must_be_right_nevertheless() {
    let loaded = load_all("cache.quarantine = 5", &[("CHATHUB_GATEWAY__CACHE__QUARANTINE", "6s")], &[]);
    assert!(message(loaded).starts_with("gateway.toml:1:20: cache.quarantine = 5: has no unit"));
}

#[test]
fn the_file_is_named_by_the_flag_or_else_by_the_environment() {
    let environment = || variables(&[("CHATHUB_GATEWAY_CONFIG", "environment.toml")]);
    let read = |expected: &'static str| {
        move |path: &Path| {
            assert_eq!(path, Path::new(expected));
            Ok("cache.quarantine = '1s'".to_owned())
        }
    };
    let by_flag = load(&arguments(&["--config", "flag.toml"]), environment(), read("flag.toml"));
    assert_eq!(by_flag.unwrap().cache.quarantine, Duration::from_secs(1));
    let by_environment = load(&Arguments::default(), environment(), read("environment.toml"));
    assert_eq!(by_environment.unwrap().cache.quarantine, Duration::from_secs(1));
    assert_eq!(load_environment(&[("CHATHUB_GATEWAY_CONFIG", "")]).unwrap(), Config::default());
}

#[test]
fn a_missing_file_is_a_problem_among_the_others() {
    let missing = |_: &Path| Err(io::Error::new(io::ErrorKind::NotFound, "no such file"));
    let environment = variables(&[("CHATHUB_GATEWAY_CONFIG", "/etc/gateway.toml")]);
    assert_eq!(
        message(load(&Arguments::default(), environment, missing)),
        "/etc/gateway.toml: cannot be read, though CHATHUB_GATEWAY_CONFIG names it: no such file"
    );
    let all = messages(load(&arguments(&["--config", "a.toml", "--listen", "80"]), [], missing));
    assert_eq!(all.len(), 2, "{all:#?}");
    assert_eq!(all[0], "a.toml: cannot be read, though --config names it: no such file");
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    let config = load_environment(&[
        ("CHATHUB_GATEWAY_PORT", "tcp://10.0.0.1:2428"),
        ("CHATHUB_GATEWAY_PORT_2428_TCP_ADDR", "10.0.0.1"),
        ("CHATHUB_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("HTTPS_PROXY", "http://proxy.example"),
    ]);
    assert_eq!(config.unwrap(), Config::default());
}

#[test]
fn a_misspelt_variable_is_told_its_nearest_neighbour() {
    let variable = "CHATHUB_GATEWAY__CACHE__OPERATOR_TTL";
    assert_eq!(
        message(load_environment(&[(variable, "30s")])),
        format!(
            "environment variable {variable}: cache.operator_ttl: is unknown; \
             did you mean `CHATHUB_GATEWAY__CACHE__OPERATORS_TTL`?"
        )
    );
    assert_eq!(
        message(load_environment(&[("CHATHUB_GATEWAY__log__level", "info")])),
        "environment variable CHATHUB_GATEWAY__log__level: log.level: is unknown; \
         did you mean `CHATHUB_GATEWAY__LOG__LEVEL`?"
    );
    assert!(
        message(load_environment(&[("CHATHUB_GATEWAY__LOG", "info")]))
            .ends_with("`log` has level, format, access, access_format, access_hit_percent, access_buffer")
    );
}

#[test]
fn values_of_the_environment_tell_what_they_lack() {
    for (variable, value, expected) in [
        ("SERVER__MAX_FIELDS", "many", "server.max_fields = \"many\": is not a whole number"),
        ("SERVER__MAX_FIELDS", "", "server.max_fields = \"\": is empty"),
        ("SERVER__MAX_FIELDS", "0", "server.max_fields = \"0\": must be between 1 and 1000"),
        ("LOG__ACCESS", "yes", "log.access = \"yes\": is neither true nor false"),
        ("LOG__ACCESS", "a\nb", "log.access = \"a\\nb\": is neither true nor false"),
    ] {
        let name = format!("CHATHUB_GATEWAY__{variable}");
        let message = message(load_environment(&[(&name, value)]));
        assert!(message.starts_with(&format!("environment variable {name}: {expected}; write for example {name}=")));
    }
}

#[test]
fn an_empty_variable_undoes_what_the_file_gives_to_a_setting_that_may_be_absent() {
    let text = "server.workers = 3\nadmin.token_file = '/token'";
    assert_eq!(load_file(text).unwrap().server.workers.map(usize::from), Some(3));
    let environment = [("CHATHUB_GATEWAY__SERVER__WORKERS", ""), ("CHATHUB_GATEWAY__ADMIN__TOKEN_FILE", "")];
    assert_eq!(load_all(text, &environment, &[]).unwrap(), Config::default());
}

#[cfg(unix)]
#[test]
fn what_is_not_text_is_a_problem_and_no_panic() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![b'5', 0xff]);
    let mut name = OsString::from("CHATHUB_GATEWAY__");
    name.push(broken());
    let environment = [
        ("CHATHUB_GATEWAY__CACHE__QUARANTINE".into(), broken()),
        (name, "1".into()),
        (broken(), broken()),
        ("OTHER".into(), broken()),
    ];
    let arguments = Arguments { listen: Some(broken()), ..Arguments::default() };
    let all = messages(load(&arguments, environment, |_| unreachable!()));
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all[0].contains("is unknown; the sections are"), "{}", all[0]);
    assert!(all[1].contains("cache.quarantine = \"5\u{fffd}\": is not valid UTF-8; write for example"), "{}", all[1]);
    assert!(all[2].starts_with("flag --listen: server.listen = \"5\u{fffd}\": is not valid UTF-8"), "{}", all[2]);
}

#[test]
fn problems_come_in_the_order_of_their_places() {
    let environment = [("CHATHUB_GATEWAY__LOG__LEVEL", "x"), ("CHATHUB_GATEWAY__CACHE__TTL", "x")];
    let text = "log.format = 'x'\nunknown = 1\ncache.capacity = 1";
    let problems = load_all(text, &environment, &["--listen", "x"]).unwrap_err();
    let places: Vec<&Place> = problems.iter().map(|problem| &problem.place).collect();
    assert!(places.is_sorted());
    assert_eq!(
        problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
        ["log.format", "unknown", "cache.capacity", "cache.ttl", "log.level", "server.listen"]
    );
}

#[test]
fn options_may_stand_before_and_behind_the_subcommand() {
    for flags in [["--config", "a.toml", "check"], ["check", "--config", "a.toml"]] {
        let arguments = arguments(&flags);
        assert_eq!(arguments.command, Some(Command::Check));
        assert_eq!(arguments.config, Some("a.toml".into()));
    }
    assert_eq!(arguments(&["config"]).command, Some(Command::Config));
    assert_eq!(arguments(&[]).command, None);
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    use clap::Parser;
    let error = Arguments::try_parse_from(["chathub-gateway", "--port", "80"]).err().unwrap();
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn the_help_names_the_environment_the_defaults_and_the_exit_codes() {
    use clap::CommandFactory;
    Arguments::command().debug_assert();
    let help = Arguments::command().render_help().to_string();
    let defaults = Config::default();
    for expected in [
        "CHATHUB_GATEWAY__CACHE__OPERATORS_TTL=30s",
        "CHATHUB_GATEWAY_CONFIG",
        &defaults.server.listen.to_string(),
        &defaults.admin.listen.to_string(),
        "https://chatapi.smsbat.com",
        "78",
    ] {
        assert!(help.contains(expected), "{expected} in {help}");
    }
    assert!(help.lines().all(|line| line.len() <= 120), "{help}");
}

#[test]
fn an_invisible_mark_at_the_beginning_of_a_file_is_passed_over() {
    let all = message(load_file("\u{feff}cache.quarantine = 5"));
    assert!(all.starts_with("gateway.toml:1:20: cache.quarantine"), "{all}");
}

#[test]
fn a_problem_is_one_line_whatever_was_named() {
    let text = "[cache]\n\"a\\nb\" = 1\ncapacity = \"a\\nb\"\nmax_body = \"\"\"\na\nb\"\"\"\nquarantine = [\n]";
    let problems = load_all(text, &[("CHATHUB_GATEWAY__A\nB", "1")], &[]).unwrap_err();
    assert_eq!(problems.to_string().lines().count(), problems.iter().count(), "{problems}");
    assert_eq!(problems.iter().count(), 5, "{problems}");
}
