//! Every alias row of contract tables 5.1 and 5.2: it is the canonical form, or it is never cached; and every alias of
//! a write is a write.

use super::*;
use proptest::prelude::*;

fn route(method: &str, target: &str) -> Route {
    Route::of(&method.parse().unwrap(), &target.parse().unwrap())
}

fn canonical(method: &str, target: &str) -> Option<List> {
    List::from_canonical(&method.parse().unwrap(), &target.parse().unwrap())
}

fn operators(id: u32) -> Option<List> {
    OrganizationId::new(id).map(List::Operators)
}

#[test]
fn the_two_lists_are_recognized_in_their_canonical_form() {
    assert_eq!(canonical("GET", "/api/operator?organizationId=24"), operators(24));
    assert_eq!(canonical("GET", "/api/company/organization"), Some(List::Organizations));
}

#[test]
fn an_alias_of_a_list_is_that_list_but_not_canonical() {
    let aliases = [
        ("GET", "/API/Operator?organizationId=24"),
        ("GET", "/api/operator/?organizationId=24"),
        ("GET", "/api/%6Fperator?organizationId=24"),
        ("GET", "/api/./operator?organizationId=24"),
        ("GET", "/api/x/../operator?organizationId=24"),
        ("GET", "/api/%2e%2E/api/operator?organizationId=24"),
        ("get", "/api/operator?organizationId=24"),
        ("GET", "/api/operator"),
        ("GET", "/api/operator?"),
        ("GET", "/api/operator?ORGANIZATIONID=24"),
        ("GET", "/api/operator?%6FrganizationId=24"),
        ("GET", "/api/operator?organizationId=024"),
        ("GET", "/api/operator?organizationId=%2B24"),
        ("GET", "/api/operator?organizationId=+24"),
        ("GET", "/api/operator?organizationId=24%20"),
        ("GET", "/api/operator?organizationId=%0924"),
        ("GET", "/api/operator?organizationId=0x18"),
        ("GET", "/api/operator?organizationId=0X18"),
        ("GET", "/api/operator?organizationId=%2318"),
        ("GET", "/api/operator?organizationId=%26h18"),
        ("GET", "/api/operator?organizationId=24&organizationId=25"),
        ("GET", "/api/operator?organizationId=24&OrganizationId=25"),
        ("GET", "/api/operator?organizationId=24&x=1"),
        ("GET", "/api/operator?x=1&organizationId=24"),
        ("GET", "/api/operator?organizationId="),
        ("GET", "/api/operator?organizationId=abc"),
        ("GET", "/api/operator?organizationId=24.0"),
        ("GET", "/api/operator?organizationId=2147483648"),
        ("GET", "/api/operator?organizationId=24,25"),
        ("GET", "/api/operator?organizationId=24;organizationId=25"),
        ("GET", "/api/operator?organizationId=-1"),
        ("GET", "/api/operator?organizationId=0"),
    ];
    for (method, target) in aliases {
        assert_eq!(route(method, target), Route::ListOperators, "{method} {target}");
        assert_eq!(canonical(method, target), None, "{method} {target}");
    }
}

#[test]
fn what_the_upstream_does_not_know_as_the_list_is_another_read() {
    let others = [
        ("GET", "/api/operator//?organizationId=24"),
        ("GET", "/api//operator?organizationId=24"),
        ("GET", "//api/operator?organizationId=24"),
        ("GET", "/api%2Foperator?organizationId=24"),
        ("GET", "/api/operator;x?organizationId=24"),
        ("GET", "/api/operator/x.css?organizationId=24"),
        ("HEAD", "/api/operator?organizationId=24"),
        ("OPTIONS", "/api/operator?organizationId=24"),
    ];
    for (method, target) in others {
        assert_eq!(route(method, target), Route::OtherRead, "{method} {target}");
        assert_eq!(canonical(method, target), None, "{method} {target}");
    }
}

#[test]
fn an_absolute_target_is_the_resource_it_names() {
    assert_eq!(canonical("GET", "http://host/api/operator?organizationId=24"), operators(24));
}

#[test]
fn the_organization_list_is_canonical_only_without_a_query() {
    for target in ["/api/company/organization?", "/api/company/organization?x=1", "/api/company/organization/"] {
        assert_eq!(route("GET", target), Route::ListOrganizations, "{target}");
        assert_eq!(canonical("GET", target), None, "{target}");
    }
}

