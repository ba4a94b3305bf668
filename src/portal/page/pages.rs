//! Every page, told once: the router and the gate's routes are made from this table.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on, post};
use http::Method;
use tower::ServiceExt;

use super::super::PortalState;
use super::super::endpoint::{Access, Limit};
use super::{enrol, second_factor, sign_in, sign_out, start, step_up};
use crate::gate::is_looked_at;

/// One page.
pub(in super::super) struct Page {
    /// Its name in logs and metrics, after `page_`.
    pub(in super::super) name: &'static str,
    /// The path.
    pub(in super::super) path: &'static str,
    /// Who may use it: anybody, or whoever is signed in.
    pub(in super::super) access: Access,
    /// How often one client network may send its form, beside the general limits.
    pub(in super::super) limit: Limit,
    /// What shows it.
    pub(in super::super) show: MethodRouter<PortalState>,
    /// What its form does.
    pub(in super::super) act: Option<MethodRouter<PortalState>>,
}

impl Page {
    fn new(
        name: &'static str,
        path: &'static str,
        access: Access,
        show: MethodRouter<PortalState>,
    ) -> Self {
        Self { name, path, access, limit: Limit::General, show, act: None }
    }

    fn acts(self, limit: Limit, act: MethodRouter<PortalState>) -> Self {
        Self { limit, act: Some(act), ..self }
    }

    /// What serves `method`, if it takes it.
    pub(in super::super) fn of(&self, method: &Method) -> Option<&MethodRouter<PortalState>> {
        match *method {
            Method::GET => Some(&self.show),
            Method::POST => self.act.as_ref(),
            _ => None,
        }
    }
}

/// All of them.
pub(in super::super) fn all() -> Vec<Page> {
    use Access::{Public, SignedIn};
    let page = Page::new;
    let mut all = vec![
        page("start", "/", Public, get(start::show)),
        page("sign_in", sign_in::PATH, Public, get(sign_in::show))
            .acts(Limit::Login, post(sign_in::act)),
        page("second_factor", second_factor::PATH, Public, get(second_factor::show))
            .acts(Limit::Login, post(second_factor::act)),
        page("enrol", enrol::PATH, Public, get(enrol::show)).acts(Limit::Login, post(enrol::act)),
        page("sign_out", sign_out::PATH, Public, get(sign_out::show))
            .acts(Limit::General, post(sign_out::act)),
        page("step_up", "/auth/step-up", SignedIn, get(step_up::show))
            .acts(Limit::Login, post(step_up::act)),
    ];
    all.extend(by_mail());
    all.extend(own_account());
    all
}

fn by_mail() -> Vec<Page> {
    vec![]
}

fn own_account() -> Vec<Page> {
    vec![]
}

/// An endpoint of the API and a page at one path and method: browsers that look get the page.
pub(in super::super) fn either(
    method: &Method,
    page: MethodRouter<PortalState>,
    endpoint: MethodRouter<PortalState>,
) -> MethodRouter<PortalState> {
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    on(filter, async move |State(portal): State<PortalState>, request: Request| -> Response {
        let looked_at = is_looked_at(request.method(), request.headers());
        let chosen = if looked_at { page } else { endpoint };
        chosen.with_state(portal).oneshot(request).await.into_response()
    })
}
