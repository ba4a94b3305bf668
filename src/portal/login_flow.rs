//! The program's side of login flow v2 on the host of Nextcloud: where it begins, and where it asks how that went. What its
//! user sees is `page/login_flow.rs`; how it works, [`crate::identity::login_flow`].

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::PortalState;
use super::extract::{Asked, Caller};
use super::login::form;
use super::problem::PortalError;
use crate::route::nextcloud::{FLOW_PAGE, FLOW_POLL};

const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// `https://host[:port]`, as the client wrote it.
pub(super) fn server(caller: &Caller) -> String {
    match caller.port {
        Some(port) => format!("https://{}:{port}", caller.host),
        None => format!("https://{}", caller.host),
    }
}

/// `POST /login/v2`.
pub(super) async fn begin(State(portal): State<PortalState>, Asked(caller): Asked) -> Response {
    let user_agent = caller.user_agent.as_deref();
    let begun = portal.identity.begin_login_flow(user_agent, caller.client, &caller.host);
    let server = server(&caller);
    let answer = json!({
        "poll": { "token": begun.poll.expose(), "endpoint": format!("{server}{FLOW_POLL}") },
        "login": format!("{server}{FLOW_PAGE}/{}", begun.token),
    });
    (NO_STORE, Json(answer)).into_response()
}

#[derive(Deserialize)]
pub(super) struct Poll {
    token: String,
}

/// `POST /login/v2/poll`: 404 until somebody has agreed, then once what was agreed to, then 404.
pub(super) async fn poll(
    State(portal): State<PortalState>,
    request: Request,
) -> Result<Response, PortalError> {
    let Poll { token } = form(request, &portal).await?;
    let let_in = portal.identity.poll_login_flow(&token).await?;
    // As Nextcloud writes nothing.
    let nothing = || (StatusCode::NOT_FOUND, NO_STORE, Json(json!([]))).into_response();
    Ok(let_in.map_or_else(nothing, |let_in| (NO_STORE, Json(let_in)).into_response()))
}
