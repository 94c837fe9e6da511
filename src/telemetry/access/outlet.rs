//! Where the lines leave the process, and what is known of those that cannot.
//!
//! What a newcomer would get wrong: to take a line that is half written for one that is lost. A disk that is full takes a
//! part of a batch; if the next one, hours later, began with a new line, both would be unreadable. So the rest of a line
//! that was begun is kept, and goes first.

use std::io::{self, Write};

/// Writes lines to a sink that may fail, for a while or for good. Each outage is told of once, not each line.
#[derive(Debug)]
pub(super) struct Outlet<W> {
    sink: W,
    /// The rest of a line whose beginning was written.
    begun: Vec<u8>,
    /// The lines that the outage has cost so far, while there is one.
    outage: Option<u64>,
}

impl<W: Write> Outlet<W> {
    pub(super) const fn new(sink: W) -> Self {
        Self { sink, begun: Vec::new(), outage: None }
    }

    /// Writes whole lines, and returns how many of them are lost.
    pub(super) fn write(&mut self, lines: &[u8]) -> u64 {
        if lines.is_empty() {
            return 0;
        }
        let (written, result) = self.try_write(lines);
        let left = &lines[written..];
        let is_within_line = written > 0 && !lines[..written].ends_with(b"\n");
        let rest = if is_within_line { line_len(left) } else { 0 };
        self.begun.extend_from_slice(&left[..rest]);
        let lost = left[rest..].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.tell(result, lost);
        lost
    }

    /// Returns how many bytes of `lines` were written, and why not all.
    fn try_write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let (begun, result) = write_all(&mut self.sink, &self.begun);
        self.begun.drain(..begun);
        if result.is_err() {
            return (0, result);
        }
        let (written, result) = write_all(&mut self.sink, lines);
        (written, result.and_then(|()| self.sink.flush()))
    }

    fn tell(&mut self, result: io::Result<()>, lost: u64) {
        match (result, self.outage) {
            (Ok(()), None) => {}
            (Ok(()), Some(lost)) => {
                self.outage = None;
                tracing::info!(lost, "the access log is written again");
            }
            (Err(error), None) => {
                self.outage = Some(lost);
                tracing::warn!(%error, "the access log cannot be written, and its lines are lost");
            }
            (Err(_), Some(before)) => self.outage = Some(before + lost),
        }
    }
}

/// The bytes of the first line, with its end.
fn line_len(lines: &[u8]) -> usize {
    lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1)
}

/// Returns how many bytes were written, and why not all: what [`Write::write_all`] does not tell.
fn write_all(sink: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match sink.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room.
    #[derive(Default)]
    struct Disk {
        text: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.extend_from_slice(&bytes[..taken]);
            self.room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_was_full_holds_whole_lines_and_the_others_are_counted() {
        const LINES: &[u8] = b"one\ntwo\nthree\n";
        for room in 0..=LINES.len() {
            let mut outlet = Outlet::new(Disk { room, ..Disk::default() });
            let lost = outlet.write(LINES);
            assert_eq!(outlet.outage, (room < LINES.len()).then_some(lost), "{room}");
            assert_eq!(outlet.write(b"four\n"), 1, "{room}: it is still full");

            outlet.sink.room = 100;
            assert_eq!((outlet.write(b"five\n"), outlet.outage), (0, None), "{room}");

            let text = String::from_utf8(outlet.sink.text).unwrap();
            let lines: Vec<_> = text.lines().collect();
            let written = lines.len() - 1;
            assert_eq!(lines[..written], ["one", "two", "three"][..written], "{room}");
            assert_eq!((lines[written], written as u64 + lost), ("five", 3), "{room}");
        }
    }
}
