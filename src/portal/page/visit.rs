//! What a page knows of a request, and how it answers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::super::PortalState;
use super::super::cookie;
use super::super::extract::{Asked, AskedBy, MediaType};
use super::super::login::form;
use super::super::problem::PortalError;
use super::error::HEADERS;
use super::form_token;
use super::sheet::{Form, Sheet};
use crate::gate::{COOKIE, cookie_value};
use crate::identity::event::Client;
use crate::identity::{SecretText, Session};

/// What forms of pages that nobody has to be signed in for are bound to.
const FORM_COOKIE: &str = "__Host-stormdoor-form";

/// Long enough for any form; one that is older is shown again.
const FORM_LIFE: Duration = Duration::from_hours(24);

/// A sign-in that waits for its second factor.
const PENDING_COOKIE: &str = "__Host-stormdoor-pending";

/// A browser that asks for a page.
pub(in super::super) struct Visit {
    pub(super) client: Client,
    pub(super) host: Arc<str>,
    pub(super) query: Fields,
    cookies: HeaderMap,
    /// The cookie that forms are bound to.
    bound_to: String,
    /// Set when the browser does not have it yet.
    new_cookie: Option<HeaderValue>,
}

impl FromRequestParts<PortalState> for Visit {
    type Rejection = PortalError;

    async fn from_request_parts(
        parts: &mut Parts,
        portal: &PortalState,
    ) -> Result<Self, PortalError> {
        let Asked(caller) = Asked::from_request_parts(parts, portal).await?;
        let AskedBy(client) = AskedBy::from_request_parts(parts, portal).await?;
        let query = Query::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|_| PortalError::BadQuery("the query"))?;
        // The gate knows whoever is signed in where it asked for it, and there only.
        let name = if caller.principal.is_some() { COOKIE } else { FORM_COOKIE };
        let (bound_to, new_cookie) = if let Some(value) = cookie_value(&parts.headers, name) {
            (value.to_owned(), None)
        } else {
            let fresh = SecretText::generate();
            let cookie = cookie::set(FORM_COOKIE, fresh.expose(), FORM_LIFE);
            (fresh.expose().to_owned(), Some(cookie))
        };
        let cookies = parts.headers.get_all(header::COOKIE).into_iter();
        let cookies = cookies.map(|line| (header::COOKIE, line.clone())).collect();
        let (query, host) = (Fields(query), caller.host);
        Ok(Self { client, host, query, cookies, bound_to, new_cookie })
    }
}

impl Visit {
    /// A form of this page.
    pub(super) fn form(&self, action: &'static str, submit: &'static str) -> Form {
        Form::new(action, form_token::of(&self.bound_to), submit)
    }

    /// The value of the session cookie.
    pub(super) fn session_cookie(&self) -> Option<&str> {
        cookie_value(&self.cookies, COOKIE)
    }

    /// The token of the sign-in in progress.
    pub(super) fn pending(&self) -> Option<&str> {
        cookie_value(&self.cookies, PENDING_COOKIE)
    }

    /// Shows a page.
    pub(super) fn show(&self, sheet: Sheet) -> Result<Response, PortalError> {
        self.answer(StatusCode::OK, sheet)
    }

    /// Shows a page that is no success.
    pub(super) fn show_as(
        &self,
        status: StatusCode,
        sheet: Sheet,
    ) -> Result<Response, PortalError> {
        self.answer(status, sheet)
    }

    /// Shows a form again with what is wrong; what is nobody's fault but ours has a page of its own.
    pub(super) fn again(
        &self,
        mut sheet: Sheet,
        error: PortalError,
    ) -> Result<Response, PortalError> {
        if error.belongs_to_no_form() {
            return Err(error);
        }
        sheet.refuse(&error);
        let mut response = self.answer(error.status(), sheet)?;
        error.add_headers(response.headers_mut());
        Ok(response)
    }

    fn answer(&self, status: StatusCode, sheet: Sheet) -> Result<Response, PortalError> {
        let mut response = (status, HEADERS, sheet.into_html()?).into_response();
        if let Some(cookie) = &self.new_cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
        Ok(response)
    }
}

/// A form as it was sent, from a page of this origin.
pub(super) struct Posted {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
    genuine: bool,
}

impl FromRequest<PortalState> for Posted {
    type Rejection = PortalError;

    async fn from_request(request: Request, portal: &PortalState) -> Result<Self, PortalError> {
        let (mut parts, body) = request.into_parts();
        let Asked(caller) = Asked::from_request_parts(&mut parts, portal).await?;
        if !caller.same_origin {
            return Err(PortalError::CrossSite);
        }
        if MediaType::of(&parts.headers) != MediaType::Form {
            return Err(PortalError::MediaType { expected: "application/x-www-form-urlencoded" });
        }
        let visit = Visit::from_request_parts(&mut parts, portal).await?;
        let fields = Fields(form(Request::from_parts(parts, body), portal).await?);
        let token = fields.get("form_token").unwrap_or_default();
        let genuine = visit.new_cookie.is_none() && form_token::fits(token, &visit.bound_to);
        Ok(Self { visit, fields, genuine })
    }
}

impl Posted {
    /// Takes the solution of the form's puzzle, where the configuration asks for one.
    ///
    /// # Errors
    ///
    /// [`PortalError::PuzzleUnsolved`].
    pub(super) async fn solved(&self, portal: &PortalState) -> Result<(), PortalError> {
        let (puzzle, solution) = (self.fields.trimmed("puzzle"), self.fields.trimmed("solution"));
        Ok(portal.identity.take_solution(&puzzle, &solution).await?)
    }

    /// Does what a form asks for, if it was made for this browser.
    ///
    /// # Errors
    ///
    /// [`PortalError::StaleForm`], and why it was not done.
    pub(super) async fn if_genuine<T, E: Into<PortalError>>(
        &self,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, PortalError> {
        self.genuine()?;
        act.await.map_err(Into::into)
    }

    /// Whether the form was made for this browser.
    ///
    /// # Errors
    ///
    /// [`PortalError::StaleForm`]: then it is shown again, and nothing happens.
    pub(super) fn genuine(&self) -> Result<(), PortalError> {
        if self.genuine { Ok(()) } else { Err(PortalError::StaleForm) }
    }
}

/// Names and values of a query or a form. Of several of one name the first counts, but where all are asked for.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The values of every field of this name: of boxes that were ticked.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The value, empty when there is none.
    pub(super) fn take(&mut self, name: &str) -> String {
        let found = self.0.iter_mut().find(|(found, _)| found == name);
        found.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    /// The value without white space around it.
    pub(super) fn trimmed(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().trim().to_owned()
    }

    /// The same, for what may be left out.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.trimmed(name)).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Sets the session cookie, for as long as `session` may last.
pub(super) fn set_session(
    response: &mut Response,
    portal: &PortalState,
    value: &SecretText,
    session: &Session,
) {
    let life = session.expires_at.since(portal.clock.now());
    response.headers_mut().append(header::SET_COOKIE, cookie::session(value, life));
}

/// Takes the session cookie away.
pub(super) fn clear_session(response: &mut Response) {
    response.headers_mut().append(header::SET_COOKIE, cookie::gone());
}

/// Keeps the token of a sign-in in progress; zero takes it away.
pub(super) fn set_pending(response: &mut Response, token: &str, life: Duration) {
    response.headers_mut().append(header::SET_COOKIE, cookie::set(PENDING_COOKIE, token, life));
}
