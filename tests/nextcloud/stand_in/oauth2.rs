//! Nextcloud as an OAuth2 provider (section 3.5): no PKCE, no scopes, the registered redirect URI whatever is asked.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::app_passwords::mint;
use super::brute_force;
use super::fields::{encoded, random_word};
use super::state::State;
use super::visit::Visit;
use super::wire::Answer;

/// A client that may ask.
#[derive(Debug, Clone)]
pub(crate) struct OauthClient {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) redirect_uri: String,
}

#[derive(Default)]
pub(crate) struct OauthServer {
    pub(crate) clients: Vec<OauthClient>,
    codes: BTreeMap<String, Code>,
    /// Refresh token to owner and the access token it came with.
    refresh: BTreeMap<String, (String, String)>,
}

struct Code {
    client: String,
    owner: String,
    issued_at: i64,
}

/// How long a code may be used, in seconds.
const CODE_LIVES: i64 = 600;
/// How long an access token opens everything, in seconds.
const TOKEN_LIVES: i64 = 3600;

/// `GET /apps/oauth2/authorize`: the grant page of the login flow, or the way to the login form.
pub(crate) fn authorize(visit: &mut Visit<'_>) -> Answer {
    let wanted = visit.fields.text("client_id");
    let client =
        visit.inside.state().oauth.clients.iter().find(|client| client.id == wanted).cloned();
    let Some(client) = client else {
        return Answer::html(
            200,
            "<h2>Client is not authorized to connect. Please inform the administrator of your client.</h2>",
        );
    };
    if visit.fields.text("response_type") != "code" {
        let state = encoded(visit.fields.text("state"), "");
        return Answer::see_other(&format!(
            "{}?error=unsupported_response_type&state={state}",
            client.redirect_uri
        ));
    }
    let here = format!(
        "{}?clientIdentifier={}&stateToken={}&state={}",
        visit.page("login/flow/grant"),
        encoded(&client.id, ""),
        random_word(64),
        encoded(visit.fields.text("state"), "")
    );
    visit.with_session(|session| session.flow_state = Some(here.clone()));
    Answer::see_other(&here)
}

/// `GET` and `POST /login/flow/grant`
pub(crate) fn grant(visit: &mut Visit<'_>) -> Answer {
    let here = visit.with_session(|session| session.flow_state.clone()).flatten();
    let Some(actor) = visit.actor.clone() else {
        let back = encoded(&here.unwrap_or_default(), "");
        return Answer::see_other(&format!("{}?redirect_url={back}", visit.page("login")));
    };
    let token = visit.fields.text("stateToken");
    let known = here.is_some_and(|here| !token.is_empty() && here.contains(token));
    let id = visit.fields.text("clientIdentifier");
    let client = visit.inside.state().oauth.clients.iter().find(|client| client.id == id).cloned();
    let Some(client) = client.filter(|_| known) else {
        return Answer::html(403, "<h2>Access forbidden</h2><p>State token does not match</p>");
    };
    if visit.method() == "GET" {
        let page = format!(
            "<!DOCTYPE html><html><head data-requesttoken=\"{}\"></head><body>Grant access</body></html>",
            visit.request_token()
        );
        let policy = format!("default-src 'none';form-action 'self' {}", client.redirect_uri);
        return Answer::html(200, page).with("Content-Security-Policy", &policy);
    }
    if !visit.passes_forgery_check() {
        return Answer::json(412, &json!({"message": "CSRF check failed"}));
    }
    let code = random_word(128);
    let issued = Code { client: client.id, owner: actor.user, issued_at: visit.now() };
    visit.inside.state().oauth.codes.insert(code.clone(), issued);
    let state = encoded(visit.fields.text("state"), "");
    Answer::see_other(&format!("{}?state={state}&code={code}", client.redirect_uri))
}

/// `POST /apps/oauth2/api/v1/token`. All errors are 400.
pub(crate) fn token(visit: &Visit<'_>) -> Answer {
    let refused = |error: &str| {
        brute_force::register(visit);
        Answer::json(400, &json!({"error": error}))
    };
    let basic = visit.head.header("authorization").and_then(|header| header.strip_prefix("Basic "));
    let basic = basic.and_then(|pair| STANDARD.decode(pair).ok());
    let basic = basic.and_then(|pair| String::from_utf8(pair).ok());
    let (id, secret) = match basic.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((id, secret)) => (id.to_owned(), secret.to_owned()),
        None => (
            visit.fields.text("client_id").to_owned(),
            visit.fields.text("client_secret").to_owned(),
        ),
    };
    let now = visit.now();
    let mut state = visit.inside.state();
    let is_client =
        state.oauth.clients.iter().any(|client| client.id == id && client.secret == secret);
    match visit.fields.text("grant_type") {
        "authorization_code" => {
            let code = visit.fields.text("code");
            let live = |known: &Code| known.client == id && now - known.issued_at < CODE_LIVES;
            if !state.oauth.codes.contains_key(code) {
                drop(state);
                return refused("invalid_request");
            }
            if !is_client {
                drop(state);
                return refused("invalid_client");
            }
            let Some(known) = state.oauth.codes.remove(code).filter(live) else {
                drop(state);
                return refused("invalid_request");
            };
            Answer::json(200, &issue(&mut state, &known.owner, now))
        }
        "refresh_token" => {
            let shown = visit.fields.text("refresh_token");
            if !state.oauth.refresh.contains_key(shown) {
                drop(state);
                return refused("invalid_request");
            }
            if !is_client {
                drop(state);
                return refused("invalid_client");
            }
            let (owner, access) = state.oauth.refresh.remove(shown).unwrap_or_default();
            if let Some(old) = state.app_passwords.get_mut(&access) {
                old.ends_at = Some(now + 10);
            }
            Answer::json(200, &issue(&mut state, &owner, now))
        }
        _ => {
            drop(state);
            refused("invalid_grant")
        }
    }
}

fn issue(state: &mut State, owner: &str, now: i64) -> Value {
    let access = mint(state, owner, "OAuth2", random_word(72), now);
    if let Some(token) = state.app_passwords.get_mut(&access) {
        token.is_oauth = true;
        token.ends_at = Some(now + TOKEN_LIVES);
    }
    let refresh = random_word(128);
    state.oauth.refresh.insert(refresh.clone(), (owner.to_owned(), access.clone()));
    json!({"access_token": access, "token_type": "Bearer", "expires_in": TOKEN_LIVES,
           "refresh_token": refresh, "user_id": owner})
}
