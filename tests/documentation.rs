//! The README's tables are what the code says.
//!
//! Each table stands between two comments. A difference is shown as the table that should be there, to be pasted.

use chathub_gateway::chathub::OrganizationId;
use chathub_gateway::config;
use chathub_gateway::telemetry::metrics::Metrics;

const README: &str = include_str!("../README.md");

/// Returns what stands between the comments of that name.
fn table(name: &str) -> &'static str {
    let (begin, end) = (format!("<!-- table: {name} -->\n"), format!("<!-- end: {name} -->"));
    let from = README.find(&begin).expect("the README marks the table's beginning") + begin.len();
    let to = README.find(&end).expect("the README marks the table's end");
    README[from..to].trim()
}

fn assert_same(name: &str, expected: &str) {
    assert!(table(name) == expected, "the README's table of {name} should be:\n{expected}\n");
}

#[test]
fn the_readmes_table_of_settings_is_that_of_the_code() {
    let rows = config::reference().map(|(path, default, about)| {
        let default = if default.is_empty() { "absent".to_owned() } else { format!("`{default}`") };
        format!("| `{path}` | {default} | {about} |")
    });
    let head = ["| setting | default | meaning |".to_owned(), "|---|---|---|".to_owned()];
    assert_same("settings", &head.into_iter().chain(rows).collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_readmes_table_of_metrics_is_that_of_the_code() {
    let metrics = Metrics::new(prometheus::Registry::new());
    // Without an organization some metrics have no series.
    metrics.operators.watch(&[OrganizationId::new(24).expect("it is an id")]);
    let rows = metrics.reference().into_iter().map(|(name, help)| format!("| `{name}` | {help} |"));
    let head = ["| metric | what it counts |".to_owned(), "|---|---|".to_owned()];
    assert_same("metrics", &head.into_iter().chain(rows).collect::<Vec<_>>().join("\n"));
}
