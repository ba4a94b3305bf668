//! `cloud/users`: create, read, edit, enable, disable, delete (sections 1.3 to 1.5 and 1.7).

use serde_json::{Map, Value, json};

use super::Inside;
use super::envelope::Ocs;
use super::faults::Fault;
use super::fields::{Fields, random_word};
use super::rights::{Right, require};
use super::settings::Generation;
use super::state::{Account, State};
use super::visit::Visit;

/// `POST cloud/users`. Account first, then everything else: what fails later leaves the account behind.
pub(crate) async fn create(visit: &mut Visit<'_>, fault: Option<&Fault>) -> Ocs {
    if let Err(refusal) = require(visit, Right::AnySubAdmin) {
        return refusal;
    }
    let inside = visit.inside;
    let generation = inside.generation;
    let fields = visit.fields.clone();
    let Some(id) = fields.find("userid").map(str::to_owned) else {
        return missing_parameter(generation);
    };
    let password = match may_create(inside, &id, &fields) {
        Ok(password) => password,
        Err(refusal) => return refusal,
    };
    let key = id.to_lowercase();
    if !inside.state().creating.insert(key.clone()) {
        return Ocs::failed(101, "Bad request");
    }
    if !inside.settings.create_takes.is_zero() {
        tokio::time::sleep(inside.settings.create_takes).await;
    }
    let mut state = inside.state();
    state.creating.remove(&key);
    state.add(Account::new(&id, Some(&password), "Database"));
    match fault {
        Some(Fault::ListenerThrows) => return Ocs::exception(),
        Some(Fault::DatabaseStumbles) => return Ocs::failed(101, "Bad request"),
        _ => {}
    }
    for group in fields.all("groups") {
        if let Some(group) = state.groups.get_mut(group) {
            group.members.insert(id.clone());
        }
    }
    for group in fields.all("subadmin") {
        if let Some(group) = state.groups.get_mut(group) {
            group.sub_admins.insert(id.clone());
        }
    }
    match finish(&mut state, &id, &fields, generation) {
        Ok(()) => Ocs::Done(json!({"id": id_value(&id)})),
        Err(refusal) => refusal,
    }
}

/// Everything that is checked before the account exists. The password to create it with.
fn may_create(inside: &Inside, id: &str, fields: &Fields) -> Result<String, Ocs> {
    let generation = inside.generation;
    let state = inside.state();
    if state.account(id).is_some() {
        return Err(Ocs::failed(102, "User already exists"));
    }
    for group in fields.all("groups") {
        if !state.groups.contains_key(group) {
            return Err(Ocs::failed(104, format!("Group {group} does not exist")));
        }
    }
    for group in fields.all("subadmin") {
        if !state.groups.contains_key(group) {
            return Err(Ocs::failed(109, "Sub-admin group does not exist"));
        }
    }
    let password = fields.text("password");
    if password.len() > LONGEST_PASSWORD {
        return Err(Ocs::failed(101, "Invalid password value"));
    }
    if password.is_empty() && fields.filled("email").is_none() {
        return Err(Ocs::failed(
            108,
            "An email address is required, to send a password link to the user.",
        ));
    }
    legal_id(inside, id, generation).map_err(|message| Ocs::failed(101, message))?;
    if password.is_empty() {
        return Ok(random_word(40));
    }
    strong_password(inside, password).map_err(|message| Ocs::failed(107, message))?;
    Ok(password.to_owned())
}

