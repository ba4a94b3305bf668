//! A code becomes an ID token and an access token: once, by the client it was made for, with the verifier of whoever
//! asked (RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 9700 §2.1).
//!
//! A code that is shown twice is known to somebody who should not: what its first use gave is void then. So is a code that
//! is shown with a wrong verifier or redirect URI; one that is shown by another client is that client's mistake, and stays.
//!
//! The access token opens userinfo and nothing else: no app takes it, because it is no credential that the gate knows.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::authorize::{CODE, Grant};
use super::id_token::{LIFE, about};
use super::request::Scopes;
use super::{Client, Provider, pkce};
use crate::identity::event::{Client as Asker, EventKind};
use crate::identity::{Purpose, SecretDigest, SecretText, SessionId, StoreError};
use crate::secret::Secret;
use crate::throttle::ClientNetwork;

/// A token request that the endpoint has read.
#[derive(Debug)]
pub struct TokenRequest {
    /// Who asks.
    pub client_id: String,
    /// What proves it, in each way in which it can have been written.
    pub secrets: Vec<Secret<String>>,
    /// What for.
    pub grant_type: Option<String>,
    /// The code.
    pub code: Option<Secret<String>>,
    /// As in the authorization request.
    pub redirect_uri: Option<String>,
    /// What its challenge was made of.
    pub verifier: Option<Secret<String>>,
}

/// What a client gets.
#[derive(Debug)]
pub struct Tokens {
    /// For userinfo alone.
    pub access_token: SecretText,
    /// Who it is.
    pub id_token: Secret<String>,
    /// How long both are good.
    pub expires_in: Duration,
    /// What was granted.
    pub scope: String,
}

/// Why a client gets nothing (RFC 6749 §5.2).
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not who it says.
    #[error("the client is unknown or its secret is wrong")]
    InvalidClient,
    /// The code is not good, for whatever reason.
    #[error("the code is not good")]
    InvalidGrant,
    /// Something is missing.
    #[error("{0} is missing")]
    InvalidRequest(&'static str),
    /// Too many wrong secrets from there.
    #[error("locked after too many failures")]
    Locked {
        /// Until the next attempt is judged.
        retry_after: Duration,
    },
    /// The same code was shown before.
    #[error("the code was shown before")]
    Replayed,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another grant than `authorization_code`.
    #[error("this grant type is not supported")]
    UnsupportedGrantType,
}

/// What an access token stands for.
#[derive(Deserialize, Serialize)]
struct Opened {
    client: String,
    session: String,
    scopes: Scopes,
    /// Where it is noted when the code is shown again.
    replayed: String,
}

