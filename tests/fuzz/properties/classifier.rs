//! What a request is for (contract 5.1, 5.2): no alias of a list is answered from memory, and no write slips by.
//!
//! An input is a method and a target with a blank between them.

use chathub_gateway::chathub::{Groups, List, OrganizationId, Route};
use http::{Method, Uri};

use super::spelling::{CHATHUB, escape, servers};

/// Checks what one request is taken for.
pub(crate) fn check(input: &[u8]) {
    let input = input.trim_ascii_end();
    let Some(blank) = input.iter().position(|byte| *byte == b' ') else { return };
    let (method, target) = (Method::from_bytes(&input[..blank]), Uri::try_from(&input[blank + 1..]));
    let (Ok(method), Ok(target)) = (method, target) else { return };
    let (route, list) = Route::and_list(&method, &target);
    assert_eq!((route, list), Route::and_list(&method, &target), "it is read the same again");
    assert_eq!((route, list), (Route::of(&method, &target), List::from_canonical(&method, &target)));
    assert_eq!(list, canonical(&method, &target), "only the canonical form is a list that may be kept");
    assert!(list != Some(List::Organizations) || route == Route::ListOrganizations);
    assert!(!matches!(list, Some(List::Operators(_))) || route == Route::ListOperators);
    let is_read = ["GET", "HEAD", "OPTIONS"].iter().any(|safe| method.as_str().eq_ignore_ascii_case(safe));
    assert!(!route.is_safe() || is_read, "what may change something is no read");
    assert!(!route.is_write() || !is_read, "a read is no write");
    if target.path().starts_with('/') {
        is_what_chathub_takes_it_for(&method, target.path(), route);
        hides_no_write(&method, target.path(), route);
        is_the_same_in_other_spellings(&method, target.path(), route);
        is_the_same_with_other_surroundings(&method, target.path(), route);
    }
}

/// Returns the list whose one form this is, to the letter.
fn canonical(method: &Method, target: &Uri) -> Option<List> {
    let text = target.path_and_query().map_or("", |text| text.as_str());
    let list = match text.strip_prefix("/api/operator?organizationId=") {
        Some(digits) => {
            let id: i32 = digits.parse().ok().filter(|id: &i32| *id > 0 && id.to_string() == digits)?;
            List::Operators(OrganizationId::new(id.unsigned_abs())?)
        }
        None => (text == "/api/company/organization").then_some(List::Organizations)?,
    };
    (method.as_str() == "GET").then_some(list)
}

/// A path in which nothing is odd is what ChatHub reads; any other is that too, or is taken for a write of everything.
fn is_what_chathub_takes_it_for(method: &Method, path: &str, route: Route) {
    let read = CHATHUB.read(path);
    let is = |name: &str| method.as_str().eq_ignore_ascii_case(name);
    let known = match read.as_str() {
        "/api/operator" if is("GET") => Route::ListOperators,
        "/api/company/organization" if is("GET") => Route::ListOrganizations,
        "/api/operator/synchronize" if is("POST") => Route::Synchronize,
        "/api/operator/status" if is("POST") => Route::SetStatus,
        "/api/company/get-token" if is("POST") => Route::Login,
        "/api/operator/get-token" | "/api/operator/validate-token" if is("POST") => Route::Token,
        read if is_at_or_under(read, "/chathub") => Route::Hub,
        read if is_at_or_under(read, "/api/chat") && !is("GET") && !is("HEAD") && !is("OPTIONS") => Route::ChatWrite,
        _ if is("GET") || is("HEAD") || is("OPTIONS") => Route::OtherRead,
        _ => Route::OtherWrite,
    };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"%;\\".contains(&byte);
    if path.bytes().all(is_plain) && !path.contains("//") {
        assert_eq!(route, known, "{method} {path}");
    } else {
        let cautious = [Route::OtherRead, Route::OtherWrite];
        assert!(route == known || cautious.contains(&route), "{method} {path} is {known:?}, not {route:?}");
    }
}

/// What counts as changing no list changes none, whichever server reads it, or hands it on to ChatHub as it has read it.
fn hides_no_write(method: &Method, path: &str, route: Route) {
    if route.is_safe() || Groups::of(route) != Groups::None {
        return;
    }
    let is = |name: &str| method.as_str().eq_ignore_ascii_case(name);
    if is("GET") || is("HEAD") || is("OPTIONS") {
        return;
    }
    for server in servers() {
        let read = server.read(path);
        let forwarded = CHATHUB.read(&read);
        let list_writes = ["/api/operator/synchronize", "/api/operator/status"];
        let is_list_write = list_writes.iter().any(|write| *write == read || *write == forwarded);
        assert!(!is_list_write, "{method} {path} is {route:?}, but {read} to {server:?}, and {forwarded} behind it");
        let is_token = ["/api/company/get-token", "/api/operator/get-token", "/api/operator/validate-token"];
        let is_harmless = is_at_or_under(&read, "/chathub")
            || is_at_or_under(&read, "/api/chat")
            || is("POST") && is_token.contains(&read.as_str());
        assert!(is_harmless || !server.finds_its_way(), "{method} {path} is {route:?}, but {read} to {server:?}");
    }
}

fn is_at_or_under(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Escapes, letters of the other case and detours make the same request, and never one that is kept.
fn is_the_same_in_other_spellings(method: &Method, path: &str, route: Route) {
    let spelt = [escaped(path), recased(path), format!("/.{path}"), format!("/x/..{path}"), format!("/%2E%2e{path}")];
    for other in spelt {
        let Ok(target) = other.parse() else { continue };
        assert_eq!(Route::of(method, &target), route, "{method} {path} as {other}");
        let method: Method = method.as_str().to_ascii_lowercase().parse().expect("it is a token still");
        assert_eq!(Route::and_list(&method, &target), (route, None), "{method} {path} as {other}");
    }
}

/// Neither a query nor a host makes it another request.
fn is_the_same_with_other_surroundings(method: &Method, path: &str, route: Route) {
    let surrounded = [path.to_owned(), format!("{path}?"), format!("{path}?x=1"), format!("http://h:1{path}?a/../b")];
    for other in surrounded {
        let Ok(target) = other.parse() else { continue };
        assert_eq!(Route::of(method, &target), route, "{method} {path} as {other}");
    }
}

/// Escapes every letter that may be.
fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    let mut rest = path.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        match escape(rest) {
            Some(byte) => {
                escaped.push_str(&format!("%{byte:02x}"));
                rest = &rest[3..];
                continue;
            }
            None if matches!(byte, b'/' | b'%') => escaped.push(char::from(*byte)),
            None => escaped.push_str(&format!("%{byte:02X}")),
        }
        rest = behind;
    }
    escaped
}

fn recased(path: &str) -> String {
    let other = |letter: char| if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter };
    path.chars().map(other).collect()
}
