//! Ceremonies that succeed. What is refused is in the files below, one for each thing that can be manipulated.

mod any_input;
mod assertion;
mod known_answers;
mod public_key;
mod registration;

use serde_json::{Value, json};

use super::example::{Authentication, Authenticator, Registration, flag};
use super::*;

const ORIGIN: &str = "https://door.example";
const CHALLENGE: Challenge = Challenge::from_bytes([9; 32]);
const REQUIRED: UserVerification = UserVerification::Required;

fn rp() -> RelyingParty {
    RelyingParty {
        id: "door.example".into(),
        name: "Our door".into(),
        origins: vec![ORIGIN.into(), "https://door.example:8443".into()],
    }
}

fn to_create() -> Value {
    let owner = Owner { handle: b"42", name: "ana", display_name: "Ana", passkeys: &[] };
    creation_options(&rp(), &owner, &CHALLENGE, REQUIRED)
}

fn to_get() -> Value {
    request_options(&rp(), &[], &CHALLENGE, REQUIRED)
}

/// An honest registration, but for what `change` does to it.
fn registered(
    authenticator: &mut Authenticator,
    change: impl FnOnce(&mut Registration<'_>),
) -> Result<Passkey, PasskeyError> {
    let mut registration = authenticator.create(&to_create(), ORIGIN);
    change(&mut registration);
    register(&rp(), &CHALLENGE, REQUIRED, &registration.json())
}

/// An honest authentication, but for what `change` does to it.
fn authenticated(
    authenticator: &Authenticator,
    passkey: &Passkey,
    change: impl FnOnce(&mut Authentication<'_>),
) -> Result<Used, PasskeyError> {
    let mut authentication = authenticator.get(&to_get(), ORIGIN);
    change(&mut authentication);
    Assertion::parse(&authentication.json())?.verify(&rp(), &CHALLENGE, passkey, REQUIRED)
}

#[test]
fn a_passkey_is_registered_and_used_with_each_algorithm_that_we_can_sign_with() {
    for (mut authenticator, algorithm) in
        [(Authenticator::es256(), Algorithm::Es256), (Authenticator::ed25519(), Algorithm::EdDsa)]
    {
        authenticator.flags |= flag::BACKUP_ELIGIBLE;
        authenticator.counter = 3;
        let passkey = registered(&mut authenticator, |_| {}).expect("a registration");
        assert_eq!(passkey.id.as_bytes(), authenticator.credential_id);
        assert_eq!(passkey.key.algorithm(), algorithm);
        assert_eq!(passkey.transports, ["hybrid", "internal"]);
        assert_eq!((passkey.counter, passkey.aaguid), (3, [7; 16]));
        assert!(passkey.backup_eligible && !passkey.backed_up);

        authenticator.flags |= flag::BACKED_UP;
        authenticator.counter = 5;
        let used = authenticated(&authenticator, &passkey, |_| {}).expect("an authentication");
        assert_eq!(used, Used { counter: 5, user_verified: true, backed_up: true });
    }
}

#[test]
fn a_key_is_stored_as_it_came_and_read_back() {
    let mut authenticator = Authenticator::es256();
    let passkey = registered(&mut authenticator, |_| {}).expect("a registration");
    assert_eq!(passkey.key.as_cose(), authenticator.cose_key());
    let read = PublicKey::from_cose(passkey.key.as_cose()).expect("the key");
    assert_eq!(read, passkey.key);
    let passkey = Passkey { key: read, ..passkey };
    authenticated(&authenticator, &passkey, |_| {}).expect("an authentication");
}

#[test]
fn verification_that_is_only_preferred_may_be_missing_and_is_reported() {
    let preferred = UserVerification::Preferred;
    let mut authenticator = Authenticator::es256();
    authenticator.flags = flag::USER_PRESENT;
    let registration = authenticator.create(&to_create(), ORIGIN).json();
    let passkey = register(&rp(), &CHALLENGE, preferred, &registration).expect("a registration");
    let assertion = Assertion::parse(&authenticator.get(&to_get(), ORIGIN).json());
    let assertion = assertion.expect("an assertion");
    let used = assertion.verify(&rp(), &CHALLENGE, &passkey, preferred).expect("a use");
    assert!(!used.user_verified);
}

#[test]
fn an_assertion_says_which_passkey_and_whose() {
    let mut authenticator = Authenticator::es256();
    registered(&mut authenticator, |_| {}).expect("a registration");
    for (handle, said) in
        [(Some(b"42".to_vec()), Some(b"42".as_slice())), (Some(vec![]), None), (None, None)]
    {
        let mut authentication = authenticator.get(&to_get(), ORIGIN);
        authentication.user_handle = handle;
        let assertion = Assertion::parse(&authentication.json()).expect("an assertion");
        assert_eq!(assertion.user_handle(), said);
        assert_eq!(assertion.credential_id().as_bytes(), authenticator.credential_id);
    }
}

#[test]
fn browsers_are_asked_for_what_we_verify() {
    let mut authenticator = Authenticator::es256();
    let passkey = registered(&mut authenticator, |_| {}).expect("a registration");
    let id = passkey.id.to_string();
    let passkeys = [passkey];
    let known = json!([{ "type": "public-key", "id": id, "transports": ["hybrid", "internal"] }]);
    let challenge = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";

    let owner = Owner { handle: b"42", name: "ana", display_name: "Ana", passkeys: &passkeys };
    let options = creation_options(&rp(), &owner, &CHALLENGE, UserVerification::Preferred);
    let expected = json!({
        "rp": { "id": "door.example", "name": "Our door" },
        "user": { "id": "NDI", "name": "ana", "displayName": "Ana" },
        "challenge": challenge,
        "pubKeyCredParams": [
            { "type": "public-key", "alg": -7 },
            { "type": "public-key", "alg": -8 },
            { "type": "public-key", "alg": -257 },
        ],
        "timeout": 300_000,
        "excludeCredentials": known,
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": false,
            "userVerification": "preferred",
        },
        "attestation": "none",
    });
    assert_eq!(options, expected);

    let options = request_options(&rp(), &passkeys, &CHALLENGE, REQUIRED);
    let expected = json!({
        "challenge": challenge,
        "timeout": 300_000,
        "rpId": "door.example",
        "allowCredentials": known,
        "userVerification": "required",
    });
    assert_eq!(options, expected);
}

#[test]
fn no_two_challenges_are_the_same() {
    assert_ne!(Challenge::generate(), Challenge::generate());
    assert_eq!(Challenge::generate().to_string().len(), 43);
}
