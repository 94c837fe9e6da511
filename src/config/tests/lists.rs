//! What is said of lists.

use super::messages::assert_messages;
use super::*;

#[test]
fn a_list_tells_which_of_its_items_is_wrong_and_keeps_the_others() {
    let many = |count: u32| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
    let (cut, hundred) = (&many(40)[..80], many(100));
    assert_messages(&[
        (
            "[metrics]\norganizations = [24, \"25\", 6]",
            "2:17: metrics.organizations = [24, \"25\", 6]: item 2 is a string, not a whole number; write for example organizations = [24, 6]",
        ),
        (
            "[metrics]\norganizations = [24, 25, 24]",
            "2:17: metrics.organizations = [24, 25, 24]: has 24 twice; write for example organizations = [24, 25]",
        ),
        (
            "[metrics]\norganizations = [0]",
            "2:17: metrics.organizations = [0]: item 1 is not between 1 and 2147483647; write for example organizations = [24, 25]",
        ),
        (
            "[metrics]\norganizations = [7, -1, 2147483648]",
            "2:17: metrics.organizations = [7, -1, 2147483648]: item 2 is not between 1 and 2147483647; write for example organizations = [7]",
        ),
        (
            "[metrics]\norganizations = 24",
            "2:17: metrics.organizations = 24: is a whole number, not a list of whole numbers; write for example organizations = [24, 25]",
        ),
        (
            "[metrics]\norganizations = \"6,24\"",
            "2:17: metrics.organizations = \"6,24\": is a string, not a list of whole numbers; write for example organizations = [6, 24]",
        ),
        (
            &format!("[metrics]\norganizations = [{}]", many(101)),
            &format!(
                "2:17: metrics.organizations = [{}…: has 101 items, and may have 100; write for example organizations = [{hundred}]",
                &cut[..79]
            ),
        ),
    ]);
    let environment = |value: &str| message(load_environment(&[("CHATHUB_GATEWAY__METRICS__ORGANIZATIONS", value)]));
    let variable = "environment variable CHATHUB_GATEWAY__METRICS__ORGANIZATIONS: metrics.organizations";
    let written = "write for example CHATHUB_GATEWAY__METRICS__ORGANIZATIONS";
    for (value, fault, good) in [
        ("24,x", "item 2 is not a whole number", "24"),
        ("24,,6", "item 2 is empty", "24,6"),
        ("[24]", "item 1 is not a whole number", "24,25"),
        ("6, 6", "has 6 twice", "6"),
    ] {
        assert_eq!(environment(value), format!("{variable} = \"{value}\": {fault}; {written}={good}"));
    }
}
