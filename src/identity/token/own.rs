//! Reading a token of our own that comes back to us.

use super::jws::Compact;
use super::{Algorithm, IssuerKeys, KeyRing};

impl KeyRing {
    /// The claims of a token of this `typ` that one of our public keys signed, whether it is expired or not. Who made
    /// it, and for whom, is for the caller to look at.
    pub(in crate::identity) fn read_own(
        &self,
        typ: &str,
        token: &str,
    ) -> Option<serde_json::Value> {
        let token = Compact::parse(token).ok()?;
        let algorithm: Algorithm = token.header.alg.parse().ok()?;
        if algorithm == Algorithm::Hs256 || token.header.typ.as_deref() != Some(typ) {
            return None;
        }
        let keys = self.current()?;
        let key = keys.find(Some(token.header.kid.as_deref()?), algorithm)?;
        if !token.is_signed_by(&key.key) {
            return None;
        }
        serde_json::from_slice(&token.payload).ok()
    }
}