/// Display name, quota, language, manager, e-mail, in this order.
fn finish(state: &mut State, id: &str, fields: &Fields, generation: Generation) -> Result<(), Ocs> {
    let Some(account) = state.account_mut(id) else { return Ok(()) };
    if let Some(name) = fields.filled("displayName") {
        name.clone_into(&mut account.display_name);
    }
    if let Some(quota) = fields.filled("quota") {
        let code = if generation == Generation::V29 { 102 } else { 101 };
        account.quota = parse_quota(quota).ok_or_else(|| Ocs::failed(code, bad_quota(quota)))?;
    }
    if let Some(language) = fields.filled("language") {
        if !is_language(language) {
            return Err(Ocs::failed(101, "Invalid language"));
        }
        language.clone_into(&mut account.language);
    }
    if let Some(manager) = fields.filled("manager") {
        manager.clone_into(&mut account.manager);
    }
    // Not checked here, unlike when it is edited.
    if let Some(email) = fields.filled("email") {
        account.email = Some(email.to_owned());
    }
    Ok(())
}

/// `GET cloud/users` and `cloud/users/details`.
pub(crate) fn list(visit: &Visit<'_>, details: bool) -> Ocs {
    if let Err(refusal) = require(visit, Right::AnySubAdmin) {
        return refusal;
    }
    let search = visit.fields.text("search").to_lowercase();
    let limit = visit.fields.find("limit").and_then(|limit| limit.parse().ok());
    let offset = visit.fields.find("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
    let state = visit.inside.state();
    let fits = |account: &&Account| {
        let email = account.email.as_deref().unwrap_or_default();
        [account.id.as_str(), account.display_name.as_str(), email]
            .iter()
            .any(|text| text.to_lowercase().contains(&search))
    };
    // Each backend counts for itself, so two of them give twice the limit.
    let mut found: Vec<&Account> = Vec::new();
    for backend in ["Database", "user_oidc"] {
        let of_backend = state.accounts.values().filter(|account| account.backend == backend);
        found.extend(of_backend.filter(fits).skip(offset).take(limit.unwrap_or(usize::MAX)));
    }
    if !details {
        let ids: Vec<Value> = found.iter().map(|account| id_value(&account.id)).collect();
        return Ocs::Done(json!({"users": ids}));
    }
    let full = found.iter().map(|account| (account.id.clone(), record(&state, account, true)));
    Ocs::Done(json!({"users": full.collect::<Map<_, _>>()}))
}

/// `GET cloud/users/{id}` and `GET cloud/user`.
pub(crate) fn read(visit: &Visit<'_>, id: &str) -> Ocs {
    let Some(actor) = &visit.actor else { return Ocs::unauthenticated() };
    let state = visit.inside.state();
    let Some(account) = state.account(id) else {
        return Ocs::failed(404, "User does not exist");
    };
    let is_admin = state.is_admin(&actor.user);
    if account.id != actor.user && !is_admin && !leads(&state, &actor.user, &account.id) {
        return Ocs::unknown();
    }
    Ocs::Done(record(&state, account, is_admin))
}

/// `PUT cloud/users/{id}` with `key` and `value`.
pub(crate) fn edit(visit: &Visit<'_>, id: &str) -> Ocs {
    let (Some(key), Some(value)) = (visit.fields.find("key"), visit.fields.find("value")) else {
        return missing_parameter(visit.generation());
    };
    let Some(actor) = &visit.actor else { return Ocs::unauthenticated() };
    let mut state = visit.inside.state();
    let is_admin = state.is_admin(&actor.user);
    let Some(found) = state.account(id).map(|account| account.id.clone()) else {
        return Ocs::unknown();
    };
    let is_self = found == actor.user;
    if !is_self && !is_admin && !leads(&state, &actor.user, &found) {
        return Ocs::unknown();
    }
    let old = visit.generation() == Generation::V29;
    let unknown_key = || Ocs::failed(if old { 103 } else { 113 }, "");
    let may = match key {
        "quota" | "manager" => is_admin || !is_self,
        "firstDayOfWeek" | "timezone" => !old,
        _ => true,
    };
    if !may {
        return unknown_key();
    }
    let Some(account) = state.account_mut(&found) else { return Ocs::unknown() };
    match key {
        "email" => {
            if !value.is_empty() && !is_email(value) {
                return Ocs::failed(if old { 102 } else { 101 }, "");
            }
            account.email = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        "quota" => match parse_quota(value) {
            Some(quota) => account.quota = quota,
            None => return Ocs::failed(101, bad_quota(value)),
        },
        "displayname" | "display" => value.clone_into(&mut account.display_name),
        "password" => {
            if let Err(message) = strong_password(visit.inside, value) {
                return Ocs::failed(107, message);
            }
            account.password = Some(value.to_owned());
        }
        "language" if !is_language(value) => return Ocs::failed(101, "Invalid language"),
        "language" => value.clone_into(&mut account.language),
        "manager" => value.clone_into(&mut account.manager),
        "locale" | "phone" | "address" | "website" | "twitter" | "fediverse" | "organisation"
        | "role" | "headline" | "biography" | "profile_enabled" | "notify_email" | "timezone"
        | "firstDayOfWeek" | "bluesky" | "pronouns" | "birthdate" => {
            account.profile.insert(key.to_owned(), value.to_owned());
        }
        _ => return unknown_key(),
    }
    Ocs::done()
}

/// `PATCH cloud/users/{id}` of generation 34: all or nothing.
pub(crate) fn patch(visit: &Visit<'_>, id: &str) -> Ocs {
    let Some(actor) = &visit.actor else { return Ocs::unauthenticated() };
    let mut state = visit.inside.state();
    let is_admin = state.is_admin(&actor.user);
    let Some(mut account) = state.account(id).cloned() else { return Ocs::unknown() };
    let is_self = account.id == actor.user;
    if !is_self && !is_admin && !leads(&state, &actor.user, &account.id) {
        return Ocs::unknown();
    }
    let mut errors = Map::new();
    let mut wrong = |field: &str, message: &str| {
        errors.insert(field.to_owned(), json!(message));
    };
    let fields = &visit.fields;
    for name in ["quota", "manager", "groups", "subadminGroups"] {
        if fields.find(name).is_some() && !is_admin {
            wrong(name, "Not allowed");
        }
    }
    if let Some(name) = fields.find("displayName") {
        name.clone_into(&mut account.display_name);
    }
    if let Some(password) = fields.filled("password") {
        match strong_password(visit.inside, password) {
            Ok(()) => account.password = Some(password.to_owned()),
            Err(message) => wrong("password", &message),
        }
    }
    if let Some(email) = fields.find("email") {
        if !email.is_empty() && !is_email(email) {
            wrong("email", "Invalid email address");
        }
        account.email = Some(email.to_owned()).filter(|email| !email.is_empty());
    }
    if let Some(quota) = fields.find("quota") {
        match parse_quota(quota) {
            Some(quota) => account.quota = quota,
            None => wrong("quota", &bad_quota(quota)),
        }
    }
    if let Some(language) = fields.find("language") {
        if !is_language(language) {
            wrong("language", "Invalid language");
        }
        language.clone_into(&mut account.language);
    }
    if let Some(manager) = fields.find("manager") {
        manager.clone_into(&mut account.manager);
    }
    for name in ["groups", "subadminGroups"] {
        if fields.all(name).any(|group| !group.is_empty() && !state.groups.contains_key(group)) {
            wrong(name, "Group does not exist");
        }
    }
    if !errors.is_empty() {
        return Ocs::Failed { code: 422, message: String::new(), data: json!({"errors": errors}) };
    }
    let id = account.id.clone();
    if fields.find("groups").is_some() {
        let wanted: Vec<&str> = fields.all("groups").collect();
        for (name, group) in &mut state.groups {
            set_membership(&mut group.members, &id, wanted.contains(&name.as_str()));
        }
    }
    if fields.find("subadminGroups").is_some() {
        let wanted: Vec<&str> = fields.all("subadminGroups").collect();
        for (name, group) in &mut state.groups {
            set_membership(&mut group.sub_admins, &id, wanted.contains(&name.as_str()));
        }
    }
    if let Some(stored) = state.account_mut(&id) {
        *stored = account.clone();
    }
    Ocs::Done(record(&state, &account, is_admin))
}

/// `PUT cloud/users/{id}/enable` and `/disable`.
pub(crate) fn set_enabled(visit: &Visit<'_>, id: &str, enabled: bool) -> Ocs {
    let actor = match require(visit, Right::SubAdminOf(id)) {
        Ok(actor) => actor,
        Err(refusal) => return refusal,
    };
    let mut state = visit.inside.state();
    match state.account_mut(id).filter(|account| account.id != actor) {
        Some(account) => account.enabled = enabled,
        None => return Ocs::failed(101, ""),
    }
    Ocs::done()
}

/// `DELETE cloud/users/{id}`.
pub(crate) fn delete(visit: &Visit<'_>, id: &str) -> Ocs {
    let actor = match require(visit, Right::SubAdminOf(id)) {
        Ok(actor) => actor,
        Err(refusal) => return refusal,
    };
    let mut state = visit.inside.state();
    match state.account(id).map(|account| account.id.clone()) {
        None => Ocs::unknown(),
        Some(found) if found == actor => Ocs::failed(101, ""),
        Some(found) => {
            state.remove(&found);
            Ocs::done()
        }
    }
}

/// `POST cloud/users/{id}/welcome` and `/wipe`.
pub(crate) fn notify(visit: &Visit<'_>, id: &str, wipe: bool) -> Ocs {
    if let Err(refusal) = require(visit, Right::SubAdminOf(id)) {
        return refusal;
    }
    let mut state = visit.inside.state();
    let Some(account) = state.account_mut(id) else { return Ocs::unknown() };
    account.wiped |= wipe;
    Ocs::done()
}

/// A parameter that is not there at all: no envelope on 34, an exception on 29.
pub(crate) fn missing_parameter(generation: Generation) -> Ocs {
    match generation {
        Generation::V34 => Ocs::Bare(400, ""),
        Generation::V29 => Ocs::exception(),
    }
}

/// Ids that look like whole numbers come out of PHP's arrays as numbers.
pub(crate) fn id_value(id: &str) -> Value {
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => json!(number),
        _ => json!(id),
    }
}

/// Whether `leader` is a sub admin of a group that `member` is in.
pub(crate) fn leads(state: &State, leader: &str, member: &str) -> bool {
    let both = |group: &super::state::Group| {
        group.sub_admins.contains(leader) && group.members.contains(member)
    };
    state.groups.values().any(both)
}

fn set_membership(set: &mut std::collections::BTreeSet<String>, id: &str, wanted: bool) {
    if wanted {
        set.insert(id.to_owned());
    } else {
        set.remove(id);
    }
}

fn record(state: &State, account: &Account, for_admin: bool) -> Value {
    let bytes = quota_bytes(&account.quota);
    let used = state.tree.used_by(&account.id);
    let free = if bytes < 0 { 28_000_000_000 } else { (bytes - used).max(0) };
    let total = free + used;
    let quota = match account.first_login {
        None => json!({"quota": bytes, "used": 0}),
        Some(_) => {
            json!({"free": free, "used": used, "total": total, "relative": 0, "quota": bytes})
        }
    };
    let by_database = account.backend == "Database";
    let last = account.last_login.unwrap_or(0);
    let profile = |key: &str| account.profile.get(key).map_or("", String::as_str).to_owned();
    let mut record = json!({
        "enabled": account.enabled,
        "id": account.id,
        "firstLoginTimestamp": account.first_login.unwrap_or(-1),
        "lastLoginTimestamp": last,
        "lastLogin": last * 1000,
        "backend": account.backend,
        "subadmin": state.groups_led_by(&account.id),
        "quota": quota,
        "manager": account.manager,
        "email": account.email,
        "additional_mail": [],
        "displayname": account.display_name,
        "display-name": account.display_name,
        "phone": profile("phone"),
        "address": profile("address"),
        "website": profile("website"),
        "twitter": profile("twitter"),
        "fediverse": profile("fediverse"),
        "organisation": profile("organisation"),
        "role": profile("role"),
        "headline": profile("headline"),
        "biography": profile("biography"),
        "profile_enabled": "1",
        "groups": state.groups_of(&account.id),
        "language": if account.language.is_empty() { "en" } else { &account.language },
        "locale": profile("locale"),
        "notify_email": null,
        "backendCapabilities": {"setDisplayName": by_database, "setPassword": by_database},
    });
    if let (true, Some(fields)) = (for_admin, record.as_object_mut()) {
        let location = format!("/var/www/html/data/{}", account.id);
        fields.insert("storageLocation".to_owned(), json!(location));
    }
    record
}

/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 469;

/// `validateUserId` of the local backend (section 1.4).
fn legal_id(inside: &Inside, id: &str, generation: Generation) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || " _.@-'".contains(c);
    if !id.chars().all(legal) {
        return Err("Only the following characters are allowed in an Login: \"a-z\", \"A-Z\", \
                    \"0-9\", spaces and \"_.@-'\""
            .to_owned());
    }
    if id.trim().is_empty() {
        return Err("A valid Login must be provided".to_owned());
    }
    if id.trim() != id {
        return Err("Login contains whitespace at the beginning or at the end".to_owned());
    }
    if id == "." || id == ".." {
        return Err("Login must not consist of dots only".to_owned());
    }
    if id.len() > 64 && generation == Generation::V34 {
        return Err("Username is too long".to_owned());
    }
    let appdata = format!("appdata_{}", inside.instance_id);
    if [".htaccess", "files_external", "__groupfolders", appdata.as_str()].contains(&id) {
        return Err("Login is invalid because files already exist for this user".to_owned());
    }
    Ok(())
}

