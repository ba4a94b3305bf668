//! `/auth/openid/userinfo`: what the client of an access token may know (OpenID Connect Core §5.3).

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use crate::portal::PortalState;
use crate::portal::problem::PortalError;

/// | status | when |
/// |---|---|
/// | 200 | the token is one of `/auth/openid/token`, and its session still lives |
/// | 401 | otherwise |
pub(in crate::portal) async fn handle(
    State(portal): State<PortalState>,
    headers: HeaderMap,
) -> Result<Response, PortalError> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = bearer.ok_or(PortalError::NoAccessToken)?;
    let claims = portal.openid.user_info(token.trim()).await?;
    let result = if claims.is_some() { "success" } else { "invalid_token" };
    portal.metrics.openid("userinfo", result);
    let claims = claims.ok_or(PortalError::InvalidAccessToken)?;
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Answer(claims)).into_response())
}
