//! The table of settings: complete, true to the fields, and the same in every form.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::kind::{Kind, Value};
use crate::config::rule;
use crate::config::setting::{SECTIONS, SETTINGS, Setting};
use crate::config::{DEFAULT_FILE, Per, Rate, reference};

#[test]
fn the_default_file_is_the_defaults() {
    assert_eq!(load_file(DEFAULT_FILE).unwrap(), Config::default());
}

#[test]
fn the_default_file_is_what_is_printed_of_the_defaults() {
    assert_eq!(DEFAULT_FILE, Config::default().to_toml());
}

#[test]
fn every_default_and_every_example_is_good_by_itself() {
    for setting in SETTINGS {
        for value in [setting.default(), setting.example()] {
            let mut text = format!("{} = {}", setting.path, setting.kind.literal(&value));
            if let Some(partner) = partner(setting.path) {
                text += &format!("\n{partner} = 'partner'");
            }
            let loaded = if value == Value::Absent { load_file("") } else { load_file(&text) };
            assert_eq!(setting.get(&loaded.unwrap()), value, "{text}");
        }
    }
    assert!(rule::broken(&Config::default()).is_empty());
}

/// Returns the setting without which one is of no use.
fn partner(path: &str) -> Option<&'static str> {
    Some(match path {
        "server.tls_certificate" => "server.tls_key",
        "server.tls_key" => "server.tls_certificate",
        "server.tls_client_ca" => "server.tls_key = 'key'\nserver.tls_certificate",
        "upstream.client_certificate" => "upstream.client_key",
        "upstream.client_key" => "upstream.client_certificate",
        _ => return None,
    })
}

#[test]
fn every_setting_is_an_environment_variable() {
    let environment: Vec<_> = SETTINGS.iter().map(|setting| (setting.variable(), another(setting))).collect();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = load_environment(&environment).unwrap_or_else(|problems| panic!("{problems}"));
    for setting in SETTINGS {
        assert_ne!(setting.get(&config), setting.default(), "{}", setting.path);
        assert_eq!(setting.kind.plain(&setting.get(&config)), another(setting), "{}", setting.path);
    }
}

/// Returns a good value other than the default, as plain text.
fn another(setting: &Setting) -> String {
    match &setting.kind {
        Kind::Address if setting.path.starts_with("admin") => "[::1]:82".to_owned(),
        Kind::Address => "[::1]:81".to_owned(),
        Kind::Duration(_) if setting.path == "server.drain_deadline" => "301s".to_owned(),
        Kind::Duration(bounds) => setting.kind.plain(&Value::Duration(*bounds.end())),
        Kind::Number(bounds) | Kind::Size(bounds) => {
            let is_default = setting.default() == Value::Number(*bounds.end());
            setting.kind.plain(&Value::Number(*if is_default { bounds.start() } else { bounds.end() }))
        }
        Kind::Numbers(numbers) => format!("{},{}", numbers.each.start(), numbers.each.end()),
        Kind::Path => "/run/token".to_owned(),
        Kind::Rate => "3000/m".to_owned(),
        Kind::Switch => (setting.default() != Value::Switch(true)).to_string(),
        Kind::Url => "http://[::1]:83".to_owned(),
        Kind::Word(words) => words.last().unwrap().to_string(),
    }
}

#[test]
fn the_reference_lists_every_setting_once() {
    let rows: Vec<_> = reference().collect();
    assert_eq!(rows.len(), SETTINGS.len());
    let mut paths: Vec<_> = rows.iter().map(|(path, ..)| *path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), SETTINGS.len());
    assert!(rows.contains(&(
        "cache.operators_ttl",
        "\"60s\"".to_owned(),
        "How long a list of operators is fresh; 0s: not cached (0s to 24h)".to_owned()
    )));
}

