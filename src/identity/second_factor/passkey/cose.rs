//! The public key of a passkey as COSE has it (RFC 9052 §7, RFC 9053 §7, RFC 8230 §4), and its signatures on ring.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::cbor::{Item, Map};

/// A signature algorithm that we ask authenticators for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256: what TPMs in Windows machines make.
    Rs256,
}

impl Algorithm {
    /// All of them, the preferred one first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// Its number at IANA.
    pub const fn cose(self) -> i64 {
        match self {
            Self::EdDsa => -8,
            Self::Es256 => -7,
            Self::Rs256 => -257,
        }
    }

    pub(super) fn from_cose(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.cose() == number)
    }
}

/// A key to verify assertions with. Its kind is its algorithm.
///
/// That a point lies on its curve shows at the first verification: with one beside it, ring verifies nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    cose: Vec<u8>,
    key: Key,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Key {
    Ed25519([u8; 32]),
    /// Uncompressed: 4, x, y.
    P256([u8; 65]),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// Why bytes are no key of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParsePublicKeyError {
    /// Not COSE, or not the members that a key of its kind has.
    #[error("not a COSE public key of its kind")]
    Malformed,
    /// Not one that we ask for.
    #[error("not a key for ES256, EdDSA or RS256")]
    UnknownAlgorithm,
    /// Too short to be safe, or so long that verifying costs too much.
    #[error("not an RSA key of 2,048 to 4,096 bits with an odd exponent from 65,537 to 2^32 - 1")]
    UnsoundRsa,
}

/// Labels of COSE key parameters (RFC 9052 §7.1). What the negative ones mean depends on the key type.
mod label {
    pub(super) const KTY: i64 = 1;
    pub(super) const ALG: i64 = 3;
    pub(super) const CRV: i64 = -1;
    pub(super) const X: i64 = -2;
    pub(super) const Y: i64 = -3;
    pub(super) const N: i64 = -1;
    pub(super) const E: i64 = -2;
}

impl PublicKey {
    /// Reads a key in COSE, with the members that it must have and no others (WebAuthn §6.5.1).
    ///
    /// # Errors
    ///
    /// [`ParsePublicKeyError`].
    pub fn from_cose(bytes: &[u8]) -> Result<Self, ParsePublicKeyError> {
        let map = Map::read(bytes).map_err(|_| ParsePublicKeyError::Malformed)?;
        Ok(Self { cose: bytes.to_vec(), key: Key::read(&map)? })
    }

    /// The key in COSE as the authenticator wrote it, for a store.
    pub fn as_cose(&self) -> &[u8] {
        &self.cose
    }

    /// The algorithm that this key is for.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::Ed25519(_) => Algorithm::EdDsa,
            Key::P256(_) => Algorithm::Es256,
            Key::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// Whether `signature` is over `message` and made with the other half of this key (WebAuthn §6.5.5).
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            Key::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Key::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        }
        .is_ok()
    }
}

impl Key {
    fn read(map: &Map<'_>) -> Result<Self, ParsePublicKeyError> {
        let integer = |label| match map.get_label(label) {
            Some(Item::Integer(value)) => Ok(*value),
            _ => Err(ParsePublicKeyError::Malformed),
        };
        // A compressed point has a `y` that is no byte string; it may not be sent (WebAuthn §5.8.5).
        let bytes = |label| match map.get_label(label) {
            Some(Item::Bytes(value)) => Ok(*value),
            _ => Err(ParsePublicKeyError::Malformed),
        };
        let coordinate =
            |label| <[u8; 32]>::try_from(bytes(label)?).map_err(|_| ParsePublicKeyError::Malformed);
        let algorithm = Algorithm::from_cose(integer(label::ALG)?)
            .ok_or(ParsePublicKeyError::UnknownAlgorithm)?;
        let (kty, members, key) = match algorithm {
            Algorithm::EdDsa => (1, 4, Self::Ed25519(coordinate(label::X)?)),
            Algorithm::Es256 => {
                let mut point = [4; 65];
                let halves = point.iter_mut().skip(1);
                let both = coordinate(label::X)?.into_iter().chain(coordinate(label::Y)?);
                halves.zip(both).for_each(|(place, byte)| *place = byte);
                (2, 5, Self::P256(point))
            }
            Algorithm::Rs256 => (3, 4, rsa(bytes(label::N)?, bytes(label::E)?)?),
        };
        let curve = match algorithm {
            Algorithm::EdDsa => Some(6),
            Algorithm::Es256 => Some(1),
            Algorithm::Rs256 => None,
        };
        let fits = integer(label::KTY)? == kty
            && map.len() == members
            && curve.is_none_or(|curve| integer(label::CRV) == Ok(curve));
        if fits { Ok(key) } else { Err(ParsePublicKeyError::Malformed) }
    }
}

/// Big-endian without zeros in front (RFC 8230 §4).
fn rsa(n: &[u8], e: &[u8]) -> Result<Key, ParsePublicKeyError> {
    let leads = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
    if !leads(n) || !leads(e) {
        return Err(ParsePublicKeyError::Malformed);
    }
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    let exponent = e.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let sound =
        (2048..=4096).contains(&bits) && e.len() <= 4 && exponent >= 65_537 && exponent % 2 == 1;
    if sound {
        Ok(Key::Rsa { n: n.to_vec(), e: e.to_vec() })
    } else {
        Err(ParsePublicKeyError::UnsoundRsa)
    }
}
