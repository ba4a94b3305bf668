//! From a request and whoever sits before the browser to a code, or to what is needed first.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::request::{Prompt, Scopes, back_to};
use super::{AuthorizationError, AuthorizationRequest, Client, Provider, Refused};
use crate::clock::Timestamp;
use crate::identity::event::{Client as Asker, EventKind};
use crate::identity::provisioning::CloudAccount;
use crate::identity::{
    CloudId, NoCloudId, Purpose, SecretText, Session, SessionId, StoreError, User,
};

/// How long somebody may take to sign in on the way.
const REQUEST: Duration = Duration::from_mins(30);

/// How long a code is good.
pub(super) const CODE: Duration = Duration::from_mins(1);

/// What became of a request.
#[derive(Debug)]
pub enum Authorized {
    /// There is nobody of this name at the client, and there cannot be.
    NoAccount {
        /// Why not.
        why: NoCloudId,
        /// Where the client is told that.
        back: String,
    },
    /// Back to the client, with a code or an error.
    SentBack(String),
    /// Somebody must sign in first.
    SignIn,
    /// Somebody must sign in although signed in.
    SignInAgain,
    /// Somebody must give a second factor first.
    StepUp,
}

/// A sealed request is not good: too old, or of another configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the sign-in for an app is over; begin again there")]
pub struct RequestOver;

/// What a code stands for.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Grant {
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scopes: Scopes,
    pub(super) session: String,
}

/// What is needed before a code can be given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Code,
    Refuse(AuthorizationError),
    SignIn,
    SignInAgain,
    StepUp,
}

/// What decides about that.
#[derive(Clone, Copy, Debug)]
struct Present {
    /// When the password or the passkey was given.
    auth_time: Timestamp,
    /// Whether a second factor is demanded and was not given.
    lacks_factor: bool,
}

/// What is needed next. Pure.
fn next(request: &AuthorizationRequest, present: Option<Present>, now: Timestamp) -> Next {
    let silent = request.prompt == Prompt::Nothing;
    let ask = |step, error| if silent { Next::Refuse(error) } else { step };
    match present {
        None => ask(Next::SignIn, AuthorizationError::LoginRequired),
        Some(present) if !request.is_satisfied_by(present.auth_time, now) => {
            ask(Next::SignInAgain, AuthorizationError::LoginRequired)
        }
        Some(present) if present.lacks_factor => {
            ask(Next::StepUp, AuthorizationError::InteractionRequired)
        }
        Some(_) => Next::Code,
    }
}

impl Provider {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    ///
    /// [`Refused`], with whom to tell.
    pub fn read(&self, parameters: &[(String, String)]) -> Result<AuthorizationRequest, Refused> {
        AuthorizationRequest::read(parameters, &self.clients, self.identity.clock.now())
    }

    /// The request as a text that only we can make, for the way over the sign-in.
    pub fn seal(&self, request: &AuthorizationRequest) -> String {
        let text = serde_json::to_vec(request).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(self.identity.sealer.seal(CONTEXT, &text))
    }

