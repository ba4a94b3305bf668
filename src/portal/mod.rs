//! 4a. The auth API: its URLs, and one file for each.
//!
//! A handler translates: typed input in, one use case of [`Identity`], typed answer out. Rules live in `identity`,
//! statuses in `problem`. The gate has decided already whether a request may come here; what it knows arrives as
//! [`Caller`] among the request's extensions.
//!
//! `endpoints` is the table of all of them: the router, the gate's routes and the OpenAPI document are made from it.
//! `page` has what people see, with a table of its own.

mod account;
mod accounts;
mod admin;
pub mod as_json;
mod cookie;
mod device;
mod endpoint;
mod endpoints;
mod extract;
mod index;
mod login;
mod login_flow;
mod logout;
mod me;
mod openapi;
mod openid;
mod page;
mod problem;
mod provisioning;
mod puzzle;
mod rate_limit;
mod refresh;
mod register;
mod route;
mod second_factor;
mod session;
mod setup;
mod token_answer;
mod view;
mod way_in;
mod well_known;

#[cfg(test)]
mod tests;

pub use accounts::{MetricsWatch, settings};
pub use extract::Caller;
pub use openapi::document as openapi;
pub use page::{HEADERS as PAGE_HEADERS, error_page};
pub use route::{BODY_MAX, app, on_app_hosts, routes};
pub use way_in::{LeadToSignIn, lead_to_sign_in};

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::Method;

use self::problem::PortalError;
use crate::clock::Clock;
use crate::identity::openid::Provider;
use crate::identity::patience::with_patience;
use crate::identity::{CloudIds, Identity};
use crate::observe::Metrics;
use crate::route::nextcloud;

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct PortalState {
    /// Accounts.
    pub identity: Arc<Identity>,
    /// Our public keys as a JWKS (RFC 7517 §5), asked for at each request: keys rotate.
    pub jwks: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Us as an OpenID provider.
    pub openid: Arc<Provider>,
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What people are called in Nextcloud.
    pub cloud_ids: Arc<CloudIds>,
}

/// Every path and method.
pub fn router(state: PortalState) -> Router {
    let pages = page::all();
    let mut router = Router::new();
    for endpoint in endpoints::all() {
        let page = pages.iter().find(|page| page.path == endpoint.path);
        let handler = match page.and_then(|page| page.of(&endpoint.method)) {
            Some(page) => page::either(&endpoint.method, page.clone(), endpoint.handler),
            None => endpoint.handler,
        };
        router = router.route(endpoint.path, handler);
    }
    for page in pages {
        let shown = !endpoints::takes(&Method::GET, page.path);
        let acted = !endpoints::takes(&Method::POST, page.path);
        let handlers = [shown.then_some(page.show), page.act.filter(|_| acted)];
        let handlers = handlers.into_iter().flatten();
        router = handlers.fold(router, |router, handler| router.route(page.path, handler));
    }
    on_nextcloud_host(router)
        .route(page::ASSETS, get(page::asset))
        .route("/auth/continue", get(way_in::go_on))
        .route("/.stormdoor/callback", get(way_in::callback))
        .route("/.stormdoor/sign-out", get(way_in::sign_out))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), to_the_end))
        .layer(middleware::from_fn(problem::write_problems))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(state)
}

/// What we answer ourselves on the host of Nextcloud: the gate leads these paths here for such an app only.
fn on_nextcloud_host(mut router: Router<PortalState>) -> Router<PortalState> {
    for path in nextcloud::DISCOVERY {
        for path in [path, &format!("{path}/")] {
            router = router.route(path, any(well_known::dav::handle));
        }
    }
    for front in ["", "/index.php"] {
        let at = |path: &str| format!("{front}{path}");
        router = router
            .route(&at(nextcloud::FLOW), post(login_flow::begin))
            .route(&at(nextcloud::FLOW_POLL), post(login_flow::poll))
            .route(&at(&format!("{}/{{token}}", nextcloud::FLOW_PAGE)), page::login_flow::page())
            .route(&at(nextcloud::FLOW_GRANT), page::login_flow::grant());
    }
    router
}

/// Runs a request in a task of its own, so that it is carried through when the client goes away: whoever guesses
/// passwords or replays a token cannot hang up before it is recorded. A panic ends this request only.
async fn to_the_end(State(portal): State<PortalState>, request: Request, next: Next) -> Response {
    let patience = portal.identity.settings().patience;
    let answer = tokio::spawn(with_patience(patience, next.run(request))).await;
    answer.unwrap_or_else(|_| PortalError::Internal("a handler panicked").into_response())
}