#[test]
fn every_section_is_explained_and_every_line_of_documentation_is_one_line() {
    for setting in SETTINGS {
        let (section, _) = setting.section_and_name();
        assert!(SECTIONS.iter().any(|(path, _)| *path == section), "{section}");
    }
    for (path, _, documentation) in reference() {
        assert!(documentation.len() < 118 && !documentation.contains('\n'), "{path}");
        assert!(!documentation.ends_with('.'), "{path}");
    }
}

#[test]
fn an_absent_setting_is_printed_as_a_comment() {
    let text = Config::default().to_toml();
    assert!(text.contains("\n# workers = 2\n"), "{text}");
    assert!(text.contains("\n# token_file = \"/run/secrets/admin-token\"\n"), "{text}");
}

proptest! {
    #[test]
    fn what_is_printed_loads_as_itself(config in any_config()) {
        prop_assert_eq!(load_file(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn no_file_whatever_makes_loading_panic(text in "([a-z._\\[\\]\"'={}, #0-9]|cache|capacity|ї|\n|\r|://|@){0,40}") {
        let _ = load_file(&text).map_err(|problems| problems.to_string());
    }

    #[test]
    fn no_value_whatever_makes_loading_panic(value in ".{0,30}", row in 0..SETTINGS.len()) {
        let name = SETTINGS[row].variable();
        let _ = load_environment(&[(&name, &value)]).map_err(|problems| problems.to_string());
    }
}

/// Any settings that keep the rules.
fn any_config() -> impl Strategy<Value = Config> {
    let values: Vec<_> = SETTINGS.iter().map(any_value).collect();
    let config = values.prop_map(|values| {
        let mut config = Config::default();
        for (setting, value) in SETTINGS.iter().zip(values) {
            setting.set(&mut config, value);
        }
        config
    });
    config.prop_filter("keeps the rules", |config| rule::broken(config).is_empty())
}

fn any_value(setting: &Setting) -> BoxedStrategy<Value> {
    let present = match &setting.kind {
        Kind::Address => any::<std::net::SocketAddr>().prop_map(without_scope).prop_map(Value::Address).boxed(),
        Kind::Duration(bounds) => any_duration(*bounds.start(), *bounds.end()).prop_map(Value::Duration).boxed(),
        Kind::Number(bounds) | Kind::Size(bounds) => bounds.clone().prop_map(Value::Number).boxed(),
        Kind::Numbers(numbers) => proptest::collection::hash_set(numbers.each.clone(), 0..=numbers.most)
            .prop_map(|all| Value::Numbers(all.into_iter().collect()))
            .boxed(),
        Kind::Path => "[a-zA-Z./\\\\ '\"ї\u{1}\n]{1,20}".prop_map(|path| Value::Path(path.into())).boxed(),
        Kind::Rate => any_rate().prop_map(Value::Rate).boxed(),
        Kind::Switch => any::<bool>().prop_map(Value::Switch).boxed(),
        Kind::Url => "https?://([a-z0-9.-]{1,20}|\\[::1\\])(:[1-9][0-9]{0,3})?"
            .prop_map(|url| Value::Url(url.parse().unwrap()))
            .boxed(),
        Kind::Word(words) => proptest::sample::select(*words).prop_map(Value::Word).boxed(),
    };
    if setting.is_optional() { prop_oneof![Just(Value::Absent), present].boxed() } else { present }
}

/// Scope and flow label are not part of what is written.
fn without_scope(address: std::net::SocketAddr) -> std::net::SocketAddr {
    (address.ip(), address.port()).into()
}

fn any_duration(from: Duration, to: Duration) -> impl Strategy<Value = Duration> {
    let milliseconds = from.as_millis() as u64..=to.as_millis() as u64;
    prop_oneof![
        milliseconds.clone(),
        milliseconds.prop_map(move |number| (number / 1000 * 1000).max(from.as_millis() as u64))
    ]
    .prop_map(Duration::from_millis)
}

fn any_rate() -> impl Strategy<Value = Rate> {
    (1..=u32::MAX, proptest::sample::select(&Per::ALL[..]))
        .prop_filter_map("is not too high", |(count, per)| Rate::new(count.try_into().ok()?, per))
}
