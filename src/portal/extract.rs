//! Typed inputs of handlers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::IntoResponse;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::PortalState;
use super::problem::PortalError;
use crate::clock::Timestamp;
use crate::edge::RequestId;
use crate::gate::{Budget, COOKIE, cookie_value};
use crate::identity::account::is_fresh;
use crate::identity::admin::By;
use crate::identity::credential::Credential;
use crate::identity::registration::InvalidField;
use crate::identity::{Admin, Client, Issuer, Principal, SessionId, User, UserId};

/// What the gate knows of a request. Whoever calls the portal's router puts one among the extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The client address, after trusted proxies.
    pub client: IpAddr,
    /// The request's `User-Agent`.
    pub user_agent: Option<Arc<str>>,
    /// The request.
    pub request_id: RequestId,
    /// Who is signed in; always set on routes that ask for it.
    pub principal: Option<Arc<Principal>>,
    /// What is left of the tightest rate limit.
    pub budget: Option<Budget>,
    /// The canonical host, without port.
    pub host: Arc<str>,
    /// Its port, when the request named one.
    pub port: Option<u16>,
    /// Whether the browser says that a page of this origin sent it.
    pub same_origin: bool,
}

/// What the gate put among the extensions.
fn caller(parts: &Parts) -> Result<&Caller, PortalError> {
    parts.extensions.get().ok_or(PortalError::Internal("nobody said who is calling"))
}

/// What is in the query, each name once. What cannot be read is a problem as any other.
pub(super) struct Query<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PortalError> {
        let read = axum::extract::Query::try_from_uri(&parts.uri);
        read.map(|query| Self(query.0)).map_err(|_| PortalError::BadQuery("the query"))
    }
}

/// All that the gate knows of a request.
pub(super) struct Asked(pub(super) Caller);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PortalError> {
        Ok(Self(caller(parts)?.clone()))
    }
}

/// Whom the session cookie speaks for, on public pages, where the gate looks at no credential.
pub(super) struct MaybeSignedIn(pub(super) Option<Arc<Principal>>);

impl FromRequestParts<PortalState> for MaybeSignedIn {
    type Rejection = PortalError;

    async fn from_request_parts(
        parts: &mut Parts,
        portal: &PortalState,
    ) -> Result<Self, PortalError> {
        let caller = caller(parts)?;
        let Some(value) = cookie_value(&parts.headers, COOKIE) else { return Ok(Self(None)) };
        let (host, from, now) = (&caller.host, caller.client, portal.clock.now());
        let found = portal.identity.recognise(&Credential::Cookie(value), host, from, now).await?;
        Ok(Self(found.filter(|principal| principal.expires_at > now)))
    }
}

/// The other end, as accounts record it.
pub(super) struct AskedBy(pub(super) Client);

impl<S: Sync> FromRequestParts<S> for AskedBy {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PortalError> {
        let caller = caller(parts)?;
        let user_agent = caller.user_agent.as_deref();
        Ok(Self(Client::new(caller.client, user_agent, caller.request_id.as_str())))
    }
}

/// What is left of the caller's rate limit.
pub(super) struct Left(pub(super) Option<Budget>);

impl<S: Sync> FromRequestParts<S> for Left {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PortalError> {
        Ok(Self(caller(parts)?.budget.clone()))
    }
}

/// The verified credential of a request.
pub(super) struct SignedIn {
    pub(super) principal: Arc<Principal>,
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PortalError> {
        let principal = caller(parts)?.principal.clone();
        Ok(Self { principal: principal.ok_or(PortalError::Unauthenticated)? })
    }
}

/// A user of ours and the session of the credential.
pub(super) struct OwnSession {
    pub(super) user: UserId,
    pub(super) session: SessionId,
}

impl<S: Sync> FromRequestParts<S> for OwnSession {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PortalError> {
        let SignedIn { principal } = SignedIn::from_request_parts(parts, state).await?;
        let session = principal.session.ok_or(PortalError::NoSessionHere)?;
        Ok(Self { user: own_user(&principal)?, session })
    }
}

/// A user of ours who [proved it lately](is_fresh), and the session.
pub(super) struct Fresh {
    pub(super) user: UserId,
}

impl FromRequestParts<PortalState> for Fresh {
    type Rejection = PortalError;

