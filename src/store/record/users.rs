//! People.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Columns, Fields};
use crate::clock::Timestamp;
use crate::identity::password::PasswordHash;
use crate::identity::user::Grant;
use crate::identity::{Standing, StoreError, User, UserId};

pub(in crate::store) fn read(row: &impl Columns) -> Result<User, StoreError> {
    let fields = Fields::new(row, "user", "id");
    let roles: Vec<String> = fields.json("roles")?;
    Ok(User {
        id: fields.parse("id")?,
        email: fields.parse("email")?,
        username: fields.parse("username")?,
        full_name: fields.optional("full_name")?,
        password_hash: PasswordHash::from_text(fields.get("password_hash")?),
        roles: roles.into_iter().map(Arc::from).collect(),
        grants: read_grants(&fields)?,
        standing: fields.word("standing", Standing::from_name)?,
        email_verified_at: fields.optional("email_verified_at")?,
        created_at: fields.get("created_at")?,
        updated_at: fields.get("updated_at")?,
        last_login_at: fields.optional("last_login_at")?,
        epoch: fields.get("epoch")?,
    })
}

/// Of a row that has nothing else.
pub(in crate::store) fn read_id(row: &impl Columns) -> Result<UserId, StoreError> {
    Fields::new(row, "user", "id").parse("id")
}

/// As the column `roles` has them.
pub(in crate::store) fn roles(user: &User) -> String {
    json!(user.roles.iter().map(AsRef::as_ref).collect::<Vec<&str>>()).to_string()
}

/// As the column `grants` has them.
pub(in crate::store) fn grants(user: &User) -> String {
    let grants = user.grants.iter().map(|grant| {
        let until = grant.until.map(Timestamp::as_millis);
        json!({ "permission": grant.permission.to_string(), "until": until })
    });
    grants.collect::<Value>().to_string()
}

fn read_grants(fields: &Fields<'_>) -> Result<Vec<Grant>, StoreError> {
    let written: Vec<Value> = fields.json("grants")?;
    let grants = written.iter().map(|grant| {
        let permission = grant.get("permission").and_then(Value::as_str).unwrap_or_default();
        let permission = permission.parse().map_err(|error| fields.corrupt("grants", error))?;
        let until = grant.get("until").and_then(Value::as_i64).map(Timestamp::from_millis);
        Ok(Grant { permission, until })
    });
    grants.collect()
}
