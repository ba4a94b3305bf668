//! What the pages of device passwords and of API tokens share: they are one kind of record, shown in two lists.

use axum::response::Response;

use super::super::sheet::{Block, Fact, Item, Sheet, Value};
use super::super::visit::{Posted, Visit};
use super::super::words;
use crate::identity::device::{Device, NewDevice, Scope};
use crate::identity::{SecretText, UserId};
use crate::portal::PortalState;
use crate::portal::problem::PortalError;
use crate::portal::way_in::see_other;

/// One of the two lists.
pub(super) struct CredentialList {
    /// Where it is.
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    /// The way to a new one, and where it leads.
    pub(super) add: (&'static str, &'static str),
    /// What is told when one was removed: a key of [`words::notice`].
    pub(super) removed: &'static str,
    /// Which credentials are in it.
    pub(super) holds: fn(&Scope) -> bool,
}

impl CredentialList {
    pub(super) async fn show(
        &self,
        portal: &PortalState,
        visit: &Visit,
        user: UserId,
    ) -> Result<Response, PortalError> {
        let sheet = self.sheet(portal, visit, user).await?;
        visit.show(sheet.notice(visit.query.get("done")))
    }

    async fn sheet(
        &self,
        portal: &PortalState,
        visit: &Visit,
        user: UserId,
    ) -> Result<Sheet, PortalError> {
        let unused = words::ends_unused(portal.identity.settings().devices_unused);
        let devices = portal.identity.devices(user).await?;
        let items = devices.iter().filter(|device| (self.holds)(&device.scope));
        let items: Vec<_> = items.map(|device| self.item(visit, device, &unused)).collect();
        let list =
            if items.is_empty() { Block::text(words::NONE_YET) } else { Block::Items(items) };
        let (add, add_at) = self.add;
        Ok(Sheet::new(portal, self.title)
            .part(self.path)
            .with(Block::text(self.about))
            .with(list)
            .with(Block::main_link(add, add_at)))
    }

    fn item(&self, visit: &Visit, device: &Device, unused: &str) -> Item {
        let mut facts: Vec<Fact> = Vec::new();
        if let Scope::Permissions(listed) = &device.scope {
            facts.push((words::MAY, words::permissions(listed).into()));
        }
        facts.push((words::MADE_AT, device.created_at.into()));
        facts.push((words::LAST_USED, Value::time_or(device.last_used_at, words::NEVER)));
        if let Some(address) = &device.last_address {
            facts.push((words::FROM, address.to_string().into()));
        }
        facts.push((words::ENDS, Value::time_or(device.expires_at, unused)));
        let form = visit
            .form(self.path, words::REMOVE)
            .hidden(vec![("device", device.id.to_string())])
            .about(device.name.clone())
            .quiet();
        Item { title: device.name.clone(), mark: None, facts, form: Some(form) }
    }

    /// Removes one.
    pub(super) async fn act(
        &self,
        portal: &PortalState,
        posted: &Posted,
        user: UserId,
    ) -> Result<Response, PortalError> {
        match remove(portal, posted, user).await {
            Ok(()) => Ok(see_other(&format!("{}?done={}", self.path, self.removed))),
            Err(error) => {
                let sheet = self.sheet(portal, &posted.visit, user).await?;
                posted.visit.again(sheet, error)
            }
        }
    }

    /// The new one, with its secret.
    pub(super) fn made(
        &self,
        portal: &PortalState,
        title: &'static str,
        about: &'static str,
        (device, secret): (Device, SecretText),
    ) -> Sheet {
        Sheet::new(portal, title)
            .part(self.path)
            .with(Block::Heading(device.name))
            .with(Block::text(about))
            .with(Block::Secret(secret.expose().to_owned()))
            .with(Block::main_link(words::HAVE_SAVED_IT, self.path))
    }
}

async fn remove(portal: &PortalState, posted: &Posted, user: UserId) -> Result<(), PortalError> {
    posted.genuine()?;
    let id = posted.fields.trimmed("device").parse().map_err(|_| PortalError::NotFound)?;
    let removed = portal.identity.remove_device(user, id, Some(&posted.visit.client)).await?;
    if removed { Ok(()) } else { Err(PortalError::NotFound) }
}

/// Makes what a form of ours asks for.
pub(super) async fn add(
    portal: &PortalState,
    posted: &Posted,
    user: UserId,
    asked: Result<NewDevice, PortalError>,
) -> Result<(Device, SecretText), PortalError> {
    posted.genuine()?;
    Ok(portal.identity.add_device(user, asked?, Some(&posted.visit.client)).await?)
}