    async fn from_request_parts(
        parts: &mut Parts,
        portal: &PortalState,
    ) -> Result<Self, PortalError> {
        let OwnSession { user, session } = OwnSession::from_request_parts(parts, portal).await?;
        let enrolled = portal.identity.factors(user).await?.enrolled();
        let found = portal.identity.session(session).await?.ok_or(PortalError::Unauthenticated)?;
        if is_fresh(&found, enrolled, portal.clock.now()) {
            Ok(Self { user })
        } else {
            Err(PortalError::NotFresh { enrolled })
        }
    }
}

/// Somebody with a permission that the gate has checked, doing something to somebody else.
pub(super) struct AdminCaller {
    admin: Admin,
    client: Client,
    pub(super) session: Option<SessionId>,
}

impl AdminCaller {
    /// For the use cases.
    pub(super) fn by(&self) -> By {
        By::Admin(self.admin.clone())
    }

    /// Records that something was looked at.
    pub(super) async fn looked(
        &self,
        portal: &PortalState,
        what: &'static str,
        subject: Option<UserId>,
    ) -> Result<(), PortalError> {
        let admin = self.admin.user;
        Ok(portal.identity.note_admin_call(what, subject, admin, &self.client).await?)
    }
}

impl<S: Sync> FromRequestParts<S> for AdminCaller {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PortalError> {
        let SignedIn { principal } = SignedIn::from_request_parts(parts, state).await?;
        let AskedBy(client) = AskedBy::from_request_parts(parts, state).await?;
        let admin = Admin {
            user: own_user(&principal)?,
            permissions: principal.permissions.clone(),
            client: Some(client.clone()),
        };
        Ok(Self { admin, client, session: principal.session })
    }
}

/// The account of whoever asks.
pub(super) async fn own(portal: &PortalState, user: UserId) -> Result<User, PortalError> {
    portal.identity.me(user).await?.ok_or(PortalError::Unauthenticated)
}

/// An instant as written in RFC 3339.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, PortalError> {
    Timestamp::parse(text).ok_or(PortalError::InvalidField(InvalidField::Time))
}

/// The user of ours that a credential speaks for.
pub(super) fn own_user(principal: &Principal) -> Result<UserId, PortalError> {
    match principal.issuer {
        Issuer::Own => principal
            .subject
            .as_str()
            .parse()
            .map_err(|_| PortalError::Internal("our subject is no user id")),
        Issuer::Outside(_) => Err(PortalError::NoSessionHere),
    }
}

/// A JSON body. Members that are not asked for are ignored.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = PortalError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PortalError> {
        if MediaType::of(request.headers()) != MediaType::Json {
            return Err(PortalError::MediaType { expected: "application/json" });
        }
        json(&body(request, state).await?).map(Self)
    }
}

/// A JSON body, or nothing at all.
impl<S: Send + Sync, T: DeserializeOwned> axum::extract::OptionalFromRequest<S> for Json<T> {
    type Rejection = PortalError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, PortalError> {
        let media_type = MediaType::of(request.headers());
        let body = body(request, state).await?;
        if body.is_empty() {
            return Ok(None);
        }
        if media_type != MediaType::Json {
            return Err(PortalError::MediaType { expected: "application/json" });
        }
        json(&body).map(Self).map(Some)
    }
}

/// The kinds of bodies that we read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MediaType {
    Form,
    Json,
    Other,
}

impl MediaType {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = value.and_then(|value| value.split(';').next()).map(str::trim);
        match essence.map(str::to_ascii_lowercase).as_deref() {
            Some("application/json") => Self::Json,
            Some("application/x-www-form-urlencoded") => Self::Form,
            _ => Self::Other,
        }
    }
}

/// The whole body, which the router's limit keeps small.
pub(super) async fn body<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Bytes, PortalError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => PortalError::BodyTooLarge,
            _ => PortalError::BodyIncomplete,
        }
    })
}

/// Reads JSON. The error names a place and never quotes the text: it may be a password.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, PortalError> {
    serde_json::from_slice(body).map_err(|error| PortalError::BadJson {
        is_json: error.is_data(),
        line: error.line(),
        column: error.column(),
    })
}

/// `value`, or what is missing.
pub(super) fn required<T>(value: Option<T>, name: &'static str) -> Result<T, PortalError> {
    value.ok_or(PortalError::MissingField(name))
}
