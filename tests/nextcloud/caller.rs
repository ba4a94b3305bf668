//! Somebody who talks to the stand-in as programs and browsers do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::{Generation, Settings};

pub(crate) const ADMIN: &str = "admin";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A stand-in with the usual settings.
pub(crate) async fn started(generation: Generation) -> NextcloudStandIn {
    NextcloudStandIn::start(generation, Settings::default()).await.unwrap()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| Value::String(self.text.clone()))
    }

    /// `ocs.meta.statuscode`, or 0 without an envelope.
    pub(crate) fn code(&self) -> u64 {
        self.json()["ocs"]["meta"]["statuscode"].as_u64().unwrap_or(0)
    }

    /// HTTP status and `statuscode`.
    pub(crate) fn both(&self) -> (u16, u64) {
        (self.status, self.code())
    }

    pub(crate) fn data(&self) -> Value {
        self.json()["ocs"]["data"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookies that a browser keeps: of each name the last.
    pub(crate) fn cookies(&self) -> String {
        let mut jar = std::collections::BTreeMap::new();
        for line in self.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            jar.insert(name.to_owned(), value.to_owned());
        }
        jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

/// A request that is put together piece by piece.
pub(crate) struct Ask(reqwest::RequestBuilder);

impl Ask {
    pub(crate) fn new(stand_in: &NextcloudStandIn, method: &str, target: &str) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        Self(client.request(method, format!("{}{target}", stand_in.url())))
    }

    /// An API call as the administrator with the real password, answered in JSON.
    pub(crate) fn ocs(stand_in: &NextcloudStandIn, method: &str, path: &str) -> Self {
        Self::api(stand_in, method, path).basic(ADMIN, PASSWORD)
    }

    /// An API call without credentials.
    pub(crate) fn api(stand_in: &NextcloudStandIn, method: &str, path: &str) -> Self {
        let joint = if path.contains('?') { '&' } else { '?' };
        let target = format!("/ocs/{path}{joint}format=json");
        Self::new(stand_in, method, &target).with("OCS-APIRequest", "true")
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.with("Authorization", &format!("Basic {pair}"))
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let encode =
            |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.with("Content-Type", "application/x-www-form-urlencoded").body(body.join("&"))
    }

    pub(crate) fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.body(body))
    }

    pub(crate) async fn send(self) -> Said {
        self.try_send().await.unwrap()
    }

    pub(crate) async fn try_send(self) -> Result<Said, reqwest::Error> {
        let response = self.0.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Said { status, headers, text: response.text().await? })
    }
}

/// Creates a user through the API.
pub(crate) async fn create(
    stand_in: &NextcloudStandIn,
    version: &str,
    fields: &[(&str, &str)],
) -> Said {
    Ask::ocs(stand_in, "POST", &format!("{version}/cloud/users")).form(fields).send().await
}
