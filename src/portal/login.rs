//! `POST /auth/login` and its next steps: a name and a password, then a second factor where one is needed.

use axum::Form;
use axum::Json as Answer;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortalState;
use super::extract::{AskedBy, Json, MediaType, body, json, required};
use super::problem::PortalError;
use super::second_factor::{CeremonyView, PasskeyFields};
use super::token_answer::TokenAnswer;
use crate::identity::password::Password;
use crate::identity::second_factor::{GivenFactor, Method};
use crate::identity::sign_in::{HeldBy, Into, Needs, Pending, SignIn, SignInError, SignedIn, Step};

/// JSON with `username` or `email`, or the password form of OAuth 2.0 (RFC 6749 §4.3.2).
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Login")]
pub(super) struct Fields {
    grant_type: Option<String>,
    /// The sign-in name, or the address.
    username: Option<String>,
    /// The address, in place of `username`.
    email: Option<String>,
    password: Option<String>,
}

pub(super) struct Credentials(SignIn);

impl<S: Send + Sync> FromRequest<S> for Credentials {
    type Rejection = PortalError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PortalError> {
        let fields: Fields = match MediaType::of(request.headers()) {
            MediaType::Json => json(&body(request, state).await?)?,
            MediaType::Form => form(request, state).await?,
            MediaType::Other => {
                let expected = "application/json or application/x-www-form-urlencoded";
                return Err(PortalError::MediaType { expected });
            }
        };
        if fields.grant_type.is_some_and(|grant| grant != "password") {
            return Err(PortalError::UnsupportedGrantType);
        }
        let name = match (fields.username, fields.email) {
            (Some(_), Some(_)) => return Err(PortalError::NameTwice),
            (username, email) => required(username.or(email), "username")?,
        };
        // One that is too long for a password is simply not anybody's.
        let password = Password::new(required(fields.password, "password")?)
            .map_err(|_| PortalError::WrongNameOrPassword)?;
        Ok(Self(SignIn { name, password, into: Into::Tokens }))
    }
}

pub(super) async fn form<S: Send + Sync, T: serde::de::DeserializeOwned>(
    request: Request,
    state: &S,
) -> Result<T, PortalError> {
    let rejection = match Form::from_request(request, state).await {
        Ok(Form(fields)) => return Ok(fields),
        Err(rejection) => rejection,
    };
    Err(match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => PortalError::BodyTooLarge,
        _ => PortalError::BadForm,
    })
}

/// A sign-in that needs more.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct PendingAnswer {
    /// One of these is to be given: `passkey`, `totp`, `recovery_code`. Empty when one must be enrolled first.
    second_factor_required: Vec<&'static str>,
    /// Whether a second factor must be enrolled to go on.
    enrolment_required: bool,
    /// To be shown with the next step.
    pending_token: String,
    /// Seconds.
    expires_in: u64,
}

impl PendingAnswer {
    fn of(pending: &Pending) -> Self {
        let methods = match &pending.needs {
            Needs::Enrolment => Vec::new(),
            Needs::SecondFactor(methods) => methods.iter().copied().map(Method::name).collect(),
        };
        Self {
            second_factor_required: methods,
            enrolment_required: pending.needs == Needs::Enrolment,
            pending_token: pending.token.expose().to_owned(),
            expires_in: pending.expires_in.as_secs(),
        }
    }
}

const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

pub(super) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Credentials(sign_in): Credentials,
) -> Result<Response, PortalError> {
    let began = portal.clock.now();
    let step = portal.identity.sign_in(sign_in, &client).await;
    let took = portal.clock.now().since(began);
    let (result, reason) = outcome(step.as_ref().err());
    portal.metrics.login("password", result, reason, took);
    Ok(match step? {
        Step::Done(signed_in) => answer(*signed_in)?.into_response(),
        Step::Pending(pending) => {
            let body = Answer(PendingAnswer::of(&pending));
            (StatusCode::ACCEPTED, NO_STORE, body).into_response()
        }
    })
}

/// The labels of `stormdoor_login_total`.
pub(super) fn outcome(error: Option<&SignInError>) -> (&'static str, &'static str) {
    match error {
        None => ("success", ""),
        Some(SignInError::Busy(_)) => ("error", "busy"),
        Some(SignInError::Locked { .. }) => ("failure", "locked"),
        Some(SignInError::Store(_)) => ("error", "store"),
        Some(SignInError::NotPending) => ("failure", "not_pending"),
        Some(SignInError::Enrol(_) | SignInError::WrongFactor) => ("failure", "second_factor"),
        Some(SignInError::WrongNameOrPassword { reason }) => ("failure", reason.name()),
    }
}

