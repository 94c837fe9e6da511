//! What must never be told, and is gone from memory when it is no longer needed.
//!
//! It has neither `Debug` nor `Display`, so a struct that holds one cannot be printed by accident: the compiler refuses. The
//! bytes are overwritten when it is dropped or replaced.
//!
//! What a newcomer would get wrong: a `Vec` that grows. It moves, and leaves a copy of what it held behind; so nothing is
//! ever added to a secret. And the copies that the libraries make of a request's fields are not ours to overwrite.

use std::io;
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

/// Bytes that are a secret.
#[derive(Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a file. Blanks around the secret, such as the line end of the file, are not of it: see
    /// [`word`](Self::word).
    ///
    /// # Errors
    ///
    /// The system's error, and one of its own if what it holds is no word that can be sent as a bearer token.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::from_file(std::fs::read(path)?)
    }

    /// Takes over what a file holds.
    ///
    /// # Errors
    ///
    /// If it is empty, or no word that can be sent as a bearer token (RFC 6750 §2.1).
    pub fn from_file(content: Vec<u8>) -> io::Result<Self> {
        let secret = Self::new(content);
        let word = secret.word();
        if word.is_empty() {
            return Err(io::Error::other("the file is empty; write a long random word into it"));
        }
        if !word.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',') {
            let advice = "what is in the file cannot be sent as a bearer token; write one long random word into it";
            return Err(io::Error::other(advice));
        }
        Ok(secret)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes without the blanks around them.
    #[must_use]
    pub fn word(&self) -> &[u8] {
        self.expose().trim_ascii()
    }

    /// Puts another in its place, and reuses the memory if it has room.
    pub fn replace(&mut self, bytes: &[u8]) {
        // All of the memory, not only what is in use; what grows from here leaves nothing behind.
        self.0.zeroize();
        self.0.extend_from_slice(bytes);
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_secret_leaves_nothing_in_the_memory_it_had() {
        let mut secret = Secret::new(b"a long word".to_vec());
        secret.replace(b"ab");
        assert_eq!(secret.expose(), b"ab");
        let capacity = secret.0.capacity();
        assert!(capacity >= 11, "the memory is the same");
        secret.0.resize(11, b'.');
        assert_eq!(secret.expose(), b"ab.........");
    }

    #[test]
    fn a_file_with_nothing_but_blanks_holds_no_secret() {
        let path = std::env::temp_dir().join(format!("chathub-gateway-empty-{}", std::process::id()));
        std::fs::write(&path, " \n").unwrap();
        let read = Secret::read(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(read.is_err_and(|error| error.to_string().contains("empty")));
    }
}
