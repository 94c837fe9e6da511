//! Follows a chunked body to its last chunk (RFC 9112 §7.1). What comes behind that is [`Trailers`](super::Trailers).
//!
//! What a newcomer would get wrong: the bytes pass while they are being read, so a fault is found when half of the body
//! is already with the service. That is why a fault breaks the body, and never becomes another answer.

/// The bound of what may stand in one size line behind the size: nobody uses extensions, but they cost us to read.
const MAX_EXTENSION: usize = 1024;

/// The bound for all size lines of a body together; that of the server library behind us.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// The digits of the largest size, 64 bits.
const MAX_DIGITS: u8 = 16;

#[derive(Debug)]
pub(super) struct Chunked {
    place: Place,
    /// The chunk's size; within its data, how much of them is missing.
    size: u64,
    /// Bytes of extensions in this line, and in all lines so far.
    extension: usize,
    extensions: usize,
}

/// The byte that is expected next.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A digit of the size, so many behind its beginning; or what may follow one.
    Size(u8),
    /// A blank, or the semicolon that must follow blanks (RFC 9112 §7.1.1, "BWS").
    Blank,
    /// A byte of an extension.
    Extension,
    /// The line feed of a size line.
    SizeFeed,
    /// A byte of the data.
    Data,
    /// The carriage return behind the data, and the line feed behind that.
    DataReturn,
    DataFeed,
}

impl Default for Chunked {
    fn default() -> Self {
        Self { place: Place::Size(0), size: 0, extension: 0, extensions: 0 }
    }
}

impl Chunked {
    /// Reads `bytes`, and returns how many of them belong to the chunks when the last chunk's line is whole.
    ///
    /// `None` means that all of them do, and more must follow.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        let mut at = 0;
        while at < bytes.len() {
            if let Place::Data = self.place {
                at += self.skip_data(bytes.len() - at);
                continue;
            }
            self.place = self.take(bytes[at])?;
            at += 1;
            if self.size == 0 && matches!(self.place, Place::Data) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn skip_data(&mut self, available: usize) -> usize {
        let (taken, left) = super::left_after(self.size, available);
        self.size = left;
        if left == 0 {
            self.place = Place::DataReturn;
        }
        taken
    }

    fn take(&mut self, byte: u8) -> Result<Place, &'static str> {
        match (self.place, byte) {
            (Place::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.take_digit(digits, byte),
            (Place::Size(0), _) => Err("a chunk has no size"),
            (Place::Size(_) | Place::Extension, b'\r') => Ok(Place::SizeFeed),
            (Place::Size(_) | Place::Blank, b' ' | b'\t') => self.take_extension(Place::Blank),
            (Place::Size(_) | Place::Blank, b';') => self.take_extension(Place::Extension),
            (Place::Size(_) | Place::Blank, _) => Err("a chunk's size is not a hexadecimal number"),
            (Place::Extension, b'\t' | b' '..=0x7e | 0x80..) => self.take_extension(Place::Extension),
            (Place::Extension, _) => Err("a chunk extension has a control character in it"),
            (Place::SizeFeed, b'\n') => Ok(self.end_line()),
            (Place::DataReturn, b'\r') => Ok(Place::DataFeed),
            (Place::DataFeed, b'\n') => Ok(self.begin_line()),
            (Place::SizeFeed, _) => Err("a chunk's size line does not end with CRLF"),
            (Place::Data | Place::DataReturn | Place::DataFeed, _) => Err("a chunk's data do not end with CRLF"),
        }
    }

    fn take_digit(&mut self, digits: u8, byte: u8) -> Result<Place, &'static str> {
        if digits == MAX_DIGITS {
            return Err("a chunk's size has too many digits");
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.size = self.size << 4 | u64::from(digit);
        Ok(Place::Size(digits + 1))
    }

    fn take_extension(&mut self, next: Place) -> Result<Place, &'static str> {
        self.extension += 1;
        self.extensions += 1;
        if self.extension > MAX_EXTENSION || self.extensions > MAX_EXTENSIONS {
            return Err("the chunk extensions are too long");
        }
        Ok(next)
    }

    fn end_line(&mut self) -> Place {
        self.extension = 0;
        Place::Data
    }

    fn begin_line(&mut self) -> Place {
        self.size = 0;
        Place::Size(0)
    }
}
