//! Whatever parses as an API key has been made by us in this one spelling.
#![no_main]

use domain::{
    ApiKeyUid, UserUid,
    api_key::value::{ApiKeyValue, PREFIX, SECRET_BYTES},
};
use libfuzzer_sys::fuzz_target;

/// Bytes of a value without its checksum: user uid, key uid, secret.
const BYTES: usize = 44;

// An input is a value as somebody presents it, and also the bytes of one that is made, then changed in some places.
fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
    if let Some((bytes, changes)) = data.split_first_chunk() {
        let made = made_of(bytes);
        let read = ApiKeyValue::parse(made.expose()).expect("a value that was made is one");
        assert_eq!((read.user, read.key, read.digest()), (made.user, made.key, made.digest()));
        let mut text = made.expose().as_bytes().to_vec();
        for change in changes.chunks_exact(2) {
            let at = usize::from(change[0]) % text.len();
            text[at] = change[1];
        }
        if let Ok(text) = std::str::from_utf8(&text) {
            check(text);
        }
    }
});

fn check(text: &str) {
    let Ok(read) = ApiKeyValue::parse(text) else { return };
    assert_eq!(read.expose(), text);
    let made = made_of(&bytes_of(text));
    assert_eq!(made.expose(), text);
    assert_eq!((read.user, read.key, read.digest()), (made.user, made.key, made.digest()));
}

fn made_of(bytes: &[u8; BYTES]) -> ApiKeyValue {
    let part = |at: usize| bytes[at..at + 12].try_into().expect("it has this length");
    let secret: &[u8; SECRET_BYTES] = bytes[24..].try_into().expect("it has this length");
    ApiKeyValue::new(UserUid::from_bytes(part(0)), ApiKeyUid::from_bytes(part(12)), secret)
}

/// What a value spells in base 62, by another way than the product's. The checksum at the end is cut off.
fn bytes_of(text: &str) -> [u8; BYTES] {
    let mut bytes = Vec::new();
    for char in text[PREFIX.len()..].chars() {
        let mut carry = match char {
            '0'..='9' => u32::from(char) - u32::from('0'),
            'A'..='Z' => u32::from(char) - u32::from('A') + 10,
            'a'..='z' => u32::from(char) - u32::from('a') + 36,
            _ => panic!("{char:?} is no digit"),
        };
        for byte in &mut bytes {
            carry += u32::from(*byte) * 62;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(carry.to_le_bytes()[0]);
        }
    }
    assert!(bytes.len() <= BYTES + 4, "the number is too large for a value");
    bytes.resize(BYTES + 4, 0);
    bytes.reverse();
    bytes[..BYTES].try_into().expect("it has this length")
}
