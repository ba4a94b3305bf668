//! Tokens: issuing ours, verifying anybody's (RFC 7519, RFC 8725, RFC 9068).
//!
//! [`AccessTokens`] issues; [`Verifier`] verifies, ours and those of outside issuers, with a cache of verified ones;
//! [`SigningKey`] and [`KeyRing`] are our keys. `jws` is the one reader of compact JWS in the program.
//!
//! Verification is our own, on ring, because it is the security core and the hot path: keys are parsed once and not per
//! token, and the algorithm is a property of the key and never of the token. jsonwebtoken does the same work in more
//! steps and brings a second crypto provider or a shim for one.

mod access;
mod algorithm;
mod issuer;
mod jwk;
pub mod jws;
mod own;
mod signing_key;
mod verify;

pub use access::{AccessTokens, UPSTREAM_REUSE};
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use issuer::{IssuerKeys, IssuerRules};
pub use jwk::{KeySet, ParseKeysError, VerificationKey};
pub use signing_key::{KeyRing, PUBLISHED_BEFORE_USE, SigningKey, SigningKeyError, SigningKeys};
pub(super) use verify::widest;
pub use verify::{TokenError, Verifier};
