//! What is said of typical mistakes, word by word.

use super::*;

/// Checks the one message for each text of a file.
#[track_caller]
pub(super) fn assert_messages(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(message(load_file(text)), format!("gateway.toml:{expected}"), "{text}");
    }
}

#[test]
fn a_duration_tells_what_it_lacks() {
    assert_messages(&[
        (
            "[cache]\n\noperators_ttl = \"60\"",
            r#"3:17: cache.operators_ttl = "60": has no unit; write for example operators_ttl = "60s""#,
        ),
        (
            "[cache]\noperators_ttl = 90",
            r#"2:17: cache.operators_ttl = 90: has no unit; write for example operators_ttl = "90s""#,
        ),
        (
            "[cache]\noperators_ttl = \"1d\"",
            r#"2:17: cache.operators_ttl = "1d": has the unknown unit "d" (known are h, m, s and ms); write for example operators_ttl = "60s""#,
        ),
        (
            "[cache]\noperators_ttl = \"1.5s\"",
            r#"2:17: cache.operators_ttl = "1.5s": is not a duration (whole numbers, each with h, m, s or ms); write for example operators_ttl = "60s""#,
        ),
        (
            "[cache]\noperators_ttl = \"25h\"",
            r#"2:17: cache.operators_ttl = "25h": must be between 0s and 24h; write for example operators_ttl = "60s""#,
        ),
        (
            "[upstream]\nconnect_timeout = \"0s\"",
            r#"2:19: upstream.connect_timeout = "0s": must be between 1ms and 1h; write for example connect_timeout = "5s""#,
        ),
        (
            "[cache]\noperators_ttl = \"\"",
            r#"2:17: cache.operators_ttl = "": is empty; write for example operators_ttl = "60s""#,
        ),
    ]);
}

#[test]
fn a_guess_that_would_itself_be_wrong_is_not_made() {
    assert_messages(&[(
        "[upstream]\nconnect_timeout = 5000",
        r#"2:19: upstream.connect_timeout = 5000: has no unit; write for example connect_timeout = "5s""#,
    )]);
}

#[test]
fn a_size_tells_what_it_lacks() {
    assert_messages(&[
        (
            "[cache]\ncapacity = 67108864",
            r#"2:12: cache.capacity = 67108864: has no unit; write for example capacity = "64MiB""#,
        ),
        (
            "[cache]\ncapacity = \"64M\"",
            r#"2:12: cache.capacity = "64M": has the unknown unit "M" (known are B, KiB, MiB, GiB, KB, MB and GB); write for example capacity = "64MiB""#,
        ),
        (
            "[server]\nmax_head = \"1B\"",
            r#"2:12: server.max_head = "1B": must be between 1KiB and 1MiB; write for example max_head = "32KiB""#,
        ),
    ]);
}

#[test]
fn a_number_tells_its_bounds_and_its_type() {
    assert_messages(&[
        (
            "[server]\nworkers = 0",
            "2:11: server.workers = 0: must be between 1 and 1024; write for example workers = 2",
        ),
        (
            "[server]\nmax_fields = -1",
            "2:14: server.max_fields = -1: must be between 1 and 1000; write for example max_fields = 100",
        ),
        (
            "[server]\nmax_fields = \"50\"",
            r#"2:14: server.max_fields = "50": is a string, not a whole number; write for example max_fields = 50"#,
        ),
        (
            "[server]\nmax_fields = 1.5",
            "2:14: server.max_fields = 1.5: is a number with a fraction, not a whole number; write for example max_fields = 100",
        ),
    ]);
}

#[test]
fn a_rate_tells_what_it_lacks() {
    assert_messages(&[
        (
            "[throttle]\noperator.rate = 5",
            r#"2:17: throttle.operator.rate = 5: has no period; write for example rate = "5/s""#,
        ),
        (
            "[throttle.login]\nrate = \"1/d\"",
            r#"2:8: throttle.login.rate = "1/d": has the unknown period "d" (known are s, m and h); write for example rate = "1/s""#,
        ),
        (
            "[throttle.other]\nrate = \"0/s\"",
            r#"2:8: throttle.other.rate = "0/s": must be above zero and at most 1000000/s; write for example rate = "50/s""#,
        ),
    ]);
}

