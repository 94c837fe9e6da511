use super::*;
use crate::chathub::credential::DigestKey;
use crate::chathub::{List, OrganizationId};
use crate::testing;

fn request(lines: &[(&str, &str)]) -> RoutedRequest {
    let mut all = vec![("authorization", "Bearer a")];
    all.extend_from_slice(lines);
    testing::routed("GET", "/api/operator?organizationId=24", &all)
}

fn refusal(lines: &[(&str, &str)]) -> Option<Detail> {
    eligible(&request(lines)).err().map(|(_, detail)| detail)
}

#[test]
fn the_canonical_request_is_looked_up_by_list_and_credential() {
    let request = request(&[]);
    let Identity::One(credential) = request.identity else { panic!("one credential") };
    let list = List::Operators(OrganizationId::new(24).unwrap());
    assert_eq!(eligible(&request).unwrap().key, CacheKey { credential: credential.digest, list });
}

#[test]
fn what_the_three_clients_send_by_default_is_looked_up() {
    for accept in ["*/*", "text/plain", "application/json", "application/json, text/plain, */*", "Text/Plain;q=0.5", ""]
    {
        assert_eq!(refusal(&[("accept", accept), ("user-agent", "x"), ("accept-encoding", "gzip")]), None, "{accept}");
    }
}

#[test]
fn whatever_may_change_the_answer_goes_forward_and_says_why() {
    let rows = [
        ("cookie", "a=b", Detail::Cookie),
        ("origin", "https://a", Detail::Origin),
        ("range", "bytes=0-1", Detail::Range),
        ("accept-charset", "utf-16", Detail::AcceptCharset),
        ("x-http-method-override", "DELETE", Detail::Override),
        ("x-http-method", "DELETE", Detail::Override),
        ("x-method-override", "DELETE", Detail::Override),
        ("x-original-url", "/x", Detail::Override),
        ("x-rewrite-url", "/x", Detail::Override),
        ("if-none-match", "\"a\"", Detail::Conditional),
        ("accept", "text/json", Detail::Accept),
        ("accept", "application/xml, */*", Detail::Accept),
        ("accept", "application/json;charset=utf-16", Detail::Accept),
        ("accept", "application/json;q=0", Detail::Accept),
        ("cache-control", "no-store", Detail::RequestNoStore),
        ("x-authorization-key", "k", Detail::TwoCredentials),
    ];
    for (name, value, detail) in rows {
        assert_eq!(refusal(&[(name, value)]), Some(detail), "{name}: {value}");
    }
}

#[test]
fn a_read_with_content_goes_forward() {
    let mut request = request(&[]);
    request.body = bytes::Bytes::from_static(b"x").into();
    assert_eq!(eligible(&request).unwrap_err(), (Forward::Bypass, Detail::Content));
}

#[test]
fn without_a_credential_nothing_is_looked_up() {
    let request = testing::routed("GET", "/api/operator?organizationId=24", &[]);
    assert_eq!(eligible(&request).unwrap_err().1, Detail::NoCredential);
}

#[test]
fn an_alias_and_a_write_say_which_they_are() {
    let alias = testing::routed("GET", "/api/operator?organizationId=024", &[("authorization", "Bearer a")]);
    assert_eq!(eligible(&alias).unwrap_err(), (Forward::Bypass, Detail::Target));
    let write = testing::routed("POST", "/api/operator/status", &[("authorization", "Bearer a")]);
    assert_eq!(eligible(&write).unwrap_err(), (Forward::Method, Detail::Route));
}

#[test]
fn two_processes_give_one_credential_two_keys() {
    let fields = request(&[]).request.into_parts().head.headers;
    let (a, b) = (DigestKey::random().unwrap(), DigestKey::random().unwrap());
    assert_ne!(a.identify(&fields), b.identify(&fields));
}
