//! Base 32 in the two alphabets that people meet: Crockford's, for codes that are read aloud and typed, and RFC 4648's,
//! which authenticator apps read.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Crockford's: no I, L, O, U, so that a code survives being read aloud.
pub(super) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// RFC 4648 §6.
pub(super) const RFC_4648: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Every five bits of `bytes` as one character, most significant first; the last one is filled up with zeros. Without
/// padding.
pub(super) fn write(bytes: &[u8], alphabet: &[u8; 32]) -> Secret<String> {
    // All of it at once: a string that grows leaves copies of the secret behind.
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut count) = (0u16, 0u32);
    for byte in bytes {
        bits = bits << 8 | u16::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(character(bits >> count, alphabet));
        }
    }
    if count > 0 {
        text.push(character(bits << (5 - count), alphabet));
    }
    Secret::new(text)
}

fn character(bits: u16, alphabet: &[u8; 32]) -> char {
    alphabet.get(usize::from(bits & 31)).map_or('0', |byte| char::from(*byte))
}

/// In Crockford's alphabet, in groups of four characters, as a person gets to see it.
pub(super) fn write_for_people(bytes: &[u8]) -> Secret<String> {
    let plain = write(bytes, CROCKFORD);
    let plain = plain.expose();
    let mut text = String::with_capacity(plain.len() + plain.len() / 4);
    for (place, character) in plain.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push('-');
        }
        text.push(character);
    }
    Secret::new(text)
}

/// The text is not that many bytes in Crockford's alphabet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotOfAlphabet;

/// Reads exactly `N` bytes, a multiple of five, as people type them: in any case, with or without dashes and spaces;
/// `O` is zero, `I` and `L` are one.
pub(super) fn read_from_people<const N: usize>(
    text: &str,
) -> Result<Secret<[u8; N]>, NotOfAlphabet> {
    let mut bytes = Zeroizing::new([0u8; N]);
    let (mut places, mut bits, mut count) = (bytes.iter_mut(), 0u64, 0u32);
    for character in text.bytes().filter(|byte| *byte != b'-' && *byte != b' ') {
        let canonical = match character.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        let value = CROCKFORD.iter().position(|byte| *byte == canonical).ok_or(NotOfAlphabet)?;
        bits = bits << 5 | u64::try_from(value).map_err(|_| NotOfAlphabet)?;
        count += 5;
        if count >= 8 {
            count -= 8;
            let byte = u8::try_from(bits >> count & 0xFF).map_err(|_| NotOfAlphabet)?;
            *places.next().ok_or(NotOfAlphabet)? = byte;
        }
    }
    let complete = places.next().is_none() && count == 0;
    if complete { Ok(Secret::new(*bytes)) } else { Err(NotOfAlphabet) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_without_their_padding() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(write(bytes.as_bytes(), RFC_4648).expose(), text);
        }
    }

    #[test]
    fn people_get_groups_of_four() {
        assert_eq!(write_for_people(&[0; 10]).expose(), "0000-0000-0000-0000");
        assert_eq!(write_for_people(&[0xFF; 5]).expose(), "ZZZZ-ZZZZ");
    }

    #[test]
    fn what_people_type_is_read_leniently_and_its_length_strictly() {
        let bytes = |text| read_from_people::<5>(text).map(|bytes| *bytes.expose());
        for text in ["0123-4567", "01234567", "o1 23 45 67", "0L23-4567", "Oi234567-"] {
            assert_eq!(bytes(text), bytes("01234567"), "{text}");
            assert!(bytes(text).is_ok(), "{text}");
        }
        for text in ["", "-", "0123456", "012345678", "0123456U", "0123456é", "０1234567"] {
            assert_eq!(bytes(text), Err(NotOfAlphabet), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_and_nothing_panics(
            bytes: [u8; 10],
            any in "\\PC{0,50}",
            slice: Vec<u8>,
        ) {
            let text = write_for_people(&bytes);
            let read = read_from_people::<10>(text.expose()).expect("what was written");
            prop_assert_eq!(read.expose(), &bytes);
            let _ = read_from_people::<10>(&any);
            let _ = write(&slice, RFC_4648);
        }
    }
}