/// The tokens of somebody who signed in for tokens.
pub(super) fn answer(signed_in: SignedIn) -> Result<TokenAnswer, PortalError> {
    match signed_in.held {
        HeldBy::Tokens(tokens) => Ok(TokenAnswer(tokens)),
        HeldBy::Cookie(_) => Err(PortalError::Internal("a cookie where tokens were asked for")),
    }
}

/// The second step: exactly one of `code`, `recovery_code`, `passkey`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "GiveSecondFactor")]
pub(super) struct FactorFields {
    pending_token: Option<String>,
    #[serde(flatten)]
    factor: Factor,
}

/// A second factor: exactly one of the three.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Factor {
    /// Six digits of the authenticator app.
    code: Option<String>,
    /// One of the ten recovery codes.
    recovery_code: Option<String>,
    /// What the browser made of our challenge.
    passkey: Option<PasskeyFields>,
}

impl Factor {
    pub(super) fn given(self) -> Result<GivenFactor, PortalError> {
        match (self.code, self.recovery_code, self.passkey) {
            (Some(code), None, None) => Ok(GivenFactor::Totp(code)),
            (None, Some(code), None) => Ok(GivenFactor::RecoveryCode(code)),
            (None, None, Some(answer)) => Ok(GivenFactor::Passkey(answer.answer())),
            (None, None, None) => Err(PortalError::MissingField("code")),
            _ => Err(PortalError::FactorTwice),
        }
    }
}

pub(super) async fn second_factor(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(fields): Json<FactorFields>,
) -> Result<TokenAnswer, PortalError> {
    let token = required(fields.pending_token, "pending_token")?;
    let given = fields.factor.given()?;
    let (method, began) = (given.method().name(), portal.clock.now());
    let signed_in = portal.identity.give_factor(&token, given, &client).await;
    let took = portal.clock.now().since(began);
    let (result, reason) = outcome(signed_in.as_ref().err());
    portal.metrics.login(method, result, reason, took);
    answer(signed_in?)
}

/// A sign-in that waits for a factor to be enrolled.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "EnrolToSignIn")]
pub(super) struct EnrolFields {
    pending_token: Option<String>,
}

pub(super) async fn enrol(
    State(portal): State<PortalState>,
    Json(fields): Json<EnrolFields>,
) -> Result<Response, PortalError> {
    let token = required(fields.pending_token, "pending_token")?;
    let offer = portal.identity.enrol_totp_to_sign_in(&token).await?;
    Ok((NO_STORE, Answer(super::second_factor::TotpOfferView::of(&offer))).into_response())
}

/// Its first code.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ConfirmToSignIn")]
pub(super) struct ConfirmFields {
    pending_token: Option<String>,
    code: Option<String>,
}

/// Tokens, and recovery codes that are shown this once.
#[derive(JsonSchema, Serialize)]
pub(super) struct EnrolledAnswer {
    #[serde(flatten)]
    tokens: super::token_answer::Tokens,
    recovery_codes: Vec<String>,
}

pub(super) async fn confirm(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(fields): Json<ConfirmFields>,
) -> Result<Response, PortalError> {
    let token = required(fields.pending_token, "pending_token")?;
    let code = required(fields.code, "code")?;
    let confirmed = portal.identity.confirm_totp_to_sign_in(&token, &code, &client).await;
    let (signed_in, codes) = confirmed?;
    let TokenAnswer(tokens) = answer(signed_in)?;
    let recovery_codes = super::second_factor::shown(&codes);
    let tokens = super::token_answer::Tokens::of(&tokens);
    Ok((NO_STORE, Answer(EnrolledAnswer { tokens, recovery_codes })).into_response())
}

/// Whom a passkey is asked of: whoever holds the pending token; without one, anybody, who is then known by it.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "AskForPasskey")]
pub(super) struct AskFields {
    pending_token: Option<String>,
}

pub(super) async fn ask_for_passkey(
    State(portal): State<PortalState>,
    Json(fields): Json<AskFields>,
) -> Result<Response, PortalError> {
    let user = match fields.pending_token {
        Some(token) => Some(portal.identity.pending_user(&token).await?.0.id),
        None => None,
    };
    Ok(CeremonyView::answer(&portal.identity.ask_for_passkey(user).await?))
}

pub(super) async fn passkey(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Json(fields): Json<PasskeyFields>,
) -> Result<TokenAnswer, PortalError> {
    let began = portal.clock.now();
    let answered = fields.answer();
    let signed_in = portal.identity.sign_in_with_passkey(&answered, Into::Tokens, &client).await;
    let took = portal.clock.now().since(began);
    let (result, reason) = outcome(signed_in.as_ref().err());
    portal.metrics.login("passkey", result, reason, took);
    answer(signed_in?)
}