#[test]
fn calls_that_change_no_list_are_told_apart() {
    assert_eq!(route("POST", "/api/company/get-token"), Route::Login);
    assert_eq!(route("POST", "/API/operator/get-token/"), Route::Token);
    assert_eq!(route("post", "/api/operator/validate-token"), Route::Token);
    assert_eq!(route("POST", "/chathub/negotiate?negotiateVersion=1"), Route::Hub);
    assert_eq!(route("DELETE", "/chathub?id=x"), Route::Hub);
    assert_eq!(route("PUT", "/api/chat/status"), Route::ChatWrite);
    assert_eq!(route("GET", "/api/chat/chats"), Route::OtherRead);
}

#[test]
fn a_detour_over_what_servers_read_differently_leads_to_a_write() {
    // Where ChatHub takes back one name, another server takes back two, or what stands before it.
    for name in ["", "x%2F..", "x%2f..", "x%5C..", "x\\..", "..;", "%252E%252E", "x%00", "x%20"] {
        for before in ["/chathub", "/api/chat"] {
            let target = format!("{before}/{name}/../api/operator/status");
            assert_eq!(route("POST", &target), Route::OtherWrite, "{target}");
        }
        let target = format!("/api/company/{name}/../get-token");
        assert_eq!(route("POST", &target), Route::OtherWrite, "{target}");
    }
    assert_eq!(route("POST", "/chathub/x/../negotiate"), Route::Hub);
}

#[test]
fn whatever_could_be_a_write_in_disguise_is_one() {
    let disguised = ["/chathub/../api/operator/status", "/chathub/%2e%2e/api/operator/status"];
    for target in disguised {
        assert_eq!(route("POST", target), Route::SetStatus, "{target}");
    }
    let doubtful = [
        "/chathub/..%2Fapi/operator/status",
        "/chathub/..%5capi/operator/status",
        "/chathub//..//api/operator/status",
        "/chathub;/../../x",
        "/chathubs",
        "/api/chatter",
        "/api/company/get-token%2f",
        "/api/chat//x",
        "*",
    ];
    for target in doubtful {
        assert_eq!(route("POST", target), Route::OtherWrite, "{target}");
    }
}

/// A path that the upstream reads as `path`, spelt in one of the ways of contract 5.1.
fn alias(path: &'static str) -> impl Strategy<Value = String> {
    let spelt = proptest::collection::vec(0..3_u8, path.len()).prop_map(move |choices| {
        path.bytes().zip(choices).fold(String::new(), |mut out, (byte, choice)| {
            match (byte, choice) {
                (b'/', _) | (_, 0) => out.push(char::from(byte)),
                (_, 1) => out.push(char::from(byte.to_ascii_uppercase())),
                _ => out.push_str(&format!("%{byte:02x}")),
            }
            out
        })
    });
    (spelt, prop_oneof!["", "/\\.", "/x/\\.\\."], "/?")
        .prop_map(|(path, before, after)| format!("{before}{path}{after}"))
}

fn method(name: &'static str) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<bool>(), name.len()).prop_map(move |upper| {
        let folded = name.chars().zip(upper);
        folded.map(|(c, up)| if up { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
    })
}

proptest! {
    #[test]
    fn every_alias_of_a_write_is_that_write(
        (target, expected) in prop_oneof![
            alias("/api/operator/synchronize").prop_map(|target| (target, Route::Synchronize)),
            alias("/api/operator/status").prop_map(|target| (target, Route::SetStatus)),
        ],
        method in method("POST"),
    ) {
        prop_assert_eq!(route(&method, &target), expected);
    }

    #[test]
    fn every_alias_of_a_list_is_canonical_or_not_cached(
        target in alias("/api/operator"),
        query in "[oO]rganizationId=[0+]{0,2}24(&x=1)?",
        method in method("GET"),
    ) {
        let target = format!("{target}?{query}");
        let is_canonical = method == "GET" && target == "/api/operator?organizationId=24";
        prop_assert_eq!(canonical(&method, &target).is_some(), is_canonical);
        prop_assert_eq!(route(&method, &target), Route::ListOperators);
    }

    #[test]
    fn an_unsafe_method_never_passes_as_a_read(path in "/[a-z/.%2Ff5C;]{0,30}", method in "(PUT|DELETE|PATCH|MERGE|post)") {
        if let (Ok(target), Ok(method)) = (path.parse(), method.parse()) {
            prop_assert!(!Route::of(&method, &target).is_safe());
        }
    }
}
