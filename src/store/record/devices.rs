//! Device passwords and API tokens.

use serde_json::json;

use super::{Columns, Fields};
use crate::identity::device::{Device, Scope};
use crate::identity::{Permission, StoreError};

pub(in crate::store) fn read(row: &impl Columns) -> Result<Device, StoreError> {
    let fields = Fields::new(row, "device", "id");
    let scope = if fields.optional::<&str>("permissions")?.is_none() {
        Scope::Dav
    } else {
        let names: Vec<String> = fields.json("permissions")?;
        let listed: Result<Vec<Permission>, _> = names.iter().map(|name| name.parse()).collect();
        Scope::Permissions(listed.map_err(|error| fields.corrupt("permissions", error))?)
    };
    Ok(Device {
        id: fields.parse("id")?,
        user: fields.parse("user")?,
        name: fields.get("name")?,
        scope,
        created_at: fields.get("created_at")?,
        last_used_at: fields.optional("last_used_at")?,
        last_address: fields.optional("last_address")?,
        expires_at: fields.optional("expires_at")?,
    })
}

/// As the column `permissions` has them: null for a password that opens files and calendars only.
pub(in crate::store) fn permissions(device: &Device) -> Option<String> {
    match &device.scope {
        Scope::Dav => None,
        Scope::Permissions(listed) => {
            let names: Vec<String> = listed.iter().map(ToString::to_string).collect();
            Some(json!(names).to_string())
        }
    }
}
