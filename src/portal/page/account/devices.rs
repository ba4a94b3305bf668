//! `/auth/account/devices`: passwords of programs. A new one is shown once, in the answer to its form.

use axum::extract::State;
use axum::response::Response;

use super::super::sheet::{Block, Field, Item, Sheet, Value};
use super::super::visit::{Posted, Visit};
use super::super::words;
use crate::identity::UserId;
use crate::identity::device::{Device, NewDevice, Scope};
use crate::portal::PortalState;
use crate::portal::extract::{Fresh, OwnSession};
use crate::portal::problem::PortalError;
use crate::portal::way_in::see_other;

pub(in super::super) const PATH: &str = "/auth/account/devices";
pub(in super::super) const NEW: &str = "/auth/account/devices/new";

pub(in super::super) async fn show(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    visit: Visit,
) -> Result<Response, PortalError> {
    let sheet = list(&portal, &visit, user).await?;
    visit.show(sheet.notice(visit.query.get("done")))
}

async fn list(portal: &PortalState, visit: &Visit, user: UserId) -> Result<Sheet, PortalError> {
    let devices = portal.identity.devices(user).await?;
    let sheet = Sheet::new(portal, words::DEVICES).part(PATH).with(Block::text(words::DEVICES_WHY));
    let sheet = if devices.is_empty() {
        sheet.with(Block::text(words::NO_DEVICES))
    } else {
        sheet.with(Block::Items(devices.iter().map(|device| item(visit, device)).collect()))
    };
    Ok(sheet.with(Block::main_link(words::ADD_DEVICE, NEW)))
}

fn item(visit: &Visit, device: &Device) -> Item {
    let form = visit
        .form(PATH, words::REMOVE)
        .hidden(vec![("device", device.id.to_string())])
        .about(device.name.clone())
        .quiet();
    Item {
        title: device.name.clone(),
        mark: Some(match device.scope {
            Scope::Dav => words::DEVICE_PASSWORD,
            Scope::Permissions(_) => words::API_TOKEN,
        }),
        facts: vec![
            (words::MADE_AT, device.created_at.into()),
            (words::LAST_USED, Value::time_or(device.last_used_at, words::NEVER)),
        ],
        form: Some(form),
    }
}

pub(in super::super) async fn act(
    State(portal): State<PortalState>,
    OwnSession { user, .. }: OwnSession,
    posted: Posted,
) -> Result<Response, PortalError> {
    match remove(&portal, user, &posted).await {
        Ok(()) => Ok(see_other(&format!("{PATH}?done=device-removed"))),
        Err(error) => {
            let sheet = list(&portal, &posted.visit, user).await?;
            posted.visit.again(sheet, error)
        }
    }
}

async fn remove(portal: &PortalState, user: UserId, posted: &Posted) -> Result<(), PortalError> {
    posted.genuine()?;
    let id = posted.fields.trimmed("device").parse().map_err(|_| PortalError::NotFound)?;
    let removed = portal.identity.remove_device(user, id, Some(&posted.visit.client)).await?;
    if removed { Ok(()) } else { Err(PortalError::NotFound) }
}

pub(in super::super) async fn show_new(
    State(portal): State<PortalState>,
    _: Fresh,
    visit: Visit,
) -> Result<Response, PortalError> {
    visit.show(new(&portal, &visit, ""))
}

fn new(portal: &PortalState, visit: &Visit, typed: &str) -> Sheet {
    let name = Field::text("device_name", words::DEVICE_NAME, "off").value(typed).focus();
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
    let made = match posted.genuine() {
        Ok(()) => {
            let made = portal.identity.add_device(user, asked, Some(&visit.client)).await;
            made.map_err(PortalError::from)
        }
        Err(error) => Err(error),
    };
    match made {
        Ok((device, secret)) => {
            let sheet = Sheet::new(&portal, words::DEVICE_MADE)
                .part(PATH)
                .with(Block::Heading(device.name))
                .with(Block::text(words::DEVICE_MADE_WHY))
                .with(Block::Secret(secret.expose().to_owned()))
                .with(Block::main_link(words::HAVE_SAVED_IT, PATH));
            visit.show(sheet)
        }
        Err(error) => visit.again(new(&portal, visit, &name), error),
    }
}
