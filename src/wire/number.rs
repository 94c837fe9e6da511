//! Numbers in fields, written without the formatting machinery: some of them stand in every answer.

use bytes::{BufMut, Bytes};
use http::HeaderValue;

/// Writes `number` in decimal.
pub fn put_number(into: &mut impl BufMut, mut number: u64) {
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

/// Writes the last `N` decimal digits of `number`, zeros included.
pub fn put_digits<const N: usize>(into: &mut impl BufMut, mut number: u64) {
    let mut digits = [0; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    into.put_slice(&digits);
}

/// The numbers up to 999, each in three digits.
static SMALL: [[u8; 3]; 1000] = {
    let mut all = [[0; 3]; 1000];
    let mut number = 0;
    while number < all.len() {
        all[number] = [b'0' + (number / 100) as u8, b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    all
};

/// Returns `number` as a field's value; a small one, such as most ages are, without allocating.
#[must_use]
pub fn to_value(number: u64) -> HeaderValue {
    let Some(digits) = usize::try_from(number).ok().and_then(|number| SMALL.get(number)) else {
        return HeaderValue::from(number);
    };
    let zeros = usize::from(number < 100) + usize::from(number < 10);
    HeaderValue::from_maybe_shared(Bytes::from_static(&digits[zeros..])).expect("digits are visible ASCII")
}

/// Returns the last `N` hexadecimal digits of `number`, zeros included.
#[must_use]
pub fn hexadecimal<const N: usize>(number: u64) -> [u8; N] {
    let mut digits = [0; N];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * place)) as usize & 0xf];
    }
    digits
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn numbers_are_written_to_the_last_digit() {
        for number in [0, 7, 10, 99, 100, 999, 1000, u64::MAX] {
            let mut written = BytesMut::new();
            put_number(&mut written, number);
            assert_eq!(written, number.to_string().as_bytes());
            assert_eq!(to_value(number), number.to_string());
        }
    }

    #[test]
    fn digits_are_filled_up_with_zeros_and_cut_to_their_number() {
        let mut written = BytesMut::new();
        put_digits::<4>(&mut written, 70);
        put_digits::<2>(&mut written, 1999);
        assert_eq!(written, "007099");
        assert_eq!(&hexadecimal::<4>(0xabc), b"0abc");
        assert_eq!(&hexadecimal::<2>(0xabc), b"bc");
    }
}
