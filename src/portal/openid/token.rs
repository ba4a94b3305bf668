//! `POST /auth/openid/token`: a code becomes tokens (RFC 6749 §4.1.3, OpenID Connect Core §3.1.3). Errors are those of
//! RFC 6749 §5.2, because clients read them.

use axum::Json as Answer;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::openid::{TokenError, TokenRequest, Tokens};
use crate::portal::PortalState;
use crate::portal::extract::{AskedBy, MediaType};
use crate::portal::login::form;
use crate::portal::problem::PortalError;
use crate::secret::Secret;

/// The form. The client proves itself by HTTP Basic, or by `client_id` and `client_secret` here.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "TokenRequest")]
#[expect(dead_code, reason = "described here, read field by field so that nothing is taken twice")]
pub(in crate::portal) struct Fields {
    /// `authorization_code`.
    grant_type: String,
    /// The code.
    code: String,
    /// As in the authorization request.
    redirect_uri: String,
    /// What `code_challenge` was made of.
    code_verifier: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// What a client gets.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "OpenIdTokens")]
pub(in crate::portal) struct Given {
    /// For `/auth/openid/userinfo` alone.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// Who signed in, as a JWT.
    id_token: String,
    scope: String,
}

/// Why it gets nothing (RFC 6749 §5.2).
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "OpenIdError")]
pub(in crate::portal) struct Refusal {
    error: &'static str,
    error_description: String,
}

const NEVER_KEPT: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::PRAGMA, HeaderValue::from_static("no-cache")),
];

pub(in crate::portal) async fn handle(
    State(portal): State<PortalState>,
    AskedBy(client): AskedBy,
    request: Request,
) -> Result<Response, PortalError> {
    let headers = request.headers().clone();
    let pairs: Option<Vec<(String, String)>> = match MediaType::of(&headers) {
        MediaType::Form => form(request, &portal).await.ok(),
        MediaType::Json | MediaType::Other => None,
    };
    let read = pairs.ok_or("expected a form").and_then(|pairs| read(&headers, pairs));
    let outcome = match read {
        Ok(request) => portal.openid.redeem(&request, &client).await,
        Err(wrong) => {
            portal.metrics.openid("token", "invalid_request");
            return Ok(refuse(StatusCode::BAD_REQUEST, "invalid_request", wrong.to_owned()));
        }
    };
    portal.metrics.openid("token", result(outcome.as_ref().err()));
    match outcome {
        Ok(tokens) => Ok((NEVER_KEPT, Answer(Given::of(&tokens))).into_response()),
        Err(TokenError::Locked { retry_after }) => Err(PortalError::Locked { retry_after }),
        Err(TokenError::Store(error)) => Err(error.into()),
        Err(error) => {
            let about = error.to_string();
            let mut answer = match error {
                TokenError::InvalidClient => {
                    refuse(StatusCode::UNAUTHORIZED, "invalid_client", about)
                }
                _ => refuse(StatusCode::BAD_REQUEST, result(Some(&error)), about),
            };
            if answer.status() == StatusCode::UNAUTHORIZED {
                let basic = HeaderValue::from_static("Basic realm=\"stormdoor\"");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
            }
            Ok(answer)
        }
    }
}

/// The `error` of the answer, and the `result` label of the metric.
fn result(error: Option<&TokenError>) -> &'static str {
    match error {
        None => "success",
        Some(TokenError::InvalidClient) => "invalid_client",
        Some(TokenError::InvalidGrant | TokenError::Replayed) => "invalid_grant",
        Some(TokenError::InvalidRequest(_)) => "invalid_request",
        Some(TokenError::Locked { .. }) => "locked",
        Some(TokenError::Store(_)) => "unavailable",
        Some(TokenError::UnsupportedGrantType) => "unsupported_grant_type",
    }
}

fn refuse(status: StatusCode, error: &'static str, error_description: String) -> Response {
    (status, NEVER_KEPT, Answer(Refusal { error, error_description })).into_response()
}

impl Given {
    fn of(tokens: &Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            id_token: tokens.id_token.expose().clone(),
            scope: tokens.scope.clone(),
        }
    }
}

