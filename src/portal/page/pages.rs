//! Every page, told once: the router and the gate's routes are made from this table.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on, post};
use http::Method;
use tower::ServiceExt;

use super::super::PortalState;
use super::super::endpoint::{Access, Limit};
use super::account::{
    devices, email, erase, password, profile, second_factor as own_factor, sessions, tokens,
};
use super::{
    change_of_email, client, enrol, passkey, password_reset, second_factor, setup, sign_in,
    sign_out, sign_up, start, step_up, verify_email,
};
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
        page("passkey", passkey::PATH, Public, get(passkey::show))
            .acts(Limit::Login, post(passkey::act)),
        page("enrol", enrol::PATH, Public, get(enrol::show)).acts(Limit::Login, post(enrol::act)),
        page("sign_out", sign_out::PATH, Public, get(sign_out::show))
            .acts(Limit::General, post(sign_out::act)),
        page("client", client::CONTINUE, Public, get(client::go_on)),
        page("step_up", "/auth/step-up", SignedIn, get(step_up::show))
            .acts(Limit::Login, post(step_up::act)),
    ];
    all.extend(by_mail());
    all.extend(own_account());
    all
}

fn by_mail() -> Vec<Page> {
    let page = |name, path, show| Page::new(name, path, Access::Public, show);
    vec![
        page("sign_up", sign_up::PATH, get(sign_up::show))
            .acts(Limit::Register, post(sign_up::act)),
        page("verify_email", verify_email::PATH, get(verify_email::show))
            .acts(Limit::Login, post(verify_email::act)),
        page("forgot_password", password_reset::FORGOT, get(password_reset::show_forgot))
            .acts(Limit::Mail, post(password_reset::act_forgot)),
        page("reset_password", password_reset::RESET, get(password_reset::show_reset))
            .acts(Limit::Login, post(password_reset::act_reset)),
        page("confirm_email", change_of_email::CONFIRM, get(change_of_email::show_confirm))
            .acts(Limit::Login, post(change_of_email::act_confirm)),
        page("agree_to_email", change_of_email::AGREE, get(change_of_email::show_agree))
            .acts(Limit::Mail, post(change_of_email::act_agree)),
        page("cancel_email", change_of_email::CANCEL, get(change_of_email::show_cancel))
            .acts(Limit::Login, post(change_of_email::act_cancel)),
        page("setup", setup::PATH, get(setup::show)).acts(Limit::Setup, post(setup::act)),
    ]
}

fn own_account() -> Vec<Page> {
    let page = |name, path, show| Page::new(name, path, Access::SignedIn, show);
    vec![
        page("profile", profile::PATH, get(profile::show)).acts(Limit::General, post(profile::act)),
        page("password", password::PATH, get(password::show))
            .acts(Limit::Login, post(password::act)),
        page("email", email::PATH, get(email::show)).acts(Limit::Mail, post(email::act)),
        page("own_factor", own_factor::PATH, get(own_factor::show))
            .acts(Limit::Login, post(own_factor::act)),
        page("sessions", sessions::PATH, get(sessions::show))
            .acts(Limit::General, post(sessions::act)),
        page("devices", devices::PATH, get(devices::show)).acts(Limit::General, post(devices::act)),
        page("new_device", devices::NEW, get(devices::show_new))
            .acts(Limit::General, post(devices::act_new)),
        page("tokens", tokens::PATH, get(tokens::show)).acts(Limit::General, post(tokens::act)),
        page("new_token", tokens::NEW, get(tokens::show_new))
            .acts(Limit::General, post(tokens::act_new)),
        page("erase", erase::PATH, get(erase::show)).acts(Limit::General, post(erase::act)),
    ]
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
