//! The signature algorithms that exist here. `none` does not.

/// A JWS algorithm (RFC 7518 §3.1; EdDSA: RFC 8037 §3.1). Pinned by configuration for each issuer, never taken
/// from a token's header (RFC 8725 §3.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// HMAC with SHA-256: a shared secret, so whoever verifies can also sign.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2,048 to 8,192 bits.
    Rs256,
}
