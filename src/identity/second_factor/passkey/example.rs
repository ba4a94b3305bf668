//! An authenticator and a browser in software. Honest, unless a test changes what they are about to say.
//!
//! ```text
//! options ─► Authenticator::create ─► Registration   ─► json()
//! options ─► Authenticator::get    ─► Authentication ─► json()
//!                                     └ public fields: change them first
//! ```
//!
//! The CBOR is written by hand here, so that the reader is not tested against itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::identity::random;

/// Bits of the flags in authenticator data (WebAuthn §6.1).
pub mod flag {
    /// Somebody was there.
    pub const USER_PRESENT: u8 = 1;
    /// The authenticator made sure who.
    pub const USER_VERIFIED: u8 = 1 << 2;
    /// The passkey may be copied.
    pub const BACKUP_ELIGIBLE: u8 = 1 << 3;
    /// The passkey was copied.
    pub const BACKED_UP: u8 = 1 << 4;
    /// A public key follows.
    pub const ATTESTED: u8 = 1 << 6;
    /// Extensions follow.
    pub const EXTENSIONS: u8 = 1 << 7;
}

/// An authenticator with one passkey.
#[derive(Debug)]
pub struct Authenticator {
    pair: Pair,
    /// What it calls its passkey.
    pub credential_id: Vec<u8>,
    /// What it was told at registration.
    pub user_handle: Option<Vec<u8>>,
    /// What it has counted.
    pub counter: u32,
    /// What it says of the user and the backup.
    pub flags: u8,
}

#[derive(Debug)]
enum Pair {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

impl Authenticator {
    /// A new one for ES256.
    ///
    /// # Panics
    ///
    /// When no key can be made.
    pub fn es256() -> Self {
        let (scheme, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(scheme, &random).expect("a fresh key");
        let pair = EcdsaKeyPair::from_pkcs8(scheme, document.as_ref(), &random);
        Self::with(Pair::Es256(pair.expect("the fresh key")))
    }

    /// A new one for Ed25519.
    pub fn ed25519() -> Self {
        Self::ed25519_of(&random::bytes())
    }

    /// One whose key is made of this seed.
    ///
    /// # Panics
    ///
    /// Never: every seed makes a key.
    pub fn ed25519_of(seed: &[u8; 32]) -> Self {
        Self::with(Pair::Ed25519(Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed")))
    }

    fn with(pair: Pair) -> Self {
        Self {
            pair,
            credential_id: random::bytes::<32>().to_vec(),
            user_handle: None,
            counter: 0,
            flags: flag::USER_PRESENT | flag::USER_VERIFIED,
        }
    }

    /// What browser and authenticator are about to answer to [creation options](super::creation_options), on a page
    /// of `origin`.
    ///
    /// # Panics
    ///
    /// When `options` are none.
    pub fn create(&mut self, options: &Value, origin: &str) -> Registration<'_> {
        let handle = text(options, "/user/id");
        self.user_handle = Some(URL_SAFE_NO_PAD.decode(handle).expect("base64url"));
        let attested = Attested {
            aaguid: [7; 16],
            id: self.credential_id.clone(),
            claimed_length: None,
            key: self.cose_key(),
        };
        Registration {
            envelope: Envelope::of(&self.credential_id),
            client: ClientData::new("webauthn.create", text(options, "/challenge"), origin),
            data: Data {
                flags: self.flags | flag::ATTESTED,
                attested: Some(attested),
                ..self.data(text(options, "/rp/id"))
            },
            format: "none".into(),
            statement: Statement::Empty,
            object_trailer: vec![],
            transports: json!(["internal", "hybrid"]),
            authenticator: self,
        }
    }

    /// What browser and authenticator are about to answer to [request options](super::request_options), on a page of
    /// `origin`.
    ///
    /// # Panics
    ///
    /// When `options` are none.
    pub fn get(&self, options: &Value, origin: &str) -> Authentication<'_> {
        Authentication {
            authenticator: self,
            envelope: Envelope::of(&self.credential_id),
            client: ClientData::new("webauthn.get", text(options, "/challenge"), origin),
            data: self.data(text(options, "/rpId")),
            user_handle: self.user_handle.clone(),
            signature: None,
        }
    }

    /// Its public key in COSE.
    pub fn cose_key(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Ed25519(pair) => cbor::map(&[
                (cbor::integer(1), cbor::integer(1)),
                (cbor::integer(3), cbor::integer(-8)),
                (cbor::integer(-1), cbor::integer(6)),
                (cbor::integer(-2), cbor::bytes(pair.public_key().as_ref())),
            ]),
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
                cbor::map(&[
                    (cbor::integer(1), cbor::integer(2)),
                    (cbor::integer(3), cbor::integer(-7)),
                    (cbor::integer(-1), cbor::integer(1)),
                    (cbor::integer(-2), cbor::bytes(x)),
                    (cbor::integer(-3), cbor::bytes(y)),
                ])
            }
        }
    }

