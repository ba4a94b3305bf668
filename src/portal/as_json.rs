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
    without_lock(json(UserView::of(user, identity)))
}

/// A session.
pub fn session(session: &Session, identity: &Identity) -> Value {
    json(SessionView::of(session, None, identity))
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
    let mut exported = json(ExportView::of(export, identity));
    if let Some(account) = exported.get_mut("account") {
        *account = without_lock(account.take());
    }
    exported
}

/// A lock after failures is known to the running gateway only; `null` would say that there is none.
fn without_lock(mut user: Value) -> Value {
    if let Some(fields) = user.as_object_mut() {
        fields.shift_remove("locked_until");
    }
    user
}

fn json(view: impl Serialize) -> Value {
    serde_json::to_value(view).expect("views are made of texts, numbers and lists")
}
