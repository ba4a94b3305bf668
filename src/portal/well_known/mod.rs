//! `/.well-known/…` (RFC 8615).
//!
//! No discovery document yet: it must name an authorization endpoint, and there is none before we are an OpenID
//! provider.

pub(super) mod dav;
pub(super) mod jwks;
