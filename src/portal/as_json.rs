//! The API's view of records as JSON, for the command line: the same names on both.

use serde::Serialize;
use serde_json::Value;

use super::view::{DeviceView, EventView, ExportView, InvitationView, SessionView, UserView};
use crate::identity::account::Export;
use crate::identity::admin::Invitation;
use crate::identity::device::Device;
use crate::identity::event::Recorded;
use crate::identity::{Identity, Session, User};

/// A user.
pub fn user(user: &User, identity: &Identity) -> Value {
    json(UserView::of(user, identity))
}

/// A session.
pub fn session(session: &Session) -> Value {
    json(SessionView::of(session, None))
}

/// A device, without its secret.
pub fn device(device: &Device) -> Value {
    json(DeviceView::of(device))
}

/// Something that happened.
pub fn event(event: Recorded) -> Value {
    json(EventView::of(event))
}

/// An invitation, without its link.
pub fn invitation(invitation: &Invitation) -> Value {
    json(InvitationView::of(invitation, None))
}

/// Everything that is kept about somebody.
pub fn export(export: Export, identity: &Identity) -> Value {
    json(ExportView::of(export, identity))
}

fn json(view: impl Serialize) -> Value {
    serde_json::to_value(view).expect("views are made of texts, numbers and lists")
}
