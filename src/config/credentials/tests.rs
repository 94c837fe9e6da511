//! The file as its users meet it: what comes of it, and what is said of mistakes, word by word.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::config::{Per, Rate};

/// Where the file under test is.
const FILE: &str = "/etc/gateway/credentials.toml";

/// `printf %s token-a | sha256sum`
const SHA256_OF_TOKEN_A: &str = "a70bf50e531ce1a817561f2f5d5b6645d4e806becf58ccc5e8cf6b8045a090a8";

/// Loads that text. Beside it are the files of some credentials.
fn load(text: &str) -> Result<Credentials, Problems> {
    Credentials::load(Path::new(FILE), |path| match path.to_str().unwrap() {
        FILE => Ok(text.as_bytes().to_owned()),
        "/run/secrets/a" | "/etc/gateway/tokens/a" => Ok(b"token-a\n".to_vec()),
        "/run/secrets/b" => Ok(b"token-b".to_vec()),
        "/run/secrets/empty" => Ok(b" \n".to_vec()),
        "/run/secrets/two-words" => Ok(b"Bearer s3cret".to_vec()),
        "/run/secrets/comma" => Ok(b"s3cret,s3cret".to_vec()),
        "/run/secrets/cyrillic" => Ok("s3cretї".into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
}

fn messages(text: &str) -> Vec<String> {
    load(text).expect_err("the file is wrong").iter().map(ToString::to_string).collect()
}

/// Checks the one message for each text.
#[track_caller]
fn assert_messages(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(messages(text), [format!("{FILE}:{expected}")], "{text}");
    }
}

/// Returns a text in which a section has a credential, a quota, and these lines before them.
fn with(lines: &str) -> String {
    format!("[reports]\n{lines}\nfile = '/run/secrets/a'\nother = {{ rate = '1/s', burst = 1 }}")
}

/// Checks the one message for each of these lines in a section that is good without them.
#[track_caller]
fn assert_messages_with(cases: &[(&str, &str)]) {
    for (lines, expected) in cases {
        assert_messages(&[(&with(lines), expected)]);
    }
}

/// Checks the one message for each of these lines, which name the credential.
#[track_caller]
fn assert_messages_for(cases: &[(&str, &str)]) {
    for (lines, expected) in cases {
        assert_messages(&[(&format!("[reports]\n{lines}\nother = {{ rate = '1/s', burst = 1 }}"), expected)]);
    }
}

fn quota(count: u32, per: Per, burst: u32) -> Quota {
    let number = |number| NonZeroU32::new(number).unwrap();
    Quota { rate: Rate::new(number(count), per).unwrap(), burst: number(burst) }
}

#[test]
fn a_credential_is_found_by_its_value_whether_its_file_or_its_sha256_is_named() {
    let text = format!(
        "[reports]\nfile = '/run/secrets/b'\noperator = {{ rate = '2/s', burst = 2 }}\n\
         [nightly_sync-2]\nsha256 = '{SHA256_OF_TOKEN_A}'\n[nightly_sync-2.other]\nrate = '600/m'\nburst = 5\n"
    );

    let credentials = load(&text).unwrap();

    let reports = credentials.of(b"token-b").unwrap();
    assert_eq!(
        (reports.name.as_str(), reports.operator, reports.other),
        ("reports", Some(quota(2, Per::Second, 2)), None)
    );
    let nightly = credentials.of(b"token-a").unwrap();
    assert_eq!((nightly.operator, nightly.other), (None, Some(quota(600, Per::Minute, 5))));
    assert_eq!(credentials.of(b"token-c"), None);
    assert_eq!(credentials.iter().map(|single| &single.name).collect::<Vec<_>>(), ["reports", "nightly_sync-2"]);
}

#[test]
fn a_relative_path_begins_at_the_directory_of_the_file() {
    let credentials = load("[a]\nfile = 'tokens/a'\nother.rate = '1/s'\nother.burst = 1").unwrap();

    assert!(credentials.of(b"token-a").is_some());
}

#[test]
fn blanks_around_a_credential_do_not_count_and_digits_may_be_capitals() {
    let from_file = load("[a]\nfile = '/run/secrets/a'\nother = { rate = '1/s', burst = 1 }").unwrap();
    let capitals = SHA256_OF_TOKEN_A.to_uppercase();
    let given = load(&format!("[a]\nsha256 = '{capitals}'\nother = {{ rate = '1/s', burst = 1 }}")).unwrap();

    assert_eq!(from_file, given);
}

#[test]
fn a_file_without_credentials_gives_none() {
    for text in ["", "# nothing yet\n", "\u{feff}"] {
        let credentials = load(text).unwrap();
        assert!(credentials.is_empty());
        assert_eq!(credentials.of(b"token-a"), None);
    }
}

#[test]
fn without_a_file_in_the_settings_no_credential_has_quotas_of_its_own() {
    assert_eq!(
        Credentials::of_settings(&Config::default(), |_| panic!("there is none to read")).unwrap(),
        Credentials::default()
    );
}

#[test]
fn a_file_that_cannot_be_read_or_is_not_toml_is_one_problem() {
    let unreadable = Credentials::load(Path::new(FILE), |_| Err(io::ErrorKind::NotFound.into())).unwrap_err();
    assert_eq!(
        unreadable.to_string(),
        "/etc/gateway/credentials.toml: cannot be read, though throttle.credentials_file names it: entity not found"
    );
    let not_text = Credentials::load(Path::new(FILE), |_| Ok(vec![0xff])).unwrap_err();
    assert_eq!(not_text.to_string(), "/etc/gateway/credentials.toml: is not valid UTF-8");
    assert_messages(&[("[a]\nfile = 'a'\nfile = 'b'", "3:1: is not valid TOML: duplicate key")]);
}

#[test]
fn a_name_is_short_and_plain_and_is_not_shown_if_it_is_not() {
    let section = "file = '/run/secrets/a'\nother = { rate = '1/s', burst = 1 }";
    let expected = "1:2: […]: is not a name of 1 to 31 letters, digits, _ and -; \
        it is not shown, for it may be the credential; write for example [reports]";
    for name in ["s3cret".repeat(6), "''".to_owned(), "'two words'".to_owned(), "\"two\\nlines\"".to_owned()] {
        assert_messages(&[(&format!("[{name}]\n{section}"), expected)]);
    }
}

#[test]
fn a_section_and_a_quota_are_not_taken_for_other_things() {
    assert_messages(&[
        ("reports = 's3cret'", "1:11: reports: is a string, not a section; write for example [reports]"),
        ("[[reports]]", "1:1: reports: is a list of tables, not a section; write for example [reports]"),
    ]);
    assert_messages_with(&[(
        "operator = '2/s'",
        r#"2:12: reports.operator: is a string, not a quota; write for example operator = { rate = "5/s", burst = 5 }"#,
    )]);
}

#[test]
fn a_credential_is_named_in_one_way() {
    assert_messages_for(&[
        ("", r#"1:2: reports: names no credential; write for example file = "/run/secrets/chathub-token""#),
        (
            &format!("file = '/run/secrets/a'\nsha256 = '{SHA256_OF_TOKEN_A}'"),
            "1:2: reports: has both file and sha256; keep one",
        ),
    ]);
}

#[test]
fn a_file_that_holds_no_credential_is_told() {
    let no_word = r#"2:8: reports.file = "***": names a file with something else than one word of visible ASCII without a comma; write the credential alone into it, without `Bearer`"#;
    assert_messages_for(&[
        ("file = '/nowhere'", r#"2:8: reports.file = "***": cannot be read: entity not found"#),
        (
            "file = 'nowhere'",
            r#"2:8: reports.file = "***": cannot be read: entity not found; a relative path begins at the directory of this file"#,
        ),
        (
            "file = '/run/secrets/empty'",
            r#"2:8: reports.file = "***": names an empty file; write the credential into it"#,
        ),
        ("file = '/run/secrets/two-words'", no_word),
        ("file = '/run/secrets/comma'", no_word),
        ("file = '/run/secrets/cyrillic'", no_word),
        ("file = ''", r#"2:8: reports.file = "***": is empty; write for example file = "/run/secrets/chathub-token""#),
        (
            "file = ['s3cret']",
            r#"2:8: reports.file = ***: is a list, not a path in quotes; write for example file = "/run/secrets/chathub-token""#,
        ),
    ]);
}

#[test]
fn what_is_no_sha256_is_not_shown() {
    let expected = r#"is not 64 hexadecimal digits in quotes; printf %s "$TOKEN" | sha256sum prints them"#;
    let longer = format!("sha256 = '{SHA256_OF_TOKEN_A}0'");
    let shorter = format!("sha256 = '{}'", &SHA256_OF_TOKEN_A[1..]);
    let signed = format!("sha256 = '+{}'", &SHA256_OF_TOKEN_A[1..]);
    for lines in ["sha256 = 's3cret'", "sha256 = ''", &longer, &shorter, &signed] {
        assert_messages_for(&[(lines, &format!("2:10: reports.sha256 = \"***\": {expected}"))]);
    }
    assert_messages_for(&[
        ("sha256 = 5", &format!("2:10: reports.sha256 = ***: {expected}")),
        (
            "sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
            r#"2:10: reports.sha256 = "***": is the SHA-256 of nothing; printf %s "$TOKEN" | sha256sum prints it if TOKEN is not set"#,
        ),
    ]);
}

#[test]
fn two_names_for_one_credential_are_told_at_the_second() {
    let quota = "other = { rate = '1/s', burst = 1 }";
    let text = format!(
        "[reports]\nfile = '/run/secrets/a'\n{quota}\n[sync]\nsha256 = '{SHA256_OF_TOKEN_A}'\n{quota}\n\
         [third]\nfile = 'tokens/a'\n{quota}"
    );

    let expected = |place, path| {
        format!(
            "{FILE}:{place}: {path} = \"***\": is the credential of `reports` too; give it one name and its quotas there"
        )
    };
    assert_eq!(messages(&text), [expected("5:10", "sync.sha256"), expected("8:8", "third.file")]);
}

#[test]
fn a_credential_has_a_quota_of_its_own_but_none_for_logins() {
    assert_messages(&[(
        "[reports]\nfile = '/run/secrets/a'",
        r#"1:2: reports: gives no quota; write for example operator = { rate = "5/s", burst = 5 }"#,
    )]);
    assert_messages_with(&[(
        "login = { rate = 's3cret', bust = 's3cret' }",
        "2:1: reports.login: cannot be set for a credential: logins are counted by the peer's address (throttle.login)",
    )]);
}

#[test]
fn a_quota_has_a_rate_and_a_burst_within_the_bounds_for_all() {
    assert_messages_with(&[
        ("operator = { burst = 2 }", r#"2:1: reports.operator: has no rate; write for example rate = "5/s""#),
        ("operator = { rate = '2/s' }", "2:1: reports.operator: has no burst; write for example burst = 5"),
        (
            "operator = { rate = 2, burst = 2 }",
            r#"2:21: reports.operator.rate = 2: has no period; write for example rate = "2/s""#,
        ),
        (
            "operator = { rate = '2/d', burst = 2 }",
            r#"2:21: reports.operator.rate = "2/d": has the unknown period "d" (known are s, m and h); write for example rate = "5/s""#,
        ),
        (
            "operator = { rate = '2/s', burst = 0 }",
            "2:36: reports.operator.burst = 0: must be between 1 and 1000000; write for example burst = 5",
        ),
        (
            "operator = { rate = '2/s', burst = '2' }",
            r#"2:36: reports.operator.burst = "2": is a string, not a whole number; write for example burst = 2"#,
        ),
        (
            "operator = { rate = { limit = 's3cret' }, burst = 2 }",
            r#"2:21: reports.operator.rate = […]: is a table, not a rate in quotes; write for example rate = "5/s""#,
        ),
        (
            "operator = { rate = '1/h', burst = 100 }",
            "2:36: reports.operator.burst = 100: takes more than 24h to regain at reports.operator.rate (1/h); write for example burst = 24",
        ),
    ]);
}

#[test]
fn an_unknown_name_is_told_its_nearest_neighbour_and_not_what_it_leaves_out() {
    assert_messages_with(&[
        ("token = 's3cret'", "2:1: reports.token: is unknown; a credential has file or sha256, operator, other"),
        ("rate = '5/s'", "2:1: reports.rate: is unknown; did you mean `reports.operator.rate`?"),
        (
            "operator = { rate = '5/s', brust = 5 }",
            "2:28: reports.operator.brust: is unknown; did you mean `reports.operator.burst`?",
        ),
        (
            "operator = { rate = '5/s', burst = 5, file = 's3cret' }",
            "2:39: reports.operator.file: is unknown; a quota has rate and burst",
        ),
        (
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.s3cret = 1",
            "2:1: reports.[…]: is unknown; a credential has file or sha256, operator, other",
        ),
    ]);
    assert_messages_for(&[("sha-256 = 's3cret'", "2:1: reports.sha-256: is unknown; did you mean `reports.sha256`?")]);
    assert_messages(&[(
        "[reports]\nfile = '/run/secrets/a'\nopertor = { rate = '5/s', burst = 5 }",
        "3:1: reports.opertor: is unknown; did you mean `reports.operator`?",
    )]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = "\
reports = 5

[sync]
file = '/nowhere'
login = { rate = '1/s', burst = 1 }
operator = { rate = '5', brust = 1 }

[night]
sha256 = 's3cret'
token = 's3cret'
";
    let expected = [
        "1:11: reports: is a whole number",
        "4:8: sync.file = \"***\": cannot be read",
        "5:1: sync.login: cannot be set",
        "6:21: sync.operator.rate = \"5\": has no period",
        "6:26: sync.operator.brust: is unknown",
        "8:2: night: gives no quota",
        "9:10: night.sha256 = \"***\": is not 64",
        "10:1: night.token: is unknown",
    ];

    let all = messages(text);

    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (message, expected) in all.iter().zip(expected) {
        assert!(message.starts_with(&format!("{FILE}:{expected}")), "{message}");
    }
}

#[test]
fn a_credential_is_never_shown() {
    let quota = "other = { rate = '1/s', burst = 1 }";
    for text in [
        format!("[a]\nfile = 's3cret'\n{quota}"),
        format!("[a]\nfile = {{ value = 's3cret' }}\n{quota}"),
        format!("[a.file]\nvalue = 's3cret'\n[a.{quota}"),
        format!("[a]\nfile = '/run/secrets/two-words'\n{quota}"),
        format!("[a]\nfile = '/run/secrets/comma'\n{quota}"),
        format!("[a]\nsha256 = 's3cret'\n{quota}"),
        format!("[a]\nsha256 = ['s3cret']\n{quota}"),
        format!("[a]\nsha256 = s3cret\n{quota}"),
        format!("[a]\ntoken = 's3cret'\n{quota}"),
        format!("[a]\ntoken = 's3cret'\ntoken = 's3cret'\n{quota}"),
        format!("[{}]\n{quota}", "s3cret".repeat(6)),
        format!("[a]\n{} = 1", "s3cret".repeat(6)),
        "a = 's3cret'".to_owned(),
        "[a]\noperator = 's3cret'".to_owned(),
        "[a]\noperator.rate = ['s3cret']\noperator.burst = { of = 's3cret' }".to_owned(),
        "[a]\nlogin = 's3cret'".to_owned(),
    ] {
        let problems = load(&text).unwrap_err();
        assert!(!format!("{problems}{problems:?}").contains("s3cret"), "{problems}");
    }
}

#[test]
fn what_is_loaded_shows_neither_the_credential_nor_its_sha256() {
    let text = with("operator = { rate = '2/s', burst = 2 }");
    let credentials = load(&text).unwrap();

    let shown = format!("{credentials:?}");

    assert!(shown.contains("reports"), "{shown}");
    let [first, second, ..] = credentials.of(b"token-a").unwrap().sha256;
    for hidden in ["token-a", &SHA256_OF_TOKEN_A[..8], &format!("{first}, {second}")] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

proptest! {
    #[test]
    fn no_text_whatever_makes_loading_panic(
        text in r#"(\[{0,2}[a-z0-9."ї]{0,4}\]{0,2}\n|(file|sha256|operator|other|login|rate|burst|x)[.a-z]{0,7} ?= ?("[^"]{0,5}"|'/run/secrets/a'|\{( ?(rate|burst) = ('[0-9]{1,11}/[smh]'|[0-9]{1,21}),?){0,2}\}|[^\n]{0,6})\n){0,8}"#,
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let _ = load(&text);
        let _ = Credentials::load(Path::new(FILE), |_| Ok(bytes.clone()));
    }
    #[test]
    fn no_text_whatever_shows_what_may_be_a_credential(
        text in r#"(\[{0,2}[ab.]{0,3}\]{0,2}\n|(a\.)?(file|sha256|login|token|operator) ?=? ?["'\[{]{0,2}(x = )?s3cret["'\]}]{0,2}[\n,]?){1,6}"#,
    ) {
        if let Err(problems) = load(&text) {
            let shown = format!("{problems}{problems:?}");
            prop_assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
