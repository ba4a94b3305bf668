//! `/auth/second-factor`: enrolling, removing and giving second factors, for whoever is signed in.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortalState;
use super::extract::{AskedBy, Fresh, Json, OwnSession, own, required};
use super::login::Factor;
use super::problem::PortalError;
use super::view::{FactorsView, PasskeyView};
use crate::identity::second_factor::qr::{qr_png, qr_svg};
use crate::identity::second_factor::recovery::RecoveryCode;
use crate::identity::second_factor::{Ceremony, PasskeyAnswer, TotpOffer};

const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// An authenticator app to be set up. Shown this once.
#[derive(JsonSchema, Serialize)]
pub(super) struct TotpOfferView {
    /// Base32, for typing.
    secret: String,
    /// `otpauth://totp/…`.
    uri: String,
    /// The URI as a QR code: SVG markup.
    qr_svg: String,
    /// The same as PNG, in base64.
    qr_png: String,
}

impl TotpOfferView {
    pub(super) fn of(offer: &TotpOffer) -> Self {
        let uri = offer.uri.expose();
        Self {
            secret: offer.secret.expose_for_owner().expose().clone(),
            uri: uri.clone(),
            // Ours are never too long for a QR code: the address has 254 characters at most.
            qr_svg: qr_svg(uri).map(|svg| svg.expose().clone()).unwrap_or_default(),
            qr_png: qr_png(uri).map(|png| STANDARD.encode(png.expose())).unwrap_or_default(),
        }
    }
}

/// Recovery codes that are shown this once.
#[derive(JsonSchema, Serialize)]
pub(super) struct RecoveryCodes {
    /// Empty when those from before are still good.
    recovery_codes: Vec<String>,
}

pub(super) fn shown(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(|code| code.expose_for_owner().expose().clone()).collect()
}

/// The first code of an authenticator app.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ConfirmTotp")]
pub(super) struct Code {
    code: Option<String>,
}

/// What one has.
pub(super) async fn list(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
) -> Result<Answer<FactorsView>, PortalError> {
    let user = own(&portal, user).await?;
    let factors = portal.identity.factors(user.id).await?;
    Ok(Answer(FactorsView::of(&factors, portal.identity.demands_second_factor(&user))))
}

pub(super) async fn enrol_totp(
    State(portal): State<PortalState>,
    Fresh { user, .. }: Fresh,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    let offer = portal.identity.enrol_totp(&user).await?;
    Ok((NO_STORE, Answer(TotpOfferView::of(&offer))).into_response())
}

pub(super) async fn confirm_totp(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
    Json(fields): Json<Code>,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    let code = required(fields.code, "code")?;
    let codes = portal.identity.confirm_totp(&user, &code, &client).await?;
    Ok((NO_STORE, Answer(RecoveryCodes { recovery_codes: shown(&codes) })).into_response())
}

pub(super) async fn remove_totp(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
) -> Result<StatusCode, PortalError> {
    let user = own(&portal, user).await?;
    portal.identity.remove_totp(&user, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn renew_recovery_codes(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    let codes = portal.identity.renew_recovery_codes(&user, &client).await?;
    Ok((NO_STORE, Answer(RecoveryCodes { recovery_codes: shown(&codes) })).into_response())
}

/// An access token that tells of the second factor.
#[derive(JsonSchema, Serialize)]
pub(super) struct SteppedUp {
    /// Null for a browser: its cookie is enough.
    access_token: Option<String>,
    second_factor_at: Option<String>,
}

/// Gives a second factor again, for a route that asks for a fresh one (RFC 9470).
pub(super) async fn verify(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    OwnSession { user, session }: OwnSession,
    Json(factor): Json<Factor>,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    let session = portal.identity.step_up(&user, session, factor.given()?, &client).await?;
    let token = portal.identity.token_of(&user, &session);
    let answer = SteppedUp {
        access_token: token.map(|token| token.expose().clone()),
        second_factor_at: session.second_factor_at.map(|at| at.to_string()),
    };
    Ok((NO_STORE, Answer(answer)).into_response())
}

/// A passkey's ceremony.
#[derive(JsonSchema, Serialize)]
pub(super) struct CeremonyView {
    /// For `navigator.credentials.create` or `.get`: parse with `parseCreationOptionsFromJSON` or
    /// `parseRequestOptionsFromJSON`.
    options: serde_json::Value,
    /// To be sent with the answer, within five minutes.
    token: String,
}

impl CeremonyView {
    pub(super) fn answer(ceremony: &Ceremony) -> Response {
        let view =
            Self { options: ceremony.options.clone(), token: ceremony.token.expose().to_owned() };
        (NO_STORE, Answer(view)).into_response()
    }
}

/// What a passkey's ceremony brought.
#[derive(Deserialize, JsonSchema)]
pub(super) struct PasskeyFields {
    /// From the options.
    token: String,
    /// What `toJSON` of the credential says (WebAuthn Level 3 §5.1).
    response: serde_json::Value,
}

impl PasskeyFields {
    pub(super) fn answer(self) -> PasskeyAnswer {
        PasskeyAnswer { token: self.token, response: self.response.to_string() }
    }
}

pub(super) async fn enrol_passkey(
    State(portal): State<PortalState>,
    Fresh { user, .. }: Fresh,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    Ok(CeremonyView::answer(&portal.identity.enrol_passkey(&user).await?))
}

/// A passkey to be added.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "AddPasskey")]
pub(super) struct NewPasskey {
    /// What to call it: 1 to 64 characters.
    name: Option<String>,
    #[serde(flatten)]
    answer: PasskeyFields,
}

/// A passkey that was added.
#[derive(JsonSchema, Serialize)]
pub(super) struct AddedPasskey {
    passkey: PasskeyView,
    /// Empty when those from before are still good.
    recovery_codes: Vec<String>,
}

pub(super) async fn confirm_passkey(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
    Json(new): Json<NewPasskey>,
) -> Result<Response, PortalError> {
    let user = own(&portal, user).await?;
    let name = required(new.name, "name")?;
    let answer = new.answer.answer();
    let (stored, codes) = portal.identity.confirm_passkey(&user, &name, &answer, &client).await?;
    let added = AddedPasskey { passkey: PasskeyView::of(&stored), recovery_codes: shown(&codes) };
    Ok((StatusCode::CREATED, NO_STORE, Answer(added)).into_response())
}

pub(super) async fn remove_passkey(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    Fresh { user, .. }: Fresh,
    Path(id): Path<String>,
) -> Result<StatusCode, PortalError> {
    let user = own(&portal, user).await?;
    let id = id.parse().map_err(|_| PortalError::NotFound)?;
    portal.identity.remove_passkey(&user, id, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A challenge for one of the caller's passkeys, to be answered to `verify`.
pub(super) async fn challenge(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
) -> Result<Response, PortalError> {
    Ok(CeremonyView::answer(&portal.identity.ask_for_passkey(Some(user)).await?))
}
