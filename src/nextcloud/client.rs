//! Calls with the service account: one connection pool, verified TLS, no redirects, one deadline for each call.
//!
//! Nextcloud counts refused passwords against our address, and after ten of them lets nobody in who comes by way of us. So
//! the first refusal stops this client for good; only another configuration or an operator makes it try again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, Method, header};

use super::ocs::{self, Answer};
use crate::config::NextcloudService;
use crate::observe::Metrics;
use crate::outbound::{self, UnusableCa};
use crate::secret::Secret;

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its name in metrics.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// Behind `/ocs/v2.php/`, escaped, with a query if there is one.
    pub(super) path: String,
    /// What is sent. May hold a password that was just made.
    pub(super) fields: Vec<(&'static str, String)>,
    /// Whether Nextcloud counts it as an edit.
    pub(super) is_edit: bool,
}

/// Why a call has no answer that says something about what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Trouble {
    /// The password of the service account was refused before; nothing was sent.
    #[error("the service account was refused; nothing is sent until that is mended")]
    Stopped,
    /// Too much was asked lately (HTTP 429).
    #[error("Nextcloud wants fewer calls (429)")]
    TooMany,
    /// The password of the service account is refused.
    #[error("Nextcloud refuses the service account ({0})")]
    Unauthorized(u16),
    /// Nobody answers, or not in time. Whether it was done is not known.
    #[error("Nextcloud does not answer: {0}")]
    Unreachable(&'static str),
    /// Something answers that is not Nextcloud at work: maintenance, a proxy's error, a redirect, a page. Whether it was
    /// done is not known.
    #[error("no answer of Nextcloud's API (HTTP {0})")]
    Unwell(u16),
}

impl Trouble {
    /// The `result` label of metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::TooMany => "too_many",
            Self::Unauthorized(_) => "unauthorized",
            Self::Unreachable(_) => "unreachable",
            Self::Unwell(_) => "unwell",
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The private CA cannot be used.
    #[error(transparent)]
    Ca(#[from] UnusableCa),
    /// The client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
    /// The host cannot stand in a header.
    #[error("the host of Nextcloud cannot be sent")]
    Host,
}

/// Who calls.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    host: Option<HeaderValue>,
    user: String,
    password: Secret<String>,
    metrics: Arc<Metrics>,
    stopped: AtomicBool,
}

/// Answers that are longer are none.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

impl Client {
    pub(super) fn new(
        service: &NextcloudService,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ClientError> {
        let http = outbound::client(service.ca_file.as_deref())?;
        let host = service.host.as_deref().map(HeaderValue::from_str).transpose();
        Ok(Self {
            http: http.timeout(service.timeout).no_proxy().build()?,
            url: service.url.clone(),
            host: host.map_err(|_| ClientError::Host)?,
            user: service.user.clone(),
            password: service.password.clone(),
            metrics,
            stopped: AtomicBool::new(false),
        })
    }

    /// Whether the password was refused.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Sends again, or no longer.
    pub(super) fn set_stopped(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::Release);
        self.metrics.nextcloud_stopped(stopped);
    }

    /// Asks the public `status.php`, without a credential.
    pub(super) async fn status(&self) -> Result<serde_json::Value, Trouble> {
        let request = self.request(&Method::GET, format!("{}/status.php", self.url));
        let (http, body) = self.send("status", request).await?;
        let status = serde_json::from_slice(&body).ok().filter(|_| http == 200);
        self.count("status", if status.is_some() { "ok" } else { "unwell" });
        status.ok_or(Trouble::Unwell(http))
    }

    /// Makes a call.
    pub(super) async fn call(&self, call: &Call) -> Result<Answer, Trouble> {
        if self.is_stopped() {
            return Err(Trouble::Stopped);
        }
        let mark = if call.path.contains('?') { '&' } else { '?' };
        // Some errors are XML unless the query says otherwise.
        let url = format!("{}/ocs/v2.php/{}{mark}format=json", self.url, call.path);
        let mut request = self
            .request(&call.method, url)
            .basic_auth(&self.user, Some(self.password.expose()))
            .header("OCS-APIRequest", "true");
        if !call.fields.is_empty() {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            request = request.header(header::CONTENT_TYPE, kind).body(ocs::form(&call.fields));
        }
        let (http, body) = self.send(call.name, request).await?;
        let answer = Answer::read(http, &body);
        let trouble = match http {
            401 => Some(Trouble::Unauthorized(http)),
            429 => Some(Trouble::TooMany),
            // 500 with an envelope is an answer: code 996.
            300..=399 | 501.. => Some(Trouble::Unwell(http)),
            200 | 500 if answer.code.is_none() => Some(Trouble::Unwell(http)),
            _ => None,
        };
        if let Some(trouble) = trouble {
            if let Trouble::Unauthorized(_) = trouble {
                self.set_stopped(true);
            }
            self.count(call.name, trouble.name());
            return Err(trouble);
        }
        self.count(call.name, if answer.is_ok() { "ok" } else { "refused" });
        Ok(answer)
    }

    fn request(&self, method: &Method, url: String) -> reqwest::RequestBuilder {
        let request = self.http.request(method.clone(), url);
        let request = request.header(header::ACCEPT, HeaderValue::from_static("application/json"));
        match &self.host {
            Some(host) => request.header(header::HOST, host),
            None => request,
        }
    }

    async fn send(
        &self,
        name: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<(u16, Vec<u8>), Trouble> {
        let unreachable = |error: &reqwest::Error| {
            let trouble = Trouble::Unreachable(if error.is_timeout() {
                "not in time"
            } else if error.is_connect() {
                "no connection"
            } else {
                "the connection broke"
            });
            self.count(name, trouble.name());
            trouble
        };
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let http = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > ANSWER_MAX {
                self.count(name, Trouble::Unwell(http).name());
                return Err(Trouble::Unwell(http));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((http, body))
    }

    fn count(&self, call: &'static str, result: &'static str) {
        self.metrics.nextcloud_called(call, result);
    }
}