    /// Its signature over `message`.
    ///
    /// # Panics
    ///
    /// When it cannot sign.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Es256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).expect("a signature");
                signature.as_ref().to_vec()
            }
        }
    }

    fn cose_algorithm(&self) -> i64 {
        match self.pair {
            Pair::Ed25519(_) => -8,
            Pair::Es256(_) => -7,
        }
    }

    fn data(&self, rp_id: &str) -> Data {
        Data {
            rp_id: rp_id.to_owned(),
            flags: self.flags,
            counter: self.counter,
            attested: None,
            extensions: vec![],
            trailer: vec![],
        }
    }
}

fn text<'a>(options: &'a Value, pointer: &str) -> &'a str {
    options.pointer(pointer).and_then(Value::as_str).expect("options of the ceremony")
}

/// The outside of an answer.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// `public-key`.
    pub kind: String,
    /// The credential id.
    pub id: Vec<u8>,
    /// The credential id once more.
    pub raw_id: Vec<u8>,
}

impl Envelope {
    fn of(id: &[u8]) -> Self {
        Self { kind: "public-key".into(), id: id.to_vec(), raw_id: id.to_vec() }
    }

    fn around(&self, response: &Value) -> String {
        json!({
            "id": URL_SAFE_NO_PAD.encode(&self.id),
            "rawId": URL_SAFE_NO_PAD.encode(&self.raw_id),
            "type": self.kind,
            "response": response,
            "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": true } },
        })
        .to_string()
    }
}

/// What the browser says.
#[derive(Clone, Debug)]
pub struct ClientData {
    /// `webauthn.create` or `webauthn.get`.
    pub kind: String,
    /// In base64url.
    pub challenge: String,
    /// Of the page.
    pub origin: String,
    /// Whether the page is in a frame of another origin.
    pub cross_origin: Value,
    /// Whose frame that is.
    pub top_origin: Option<String>,
    /// Put before the JSON.
    pub before: Vec<u8>,
    /// Put before the closing brace.
    pub more: String,
}

impl ClientData {
    fn new(kind: &str, challenge: &str, origin: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            challenge: challenge.to_owned(),
            origin: origin.to_owned(),
            cross_origin: Value::Bool(false),
            top_origin: None,
            before: vec![],
            more: String::new(),
        }
    }

    /// As it is hashed.
    pub fn json(&self) -> Vec<u8> {
        let mut members = json!({
            "type": self.kind,
            "challenge": self.challenge,
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        });
        if let (Some(top_origin), Value::Object(members)) = (&self.top_origin, &mut members) {
            members.insert("topOrigin".into(), json!(top_origin));
        }
        let members = members.to_string();
        let open = members.strip_suffix('}').unwrap_or_default();
        [&self.before, open.as_bytes(), self.more.as_bytes(), b"}"].concat()
    }

    fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, &self.json()).as_ref().to_vec()
    }
}

/// What the authenticator says.
#[derive(Clone, Debug)]
pub struct Data {
    /// Hashed when written.
    pub rp_id: String,
    /// See [`flag`].
    pub flags: u8,
    /// How often it was used.
    pub counter: u32,
    /// The new passkey.
    pub attested: Option<Attested>,
    /// In CBOR.
    pub extensions: Vec<u8>,
    /// Bytes that nothing announces.
    pub trailer: Vec<u8>,
}

/// A new passkey.
#[derive(Clone, Debug)]
pub struct Attested {
    /// The model of authenticator.
    pub aaguid: [u8; 16],
    /// The credential id.
    pub id: Vec<u8>,
    /// Written instead of the length of `id`.
    pub claimed_length: Option<u16>,
    /// In COSE.
    pub key: Vec<u8>,
}

impl Data {
    /// As it is signed.
    ///
    /// # Panics
    ///
    /// When the credential id is longer than can be written.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = digest::digest(&digest::SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        bytes.push(self.flags);
        bytes.extend(self.counter.to_be_bytes());
        if let Some(attested) = &self.attested {
            let length = u16::try_from(attested.id.len()).expect("a short id");
            bytes.extend(attested.aaguid);
            bytes.extend(attested.claimed_length.unwrap_or(length).to_be_bytes());
            bytes.extend(&attested.id);
            bytes.extend(&attested.key);
        }
        bytes.extend(&self.extensions);
        bytes.extend(&self.trailer);
        bytes
    }
}

