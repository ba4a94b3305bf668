//! `/.well-known/…` (RFC 8615).

pub(super) mod dav;
pub(super) mod jwks;
pub(super) mod openid_configuration;
