//! Keys: which are read, and which are not.

use super::*;
use crate::identity::second_factor::passkey::example::cbor;

/// A COSE key with these members.
fn cose(members: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let member = |(label, value): &(i64, Vec<u8>)| (cbor::integer(*label), value.clone());
    cbor::map(&members.iter().map(member).collect::<Vec<_>>())
}

fn rsa(bits: usize, e: &[u8]) -> Vec<u8> {
    let mut n = vec![0xFF; bits.div_ceil(8)];
    n[0] >>= (8 - bits % 8) % 8;
    let (kty, algorithm) = (cbor::integer(3), cbor::integer(-257));
    cose(&[(1, kty), (3, algorithm), (-1, cbor::bytes(&n)), (-2, cbor::bytes(e))])
}

#[test]
fn only_the_keys_that_we_ask_for_are_read() {
    use ParsePublicKeyError::{Malformed, UnknownAlgorithm, UnsoundRsa};
    let n = |value| cbor::integer(value);
    let b = |length| cbor::bytes(&vec![1; length]);
    let f4 = [1, 0, 1];
    let rows = [
        ("ES256", cose(&[(1, n(2)), (3, n(-7)), (-1, n(1)), (-2, b(32)), (-3, b(32))]), None),
        (
            "in another order",
            cose(&[(-3, b(32)), (-2, b(32)), (-1, n(1)), (3, n(-7)), (1, n(2))]),
            None,
        ),
        (
            "another curve",
            cose(&[(1, n(2)), (3, n(-7)), (-1, n(2)), (-2, b(32)), (-3, b(32))]),
            Some(Malformed),
        ),
        (
            "another key type",
            cose(&[(1, n(1)), (3, n(-7)), (-1, n(1)), (-2, b(32)), (-3, b(32))]),
            Some(Malformed),
        ),
        (
            "a short x",
            cose(&[(1, n(2)), (3, n(-7)), (-1, n(1)), (-2, b(31)), (-3, b(32))]),
            Some(Malformed),
        ),
        (
            "a long y",
            cose(&[(1, n(2)), (3, n(-7)), (-1, n(1)), (-2, b(32)), (-3, b(33))]),
            Some(Malformed),
        ),
        (
            "a compressed point",
            cose(&[(1, n(2)), (3, n(-7)), (-1, n(1)), (-2, b(32)), (-3, vec![0xf5])]),
            Some(Malformed),
        ),
        ("no y", cose(&[(1, n(2)), (3, n(-7)), (-1, n(1)), (-2, b(32))]), Some(Malformed)),
        (
            "a private key",
            cose(&[(1, n(2)), (3, n(-7)), (-1, n(1)), (-2, b(32)), (-3, b(32)), (-4, b(32))]),
            Some(Malformed),
        ),
        (
            "a name",
            cose(&[(1, n(1)), (2, b(1)), (3, n(-8)), (-1, n(6)), (-2, b(32))]),
            Some(Malformed),
        ),
        (
            "two key types",
            cose(&[(1, n(1)), (1, n(1)), (3, n(-8)), (-1, n(6)), (-2, b(32))]),
            Some(Malformed),
        ),
        ("EdDSA", cose(&[(1, n(1)), (3, n(-8)), (-1, n(6)), (-2, b(32))]), None),
        ("Ed448", cose(&[(1, n(1)), (3, n(-8)), (-1, n(7)), (-2, b(57))]), Some(Malformed)),
        ("a short point", cose(&[(1, n(1)), (3, n(-8)), (-1, n(6)), (-2, b(31))]), Some(Malformed)),
        ("no algorithm", cose(&[(1, n(1)), (-1, n(6)), (-2, b(32))]), Some(Malformed)),
        (
            "ES384",
            cose(&[(1, n(2)), (3, n(-35)), (-1, n(2)), (-2, b(48)), (-3, b(48))]),
            Some(UnknownAlgorithm),
        ),
        (
            "RS1",
            cose(&[(1, n(3)), (3, n(-65535)), (-1, b(256)), (-2, b(3))]),
            Some(UnknownAlgorithm),
        ),
        ("HMAC", cose(&[(1, n(4)), (3, n(5)), (-1, b(32))]), Some(UnknownAlgorithm)),
        ("RSA of 2,048 bits", rsa(2048, &f4), None),
        ("RSA of 4,096 bits", rsa(4096, &f4), None),
        ("RSA of 2,047 bits", rsa(2047, &f4), Some(UnsoundRsa)),
        ("RSA of 4,097 bits", rsa(4097, &f4), Some(UnsoundRsa)),
        ("RSA with e = 3", rsa(2048, &[3]), Some(UnsoundRsa)),
        ("RSA with an even e", rsa(2048, &[1, 0, 2]), Some(UnsoundRsa)),
        ("RSA with a long e", rsa(2048, &[1, 0, 0, 0, 1]), Some(UnsoundRsa)),
        ("RSA with zeros before e", rsa(2048, &[0, 1, 0, 1]), Some(Malformed)),
        ("RSA without e", rsa(2048, &[]), Some(Malformed)),
        ("bytes behind it", [rsa(2048, &f4), vec![0]].concat(), Some(Malformed)),
        ("nothing", vec![], Some(Malformed)),
    ];
    for (what, bytes, error) in rows {
        let read = PublicKey::from_cose(&bytes);
        assert_eq!(read.as_ref().err(), error.as_ref(), "{what}");
        assert!(read.is_err() || read.is_ok_and(|key| key.as_cose() == bytes), "{what}");
    }
}

#[test]
fn a_point_beside_the_curve_verifies_nothing() {
    let mut authenticator = Authenticator::es256();
    let key = |authenticator: &Authenticator| {
        let mut key = authenticator.cose_key();
        *key.last_mut().expect("a byte of y") ^= 1;
        key
    };
    let off_curve = key(&authenticator);
    let change = |it: &mut Registration<'_>| {
        it.data.attested.as_mut().expect("attested").key = off_curve;
    };
    let passkey = registered(&mut authenticator, change).expect("it shows later");
    let refused = authenticated(&authenticator, &passkey, |_| {});
    assert_eq!(refused, Err(PasskeyError::WrongSignature));
}