    /// Reads a sealed request again.
    ///
    /// # Errors
    ///
    /// [`RequestOver`].
    pub fn open(&self, sealed: &str) -> Result<AuthorizationRequest, RequestOver> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| RequestOver)?;
        let text = self.identity.sealer.open(CONTEXT, &sealed).map_err(|_| RequestOver)?;
        let request: AuthorizationRequest =
            serde_json::from_slice(text.expose()).map_err(|_| RequestOver)?;
        let until = Timestamp::from_millis(request.asked_at) + REQUEST;
        // The configuration may have changed on the way.
        let known = self.client(&request.client).is_some_and(|client| {
            client.redirect_uris.iter().any(|known| **known == *request.redirect_uri)
        });
        if known && self.identity.clock.now() < until { Ok(request) } else { Err(RequestOver) }
    }

    /// Answers a request in the name of whoever has `session`, with a code if nothing more is needed.
    ///
    /// # Errors
    ///
    /// When the store could not be read.
    pub async fn authorize(
        &self,
        request: &AuthorizationRequest,
        session: Option<SessionId>,
        asker: &Asker,
    ) -> Result<Authorized, StoreError> {
        let now = self.identity.clock.now();
        let found = match session {
            Some(session) => self.present(session).await?,
            None => None,
        };
        let present = found.as_ref().map(|(user, session)| Present {
            auth_time: session.created_at,
            lacks_factor: self.identity.demands_second_factor(user)
                && session.second_factor_at.is_none(),
        });
        let refuse = |error| Authorized::SentBack(request.refuse(error).location(&self.issuer));
        match next(request, present, now) {
            Next::SignIn => return Ok(Authorized::SignIn),
            Next::SignInAgain => return Ok(Authorized::SignInAgain),
            Next::StepUp => return Ok(Authorized::StepUp),
            Next::Refuse(error) => return Ok(refuse(error)),
            Next::Code => {}
        }
        let (Some((user, session)), Some(client)) = (found, self.client(&request.client)) else {
            return Ok(refuse(AuthorizationError::LoginRequired));
        };
        if let Err(why) = self.subject(client, &user).await? {
            let back = request.refuse(AuthorizationError::AccessDenied).location(&self.issuer);
            return Ok(match request.prompt {
                Prompt::Nothing => Authorized::SentBack(back),
                _ => Authorized::NoAccount { why, back },
            });
        }
        let code = self.code(request, &session, now).await?;
        let kind = EventKind::ClientSignedIn { client: client.id.clone() };
        let event = self.identity.event(kind, Some(user.id), Some(session.id), Some(asker));
        self.identity.records.events.record(&event).await?;
        let state = request.state.as_deref();
        let answer = [("code", code.expose())];
        Ok(Authorized::SentBack(back_to(&request.redirect_uri, &answer, state, &self.issuer)))
    }

    async fn code(
        &self,
        request: &AuthorizationRequest,
        session: &Session,
        now: Timestamp,
    ) -> Result<SecretText, StoreError> {
        let grant = Grant {
            client: request.client.clone(),
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge.clone(),
            nonce: request.nonce.clone(),
            scopes: request.scopes,
            session: session.id.to_string(),
        };
        let code = SecretText::generate();
        let value = serde_json::to_string(&grant).unwrap_or_default();
        let key = code.digest(Purpose::Code);
        self.identity.records.handshakes.put(key, value, now + CODE, now).await?;
        Ok(code)
    }

    /// A live session and its user, unless locked or gone.
    pub(super) async fn present(
        &self,
        session: SessionId,
    ) -> Result<Option<(User, Session)>, StoreError> {
        let Some(session) = self.identity.session(session).await? else { return Ok(None) };
        let user = self.identity.me(session.user).await?;
        Ok(user.map(|user| (user, session)))
    }
}

impl Provider {
    /// What `user` is called at `client`: as provisioning settled it, else by the rule for names.
    pub(super) async fn subject(
        &self,
        client: &Client,
        user: &User,
    ) -> Result<Result<CloudId, NoCloudId>, StoreError> {
        Ok(match self.identity.cloud_account(user.id).await? {
            CloudAccount::ByRule => by_rule(client, user),
            CloudAccount::Settled(id) => Ok(id),
            CloudAccount::NotYet | CloudAccount::None => {
                by_rule(client, user).and(Err(NoCloudId::NotTheirs))
            }
        })
    }
}

/// Where people are called by their address, it must be proven theirs: the account there of this name is theirs then.
fn by_rule(client: &Client, user: &User) -> Result<CloudId, NoCloudId> {
    let email = user.email.as_str();
    let id = client.ids.of(user.username.as_str(), email)?;
    if user.email_verified_at.is_none() && id.is(email) {
        return Err(NoCloudId::Unproven);
    }
    Ok(id)
}

/// What requests are sealed as.
const CONTEXT: &str = "openid request";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn what_is_needed_before_a_code() {
        use AuthorizationError::{InteractionRequired, LoginRequired};
        let request = |prompt, max_age| AuthorizationRequest {
            client: "cloud".into(),
            redirect_uri: "https://cloud.example/code".into(),
            state: None,
            nonce: None,
            challenge: None,
            scopes: Scopes::default(),
            prompt,
            max_age,
            login_hint: None,
            asked_at: NOW.as_millis(),
        };
        let at = |seconds: u64, lacks_factor| {
            Some(Present { auth_time: NOW - Duration::from_secs(seconds), lacks_factor })
        };
        for (prompt, max_age, present, expected) in [
            (Prompt::AsNeeded, None, None, Next::SignIn),
            (Prompt::AsNeeded, None, at(9, false), Next::Code),
            (Prompt::AsNeeded, None, at(9, true), Next::StepUp),
            (Prompt::AsNeeded, Some(5), at(9, false), Next::SignInAgain),
            (Prompt::AsNeeded, Some(5), at(9, true), Next::SignInAgain),
            (Prompt::SignIn, None, None, Next::SignIn),
            (Prompt::SignIn, None, at(9, false), Next::SignInAgain),
            (Prompt::SignIn, None, at(0, false), Next::Code),
            (Prompt::Nothing, None, None, Next::Refuse(LoginRequired)),
            (Prompt::Nothing, None, at(9, false), Next::Code),
            (Prompt::Nothing, None, at(9, true), Next::Refuse(InteractionRequired)),
            (Prompt::Nothing, Some(5), at(9, false), Next::Refuse(LoginRequired)),
        ] {
            let found = next(&request(prompt, max_age), present, NOW);
            assert_eq!(found, expected, "{prompt:?} {max_age:?} {present:?}");
        }
    }
}