impl Provider {
    /// Trades a code for tokens.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub async fn redeem(
        &self,
        request: &TokenRequest,
        asker: &Asker,
    ) -> Result<Tokens, TokenError> {
        let client = self.authenticate(request, asker).await?;
        match request.grant_type.as_deref() {
            Some("authorization_code") => {}
            Some(_) => return Err(TokenError::UnsupportedGrantType),
            None => return Err(TokenError::InvalidRequest("grant_type")),
        }
        let code = request.code.as_ref().ok_or(TokenError::InvalidRequest("code"))?.expose();
        let redirect_uri = request.redirect_uri.as_deref();
        let redirect_uri = redirect_uri.ok_or(TokenError::InvalidRequest("redirect_uri"))?;

        let grant = self.spend(code, client, asker).await?;
        let verifier = request.verifier.as_ref().map(|verifier| verifier.expose().as_str());
        let bound =
            grant.redirect_uri == redirect_uri && pkce::fits(grant.challenge.as_deref(), verifier);
        if !bound {
            return Err(TokenError::InvalidGrant);
        }
        let session: SessionId = grant.session.parse().map_err(|_| TokenError::InvalidGrant)?;
        // Both may have ended since the code was given.
        let present = self.present(session).await?;
        let (user, session) = present.ok_or(TokenError::InvalidGrant)?;
        let id = self.subject(client, &user).await?.map_err(|_| TokenError::InvalidGrant)?;

        let access_token = SecretText::with_prefix("sdo_");
        let now = self.identity.clock.now();
        let opened = Opened {
            client: grant.client.clone(),
            session: grant.session.clone(),
            scopes: grant.scopes,
            replayed: URL_SAFE_NO_PAD
                .encode(SecretDigest::of(code, Purpose::CodeReplayed).as_bytes()),
        };
        let value = serde_json::to_string(&opened).unwrap_or_default();
        let key = access_token.digest(Purpose::UserInfo);
        self.identity.records.handshakes.put(key, value, now + LIFE, now).await?;
        let id_token = self.id_token(&grant, &id, (&user, &session), &access_token, now);
        let id_token = id_token.ok_or(TokenError::InvalidGrant)?;
        let scope = grant.scopes.text();
        Ok(Tokens { access_token, id_token, expires_in: LIFE, scope })
    }

    /// The client that a request proves to be of.
    async fn authenticate(
        &self,
        request: &TokenRequest,
        asker: &Asker,
    ) -> Result<&Client, TokenError> {
        let network = ClientNetwork::from(asker.address);
        let (rule, now) = (self.identity.settings().lockout, self.identity.clock.now());
        let attempt = self.identity.lockouts.attempt_from(network, rule, now).await?;
        attempt.map_err(|retry_after| TokenError::Locked { retry_after })?;
        let client = self.client(&request.client_id).ok_or(TokenError::InvalidClient)?;
        let known = |secret: &Secret<String>| client.secret.is(secret.expose().as_bytes());
        if !request.secrets.iter().any(known) {
            return Err(TokenError::InvalidClient);
        }
        self.identity.lockouts.take_back_from(network).await;
        Ok(client)
    }

    /// What `code` stands for. Of any number of callers, one gets it.
    async fn spend(&self, code: &str, client: &Client, asker: &Asker) -> Result<Grant, TokenError> {
        let (handshakes, now) = (&self.identity.records.handshakes, self.identity.clock.now());
        let key = SecretDigest::of(code, Purpose::Code);
        let spent = SecretDigest::of(code, Purpose::CodeSpent);
        let grant = handshakes.look(&key, now).await?;
        let grant: Option<Grant> = grant.and_then(|value| serde_json::from_str(&value).ok());
        let Some(grant) = grant else {
            if handshakes.look(&spent, now).await?.is_some() {
                return self.replayed(code, None, client, asker).await;
            }
            return Err(TokenError::InvalidGrant);
        };
        if *grant.client != *client.id {
            return Err(TokenError::InvalidGrant);
        }
        // Remembered for as long as anything that it gave is good.
        if !handshakes.claim(spent, now + CODE + LIFE, now).await? {
            return self.replayed(code, Some(&grant), client, asker).await;
        }
        Ok(grant)
    }

    /// Voids what the first use of `code` gave.
    async fn replayed<T>(
        &self,
        code: &str,
        grant: Option<&Grant>,
        client: &Client,
        asker: &Asker,
    ) -> Result<T, TokenError> {
        let now = self.identity.clock.now();
        let key = SecretDigest::of(code, Purpose::CodeReplayed);
        if self.identity.records.handshakes.claim(key, now + CODE + LIFE, now).await? {
            let session = grant.and_then(|grant| grant.session.parse().ok());
            let kind = EventKind::CodeReplayed { client: client.id.clone() };
            let event = self.identity.event(kind, None, session, Some(asker));
            self.identity.records.events.record(&event).await?;
        }
        Err(TokenError::Replayed)
    }

    /// What the client of this access token may know. `None` when it is not good, or not any more.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn user_info(&self, access_token: &str) -> Result<Option<Value>, StoreError> {
        let (handshakes, now) = (&self.identity.records.handshakes, self.identity.clock.now());
        let key = SecretDigest::of(access_token, Purpose::UserInfo);
        let Some(value) = handshakes.look(&key, now).await? else { return Ok(None) };
        let Ok(opened) = serde_json::from_str::<Opened>(&value) else { return Ok(None) };
        let Some(replayed) = digest_of(&opened.replayed) else { return Ok(None) };
        if handshakes.look(&replayed, now).await?.is_some() {
            return Ok(None);
        }
        let (Ok(session), Some(client)) = (opened.session.parse(), self.client(&opened.client))
        else {
            return Ok(None);
        };
        let Some((user, _)) = self.present(session).await? else { return Ok(None) };
        let Ok(id) = self.subject(client, &user).await? else { return Ok(None) };
        let mut claims = about(&user, opened.scopes);
        claims.insert("sub".to_owned(), json!(id.as_str()));
        Ok(Some(Value::Object(claims)))
    }
}

fn digest_of(text: &str) -> Option<SecretDigest> {
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    Some(SecretDigest::from_bytes(bytes))
}
