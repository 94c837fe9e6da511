//! The bytes of a connection, read once more (RFC 9112): what was asked for, and where it stops.
//!
//! What a newcomer would get wrong: this reader sees all bytes at once, goes by whole lines, and knows no state between
//! two reads. That is what makes it a witness for one that is shown them piece by piece. It is as strict as the gateway
//! means to be; where a head is not complete it has no opinion.

use http::Uri;

/// The bounds that a connection is served with: small, so that they are reached.
pub(crate) const MAX_HEAD: usize = 512;
pub(crate) const MAX_FIELDS: usize = 8;
pub(crate) const MAX_TARGET: usize = 64;

/// The bound of what stands behind a chunk's size.
const MAX_EXTENSION: usize = 1024;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// Names in lower case and values without blanks around them, sorted.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) content: Vec<u8>,
    /// Whether all of the content is there, and is well-formed.
    pub(crate) is_whole: bool,
    /// Whether the connection may end with its answer.
    pub(crate) may_close: bool,
}

/// What stands behind the last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing, or empty lines.
    Clean,
    /// A head that is to be refused.
    Fault,
    /// A head that is not complete: it may be plain already that it is to be refused.
    Unfinished,
}

/// Reads all requests.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Asked>, End) {
    let mut all = Vec::new();
    let mut rest = bytes;
    loop {
        if rest.is_empty() || rest == b"\r\n" || rest == b"\r\n\r\n" {
            return (all, End::Clean);
        }
        let skipped =
            [&b"\r\n\r\n"[..], b"\r\n"].into_iter().find(|empty| rest.starts_with(empty)).map_or(0, <[u8]>::len);
        let Some(length) = find(&rest[skipped..], b"\r\n\r\n").map(|end| skipped + end + 4) else {
            return (all, End::Unfinished);
        };
        let head = Head::read(&rest[skipped..length - 2]).filter(|_| length <= MAX_HEAD);
        let Some((head, body)) = head.and_then(|head| head.body().map(|body| (head, body))) else {
            return (all, End::Fault);
        };
        rest = &rest[length..];
        let (content, behind) = body.read(rest);
        let is_whole = behind.is_some();
        let may_close = head.may_close();
        let Head { method, target, fields, .. } = head;
        all.push(Asked { method, target, fields, content, is_whole, may_close });
        match behind {
            Some(behind) => rest = behind,
            None => return (all, End::Clean),
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

struct Head {
    method: Vec<u8>,
    target: Vec<u8>,
    is_11: bool,
    fields: Vec<(String, Vec<u8>)>,
}

enum Body {
    Length(u64),
    Chunks,
}

impl Head {
    /// Reads lines, each with its end.
    fn read(lines: &[u8]) -> Option<Self> {
        let text: String = lines.iter().copied().map(char::from).collect();
        let mut lines = text.strip_suffix("\r\n")?.split("\r\n");
        let [method, target, version] = lines.next()?.split(' ').collect::<Vec<_>>()[..] else { return None };
        let fields: Vec<_> = lines.map(field).collect::<Option<_>>()?;
        let is_11 = version == "HTTP/1.1";
        let is_good = is_token(method) && is_target(method, target) && (is_11 || version == "HTTP/1.0");
        let is_clean = text.replace("\r\n", "").chars().all(|letter| letter == '\t' || !letter.is_ascii_control());
        let mut head = Self { method: bytes(method), target: bytes(target), is_11, fields };
        head.fields.sort();
        (is_good && is_clean && head.fields.len() <= MAX_FIELDS && head.has_good_host()).then_some(head)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(given, _)| given == name).map(|(_, value)| &value[..])
    }

    fn has_good_host(&self) -> bool {
        let hosts: Vec<_> = self.all("host").collect();
        match hosts[..] {
            [host] => is_host(&host.iter().copied().map(char::from).collect::<String>()),
            [] => !self.is_11,
            _ => false,
        }
    }

    /// Returns how the content is delimited, if that leaves no doubt.
    fn body(&self) -> Option<Body> {
        let lengths: Vec<_> = self.all("content-length").collect();
        let codings: Vec<_> = self.all("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Some(Body::Length(0)),
            ([length], []) if length.iter().all(u8::is_ascii_digit) => {
                let length: i64 = std::str::from_utf8(length).ok()?.parse().ok()?;
                Some(Body::Length(length.unsigned_abs()))
            }
            ([], [coding]) if self.is_11 && coding.eq_ignore_ascii_case(b"chunked") => Some(Body::Chunks),
            _ => None,
        }
    }

    fn may_close(&self) -> bool {
        !self.is_11 || self.all("connection").any(|value| find(&value.to_ascii_lowercase(), b"close").is_some())
    }
}

impl Body {
    /// Returns the content, as far as it is good, and what stands behind it if it is whole.
    fn read<'a>(&self, bytes: &'a [u8]) -> (Vec<u8>, Option<&'a [u8]>) {
        match self {
            Self::Length(length) => {
                let split = usize::try_from(*length).ok().and_then(|length| bytes.split_at_checked(length));
                split.map_or((bytes.to_vec(), None), |(content, behind)| (content.to_vec(), Some(behind)))
            }
            Self::Chunks => {
                let mut content = Vec::new();
                let behind = read_chunks(bytes, &mut content);
                (content, behind)
            }
        }
    }
}