/// The default policy: long enough, and not one of the common ones.
pub(crate) fn strong_password(inside: &Inside, password: &str) -> Result<(), String> {
    const COMMON: &[&str] =
        &["password123", "1234567890", "qwertyuiop", "passwordpassword", "0123456789"];
    let least = inside.settings.password_min_length;
    if password.chars().count() < least {
        return Err(format!("Password needs to be at least {least} characters long."));
    }
    if COMMON.contains(&password.to_lowercase().as_str()) {
        return Err(
            "Password is among the 1,000,000 most common ones. Please make it unique.".to_owned()
        );
    }
    Ok(())
}

fn is_email(value: &str) -> bool {
    let (name, host) = value.split_once('@').unwrap_or_default();
    let legal =
        |text: &str| !text.is_empty() && !text.contains([' ', '@', '<', '>', ',', ';', '(', ')']);
    legal(name) && legal(host)
}

fn is_language(value: &str) -> bool {
    ["en", "de", "de_DE", "fr", "es", "it", "nl", "pl", "pt_BR", "en_GB", "da", "sv", "ja"]
        .contains(&value)
}

fn bad_quota(value: &str) -> String {
    format!("Invalid quota value: {value}")
}

/// `none`, `default`, bytes, or a number with a unit; kept as `none`, `default` or bytes.
pub(crate) fn parse_quota(value: &str) -> Option<String> {
    if matches!(value, "none" | "default") {
        return Some(value.to_owned());
    }
    let split = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(split)?;
    let power = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 1,
        "m" | "mb" => 2,
        "g" | "gb" => 3,
        "t" | "tb" => 4,
        "p" | "pb" => 5,
        _ => return None,
    };
    let scale = 1024_u64.checked_pow(power)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let tenths: u64 = part.chars().next().map_or(Some(0), |c| c.to_digit(10).map(u64::from))?;
    Some((whole.checked_mul(scale)?.checked_add(tenths * scale / 10)?).to_string())
}

/// `-3` is unlimited.
pub(crate) fn quota_bytes(quota: &str) -> i64 {
    quota.parse().unwrap_or(-3)
}
