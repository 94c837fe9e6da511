//! The ways in which servers spell out a path: what one takes for a name, another takes for a way to another place.
//!
//! Between the gateway and ChatHub there may be a proxy that decodes more than ChatHub does, or joins slashes. So a
//! request is harmless only if it is to all of them.

/// How a server reads a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    decodes: Decodes,
    /// A reversed slash is a slash.
    reverses: bool,
    /// A semicolon and what is behind it is no part of a name.
    drops_parameters: bool,
    /// Several slashes are one.
    joins: bool,
    /// `.` and `..` are ways, not names.
    follows_dots: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Decodes {
    Nothing,
    /// As ChatHub's does (contract 5.1).
    AllButSlashes,
    Once,
    Twice,
}

/// The server that ChatHub runs on.
pub(crate) const CHATHUB: Server = Server {
    decodes: Decodes::AllButSlashes,
    reverses: false,
    drops_parameters: false,
    joins: false,
    follows_dots: true,
};

/// Returns every combination.
pub(crate) fn servers() -> impl Iterator<Item = Server> {
    use Decodes::{AllButSlashes, Nothing, Once, Twice};
    let bits = |number: u8| [0, 1, 2, 3].map(|bit| number & (1 << bit) != 0);
    [Nothing, AllButSlashes, Once, Twice].into_iter().flat_map(move |decodes| {
        (0..16).map(bits).map(move |[reverses, drops_parameters, joins, follows_dots]| Server {
            decodes,
            reverses,
            drops_parameters,
            joins,
            follows_dots,
        })
    })
}

impl Server {
    /// Returns whether it knows dots when it sees them, also in escapes. To another most paths lead nowhere.
    pub(crate) fn finds_its_way(self) -> bool {
        self.follows_dots && self.decodes != Decodes::Nothing
    }

    /// Returns the path that its controllers are found by: in lower case, without one slash at its end.
    pub(crate) fn read(self, path: &str) -> String {
        let decoded = match self.decodes {
            Decodes::Nothing => path.as_bytes().to_vec(),
            Decodes::AllButSlashes => decode(path.as_bytes(), false),
            Decodes::Once => decode(path.as_bytes(), true),
            Decodes::Twice => decode(&decode(path.as_bytes(), true), true),
        };
        // Each byte is a letter of its own; only ASCII is compared.
        let mut text: String = decoded.into_iter().map(char::from).collect();
        if self.reverses {
            text = text.replace('\\', "/");
        }
        let mut names: Vec<&str> = text.split('/').collect();
        if self.drops_parameters {
            names.iter_mut().for_each(|name| *name = name.split(';').next().unwrap_or_default());
        }
        if self.joins {
            let last = names.len() - 1;
            let mut place = 0..;
            names.retain(|name| place.next().is_some_and(|place| place == 0 || place == last) || !name.is_empty());
        }
        if self.follows_dots {
            names = follow(&names);
        }
        let read = names.join("/").to_ascii_lowercase();
        read.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(&read).to_owned()
    }
}

/// Goes the way that the names of a path show.
fn follow<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let (last, names) = names.split_last().expect("what is split has at least one part");
    let step = |mut way: Vec<&'a str>, name: &&'a str| {
        match *name {
            "." => {}
            ".." if way.len() > 1 => drop(way.pop()),
            ".." => {}
            name => way.push(name),
        }
        way
    };
    let mut way = names.iter().fold(Vec::new(), step);
    match *last {
        "." | ".." => {
            way = step(way, last);
            way.push("");
        }
        name => way.push(name),
    }
    way
}

fn decode(text: &[u8], decodes_slashes: bool) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        let escaped = escape(rest).filter(|byte| decodes_slashes || *byte != b'/');
        decoded.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &rest[3..] } else { behind };
    }
    decoded
}

/// Returns the byte that an escape at the beginning stands for.
pub(crate) fn escape(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"%")?.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