fn read_chunks<'a>(mut rest: &'a [u8], content: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (line, behind) = line(rest)?;
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let (size, extension) = line.split_at(digits);
        let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok();
        let size = size.filter(|_| digits <= 16 && is_extension(extension))?;
        if size == 0 {
            return read_trailers(behind);
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (data, behind) = behind.split_at_checked(size).unwrap_or((behind, b""));
        content.extend_from_slice(data);
        rest = behind.strip_prefix(b"\r\n")?;
    }
}

/// Returns whether this may stand behind a chunk's size: nothing, or blanks and a semicolon and more.
fn is_extension(bytes: &[u8]) -> bool {
    let has_its_sign = match bytes.trim_ascii_start() {
        [] => bytes.is_empty(),
        [first, ..] => *first == b';',
    };
    has_its_sign && bytes.len() <= MAX_EXTENSION && bytes.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

fn read_trailers(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    for count in 0.. {
        let (line, behind) = line(rest)?;
        rest = behind;
        if line.is_empty() {
            break;
        }
        let (name, _) = field(&line.iter().copied().map(char::from).collect::<String>())?;
        let is_framing = ["content-length", "transfer-encoding", "host"].contains(&name.as_str());
        let is_clean = line.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
        if is_framing || !is_clean || count == MAX_FIELDS {
            return None;
        }
    }
    (bytes.len() - rest.len() <= MAX_HEAD).then_some(rest)
}

/// Takes off a line without its end.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    find(bytes, b"\r\n").map(|end| (&bytes[..end], &bytes[end + 2..]))
}

fn field(line: &str) -> Option<(String, Vec<u8>)> {
    let (name, value) = line.split_once(':')?;
    is_token(name).then(|| (name.to_ascii_lowercase(), bytes(value.trim_matches([' ', '\t']))))
}

/// Each letter stands for one byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|letter| letter as u8).collect()
}

fn is_token(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    !text.is_empty() && text.chars().all(is_letter)
}

/// Returns whether the message library takes this target, and it is of a form that the method may have.
fn is_target(method: &str, target: &str) -> bool {
    let is_visible = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') && target.is_ascii();
    let Ok(uri) = target.parse::<Uri>() else { return false };
    let has_user = !target.starts_with('/') && uri.authority().is_some_and(|host| host.as_str().contains('@'));
    let is_of_its_form = match (method, target) {
        ("CONNECT", _) => uri.scheme().is_none() && uri.authority().is_some() && !target.starts_with('/'),
        ("OPTIONS", "*") => true,
        (_, "*") => false,
        (_, target) => target.starts_with('/') || uri.scheme().is_some() && uri.authority().is_some(),
    };
    is_visible && !has_user && is_of_its_form && target.len() <= MAX_TARGET
}

/// Returns whether it is a name or an address with or without a port.
fn is_host(host: &str) -> bool {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._~%!$&'()*+;=".contains(letter);
    let is_literal = |letter: char| letter == ':' || is_name(letter) && letter != '%';
    let (name, rest) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((name, rest)) if name.chars().all(is_literal) => (name, rest),
            _ => return false,
        },
        None => host.split_at(host.find(|letter| !is_name(letter)).unwrap_or(host.len())),
    };
    let port = rest.strip_prefix(':');
    let is_port = port.is_none_or(|port| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()));
    !name.is_empty() && is_port && (rest.is_empty() || port.is_some())
}
