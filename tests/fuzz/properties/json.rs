//! A reader of JSON that takes whatever some parser takes: comments, trailing commas, single quotes, names without
//! quotes, a byte order mark, letters that are no UTF-8.
//!
//! It keeps every member, also those whose names are alike, and numbers as they are written. So what the gateway says it
//! has understood can be looked for in here without taking the side of one parser.

/// A value.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    /// `null`, `true`, a number, or another word: as it is written.
    Word(Vec<u8>),
    /// A text, without its escapes.
    Text(Vec<u8>),
    /// An array.
    List(Vec<Json>),
    /// An object, with its members in order.
    Object(Vec<(Vec<u8>, Json)>),
}

/// What is nested deeper is passed over: this reader is recursive.
const DEEPEST: usize = 200;

/// Reads the one value that `input` is.
pub(crate) fn read(input: &[u8]) -> Option<Json> {
    let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let mut reader = Reader { rest: input };
    let value = reader.value(0)?;
    reader.skip_blanks();
    reader.rest.is_empty().then_some(value)
}

/// Returns a name as the most generous of parsers compares it: without case, and without what is a letter's other form.
pub(crate) fn folded(name: &[u8]) -> String {
    let lower = String::from_utf8_lossy(name).to_uppercase().to_lowercase();
    let plain = |letter: char| match letter {
        'ı' => 'i',
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other,
    };
    // A dot above is what is left of the capital dotted I.
    lower.chars().filter(|letter| *letter != '\u{307}').map(plain).collect()
}

impl Json {
    /// Returns the members whose names fold to `name`, in order.
    pub(crate) fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a [u8], &'a Json)> {
        let members = match self {
            Self::Object(members) => &members[..],
            _ => &[],
        };
        members.iter().filter(move |(given, _)| folded(given) == name).map(|(given, value)| (&given[..], value))
    }

    /// Returns the number that every parser reads here: a whole one, of 64 bits, in its shortest form.
    pub(crate) fn plain_number(&self) -> Option<i64> {
        let Self::Word(word) = self else { return None };
        let number: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        (number.to_string().as_bytes() == word).then_some(number)
    }

    /// Returns whether this is an object of which all names are ASCII.
    pub(crate) fn is_object_of_plain_names(&self) -> bool {
        matches!(self, Self::Object(members) if members.iter().all(|(name, _)| name.is_ascii()))
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Json> {
        self.skip_blanks();
        match self.rest.first()? {
            b'{' | b'[' if depth > DEEPEST => self.pass_over(),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' | b'\'' => self.text().map(Json::Text),
            _ => self.word().map(Json::Word),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take(b'{').then_some(())?;
        let mut members = Vec::new();
        while !self.takes(b'}') {
            let is_quoted = matches!(self.rest.first()?, b'"' | b'\'');
            let name = if is_quoted { self.text()? } else { self.word()? };
            self.takes(b':').then_some(())?;
            members.push((name, self.value(depth + 1)?));
            if !self.takes(b',') && self.rest.first() != Some(&b'}') {
                return None;
            }
        }
        Some(Json::Object(members))
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.take(b'[').then_some(())?;
        let mut values = Vec::new();
        while !self.takes(b']') {
            values.push(self.value(depth + 1)?);
            if !self.takes(b',') && self.rest.first() != Some(&b']') {
                return None;
            }
        }
        Some(Json::List(values))
    }

    /// Takes an array or an object for a word, whatever is in it.
    fn pass_over(&mut self) -> Option<Json> {
        let mut open = 0_usize;
        loop {
            self.skip_blanks();
            match self.rest.first()? {
                b'"' | b'\'' => {
                    self.text()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.rest = &self.rest[1..];
            if open == 0 {
                return Some(Json::Word(b"...".to_vec()));
            }
        }
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let (quote, mut rest) = self.rest.split_first()?;
        let mut text = Vec::new();
        loop {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            match byte {
                b'\\' => rest = unescape(rest, &mut text)?,
                byte if byte == quote => break,
                byte => text.push(*byte),
            }
        }
        self.rest = rest;
        Some(text)
    }

    /// Takes what stands up to the next sign or blank.
    fn word(&mut self) -> Option<Vec<u8>> {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",:[]{}\"'/".contains(byte);
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_vec())
    }

    /// Takes a sign, and the blanks around it.
    fn takes(&mut self, sign: u8) -> bool {
        self.skip_blanks();
        let is_there = self.take(sign);
        self.skip_blanks();
        is_there
    }

    fn take(&mut self, sign: u8) -> bool {
        let rest = self.rest.strip_prefix(&[sign]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let end = match self.rest {
                [b'/', b'/', ..] => self.rest.iter().position(|byte| *byte == b'\n'),
                [b'/', b'*', comment @ ..] => comment.windows(2).position(|pair| pair == b"*/").map(|end| end + 4),
                _ => return,
            };
            self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
        }
    }
}

/// Takes the escape of which the backslash has been taken.
fn unescape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (kind, behind) = rest.split_first()?;
    let plain = match kind {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unescape_unit(behind, text),
        other => *other,
    };
    text.push(plain);
    Some(behind)
}

/// Takes the digits of `\u0069`, and of its other half if it is one.
fn unescape_unit<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, behind) = unit(rest)?;
    let other = behind.strip_prefix(b"\\u").and_then(unit).filter(|_| (0xd800..0xdc00).contains(&first));
    let (units, behind) = match other {
        Some((second, behind)) => (vec![first, second], behind),
        None => (vec![first], behind),
    };
    let letters: String = char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect();
    text.extend_from_slice(letters.as_bytes());
    Some(behind)
}

fn unit(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, behind) = rest.split_at_checked(4)?;
    let unit = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((unit, behind))
}