#[test]
fn an_address_tells_what_it_lacks() {
    assert_messages(&[
        (
            "[server]\nlisten = 8000",
            r#"2:10: server.listen = 8000: has no address; write for example listen = "127.0.0.1:8000""#,
        ),
        (
            "[server]\nlisten = \":8000\"",
            r#"2:10: server.listen = ":8000": has no address; write for example listen = "0.0.0.0:8000""#,
        ),
        (
            "[server]\nlisten = \"::1\"",
            r#"2:10: server.listen = "::1": has no port; write for example listen = "127.0.0.1:2428""#,
        ),
        (
            "[server]\nlisten = \"localhost:80\"",
            r#"2:10: server.listen = "localhost:80": is not an IP address with a port; write for example listen = "127.0.0.1:80""#,
        ),
    ]);
}

#[test]
fn a_url_tells_what_it_lacks_or_has_too_much() {
    for (url, expected) in [
        ("chat.example", r#"has no scheme (http:// or https://); write for example url = "https://chat.example""#),
        ("ftp://chat.example", "must begin with http:// or https://"),
        ("https://chat.example/api", "must not have a path: clients name the path themselves"),
        ("https://chat.example:0", "must have a port between 1 and 65535, or none"),
        ("https://", "is not a URL"),
    ] {
        let expected = match expected.contains("; write") {
            true => expected.to_owned(),
            false => format!("{expected}; write for example url = \"https://chatapi.smsbat.com\""),
        };
        let text = format!("upstream.url = '{url}'");
        assert_eq!(message(load_file(&text)), format!("gateway.toml:1:16: upstream.url = \"{url}\": {expected}"));
    }
}

#[test]
fn a_password_is_never_shown() {
    let user = "https://user:s3cret@chat.example";
    let long = format!("https://{}:s3cret@chat.example", "u".repeat(200));
    for text in [
        format!("[upstream]\nurl = \"{user}\""),
        format!("[upstream]\nurl = \"{long}\""),
        format!("[upstream]\nurl = [\"{user}\"]"),
        format!("upstream = \"{user}\""),
        format!("[upstream]\nurll = \"{user}\""),
        "[upstream]\nurl = \"https://chat.example/?access_token=s3cret\"".to_owned(),
        "[admin]\ntoken = \"s3cret\"".to_owned(),
        "[admin]\ntoken_file = [\"s3cret\"]".to_owned(),
        "[admin]\ntoken = s3cret".to_owned(),
    ] {
        let problems = load_file(&text).unwrap_err();
        assert!(!format!("{problems}{problems:?}").contains("s3cret"), "{problems}");
    }
    let problems = load_all("", &[("CHATHUB_GATEWAY__ADMIN__TOKEN", "s3cret")], &["--upstream", user]).unwrap_err();
    assert!(!format!("{problems}{problems:?}").contains("s3cret"), "{problems}");
    assert_eq!(
        message(load_all("", &[], &["--upstream", user])),
        "flag --upstream: upstream.url = \"https://***@chat.example\": must not have a user or password; \
         write for example --upstream https://chatapi.smsbat.com"
    );
}

#[test]
fn a_word_and_a_switch_tell_what_they_may_be() {
    assert_messages(&[
        (
            "[throttle]\nmode = \"observed\"",
            r#"2:8: throttle.mode = "observed": is not enforce, observe or off; write for example mode = "observe""#,
        ),
        (
            "[log]\nformat = \"xml\"",
            r#"2:10: log.format = "xml": is not json or text; write for example format = "json""#,
        ),
        (
            "[log]\naccess = \"false\"",
            r#"2:10: log.access = "false": is a string, not true or false; write for example access = false"#,
        ),
        (
            "[log]\nlevel = true",
            r#"2:9: log.level = true: is a boolean, not a word in quotes; write for example level = "info""#,
        ),
    ]);
}

#[test]
fn an_unknown_name_is_told_its_nearest_neighbour() {
    assert_messages(&[
        ("[cache]\noperator_ttl = \"5s\"", "2:1: cache.operator_ttl: is unknown; did you mean `cache.operators_ttl`?"),
        (
            "[cache]\noperators-ttl = \"5s\"",
            "2:1: cache.operators-ttl: is unknown; did you mean `cache.operators_ttl`?",
        ),
        ("operators_ttl = \"5s\"", "1:1: operators_ttl: is unknown; did you mean `cache.operators_ttl`?"),
        (
            "[upstream]\ndrain_delay = \"5s\"",
            "2:1: upstream.drain_delay: is unknown; did you mean `server.drain_delay`?",
        ),
        ("[chache]\ncapacity = \"5s\"", "1:2: chache: is unknown; did you mean `cache`?"),
        ("\"cache.capacity\" = \"1MiB\"", "1:1: \"cache.capacity\": is unknown; did you mean `cache.capacity`?"),
        (
            "[log]\ncolour = true",
            "2:1: log.colour: is unknown; `log` has level, format, access, access_format, access_hit_percent, access_buffer",
        ),
        (
            "redis = true",
            "1:1: redis: is unknown; the sections are server, admin, upstream, cache, throttle, log, metrics",
        ),
    ]);
}

#[test]
fn a_section_and_a_setting_are_not_taken_for_each_other() {
    assert_messages(&[
        ("cache = 5", "1:9: cache: is a whole number, not a section; write for example [cache]"),
        ("[[cache]]", "1:1: cache: is a list of tables, not a section; write for example [cache]"),
        (
            "[cache.capacity]\nlarge = true",
            "1:8: cache.capacity = […]: is a table, not a size in quotes; write for example capacity = \"64MiB\"",
        ),
        (
            "[cache]\ncapacity = [\n  1,\n  2,\n]",
            "2:12: cache.capacity = [ 1, 2, ]: is a list, not a size in quotes; write for example capacity = \"64MiB\"",
        ),
    ]);
}

#[test]
fn settings_that_do_not_go_together_are_told_where_one_was_given() {
    assert_messages(&[
        (
            "[server]\nlisten = \"127.0.0.1:2429\"",
            r#"2:10: server.listen = "127.0.0.1:2429": must not share its port with admin.listen (127.0.0.1:2429); write for example listen = "127.0.0.1:2430""#,
        ),
        (
            "[admin]\nlisten = \"0.0.0.0:2428\"",
            r#"2:10: admin.listen = "0.0.0.0:2428": must not share its port with server.listen (127.0.0.1:2428); write for example listen = "0.0.0.0:2429""#,
        ),
        (
            "[server]\ndrain_delay = \"30s\"",
            r#"2:15: server.drain_delay = "30s": must be shorter than server.drain_deadline (25s); write for example drain_delay = "0s""#,
        ),
        (
            "[server]\ndrain_delay = \"30s\"\ndrain_deadline = \"30s\"",
            r#"3:18: server.drain_deadline = "30s": must be longer than server.drain_delay (30s); write for example drain_deadline = "55s""#,
        ),
        (
            "[cache]\ncapacity = \"4MiB\"",
            r#"2:12: cache.capacity = "4MiB": must not be smaller than cache.max_body (8MiB); write for example capacity = "8MiB""#,
        ),
        (
            "[cache]\nfetch_buffer = \"4MiB\"",
            r#"2:16: cache.fetch_buffer = "4MiB": must not be smaller than cache.max_body (8MiB); write for example fetch_buffer = "8MiB""#,
        ),
        (
            "[cache]\ncapacity = \"1GiB\"\nmax_body = \"64MiB\"",
            r#"3:12: cache.max_body = "64MiB": must not be larger than cache.fetch_buffer (32MiB); write for example max_body = "32MiB""#,
        ),
        (
            "[cache]\nmax_inspect = \"64MiB\"",
            r#"2:15: cache.max_inspect = "64MiB": must not be larger than cache.inspect_buffer (32MiB); write for example max_inspect = "32MiB""#,
        ),
        (
            "[throttle.operator]\nrate = \"1/h\"\nburst = 100",
            "3:9: throttle.operator.burst = 100: takes more than 24h to regain at throttle.operator.rate (1/h); write for example burst = 24",
        ),
        (
            "[throttle.other]\nrate = \"1/h\"",
            r#"2:8: throttle.other.rate = "1/h": takes more than 24h to regain throttle.other.burst (25); write for example rate = "2/h""#,
        ),
        (
            "[server]\ntls_key = \"key.pem\"",
            r#"2:11: server.tls_key = "***": is of no use without server.tls_certificate, which is absent; write for example tls_certificate = "/etc/chathub-gateway/tls/tls.crt""#,
        ),
        (
            "[upstream]\nclient_certificate = \"client.pem\"",
            r#"2:22: upstream.client_certificate = "***": is of no use without upstream.client_key, which is absent; write for example client_key = "/etc/chathub-gateway/client.key""#,
        ),
    ]);
}

#[test]
fn a_rule_does_not_speak_of_a_default_that_stands_for_a_faulty_value() {
    let text = "[server]\ndrain_delay = \"30s\"\ndrain_deadline = \"60\"";
    assert_eq!(
        message(load_file(text)),
        r#"gateway.toml:3:18: server.drain_deadline = "60": has no unit; write for example drain_deadline = "60s""#
    );
}

#[test]
fn a_long_value_is_cut() {
    let text = format!("cache.capacity = '{}'", "9".repeat(500));
    let message = message(load_file(&text));
    assert!(message.contains(&format!("\"{}…\"", "9".repeat(80))), "{message}");
}

#[test]
fn a_file_that_is_not_toml_is_a_problem_among_the_others() {
    let environment = [("CHATHUB_GATEWAY__CACHE__CAPACITY", "1")];
    let all = messages(load_all("[cache]\ncapacity = 64MiB\n", &environment, &["--listen", "80"]));
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all[0].starts_with("gateway.toml:2:12: is not valid TOML: "), "{}", all[0]);
    assert_eq!(
        all[1],
        "environment variable CHATHUB_GATEWAY__CACHE__CAPACITY: cache.capacity = \"1\": has no unit; \
         write for example CHATHUB_GATEWAY__CACHE__CAPACITY=1B"
    );
    assert_eq!(
        all[2],
        "flag --listen: server.listen = \"80\": has no address; write for example --listen 127.0.0.1:80"
    );
}

