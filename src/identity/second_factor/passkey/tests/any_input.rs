//! No input makes a panic, and no changed one is accepted.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::identity::second_factor::passkey::example::Statement;

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_a_panic(text in "\\PC{0,200}", client: Vec<u8>, data: Vec<u8>) {
        let authenticator = Authenticator::ed25519_of(&[1; 32]);
        let key = PublicKey::from_cose(&authenticator.cose_key()).expect("a key");
        let passkey = Passkey {
            id: CredentialId::new(vec![1]).expect("an id"),
            key,
            counter: 0,
            transports: vec![],
            aaguid: [0; 16],
            backup_eligible: false,
            backed_up: false,
        };
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let response = json!({
            "id": "AQ", "rawId": "AQ", "type": "public-key",
            "response": {
                "clientDataJSON": encode(&client),
                "attestationObject": encode(&data),
                "authenticatorData": encode(&data),
                "signature": encode(&data),
            },
        });
        for text in [text, response.to_string()] {
            let _ = register(&rp(), &CHALLENGE, REQUIRED, &text);
            if let Ok(assertion) = Assertion::parse(&text) {
                let _ = assertion.verify(&rp(), &CHALLENGE, &passkey, REQUIRED);
            }
        }
        let _ = PublicKey::from_cose(&data);
        let _ = AuthenticatorData::read(&data);
    }

    #[test]
    fn no_single_changed_byte_is_accepted(at: prop::sample::Index, bit in 0..8) {
        let mut authenticator = Authenticator::ed25519_of(&[1; 32]);
        let passkey = registered(&mut authenticator, |it| {
            it.format = "packed".into();
            it.statement = Statement::OwnSignature { algorithm: None };
        });
        let passkey = passkey.expect("a registration");
        let authentication = authenticator.get(&to_get(), ORIGIN);
        let honest = [authentication.client.json(), authentication.data.bytes(), authentication.signature()];
        let lengths = honest.each_ref().map(Vec::len);
        let mut all = honest.concat();
        all[at.index(lengths.iter().sum())] ^= 1u8 << bit;
        let (client, rest) = all.split_at(lengths[0]);
        let (data, signature) = rest.split_at(lengths[1]);
        let id = passkey.id.to_string();
        let forged = json!({
            "id": id, "rawId": id, "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
            },
        });
        let assertion = Assertion::parse(&forged.to_string()).expect("well-formed outside");
        prop_assert!(assertion.verify(&rp(), &CHALLENGE, &passkey, REQUIRED).is_err());
    }

    #[test]
    fn registrations_with_any_bytes_in_the_middle_make_no_panic(
        key: Vec<u8>,
        extensions: Vec<u8>,
        statement: Vec<u8>,
        flags: u8,
    ) {
        let mut authenticator = Authenticator::ed25519_of(&[1; 32]);
        let _ = registered(&mut authenticator, |it| {
            it.format = "packed".into();
            it.data.flags = flags;
            it.data.extensions = extensions;
            it.data.attested.as_mut().expect("attested").key = key;
            it.statement = Statement::Raw(statement);
        });
    }
}
