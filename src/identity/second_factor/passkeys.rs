//! Passkeys as records, and the use cases around the ceremony of [`super::passkey`].
//!
//! A challenge travels with the browser in a sealed token, so that asking for one costs us no memory: whoever looks at the
//! sign-in page gets one. Answering uses it up: that it was used is remembered for as long as it is good, five minutes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::passkey::{
    Assertion, Challenge, Owner, Passkey, RelyingParty, TIMEOUT, UserVerification,
    creation_options, register, request_options,
};
use super::recovery::RecoveryCode;
use super::{EnrolError, FactorError, Method, digests, first_recovery_codes};
use crate::clock::Timestamp;
use crate::identity::event::{Client, EventKind};
use crate::identity::letter::SecondFactorChange;
use crate::identity::{
    Identity, PasskeyId, Purpose, SecretDigest, SecretText, StoreError, User, UserId, random,
};

/// A passkey as a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredPasskey {
    /// Names it in the API.
    pub id: PasskeyId,
    /// What its user calls it; 1 to 64 characters.
    pub name: String,
    /// What assertions are verified with.
    pub passkey: Passkey,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// What a browser brings back from a ceremony.
#[derive(Debug)]
pub struct PasskeyAnswer {
    /// The token that came with the options.
    pub token: String,
    /// `AuthenticationResponseJSON`.
    pub response: String,
}

/// A ceremony that has begun.
#[derive(Debug)]
pub struct Ceremony {
    /// Options for `navigator.credentials`.
    pub options: Value,
    /// To be shown with the answer.
    pub token: SecretText,
}

/// What the sealed tokens are bound to.
const CONTEXT: &str = "passkey ceremony";

/// What a token says about its ceremony.
#[derive(Deserialize, Serialize)]
struct Kept {
    challenge: String,
    until: i64,
    registration: bool,
    /// Nobody yet, when the passkey is to say who it is.
    user: Option<String>,
}

impl Kept {
    fn challenge(&self) -> Option<Challenge> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.challenge).ok()?;
        bytes.try_into().ok().map(Challenge::from_bytes)
    }
}