/// Puts the form and the credentials of the header together.
fn read(
    headers: &HeaderMap,
    mut pairs: Vec<(String, String)>,
) -> Result<TokenRequest, &'static str> {
    let mut take = |name: &str| -> Result<Option<String>, &'static str> {
        let at: Vec<_> = (0..pairs.len())
            .filter(|at| pairs.get(*at).is_some_and(|(found, _)| found == name))
            .collect();
        match *at.as_slice() {
            [] => Ok(None),
            [at] => Ok(Some(pairs.swap_remove(at).1).filter(|value| !value.is_empty())),
            _ => Err("a parameter is there twice"),
        }
    };
    let (posted_id, posted_secret) = (take("client_id")?, take("client_secret")?);
    let (client_id, secrets) = match (basic(headers)?, posted_secret) {
        (Some(_), Some(_)) => return Err("the client proves itself in two ways"),
        (Some((id, _)), None) if posted_id.as_ref().is_some_and(|posted| *posted != id) => {
            return Err("the client says two names");
        }
        (Some((id, secrets)), None) => (id, secrets),
        (None, posted) => {
            (posted_id.unwrap_or_default(), posted.into_iter().map(Secret::new).collect())
        }
    };
    Ok(TokenRequest {
        client_id,
        secrets,
        grant_type: take("grant_type")?,
        code: take("code")?.map(Secret::new),
        redirect_uri: take("redirect_uri")?,
        verifier: take("code_verifier")?.map(Secret::new),
    })
}

type Credentials = (String, Vec<Secret<String>>);

/// The credentials of HTTP Basic. They are to be form-encoded first (RFC 6749 §2.3.1), which most clients do not do: so
/// both ways of reading the secret.
fn basic(headers: &HeaderMap) -> Result<Option<Credentials>, &'static str> {
    let unreadable = "the credentials cannot be read";
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let value = value.to_str().map_err(|_| unreadable)?;
    let (scheme, encoded) = value.split_once(' ').ok_or(unreadable)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable);
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| unreadable)?;
    let decoded = Secret::new(String::from_utf8(decoded).map_err(|_| unreadable)?);
    let (id, secret) = decoded.expose().split_once(':').ok_or(unreadable)?;
    let mut secrets = vec![Secret::new(secret.to_owned())];
    secrets.extend(form_decoded(secret).filter(|decoded| decoded != secret).map(Secret::new));
    Ok(Some((id.to_owned(), secrets)))
}

fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'+', after @ ..] => {
                bytes.push(b' ');
                rest = after;
            }
            [b'%', high, low, after @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(
        authorization: Option<&str>,
        pairs: &[(&str, &str)],
    ) -> Result<(String, Vec<String>), &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            let value = match value.split_once(' ') {
                Some((scheme, plain)) => format!("{scheme} {}", STANDARD.encode(plain)),
                None => value.to_owned(),
            };
            headers.insert(header::AUTHORIZATION, value.parse().expect("a value"));
        }
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let read = read(&headers, pairs.collect())?;
        let secrets = read.secrets.iter().map(|secret| secret.expose().clone()).collect();
        Ok((read.client_id, secrets))
    }

    #[test]
    fn a_client_proves_itself_in_one_way() {
        let good = |id: &str, secrets: &[&str]| {
            Ok((id.to_owned(), secrets.iter().map(|secret| (*secret).to_owned()).collect()))
        };
        let (id, secret) = (("client_id", "cloud"), ("client_secret", "s:e"));
        for (authorization, pairs, expected) in [
            (None, &[id, secret][..], good("cloud", &["s:e"])),
            (None, &[id], good("cloud", &[])),
            (None, &[], good("", &[])),
            (Some("Basic cloud:s:e"), &[], good("cloud", &["s:e"])),
            (Some("basic cloud:s%2B+e"), &[id], good("cloud", &["s%2B+e", "s+ e"])),
            (Some("Basic cloud:100%"), &[], good("cloud", &["100%"])),
            (Some("Basic cloud:x"), &[secret], Err("the client proves itself in two ways")),
            (Some("Basic other:x"), &[id], Err("the client says two names")),
            (None, &[id, id], Err("a parameter is there twice")),
            (Some("Bearer x:y"), &[], Err("the credentials cannot be read")),
            (Some("Basic"), &[], Err("the credentials cannot be read")),
            (Some("Basic nothing"), &[], Err("the credentials cannot be read")),
        ] {
            assert_eq!(request(authorization, pairs), expected, "{authorization:?} {pairs:?}");
        }
    }
}
