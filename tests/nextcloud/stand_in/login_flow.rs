//! Login flow v2, as desktop and mobile clients use it (section 2).

use serde_json::json;

use super::acting::check;
use super::app_passwords::mint;
use super::fields::{encoded, random_word};
use super::visit::Visit;
use super::wire::Answer;

/// One client that waits for a browser.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    poll_token: String,
    login_token: String,
    client: String,
    /// Name and app password, once granted.
    granted: Option<(String, String)>,
    begun_at: i64,
}

/// How long a client may wait, in seconds.
const LIVES: i64 = 20 * 60;

/// `POST /login/v2`
pub(crate) fn start(visit: &Visit<'_>) -> Answer {
    let client = visit.head.header("user-agent").unwrap_or_default();
    let flow = Flow {
        poll_token: random_word(128),
        login_token: random_word(128),
        client: client.to_owned(),
        granted: None,
        begun_at: visit.now(),
    };
    let base = format!("{}/index.php/login/v2", visit.base_url());
    let answer = json!({
        "poll": {"token": flow.poll_token, "endpoint": format!("{base}/poll")},
        "login": format!("{base}/flow/{}", flow.login_token),
    });
    visit.inside.state().flows.push(flow);
    Answer::json(200, &answer)
}

/// `POST /login/v2/poll`: 404 while nobody has granted, the app password once, then 404 again.
pub(crate) fn poll(visit: &Visit<'_>) -> Answer {
    let token = visit.fields.text("token");
    let now = visit.now();
    let mut state = visit.inside.state();
    let ready = |flow: &Flow| {
        flow.poll_token == token && flow.granted.is_some() && now - flow.begun_at < LIVES
    };
    let Some(at) = state.flows.iter().position(ready) else {
        return Answer::json(404, &json!([]));
    };
    let flow = state.flows.remove(at);
    let (name, password) = flow.granted.unwrap_or_default();
    let server = visit.base_url();
    Answer::json(200, &json!({"server": server, "loginName": name, "appPassword": password}))
}

/// `GET /login/v2/flow/{token}`: remembers the token in the browser's session and shows the picker.
pub(crate) fn open(visit: &mut Visit<'_>, token: &str) -> Answer {
    visit.open_session();
    if !visit.inside.state().flows.iter().any(|flow| flow.login_token == token) {
        return Answer::html(
            403,
            "<h2>Access forbidden</h2><p>Your login token is invalid or has expired</p>",
        );
    }
    visit.with_session(|session| session.flow_state = Some(token.to_owned()));
    Answer::see_other(&visit.page("login/v2/flow"))
}

/// `GET /login/v2/flow`
pub(crate) fn picker(visit: &mut Visit<'_>) -> Answer {
    visit.open_session();
    let Some(state) = state_token(visit) else {
        return Answer::html(
            403,
            "<h2>Access forbidden</h2><p>Your login token is invalid or has expired</p>",
        );
    };
    let grant = format!("{}?stateToken={}", visit.page("login/v2/grant"), encoded(&state, ""));
    let token = visit.request_token();
    Answer::html(
        200,
        format!(
            "<!DOCTYPE html><html><head data-requesttoken=\"{token}\"><title>Connect to your account</title></head><body><a href=\"{grant}\">Log in</a></body></html>"
        ),
    )
}

/// `GET` and `POST /login/v2/grant`, by somebody who is signed in.
pub(crate) fn grant(visit: &mut Visit<'_>) -> Answer {
    let Some(actor) = visit.actor.clone() else {
        let back = encoded(
            &format!(
                "{}?stateToken={}",
                visit.page("login/v2/grant"),
                visit.fields.text("stateToken")
            ),
            "",
        );
        return Answer::see_other(&format!("{}?redirect_url={back}", visit.page("login")));
    };
    let Some(state_token) =
        state_token(visit).filter(|known| visit.fields.find("stateToken") == Some(known))
    else {
        return Answer::html(403, "<h2>Access forbidden</h2><p>State token does not match</p>");
    };
    if visit.method() == "GET" {
        let token = visit.request_token();
        return Answer::html(
            200,
            format!(
                "<!DOCTYPE html><html><head data-requesttoken=\"{token}\"></head><body><form method=\"POST\" action=\"{}\"><input name=\"stateToken\" value=\"{state_token}\"><input name=\"requesttoken\" value=\"{token}\"></form></body></html>",
                visit.page("login/v2/grant")
            ),
        );
    }
    if !visit.passes_forgery_check() {
        return Answer::json(412, &json!({"message": "CSRF check failed"}));
    }
    let name = client(visit, &state_token);
    let now = visit.now();
    let token = mint(&mut visit.inside.state(), &actor.user, &name, random_word(72), now);
    finish(visit, &state_token, &actor.user, token)
}

/// `POST /login/v2/apptoken`: hands a given app password to the one who polls.
pub(crate) fn hand_over(visit: &mut Visit<'_>) -> Answer {
    visit.open_session();
    if !visit.passes_forgery_check() {
        return Answer::json(412, &json!({"message": "CSRF check failed"}));
    }
    let Some(state_token) =
        state_token(visit).filter(|known| visit.fields.find("stateToken") == Some(known))
    else {
        return Answer::html(403, "<h2>Access forbidden</h2><p>State token does not match</p>");
    };
    let (user, password) =
        (visit.fields.text("user").to_owned(), visit.fields.text("password").to_owned());
    let owner = check(&mut visit.inside.state(), &password, visit.now());
    if owner.is_none_or(|owner| !owner.eq_ignore_ascii_case(&user)) {
        return Answer::html(403, "<h2>Access forbidden</h2><p>Invalid app password</p>");
    }
    finish(visit, &state_token, &user, password)
}

/// The login token that this browser came with is its state token too.
fn state_token(visit: &Visit<'_>) -> Option<String> {
    visit.with_session(|session| session.flow_state.clone()).flatten()
}

fn client(visit: &Visit<'_>, login_token: &str) -> String {
    let state = visit.inside.state();
    let flow = state.flows.iter().find(|flow| flow.login_token == login_token);
    flow.map(|flow| flow.client.clone()).unwrap_or_default()
}

fn finish(visit: &Visit<'_>, login_token: &str, user: &str, password: String) -> Answer {
    visit.with_session(|session| session.flow_state = None);
    let mut state = visit.inside.state();
    let flow = state.flows.iter_mut().find(|flow| flow.login_token == login_token);
    match flow {
        Some(flow) => {
            flow.granted = Some((user.to_owned(), password));
            Answer::html(200, "<h2>Account connected</h2>")
        }
        None => Answer::html(403, "<h2>Access forbidden</h2>"),
    }
}