#[test]
fn a_name_given_twice_is_a_problem() {
    let text = "[cache]\ncapacity = \"1MiB\"\ncapacity = \"2MiB\"";
    assert_eq!(message(load_file(text)), "gateway.toml:3:1: is not valid TOML: duplicate key");
}

#[test]
fn five_mistakes_in_one_file_are_five_messages() {
    let text = "\
[server]
listen = \"localhost\"
workers = \"many\"

[cache]
operators_ttl = 60
kapacity = \"1GiB\"

[throttle]
mode = \"on\"
";
    let expected = [
        "gateway.toml:2:10: server.listen",
        "gateway.toml:3:11: server.workers",
        "gateway.toml:6:17: cache.operators_ttl",
        "gateway.toml:7:1: cache.kapacity",
        "gateway.toml:10:8: throttle.mode",
    ];
    let problems = load_file(text).unwrap_err();
    let lines: Vec<_> = problems.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), expected.len(), "{problems}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn columns_count_characters_and_lines_may_end_as_on_windows() {
    let text = "# ключ\r\ncache = { 'capacity' = 'ї', quarantine = '5' }\r\n";
    let all = messages(load_file(text));
    assert!(all[0].starts_with("gateway.toml:2:24: cache.capacity"), "{all:#?}");
    assert!(all[1].starts_with("gateway.toml:2:42: cache.quarantine"), "{all:#?}");
}
