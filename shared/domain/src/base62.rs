//! Base 62 of a fixed number of bytes: digits, upper case, lower case, most significant first.

/// Bytes that are encoded at once.
pub(crate) const BYTES: usize = 48;

/// Characters of [`BYTES`] bytes: the least `n` with 62^n ≥ 2^384.
pub(crate) const CHARS: usize = 65;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(crate) fn encode(bytes: &[u8; BYTES]) -> String {
    let mut number = *bytes;
    let mut chars = [0_u8; CHARS];
    for char in chars.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let dividend = remainder << 8 | u32::from(*byte);
            *byte = low_byte(dividend / 62);
            remainder = dividend % 62;
        }
        *char = ALPHABET[remainder as usize];
    }
    chars.iter().map(|&char| char::from(char)).collect()
}

/// The one number that [`encode`] writes so, or `None` for another length, another character or a number of 2^384 and
/// more, so that each value has one spelling.
pub(crate) fn decode(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != CHARS {
        return None;
    }
    let mut number = [0_u8; BYTES];
    for char in text.bytes() {
        let mut carry = u32::from(digit(char)?);
        for byte in number.iter_mut().rev() {
            let sum = u32::from(*byte) * 62 + carry;
            *byte = low_byte(sum);
            carry = sum >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

fn low_byte(number: u32) -> u8 {
    number.to_le_bytes()[0]
}

fn digit(char: u8) -> Option<u8> {
    match char {
        b'0'..=b'9' => Some(char - b'0'),
        b'A'..=b'Z' => Some(char - b'A' + 10),
        b'a'..=b'z' => Some(char - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let counting: [u8; BYTES] = std::array::from_fn(|i| low_byte(u32::try_from(i * 37 % 251).unwrap()));
        for bytes in [[0; BYTES], [0xff; BYTES], counting] {
            let text = encode(&bytes);
            assert_eq!(text.len(), CHARS);
            assert_eq!(decode(&text), Some(bytes));
        }
    }

    #[test]
    fn numbers_too_large_other_lengths_and_characters_are_refused() {
        assert_eq!(decode(&"z".repeat(CHARS)), None);
        assert_eq!(decode(&"0".repeat(CHARS - 1)), None);
        assert_eq!(decode(&"0".repeat(CHARS + 1)), None);
        assert_eq!(decode(&format!("{}-", "0".repeat(CHARS - 1))), None);
    }
}