/// An attestation statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// An empty map.
    Empty,
    /// Signed with the new key itself, which is said to be for this algorithm, if not for its own.
    OwnSignature {
        /// A COSE algorithm.
        algorithm: Option<i64>,
    },
    /// This CBOR.
    Raw(Vec<u8>),
}

/// A registration, about to be sent.
#[derive(Debug)]
pub struct Registration<'a> {
    authenticator: &'a Authenticator,
    /// The outside.
    pub envelope: Envelope,
    /// What the browser says.
    pub client: ClientData,
    /// What the authenticator says.
    pub data: Data,
    /// Of the attestation.
    pub format: String,
    /// Of the attestation.
    pub statement: Statement,
    /// Put behind the attestation object.
    pub object_trailer: Vec<u8>,
    /// Ways to reach the authenticator.
    pub transports: Value,
}

impl Registration<'_> {
    /// The `RegistrationResponseJSON`.
    pub fn json(&self) -> String {
        self.envelope.around(&json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client.json()),
            "attestationObject": URL_SAFE_NO_PAD.encode(self.object()),
            "transports": self.transports,
        }))
    }

    fn object(&self) -> Vec<u8> {
        let data = self.data.bytes();
        let statement = match &self.statement {
            Statement::Empty => cbor::map(&[]),
            Statement::OwnSignature { algorithm } => {
                let algorithm = algorithm.unwrap_or(self.authenticator.cose_algorithm());
                let signature =
                    self.authenticator.sign(&[data.clone(), self.client.hash()].concat());
                cbor::map(&[
                    (cbor::text("alg"), cbor::integer(algorithm)),
                    (cbor::text("sig"), cbor::bytes(&signature)),
                ])
            }
            Statement::Raw(bytes) => bytes.clone(),
        };
        let object = cbor::map(&[
            (cbor::text("fmt"), cbor::text(&self.format)),
            (cbor::text("attStmt"), statement),
            (cbor::text("authData"), cbor::bytes(&data)),
        ]);
        [object, self.object_trailer.clone()].concat()
    }
}

/// An authentication, about to be sent.
#[derive(Debug)]
pub struct Authentication<'a> {
    authenticator: &'a Authenticator,
    /// The outside.
    pub envelope: Envelope,
    /// What the browser says.
    pub client: ClientData,
    /// What the authenticator says.
    pub data: Data,
    /// What the authenticator was told at registration.
    pub user_handle: Option<Vec<u8>>,
    /// Sent instead of a good one.
    pub signature: Option<Vec<u8>>,
}

impl Authentication<'_> {
    /// The `AuthenticationResponseJSON`.
    pub fn json(&self) -> String {
        self.envelope.around(&json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client.json()),
            "authenticatorData": URL_SAFE_NO_PAD.encode(self.data.bytes()),
            "signature": URL_SAFE_NO_PAD.encode(self.signature()),
            "userHandle": self.user_handle.as_ref().map(|handle| URL_SAFE_NO_PAD.encode(handle)),
        }))
    }

    /// The signature that is sent.
    pub fn signature(&self) -> Vec<u8> {
        let signed = || [self.data.bytes(), self.client.hash()].concat();
        self.signature.clone().unwrap_or_else(|| self.authenticator.sign(&signed()))
    }
}

/// A writer of CBOR (RFC 8949 §3).
pub mod cbor {
    /// A number.
    pub fn integer(value: i64) -> Vec<u8> {
        // -1 - n is written as n, which is what the complement is.
        if value < 0 { head(1, (!value).unsigned_abs()) } else { head(0, value.unsigned_abs()) }
    }

    /// A byte string.
    pub fn bytes(value: &[u8]) -> Vec<u8> {
        [head(2, value.len() as u64), value.to_vec()].concat()
    }

    /// A text.
    pub fn text(value: &str) -> Vec<u8> {
        [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
    }

    /// Items, one after the other.
    pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
        [head(4, items.len() as u64), items.concat()].concat()
    }

    /// Entries, in the order given.
    pub fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let entry = |(key, value): &(Vec<u8>, Vec<u8>)| [key.clone(), value.clone()].concat();
        [head(5, entries.len() as u64), entries.iter().flat_map(entry).collect()].concat()
    }

    fn head(major: u8, value: u64) -> Vec<u8> {
        let [.., b4, b5, b6, b7] = value.to_be_bytes();
        match value {
            0..24 => vec![major << 5 | b7],
            24..0x100 => vec![major << 5 | 0x18, b7],
            0x100..0x1_0000 => vec![major << 5 | 0x19, b6, b7],
            0x1_0000..0x1_0000_0000 => vec![major << 5 | 0x1a, b4, b5, b6, b7],
            _ => [vec![major << 5 | 0x1b], value.to_be_bytes().to_vec()].concat(),
        }
    }
}
