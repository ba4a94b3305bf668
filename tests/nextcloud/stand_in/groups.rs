//! `cloud/groups` and the groups of a user (section 1.6).

use serde_json::{Value, json};

use super::envelope::Ocs;
use super::rights::{Right, require};
use super::state::Group;
use super::users::{id_value, missing_parameter};
use super::visit::Visit;

/// `GET cloud/groups`
pub(crate) fn list(visit: &Visit<'_>) -> Ocs {
    let search = visit.fields.text("search").to_lowercase();
    let state = visit.inside.state();
    let fits = |(name, group): &(&String, &Group)| {
        name.to_lowercase().contains(&search) || group.display_name.to_lowercase().contains(&search)
    };
    let names: Vec<&String> = state.groups.iter().filter(fits).map(|(name, _)| name).collect();
    Ocs::Done(json!({"groups": names}))
}

/// `GET cloud/groups/details`
pub(crate) fn details(visit: &Visit<'_>) -> Ocs {
    if let Err(refusal) = require(visit, Right::AnySubAdmin) {
        return refusal;
    }
    let state = visit.inside.state();
    let groups: Vec<Value> = state
        .groups
        .iter()
        .map(|(name, group)| {
            json!({"id": name, "displayname": group.display_name, "usercount": group.members.len(),
                   "disabled": 0, "canAdd": true, "canRemove": true})
        })
        .collect();
    Ocs::Done(json!({"groups": groups}))
}

/// `POST cloud/groups`
pub(crate) fn create(visit: &Visit<'_>) -> Ocs {
    if let Err(refusal) = require(visit, Right::Admin) {
        return refusal;
    }
    let Some(name) = visit.fields.find("groupid") else {
        return missing_parameter(visit.generation());
    };
    if name.is_empty() {
        return Ocs::failed(101, "Invalid group name");
    }
    let mut state = visit.inside.state();
    if state.groups.contains_key(name) {
        return Ocs::failed(102, "group exists");
    }
    let display_name = visit.fields.filled("displayname").unwrap_or(name).to_owned();
    state.groups.insert(name.to_owned(), Group { display_name, ..Group::default() });
    Ocs::done()
}

/// `DELETE cloud/groups/{group}`
pub(crate) fn delete(visit: &Visit<'_>, group: &str) -> Ocs {
    if let Err(refusal) = require(visit, Right::Admin) {
        return refusal;
    }
    let mut state = visit.inside.state();
    if !state.groups.contains_key(group) {
        return Ocs::failed(101, "");
    }
    if group == "admin" {
        return Ocs::failed(102, "");
    }
    state.groups.remove(group);
    Ocs::done()
}

/// `GET cloud/groups/{group}` and `/users`
pub(crate) fn members(visit: &Visit<'_>, group: &str) -> Ocs {
    if let Err(refusal) = require(visit, Right::AnySubAdmin) {
        return refusal;
    }
    let state = visit.inside.state();
    let Some(found) = state.groups.get(group) else {
        return Ocs::failed(404, "The requested group could not be found");
    };
    let ids: Vec<Value> = found.members.iter().map(|id| id_value(id)).collect();
    Ocs::Done(json!({"users": ids}))
}

/// `GET cloud/groups/{group}/subadmins`
pub(crate) fn sub_admins(visit: &Visit<'_>, group: &str) -> Ocs {
    if let Err(refusal) = require(visit, Right::Admin) {
        return refusal;
    }
    match visit.inside.state().groups.get(group) {
        Some(found) => Ocs::Done(json!(found.sub_admins)),
        None => Ocs::failed(101, "Group does not exist"),
    }
}

/// `GET cloud/users/{user}/groups`
pub(crate) fn of_user(visit: &Visit<'_>, user: &str) -> Ocs {
    let is_self = visit.actor.as_ref().is_some_and(|actor| actor.user.eq_ignore_ascii_case(user));
    if !is_self && let Err(refusal) = require(visit, Right::SubAdminOf(user)) {
        return refusal;
    }
    let state = visit.inside.state();
    match state.account(user) {
        Some(account) => Ocs::Done(json!({"groups": state.groups_of(&account.id)})),
        None => Ocs::unknown(),
    }
}

/// `POST` and `DELETE cloud/users/{user}/groups`: both may be said twice.
pub(crate) fn set_member(visit: &Visit<'_>, user: &str, joins: bool) -> Ocs {
    let actor = match require(visit, Right::AnySubAdmin) {
        Ok(actor) => actor,
        Err(refusal) => return refusal,
    };
    let Some(group) = visit.fields.find("groupid") else {
        return missing_parameter(visit.generation());
    };
    if group.trim().is_empty() {
        return Ocs::failed(101, "");
    }
    let mut state = visit.inside.state();
    let account = state.account(user).map(|account| account.id.clone());
    let is_admin = state.is_admin(&actor);
    let Some(found) = state.groups.get_mut(group) else { return Ocs::failed(102, "") };
    let Some(account) = account else { return Ocs::failed(103, "") };
    if !is_admin && !found.sub_admins.contains(&actor) {
        return Ocs::failed(104, "");
    }
    if joins {
        found.members.insert(account);
        return Ocs::done();
    }
    if account == actor && group == "admin" {
        return Ocs::failed(105, "Cannot remove yourself from the admin group");
    }
    found.members.remove(&account);
    Ocs::done()
}

/// `GET`, `POST` and `DELETE cloud/users/{user}/subadmins`
pub(crate) fn lead(visit: &Visit<'_>, user: &str) -> Ocs {
    if let Err(refusal) = require(visit, Right::Admin) {
        return refusal;
    }
    let mut state = visit.inside.state();
    let Some(account) = state.account(user).map(|account| account.id.clone()) else {
        return Ocs::failed(if visit.method() == "GET" { 404 } else { 101 }, "User does not exist");
    };
    if visit.method() == "GET" {
        return Ocs::Done(json!(state.groups_led_by(&account)));
    }
    let Some(name) = visit.fields.find("groupid") else {
        return missing_parameter(visit.generation());
    };
    let Some(group) = state.groups.get_mut(name) else {
        return Ocs::failed(
            if visit.method() == "POST" { 102 } else { 101 },
            "Group does not exist",
        );
    };
    if visit.method() == "DELETE" {
        group.sub_admins.remove(&account);
    } else if name == "admin" {
        return Ocs::failed(103, "Cannot create sub-admins for admin group");
    } else {
        group.sub_admins.insert(account);
    }
    Ocs::done()
}
