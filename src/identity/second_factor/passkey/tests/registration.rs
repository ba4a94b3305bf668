//! Registrations: what is let pass, and every manipulation that is not.

use serde_json::{Value, json};

use super::*;
use crate::identity::second_factor::passkey::example::{Statement, cbor};

#[test]
fn what_makes_no_difference_is_let_pass_at_registration() {
    type Change = fn(&mut Registration<'_>);
    let rows: [(&str, Change); 11] = [
        ("another origin of ours", |it| it.client.origin = "https://door.example:8443".into()),
        ("crossOrigin: null", |it| it.client.cross_origin = Value::Null),
        ("a byte order mark", |it| it.client.before = "\u{feff}".into()),
        ("members of the future", |it| it.client.more = r#","x":{"y":[1]}"#.into()),
        ("flags of the future", |it| it.data.flags |= 1 << 1 | 1 << 5),
        ("extensions", |it| {
            it.data.flags |= flag::EXTENSIONS;
            it.data.extensions = cbor::map(&[(cbor::text("credProtect"), cbor::integer(2))]);
        }),
        ("the longest id", |it| {
            let id = vec![1; CredentialId::MAX];
            it.data.attested.as_mut().expect("attested").id.clone_from(&id);
            (it.envelope.id, it.envelope.raw_id) = (id.clone(), id);
        }),
        ("a self attestation", |it| {
            it.format = "packed".into();
            it.statement = Statement::OwnSignature { algorithm: None };
        }),
        ("an attestation with certificates, whatever it says", |it| {
            let certificates = cbor::array(&[cbor::bytes(b"no certificate")]);
            it.format = "packed".into();
            it.statement = Statement::Raw(cbor::map(&[
                (cbor::text("alg"), cbor::integer(-7)),
                (cbor::text("sig"), cbor::bytes(b"no signature")),
                (cbor::text("x5c"), certificates),
            ]));
        }),
        ("an attestation of another format", |it| it.format = "tpm".into()),
        ("no transports", |it| it.transports = json!([])),
    ];
    for (what, change) in rows {
        for mut authenticator in [Authenticator::es256(), Authenticator::ed25519()] {
            let passkey = registered(&mut authenticator, change);
            assert!(passkey.is_ok(), "{what}: {passkey:?}");
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn registrations_that_are_refused() {
    type Change = fn(&mut Registration<'_>);
    use PasskeyError as E;
    let malformed_key = E::UnusableKey(ParsePublicKeyError::Malformed);
    let rows: [(&str, Change, PasskeyError); 40] = [
        (
            "another kind of credential",
            |it| it.envelope.kind = "password".into(),
            E::Malformed("type of credential"),
        ),
        ("two ids", |it| it.envelope.id.push(0), E::Malformed("two credential ids")),
        (
            "no id",
            |it| (it.envelope.id, it.envelope.raw_id) = (vec![], vec![]),
            E::Malformed("credential id"),
        ),
        (
            "another id outside",
            |it| (it.envelope.id, it.envelope.raw_id) = (vec![1], vec![1]),
            E::WrongCredential,
        ),
        ("too much", |it| it.transports = json!(["x".repeat(MAX_RESPONSE)]), E::TooLarge),
        ("transports that are no words", |it| it.transports = json!([1]), E::Malformed("response")),
        ("an authentication", |it| it.client.kind = "webauthn.get".into(), E::WrongType),
        (
            "another challenge",
            |it| it.client.challenge = Challenge::from_bytes([8; 32]).to_string(),
            E::WrongChallenge,
        ),
        ("a padded challenge", |it| it.client.challenge.push('='), E::WrongChallenge),
        ("no challenge", |it| it.client.challenge.clear(), E::WrongChallenge),
        ("a foreign origin", |it| it.client.origin = "https://d00r.example".into(), E::WrongOrigin),
        (
            "an origin below ours",
            |it| it.client.origin = "https://x.door.example".into(),
            E::WrongOrigin,
        ),
        (
            "an origin that begins as ours",
            |it| it.client.origin = "https://door.example.org".into(),
            E::WrongOrigin,
        ),
        (
            "an origin with a slash",
            |it| it.client.origin = "https://door.example/".into(),
            E::WrongOrigin,
        ),
        (
            "an origin without TLS",
            |it| it.client.origin = "http://door.example".into(),
            E::WrongOrigin,
        ),
        ("a foreign frame", |it| it.client.cross_origin = json!(true), E::CrossOrigin),
        (
            "a foreign frame, by its name",
            |it| it.client.top_origin = Some(ORIGIN.into()),
            E::CrossOrigin,
        ),
        (
            "crossOrigin as text",
            |it| it.client.cross_origin = json!("true"),
            E::Malformed("clientDataJSON"),
        ),
        (
            "two origins",
            |it| it.client.more = format!(r#","origin":"{ORIGIN}""#),
            E::Malformed("clientDataJSON"),
        ),
        ("no JSON", |it| it.client.before = b"x".to_vec(), E::Malformed("clientDataJSON")),
        (
            "bytes behind the object",
            |it| it.object_trailer = vec![0],
            E::Malformed("attestation object"),
        ),
        (
            "an attestation that is none, with a statement",
            |it| {
                it.statement = Statement::OwnSignature { algorithm: None };
            },
            E::Malformed("attestation statement"),
        ),
        (
            "a statement that is no map",
            |it| it.statement = Statement::Raw(cbor::integer(1)),
            E::Malformed("attestation object"),
        ),
        (
            "a self attestation without signature",
            |it| it.format = "packed".into(),
            E::Malformed("attestation statement"),
        ),
        (
            "a self attestation for another algorithm",
            |it| {
                it.format = "packed".into();
                it.statement = Statement::OwnSignature { algorithm: Some(-257) };
            },
            E::WrongSignature,
        ),
        (
            "a self attestation of another key",
            |it| {
                it.format = "packed".into();
                it.statement = Statement::OwnSignature { algorithm: None };
                let other = Authenticator::es256().cose_key();
                it.data.attested.as_mut().expect("attested").key = other;
            },
            E::WrongSignature,
        ),
        (
            "two statements",
            |it| {
                it.statement = Statement::Raw(
                    [cbor::map(&[]), cbor::text("attStmt"), cbor::map(&[])].concat(),
                );
            },
            E::Malformed("attestation object"),
        ),
        ("another relying party", |it| it.data.rp_id = "example".into(), E::WrongRelyingParty),
        ("nobody there", |it| it.data.flags &= !flag::USER_PRESENT, E::UserNotPresent),
        ("nobody verified", |it| it.data.flags &= !flag::USER_VERIFIED, E::UserNotVerified),
        (
            "backed up, but not eligible",
            |it| it.data.flags |= flag::BACKED_UP,
            E::BackupStateImpossible,
        ),
        (
            "no key",
            |it| {
                it.data.flags &= !flag::ATTESTED;
                it.data.attested = None;
            },
            E::Malformed("no public key"),
        ),
        (
            "a key that is not announced",
            |it| it.data.flags &= !flag::ATTESTED,
            E::Malformed("bytes behind the authenticator data"),
        ),
        (
            "extensions that are not there",
            |it| it.data.flags |= flag::EXTENSIONS,
            E::Malformed("authenticator extensions"),
        ),
        (
            "extensions that are not announced",
            |it| it.data.extensions = cbor::map(&[]),
            E::Malformed("bytes behind the authenticator data"),
        ),
        (
            "bytes behind the data",
            |it| it.data.trailer = vec![0],
            E::Malformed("bytes behind the authenticator data"),
        ),
        (
            "an id that is too long",
            |it| {
                it.data.attested.as_mut().expect("attested").id = vec![1; CredentialId::MAX + 1];
            },
            E::CredentialIdTooLong,
        ),
        (
            "an id that is longer than the data",
            |it| {
                it.data.attested.as_mut().expect("attested").claimed_length = Some(1000);
            },
            E::Malformed("attested credential data"),
        ),
        (
            "a key that is no CBOR",
            |it| {
                it.data.attested.as_mut().expect("attested").key = vec![0xff];
            },
            E::Malformed("public key"),
        ),
        (
            "an empty key",
            |it| {
                it.data.attested.as_mut().expect("attested").key = cbor::map(&[]);
            },
            malformed_key,
        ),
    ];
    for (what, change, error) in rows {
        let refused = registered(&mut Authenticator::es256(), change);
        assert_eq!(refused, Err(error), "{what}");
    }
}

#[test]
fn transports_are_few_short_words() {
    let long = "x".repeat(33);
    let many: Vec<_> = (0..20).map(|number| format!("x{number}")).collect();
    for (sent, kept) in [
        (json!(["usb", "nfc", "usb"]), vec!["nfc", "usb"]),
        (json!(["hologram"]), vec!["hologram"]),
        (json!(["", "a b", "<x>", "USB", long]), vec![]),
        (json!(many), vec!["x0", "x1", "x10", "x11", "x12", "x13", "x14", "x15"]),
    ] {
        let passkey = registered(&mut Authenticator::es256(), |it| it.transports = sent.clone());
        assert_eq!(passkey.expect("a registration").transports, kept, "{sent}");
    }
}
