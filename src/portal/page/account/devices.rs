//! `/auth/account/devices`: passwords of programs. A new one is shown once, in the answer to its form.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Field, Sheet};
use super::super::visit::{Posted, Visit};
use super::super::words;
use super::credential_list::{CredentialList, add};
use crate::identity::device::{NewDevice, Scope};
use crate::portal::PortalState;
use crate::portal::extract::{Fresh, OwnSession};
use crate::portal::problem::PortalError;

pub(in super::super) const PATH: &str = "/auth/account/devices";
pub(in super::super) const NEW: &str = "/auth/account/devices/new";

const LIST: CredentialList = CredentialList {
    path: PATH,
    title: words::DEVICES,
    about: words::DEVICES_WHY,
    add: (words::ADD_DEVICE, NEW),
    removed: "device-removed",
    holds: |scope| matches!(scope, Scope::Dav),
};

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    LIST.show(&portal, &visit, user).await
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    posted: Posted,
) -> Result<Response, PortalError> {
    LIST.act(&portal, &posted, user).await
}

pub(in super::super) async fn show_new(
    State(portal): State<PortalState>,
    _: Fresh,
    visit: Visit,
) -> Result<Response, PortalError> {
    visit.show(new(&portal, &visit, ""))
}

fn new(portal: &PortalState, visit: &Visit, typed: &str) -> Sheet {
    let name = Field::text("device_name", words::CALLED, "off").value(typed).focus();
    let form = visit.form(NEW, words::MAKE_PASSWORD).field(name.hint(words::DEVICE_NAME_HINT));
    Sheet::new(portal, words::ADD_DEVICE).part(PATH).with(form.into())
}

pub(in super::super) async fn act_new(
    State(portal): State<PortalState>,
    Fresh { user }: Fresh,
    posted: Posted,
) -> Result<Response, PortalError> {
    let (visit, name) = (&posted.visit, posted.fields.trimmed("device_name"));
    let asked = NewDevice { name: name.clone(), scope: Scope::Dav, expires_at: None };
    match add(&portal, &posted, user, Ok(asked)).await {
        Ok(made) => {
            visit.show(LIST.made(&portal, words::DEVICE_MADE, words::DEVICE_MADE_WHY, made))
        }
        Err(error) => visit.again(new(&portal, visit, &name), error),
    }
}
