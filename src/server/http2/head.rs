//! Whether a head that came over HTTP/2 could have come over HTTP/1.1, as which it goes on.
//!
//! `h2` has refused what RFC 9113 §8.2 and §8.3 call malformed: names in upper case, fields of the connection, pseudo-fields
//! that are unknown, repeated or late, lengths that are not those of the content. What is left is what the two versions
//! see differently, and our own bounds, which are those of the other version ([`framing`](crate::server::framing)).

use http::header::{COOKIE, HOST, HeaderMap, HeaderValue};
use http::{Method, Uri, request};

use crate::server::framing::{Fault, Limits, check_origin_form, is_host_and_port};

/// What separates name, value and line in a head of HTTP/1.1.
const LINE_OVERHEAD: usize = 4;

/// Judges a head, and makes of its cookies the one field that HTTP/1.1 has (RFC 9113 §8.2.3).
pub(super) fn judge(head: &mut request::Parts, limits: &Limits) -> Result<(), Fault> {
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > limits.max_target {
        return Err(Fault::TargetTooLong);
    }
    if head.headers.len() > limits.max_fields {
        return Err(Fault::TooManyFields);
    }
    let fields: usize =
        head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD).sum();
    if target.len() + fields > limits.max_head {
        return Err(Fault::HeadTooLarge);
    }
    judge_target(&head.method, target).map_err(Fault::Malformed)?;
    judge_host(&head.uri, &head.headers).map_err(Fault::Malformed)?;
    join_cookies(&mut head.headers);
    Ok(())
}

/// RFC 9113 §8.3.1: a path, or `*` for `OPTIONS`. `CONNECT` has none, and is refused elsewhere.
fn judge_target(method: &Method, target: &str) -> Result<(), &'static str> {
    match target {
        _ if method == Method::CONNECT => Ok(()),
        "*" if method == Method::OPTIONS => Ok(()),
        _ if !target.starts_with('/') => Err("the target is not a path"),
        _ => check_origin_form(target.as_bytes()),
    }
}

/// The authority is what `Host` is in HTTP/1.1. If both are there they must say the same (RFC 9113 §8.3.1).
fn judge_host(target: &Uri, fields: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = fields.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err("there is more than one host");
    }
    let authority = target.authority().map(|authority| authority.as_str().as_bytes());
    let named = authority.or(host).ok_or("there is no host")?;
    if !is_host_and_port(named) {
        return Err("the host is not a name or an address with or without a port");
    }
    match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            Err("the host is not that of the authority")
        }
        _ => Ok(()),
    }
}

fn join_cookies(fields: &mut HeaderMap) {
    if fields.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<_> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        fields.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::server::framing::tests::LIMITS;

    fn judged(target: &str, fields: &[(&'static str, &str)]) -> Result<request::Parts, Fault> {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        judge(&mut head, &LIMITS).map(|()| head)
    }

    #[test]
    fn a_host_that_is_not_the_authority_is_refused() {
        for (target, host, is_good) in [
            ("http://a/", "a", true),
            ("http://a:1/", "A:1", true),
            ("http://a/", "b", false),
            ("http://a:1/", "a", false),
            ("http://u@a/", "u@a", false),
            ("/", "a", true),
            ("/", "a/b", false),
        ] {
            assert_eq!(judged(target, &[("host", host)]).is_ok(), is_good, "{target} {host}");
        }
        assert!(judged("http://a/", &[]).is_ok());
        assert!(judged("http://u@a/", &[]).is_err());
        assert!(judged("/", &[]).is_err());
        assert!(judged("/", &[("host", "a"), ("host", "a")]).is_err());
    }

    #[test]
    fn the_bounds_are_those_of_the_other_version() {
        let path = format!("http://a/{}", "p".repeat(LIMITS.max_target));
        assert_eq!(judged(&path, &[]).unwrap_err(), Fault::TargetTooLong);
        assert_eq!(judged("http://a/", &[("x", "y"); 9]).unwrap_err(), Fault::TooManyFields);
        let long = "y".repeat(LIMITS.max_head);
        assert_eq!(judged("http://a/", &[("x", &long)]).unwrap_err(), Fault::HeadTooLarge);
    }

    #[test]
    fn what_is_no_path_of_ascii_is_refused() {
        assert!(judged("http://a/\u{e9}", &[]).is_err());
        assert!(judged("http://a/%C3%A9?q=%E9", &[]).is_ok());
        assert!(judge_target(&Method::GET, "*").is_err());
        assert!(judge_target(&Method::OPTIONS, "*").is_ok());
    }

    #[test]
    fn cookies_go_on_as_one_field() {
        let head = judged("http://a/", &[("cookie", "a=1"), ("cookie", "b=2"), ("x", "y")]).unwrap();
        assert_eq!(head.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
