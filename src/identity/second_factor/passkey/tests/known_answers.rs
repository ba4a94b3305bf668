//! Ceremonies that were not made here.

use ring::hkdf;
use serde_json::{Value, json};

use super::*;

/// ring makes no RSA keys, so this passkey was made with OpenSSL, once.
#[test]
fn an_rsa_passkey_made_with_openssl_is_registered_and_used() {
    let registration = include_str!("rs256/registration.json");
    let passkey = register(&rp(), &CHALLENGE, REQUIRED, registration).expect("a registration");
    assert_eq!(passkey.key.algorithm(), Algorithm::Rs256);
    let authentication = include_str!("rs256/authentication.json");
    let assertion = Assertion::parse(authentication).expect("an assertion");
    let used = assertion.verify(&rp(), &CHALLENGE, &passkey, REQUIRED).expect("a use");
    assert_eq!(used, Used { counter: 2, user_verified: true, backed_up: false });

    let mut forged: Value = serde_json::from_str(authentication).expect("JSON");
    forged["response"]["signature"] = json!(URL_SAFE_NO_PAD.encode([1; 256]));
    let assertion = Assertion::parse(&forged.to_string()).expect("an assertion");
    let refused = assertion.verify(&rp(), &CHALLENGE, &passkey, REQUIRED);
    assert_eq!(refused, Err(PasskeyError::WrongSignature));
}

/// WebAuthn §16.11. The standard derives its examples from a seed, so they are derived here, too, and compared with what
/// it prints by a checksum. Its attestation certificate is left out; we would pass it over.
#[test]
fn the_ed25519_example_of_the_standard_is_accepted() {
    let rp = RelyingParty {
        id: "example.org".into(),
        name: "WebAuthn".into(),
        origins: vec!["https://example.org".into()],
    };
    let preferred = UserVerification::Preferred;
    let owner = Owner { handle: b"1", name: "ana", display_name: "Ana", passkeys: &[] };
    let mut authenticator = Authenticator::ed25519_of(&of_standard(1));
    authenticator.credential_id = of_standard::<32>(5).to_vec();
    authenticator.flags = flag::USER_PRESENT;

    let challenge = Challenge::from_bytes(of_standard(0));
    let options = creation_options(&rp, &owner, &challenge, preferred);
    let mut registration = authenticator.create(&options, "https://example.org");
    registration.data.attested.as_mut().expect("attested").aaguid = of_standard(4);
    let extra = URL_SAFE_NO_PAD.encode(of_standard::<16>(3));
    registration.client.more = format!(
        r#","extraData":"clientDataJSON may be extended with additional fields in the future, such as this: {extra}""#
    );
    let printed = [registration.data.bytes(), registration.client.json()].concat();
    assert_eq!(sha_256(&printed), "Rj7I-9I_5EMVgVgzhzUr6djogHZdRgvOV7sGo627SWI");
    let passkey = register(&rp, &challenge, preferred, &registration.json());
    let passkey = passkey.expect("the registration");

    let challenge = Challenge::from_bytes(of_standard(9));
    let options = request_options(&rp, &[], &challenge, preferred);
    let authentication = authenticator.get(&options, "https://example.org");
    let (data, client) = (authentication.data.bytes(), authentication.client.json());
    let printed = [data, client, authentication.signature()].concat();
    assert_eq!(sha_256(&printed), "BFu2qwNID1PVT83ZrPDueDNkfnL8-0vLcP3-rVjr2MA");
    let assertion = Assertion::parse(&authentication.json()).expect("an assertion");
    let used = assertion.verify(&rp, &challenge, &passkey, preferred);
    assert_eq!(used, Ok(Used { counter: 0, user_verified: false, backed_up: false }));
}

/// The `number`th random value of the example.
fn of_standard<const N: usize>(number: u8) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[number]).extract(b"WebAuthn test vectors");
    let mut bytes = [0; N];
    let value = key.expand(&[b"packed.EdDSA"], Length(N)).expect("a short value");
    value.fill(&mut bytes).expect("its length");
    bytes
}

/// As base64url, which is shorter than hexadecimal.
fn sha_256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}