impl Identity {
    /// Begins to enrol a passkey.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn enrol_passkey(&self, user: &User) -> Result<Ceremony, StoreError> {
        let factors = self.factors(user.id).await?;
        let passkeys: Vec<_> = factors.passkeys.into_iter().map(|stored| stored.passkey).collect();
        let handle = user.id.as_uuid();
        let owner = Owner {
            handle: handle.as_bytes(),
            name: user.email.as_str(),
            display_name: user.full_name.as_deref().unwrap_or(user.username.as_str()),
            passkeys: &passkeys,
        };
        let challenge = Challenge::generate();
        let (rp, uv) = (self.relying_party(), UserVerification::Preferred);
        let options = creation_options(&rp, &owner, &challenge, uv);
        let token = self.token_for(&challenge, true, Some(user.id));
        Ok(Ceremony { options, token })
    }

    /// Enrols a passkey by what the browser brings back. Returns recovery codes when there were none.
    ///
    /// # Errors
    ///
    /// [`EnrolError`]; then nothing changed.
    pub async fn confirm_passkey(
        &self,
        user: &User,
        name: &str,
        answer: &PasskeyAnswer,
        client: &Client,
    ) -> Result<(StoredPasskey, Vec<RecoveryCode>), EnrolError> {
        let name = name.trim();
        if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(EnrolError::Name);
        }
        let now = self.clock.now();
        let kept = self.take_ceremony(&answer.token, now).await?;
        let kept = kept.filter(|kept| kept.registration && is_for(kept, user.id));
        let challenge = kept.and_then(|kept| kept.challenge()).ok_or(EnrolError::NotBegun)?;
        let (rp, uv) = (self.relying_party(), UserVerification::Preferred);
        let passkey = register(&rp, &challenge, uv, &answer.response).map_err(|error| {
            tracing::info!(%error, "a passkey was not enrolled");
            EnrolError::Wrong
        })?;
        let stored = StoredPasskey {
            id: PasskeyId::from_uuid(random::uuid_v7(now)),
            name: name.to_owned(),
            passkey,
            created_at: now,
            last_used_at: None,
        };
        let codes = first_recovery_codes(&self.factors(user.id).await?);
        let digests = digests(&codes, user.id);
        let digests = (!codes.is_empty()).then_some(digests.as_slice());
        let kind = EventKind::SecondFactorAdded { method: Method::Passkey };
        let noted = self.noted(user, kind, SecondFactorChange::Added, Some(client));
        let records = &self.records.second_factors;
        if records.add_passkey(user.id, &stored, digests, &noted).await? {
            Ok((stored, codes))
        } else {
            Err(EnrolError::AlreadyEnrolled)
        }
    }

    /// Removes a passkey.
    ///
    /// # Errors
    ///
    /// [`EnrolError`]; then nothing changed.
    pub async fn remove_passkey(
        &self,
        user: &User,
        id: PasskeyId,
        client: &Client,
    ) -> Result<(), EnrolError> {
        let factors = self.factors(user.id).await?;
        let app = factors.totp.as_ref().is_some_and(|totp| totp.confirmed);
        if self.demands_second_factor(user) && !app && factors.passkeys.len() < 2 {
            return Err(EnrolError::Required);
        }
        let kind = EventKind::SecondFactorRemoved { method: Method::Passkey };
        let noted = self.noted(user, kind, SecondFactorChange::Removed, Some(client));
        let removed = self.records.second_factors.remove_passkey(user.id, id, &noted).await?;
        if removed { Ok(()) } else { Err(EnrolError::NoSuchFactor) }
    }

    /// Asks for a passkey: of `user`, as a second factor; of anybody, who is then known by it.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn ask_for_passkey(&self, user: Option<UserId>) -> Result<Ceremony, StoreError> {
        let (allowed, uv): (Vec<_>, _) = match user {
            Some(user) => {
                let stored = self.factors(user).await?.passkeys.into_iter();
                (stored.map(|stored| stored.passkey).collect(), UserVerification::Preferred)
            }
            None => (Vec::new(), UserVerification::Required),
        };
        let challenge = Challenge::generate();
        let options = request_options(&self.relying_party(), &allowed, &challenge, uv);
        let token = self.token_for(&challenge, false, user);
        Ok(Ceremony { options, token })
    }

    pub(super) async fn passkey_is_right(
        &self,
        user: UserId,
        answer: &PasskeyAnswer,
        now: Timestamp,
    ) -> Result<bool, FactorError> {
        let kept = self.take_ceremony(&answer.token, now).await?;
        let Some(kept) = kept.filter(|kept| !kept.registration && is_for(kept, user)) else {
            return Ok(false);
        };
        let owner = self.asserted(&kept, answer, UserVerification::Preferred, now).await?;
        Ok(owner == Some(user))
    }

    pub(in crate::identity) async fn user_by_passkey(
        &self,
        answer: &PasskeyAnswer,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let kept = self.take_ceremony(&answer.token, now).await?;
        let Some(kept) = kept.filter(|kept| !kept.registration && kept.user.is_none()) else {
            return Ok(None);
        };
        match self.asserted(&kept, answer, UserVerification::Required, now).await? {
            Some(owner) => self.records.users.find(owner).await,
            None => Ok(None),
        }
    }

    /// Whose passkey gave a good answer, which is used up.
    async fn asserted(
        &self,
        kept: &Kept,
        answer: &PasskeyAnswer,
        user_verification: UserVerification,
        now: Timestamp,
    ) -> Result<Option<UserId>, StoreError> {
        let (Some(challenge), Ok(assertion)) =
            (kept.challenge(), Assertion::parse(&answer.response))
        else {
            return Ok(None);
        };
        let records = &self.records.second_factors;
        let found = records.passkey(assertion.credential_id().as_bytes()).await?;
        let Some((owner, stored)) = found else { return Ok(None) };
        if assertion.user_handle().is_some_and(|handle| handle != owner.as_uuid().as_bytes()) {
            return Ok(None);
        }
        let rp = self.relying_party();
        let used = match assertion.verify(&rp, &challenge, &stored.passkey, user_verification) {
            Ok(used) => used,
            Err(error) => {
                tracing::info!(user = %owner, %error, "a passkey was not accepted");
                return Ok(None);
            }
        };
        let before = stored.passkey.counter;
        let counted = records.passkey_used(stored.id, before, used.counter, used.backed_up, now);
        Ok(counted.await?.then_some(owner))
    }

    fn token_for(
        &self,
        challenge: &Challenge,
        registration: bool,
        user: Option<UserId>,
    ) -> SecretText {
        let kept = Kept {
            challenge: challenge.to_string(),
            until: (self.clock.now() + TIMEOUT).as_millis(),
            registration,
            user: user.map(|user| user.to_string()),
        };
        let text = serde_json::to_vec(&kept).unwrap_or_default();
        SecretText::from_text(URL_SAFE_NO_PAD.encode(self.sealer.seal(CONTEXT, &text)))
    }

    /// What a token says, once, and while it is good.
    async fn take_ceremony(&self, token: &str, now: Timestamp) -> Result<Option<Kept>, StoreError> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok();
        let text = sealed.and_then(|sealed| self.sealer.open(CONTEXT, &sealed).ok());
        let kept: Option<Kept> = text.and_then(|text| serde_json::from_slice(text.expose()).ok());
        let Some(kept) = kept else { return Ok(None) };
        let until = Timestamp::from_millis(kept.until);
        if until <= now {
            return Ok(None);
        }
        let key = SecretDigest::of(&kept.challenge, Purpose::Passkey);
        let first = self.records.handshakes.claim(key, until, now).await?;
        Ok(first.then_some(kept))
    }

    fn relying_party(&self) -> RelyingParty {
        let origin = self.settings().public_url.to_string();
        let authority = origin.trim_start_matches("https://");
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        RelyingParty { id: host.to_owned(), name: host.to_owned(), origins: vec![origin] }
    }
}

fn is_for(kept: &Kept, user: UserId) -> bool {
    kept.user.as_deref() == Some(user.to_string().as_str())
}
