//! Numbers in fields, written without the formatting machinery: some of them stand in every answer.

use bytes::{BufMut, BytesMut};

/// Writes `number` in decimal.
pub fn put_number(into: &mut BytesMut, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.put_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_to_the_last_digit() {
        for number in [0, 7, 10, u64::MAX] {
            let mut written = BytesMut::new();
            put_number(&mut written, number);
            assert_eq!(written, number.to_string().as_bytes());
        }
    }
}
