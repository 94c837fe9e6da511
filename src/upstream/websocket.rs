//! Where the frames of a WebSocket end, so that a goodbye can be put between two of them (RFC 6455 §5.2, §5.5.1).
//!
//! What a newcomer would get wrong: to close the connection when the gateway stops. The client then sees one that broke,
//! and may wait before it comes back, or lose what it was being sent. A close frame with 1001 says that the server goes away;
//! but within another frame it would be a part of that one's content.

/// A close frame from a server: 1001, "going away" (RFC 6455 §7.4.1).
pub(super) const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// The longest head of a frame: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a head that has not come whole.
    head: [u8; LONGEST_HEAD],
    has: usize,
    /// What is missing of the content of the frame.
    left: u64,
    is_closed: bool,
}

impl Frames {
    /// Follows bytes that pass.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.has] = bytes[0];
            self.has += 1;
            bytes = &bytes[1..];
            if let Some(content) = content_length(&self.head[..self.has]) {
                // Opcode 8.
                self.is_closed |= self.head[0] & 0x0f == 8;
                (self.left, self.has) = (content, 0);
            }
        }
    }

    /// Returns whether a frame may begin here. After a close frame none may.
    pub(super) fn may_begin(&self) -> bool {
        self.left == 0 && self.has == 0 && !self.is_closed
    }
}

/// Returns the length of a frame's content, once its head is whole.
fn content_length(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 != 0 { 4 } else { 0 };
    if head.len() < 2 + extended + mask {
        return None;
    }
    let number = head[2..2 + extended].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some(if extended == 0 { u64::from(second & 0x7f) } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, mask: bool) -> Vec<u8> {
        let mask_bit = if mask { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(mask_bit | length as u8),
            126..65_536 => {
                frame.push(mask_bit | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask_bit | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x88, if mask { 4 } else { 0 } + length));
        frame
    }

    proptest! {
        #[test]
        fn a_frame_may_begin_where_one_has_ended_and_nowhere_else(
            frames in proptest::collection::vec((0_u8..3, prop_oneof![0_usize..130, 65_530_usize..65_540], any::<bool>()), 1..4)
        ) {
            let mut follower = Frames::default();
            for (opcode, length, mask) in frames {
                let frame = frame(opcode, length, mask);
                prop_assert!(follower.may_begin());
                for byte in &frame[..frame.len() - 1] {
                    follower.follow(std::slice::from_ref(byte));
                    prop_assert!(!follower.may_begin());
                }
                follower.follow(&frame[frame.len() - 1..]);
            }
            prop_assert!(follower.may_begin());
        }

        #[test]
        fn how_the_bytes_are_cut_does_not_matter(cut in 0_usize..70_000) {
            let bytes = [frame(1, 3, false), frame(2, 66_000, true), frame(9, 0, false)].concat();
            let mut follower = Frames::default();
            follower.follow(&bytes[..cut.min(bytes.len())]);
            follower.follow(&bytes[cut.min(bytes.len())..]);
            prop_assert!(follower.may_begin());
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut follower = Frames::default();
        follower.follow(&GOING_AWAY);
        assert!(!follower.may_begin());
    }
}
