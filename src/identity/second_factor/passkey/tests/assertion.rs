//! Assertions: every manipulation that is refused, and what may change from one use to the next.

use serde_json::json;

use super::*;
use crate::identity::second_factor::passkey::example;

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn authentications_that_are_refused() {
    type Change = fn(&mut Authentication<'_>);
    use PasskeyError as E;
    let rows: [(&str, Change, PasskeyError); 27] = [
        (
            "another kind of credential",
            |it| it.envelope.kind = "password".into(),
            E::Malformed("type of credential"),
        ),
        ("two ids", |it| it.envelope.raw_id.push(0), E::Malformed("two credential ids")),
        (
            "another passkey",
            |it| (it.envelope.id, it.envelope.raw_id) = (vec![1], vec![1]),
            E::WrongCredential,
        ),
        (
            "an id that is too long",
            |it| {
                let id = vec![1; CredentialId::MAX + 1];
                (it.envelope.id, it.envelope.raw_id) = (id.clone(), id);
            },
            E::CredentialIdTooLong,
        ),
        (
            "too much",
            |it| it.client.more = format!(r#","x":"{}""#, "x".repeat(MAX_RESPONSE)),
            E::TooLarge,
        ),
        ("a registration", |it| it.client.kind = "webauthn.create".into(), E::WrongType),
        (
            "another challenge",
            |it| it.client.challenge = Challenge::from_bytes([8; 32]).to_string(),
            E::WrongChallenge,
        ),
        ("a foreign origin", |it| it.client.origin = "https://d00r.example".into(), E::WrongOrigin),
        (
            "our origin in capitals",
            |it| it.client.origin = "https://DOOR.example".into(),
            E::WrongOrigin,
        ),
        ("a foreign frame", |it| it.client.cross_origin = json!(true), E::CrossOrigin),
        (
            "a foreign frame, by its name",
            |it| it.client.top_origin = Some(ORIGIN.into()),
            E::CrossOrigin,
        ),
        (
            "two challenges",
            |it| it.client.more = r#","challenge":"""#.into(),
            E::Malformed("clientDataJSON"),
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
            "eligible now, but not before",
            |it| it.data.flags |= flag::BACKUP_ELIGIBLE,
            E::BackupEligibilityChanged,
        ),
        (
            "a key",
            |it| {
                it.data.flags |= flag::ATTESTED;
                it.data.attested = Some(example::Attested {
                    aaguid: [0; 16],
                    id: vec![1],
                    claimed_length: None,
                    key: Authenticator::es256().cose_key(),
                });
            },
            E::Malformed("a public key in an assertion"),
        ),
        (
            "extensions that are not there",
            |it| it.data.flags |= flag::EXTENSIONS,
            E::Malformed("authenticator extensions"),
        ),
        (
            "bytes behind the data",
            |it| it.data.trailer = vec![0],
            E::Malformed("bytes behind the authenticator data"),
        ),
        ("no signature", |it| it.signature = Some(vec![]), E::WrongSignature),
        (
            "another key's signature",
            |it| {
                let other = Authenticator::es256();
                let other = other.get(&to_get(), ORIGIN);
                it.signature = Some(other.signature());
            },
            E::WrongSignature,
        ),
        (
            "a signature over other client data",
            |it| {
                it.signature = Some(it.signature());
                it.client.more = r#","x":1"#.into();
            },
            E::WrongSignature,
        ),
        (
            "a signature over other authenticator data",
            |it| {
                it.signature = Some(it.signature());
                it.data.counter += 1;
            },
            E::WrongSignature,
        ),
        (
            "the counter as it was",
            |it| it.data.counter = 4,
            E::CounterWentBack { stored: 4, shown: 4 },
        ),
        (
            "the counter further back",
            |it| it.data.counter = 3,
            E::CounterWentBack { stored: 4, shown: 3 },
        ),
        (
            "no counter any more",
            |it| it.data.counter = 0,
            E::CounterWentBack { stored: 4, shown: 0 },
        ),
    ];
    let mut authenticator = Authenticator::es256();
    authenticator.counter = 4;
    let passkey = registered(&mut authenticator, |_| {}).expect("a registration");
    authenticator.counter = 5;
    authenticated(&authenticator, &passkey, |_| {}).expect("an honest authentication");
    for (what, change, error) in rows {
        assert_eq!(authenticated(&authenticator, &passkey, change), Err(error), "{what}");
    }
}

#[test]
fn a_copy_is_only_cried_once_the_signature_is_good() {
    let mut authenticator = Authenticator::es256();
    authenticator.counter = 4;
    let passkey = registered(&mut authenticator, |_| {}).expect("a registration");
    let refused = authenticated(&authenticator, &passkey, |it| it.signature = Some(vec![1]));
    assert_eq!(refused, Err(PasskeyError::WrongSignature));
}

#[test]
fn an_authenticator_need_not_count_but_may_begin_to() {
    let mut authenticator = Authenticator::ed25519();
    let passkey = registered(&mut authenticator, |_| {}).expect("a registration");
    for counter in [0, 0, 1, u32::MAX] {
        let used = authenticated(&authenticator, &passkey, |it| it.data.counter = counter);
        assert_eq!(used.map(|used| used.counter), Ok(counter));
    }
}

#[test]
fn eligible_once_is_eligible_for_ever() {
    let mut authenticator = Authenticator::ed25519();
    authenticator.flags |= flag::BACKUP_ELIGIBLE | flag::BACKED_UP;
    let passkey = registered(&mut authenticator, |_| {}).expect("a registration");
    let both = flag::BACKUP_ELIGIBLE | flag::BACKED_UP;
    let refused = authenticated(&authenticator, &passkey, |it| it.data.flags &= !both);
    assert_eq!(refused, Err(PasskeyError::BackupEligibilityChanged));
    let used = authenticated(&authenticator, &passkey, |it| it.data.flags &= !flag::BACKED_UP);
    assert_eq!(used.map(|used| used.backed_up), Ok(false));
}
