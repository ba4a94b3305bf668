//! A client of the auth API: a caller, and answers as they are read in a test.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PASSWORD, World};

/// Somebody who calls the API.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    base: String,
    authorization: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The member `name` as text.
    pub(crate) fn text_of(&self, name: &str) -> String {
        let found = self.body[name].as_str();
        found.unwrap_or_else(|| panic!("no {name} in {} {}", self.status, self.text)).to_owned()
    }

    /// The slug of a problem.
    pub(crate) fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_else(|| panic!("no problem: {self:?}"));
        kind.trim_start_matches("/problems/")
    }

    /// Stops unless the status is this one.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

impl Api {
    /// Somebody without a credential.
    pub(crate) fn of(world: &World) -> Self {
        Self { client: world.client(), base: world.url("localhost", ""), authorization: None }
    }

    /// Somebody without a credential, at this address.
    pub(crate) fn at(client: reqwest::Client, base: &str) -> Self {
        Self { client, base: base.to_owned(), authorization: None }
    }

    /// The same with this access token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), ..self.clone() }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.send_to(method, &format!("{}{path}", self.base), body).await
    }

    /// A page of an app, with the same credential.
    pub(crate) async fn raw_get(&self, url: &str) -> Answer {
        self.send_to(Method::GET, url, None).await
    }

    async fn send_to(&self, method: Method, url: &str, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, body, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// The first step of a sign-in.
    pub(crate) async fn login(&self, name: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({ "username": name, "password": password })).await
    }

    /// Somebody who signed in with the usual password.
    pub(crate) async fn signed_in(&self, name: &str) -> Self {
        let answer = self.login(name, PASSWORD).await.expect(200);
        self.with_token(&answer.text_of("access_token"))
    }
}
