//! Addresses to listen on, and the upstream's URL.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::Uri;

use super::kind::{Fault, Value};

/// What is shown in place of a part that may be secret.
const HIDDEN: &str = "***";

/// Reads an IP address with a port. Names are refused: what is listened on should not hang on a resolver.
pub(super) fn read_address(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| address_fault(text))
}

/// Says what an address lacks; where the intent is plain, with the address that was probably meant.
fn address_fault(text: &str) -> Fault {
    let is_ip = text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let fault = match host {
        _ if is_ip => return Fault::new("has no port"),
        "" => Fault::new("has no address"),
        _ => Fault::new("is not an IP address with a port"),
    };
    // A colon without an address means every interface to those who write it.
    let ip = match host {
        "" if text.starts_with(':') => Ipv4Addr::UNSPECIFIED,
        "" | "localhost" => Ipv4Addr::LOCALHOST,
        _ => return fault,
    };
    match port.parse::<u16>() {
        Ok(port) => fault.instead(Value::Address(SocketAddr::from((ip, port)))),
        Err(_) => Fault::new("is not an IP address with a port"),
    }
}

/// Reads a URL that names a host and nothing below it: no user, no path, no query.
pub(super) fn read_url(text: &str) -> Result<Uri, Fault> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let meant = read_url(&format!("https://{text}")).ok();
        return Err(Fault::new("has no scheme (http:// or https://)").instead(meant.map(Value::Url)));
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(Fault::new("must begin with http:// or https://"));
    }
    // Before the parser, which knows of no fragments, and so that the fault is named even if there are others.
    for (mark, part) in [('@', "user or password"), ('?', "query"), ('#', "fragment")] {
        if rest.contains(mark) {
            return Err(Fault::new(format!("must not have a {part}")));
        }
    }
    let url: Uri = text.parse().map_err(|_| Fault::new("is not a URL"))?;
    checked_parts(url)
}

fn checked_parts(url: Uri) -> Result<Uri, Fault> {
    let authority = url.authority().ok_or_else(|| Fault::new("has no host"))?;
    if authority.host().is_empty() {
        return Err(Fault::new("has no host"));
    }
    let behind_host = &authority.as_str()[authority.host().len()..];
    if !behind_host.is_empty() && matches!(authority.port_u16(), None | Some(0)) {
        return Err(Fault::new("must have a port between 1 and 65535, or none"));
    }
    match url.path() {
        "" | "/" => Ok(url),
        _ => Err(Fault::new("must not have a path: clients name the path themselves")),
    }
}

/// Prints a URL as it is usually written: without the slash that stands for the empty path.
pub(super) fn print_url(url: &Uri) -> String {
    let printed = url.to_string();
    printed.strip_suffix('/').map(str::to_owned).unwrap_or(printed)
}

/// Hides what may be secret in something that was meant as a URL, however wrong it is: all between the scheme and the
/// last `@`, and all behind the first `?` or `#`.
pub(super) fn redact_url(text: &str) -> String {
    // In a query there may be another URL, and what stands before that is no scheme.
    let is_scheme =
        |end: &usize| text[..*end].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let start = text.find("://").filter(is_scheme).map_or(0, |scheme| scheme + 3);
    let (scheme, rest) = text.split_at(start);
    let rest = match rest.rfind('@') {
        Some(at) => format!("{HIDDEN}{}", &rest[at..]),
        None => rest.to_owned(),
    };
    match rest.find(['?', '#']) {
        Some(mark) => format!("{scheme}{}{HIDDEN}", &rest[..=mark]),
        None => format!("{scheme}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_are_read() {
        for text in ["127.0.0.1:2428", "0.0.0.0:0", "[::1]:80", "[::]:65535"] {
            assert_eq!(read_address(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["2428", ":2428", "127.0.0.1", "[::1]", "::1", "localhost:80", "127.0.0.1:65536", "a", ":", "1.2.3:4"]
        {
            assert!(read_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_that_name_a_host_are_read() {
        for text in ["https://chatapi.smsbat.com", "http://127.0.0.1:8080", "http://[::1]:80", "https://a_b.example"] {
            assert_eq!(print_url(&read_url(text).unwrap()), text);
            assert_eq!(read_url(&format!("{text}/")).unwrap(), read_url(text).unwrap());
        }
    }

    #[test]
    fn urls_that_say_more_or_less_than_a_host_are_refused() {
        for text in [
            "",
            "http://",
            "https://:443",
            "https://host:",
            "https://host:0",
            "https://host:65536",
            "https://host/path",
            "https://host//",
            "https://host?q=1",
            "https://host#f",
            "https://user@host",
            "https://user:word@host",
            "ftp://host",
            "host",
            "https:host",
            "https://ho st",
            "https://höst",
        ] {
            assert!(read_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_hidden_however_the_url_is_wrong() {
        for (text, shown) in [
            ("https://user:s3cret@host/", "https://***@host/"),
            ("https://user:s3/cret@ret@host", "https://***@host"),
            ("user:s3cret@host", "***@host"),
            ("https:/user:s3cret@host", "***@host"),
            ("https://host/?access_token=s3cret", "https://host/?***"),
            ("https://host#s3cret", "https://host#***"),
            ("https://user:s3?cret@host", "https://***@host"),
            ("user:s3cret@host/?to=https://other", "***@host/?***"),
            ("host/?access_token=s3cret&to=https://other", "host/?***"),
            ("https:/user:s3cret@host#https://other", "***@host#***"),
            ("https://host", "https://host"),
        ] {
            assert_eq!(redact_url(text), shown);
        }
    }
}
