//! Requests with a deadline and a bound for every answer. What a server says is looked at, never believed blindly.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

/// What one request is, beside where it goes.
#[derive(Clone, Default)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Behind the base URL, with its `/`.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Beside the usual deadline.
    pub(super) more_time: Duration,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Silence {
    pub(super) why: String,
    /// Somebody is there, but is not trusted.
    pub(super) untrusted: bool,
}

pub(super) type Answer = Result<Heard, Silence>;

/// One server.
pub(super) struct Asker {
    http: reqwest::Client,
    base: String,
    host: Option<HeaderValue>,
    timeout: Duration,
}

/// Answers that are longer are none.
const ANSWER_MAX: usize = 8 * 1024 * 1024;

impl Asker {
    pub(super) const fn new(
        http: reqwest::Client,
        base: String,
        host: Option<HeaderValue>,
        timeout: Duration,
    ) -> Self {
        Self { http, base, host, timeout }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Ask::get(path)).await
    }

    /// Asks. A `Host` of the request comes before our own.
    pub(super) async fn ask(&self, ask: Ask) -> Answer {
        let mut headers = ask.headers;
        if let (Some(host), false) = (&self.host, headers.contains_key(header::HOST)) {
            headers.insert(header::HOST, host.clone());
        }
        let mut request = self
            .http
            .request(ask.method, format!("{}{}", self.base, ask.path))
            .headers(headers)
            .timeout(self.timeout + ask.more_time);
        if !ask.body.is_empty() {
            request = request.body(ask.body);
        }
        let mut response = request.send().await.map_err(|error| Silence::of(&error))?;
        let mut heard = Heard {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(|error| Silence::of(&error))? {
            if heard.body.len() + chunk.len() > ANSWER_MAX {
                let why = "an answer without an end".to_owned();
                return Err(Silence { why, untrusted: false });
            }
            heard.body.extend_from_slice(&chunk);
        }
        Ok(heard)
    }
}

impl Ask {
    pub(super) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), ..Self::default() }
    }

    /// With a header; one that cannot be written is left out.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl Heard {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Silence {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self { why: "no answer in time".to_owned(), untrusted: false };
        }
        // The innermost cause is what an operator can do something about.
        let mut why = error.to_string();
        let mut untrusted = false;
        let mut cause = error.source();
        while let Some(error) = cause {
            why = error.to_string();
            untrusted |= why.contains("certificate");
            cause = error.source();
        }
        Self { why, untrusted }
    }
}

/// What came back, in a few words.
pub(super) fn in_short(answer: &Answer) -> String {
    match answer {
        Ok(heard) => format!("HTTP {}", heard.status),
        Err(silence) => silence.why.clone(),
    }
}
