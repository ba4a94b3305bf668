//! How a problem is answered: as JSON (RFC 9457), or as a page for whoever looks at it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use super::super::extract::Caller;
use super::super::page;
use super::super::way_in::{escaped, see_other};
use crate::gate::is_looked_at;

/// Writes the body of every problem, with the request's id: a page for whoever looks at it, else JSON.
pub(in super::super) async fn write_problems(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    let request_id = caller.map(|caller| caller.request_id.as_str().to_owned());
    let looked_at = is_looked_at(request.method(), request.headers());
    let target = looked_at.then(|| request.uri().clone());
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    match target {
        Some(target) => problem.page(response, &target, request_id.as_deref().unwrap_or("-")),
        None => problem.json(response, request_id),
    }
}

/// What the client may know.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    slug: &'static str,
    pub(super) title: &'static str,
    pub(super) detail: Option<String>,
    challenge: Option<&'static str>,
    pub(super) retry_after: Option<u64>,
    pub(super) members: Map<String, Value>,
    /// The page at which a browser mends it.
    pub(super) mended_at: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, slug: &'static str, title: &'static str) -> Self {
        let (detail, challenge, retry_after, members) = (None, None, None, Map::new());
        Self { status, slug, title, detail, challenge, retry_after, members, mended_at: None }
    }

    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(super) fn challenge(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    pub(super) fn retry_after(self, wait: Duration) -> Self {
        // `Retry-After` has no finer unit than a second (RFC 9110 §10.2.3).
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: Some(seconds.max(1)), ..self }
    }

    pub(super) fn mended_at(self, page: &'static str) -> Self {
        Self { mended_at: Some(page), ..self }
    }

    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }

    pub(super) fn member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    fn json(self, mut response: Response, request_id: Option<String>) -> Response {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(format!("/problems/{}", self.slug)));
        body.insert("title".to_owned(), json!(self.title));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        if let Some(detail) = &self.detail {
            body.insert("detail".to_owned(), json!(detail));
        }
        if let Some(request_id) = request_id {
            body.insert("request_id".to_owned(), json!(request_id));
        }
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.add_headers(headers);
        body.extend(self.members);
        *response.body_mut() = Body::from(Value::Object(body).to_string());
        response
    }

    /// A page that tells of it, or the way to the one where it is mended.
    fn page(self, mut response: Response, target: &Uri, request_id: &str) -> Response {
        if let Some(page) = self.mended_at {
            let path = target.path_and_query().map_or("/", |target| target.as_str());
            return see_other(&format!("{page}{}", escaped(path)));
        }
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.extend(page::HEADERS);
        self.add_headers(headers);
        let page = page::error_page(self.status, self.title, self.detail.as_deref(), request_id);
        *response.body_mut() = Body::from(page);
        response
    }
}
