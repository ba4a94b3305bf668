//! Us as an OpenID provider (OpenID Connect Core 1.0): apps that keep sessions of their own, such as Nextcloud, learn from us
//! who somebody is.
//!
//! ```text
//!  client                     browser                         provider
//!    303 ──────────────────────► /auth/openid/authorize ───────► request.rs     who asks, and may be answered where
//!                                 sign-in, second factor ◄─────── authorize.rs  what is needed yet
//!    redirect_uri?code=… ◄────── 303 ◄────────────────────────── authorize.rs   a code: once, one minute
//!    POST /auth/openid/token ──────────────────────────────────► redeem.rs      code, verifier, secret
//!    ID token, access token ◄─────────────────────────────────── id_token.rs
//!    GET /auth/openid/userinfo ────────────────────────────────► redeem.rs
//!    303 ──────────────────────► /auth/openid/end-session ─────► end_session.rs
//! ```
//!
//! Only the code flow, only with clients of the configuration (RFC 9700): redirect URIs are compared as text, PKCE is
//! S256, nothing is ever sent to an address that is not in the configuration.

mod authorize;
mod client;
mod end_session;
mod id_token;
mod pkce;
mod redeem;
mod request;

use std::sync::Arc;

pub use authorize::{Authorized, RequestOver};
pub use client::{Client, ClientSecret, Pkce};
pub use end_session::EndRequest;
pub use id_token::ACR;
pub use redeem::{TokenError, TokenRequest, Tokens};
pub use request::{AuthorizationError, AuthorizationRequest, Refused, SentBack, Unanswerable};

use super::Identity;
use super::token::{Algorithm, KeyRing};
use crate::clock::Timestamp;

/// What answers clients.
pub struct Provider {
    identity: Arc<Identity>,
    keys: Arc<KeyRing>,
    issuer: Arc<str>,
    clients: Vec<Arc<Client>>,
}

/// Scopes that are not ignored (OpenID Connect Core §5.4).
pub const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// Claims that an ID token or userinfo may have.
pub const CLAIMS: [&str; 16] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "sid",
    "at_hash",
    "name",
    "preferred_username",
    "email",
    "email_verified",
];

impl Provider {
    /// For these clients, by the name `issuer`.
    pub fn new(
        identity: Arc<Identity>,
        keys: Arc<KeyRing>,
        issuer: Arc<str>,
        clients: Vec<Arc<Client>>,
    ) -> Self {
        Self { identity, keys, issuer, clients }
    }

    /// Our name: `iss`, byte by byte.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// With what ID tokens are signed at `now`; `None` when there is only a shared secret, which no client can know.
    pub fn algorithm(&self, now: Timestamp) -> Option<Algorithm> {
        self.keys.settled(now).map(|key| key.algorithm)
    }

    fn client(&self, id: &str) -> Option<&Arc<Client>> {
        self.clients.iter().find(|client| *client.id == *id)
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
