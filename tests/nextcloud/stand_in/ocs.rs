//! `/ocs/v1.php` and `/ocs/v2.php`: from a path to its subject, and what stands before all of them — who, no forgery, a
//! confirmed password, the budget of edits.

use serde_json::json;

use super::acting::{self, Door, Refused};
use super::envelope::{Envelope, Ocs, Version};
use super::faults::Fault;
use super::fields::{Fields, decoded};
use super::rights::{charge_edit, has_patch, require_confirmation, wrong_method};
use super::settings::Generation;
use super::visit::Visit;
use super::wire::Answer;
use super::{app_passwords, brute_force, groups, oidc, users};

/// How the caller of this visit wants to be answered; the version is in the path.
pub(crate) fn envelope(visit: &Visit<'_>) -> Envelope {
    let version = if visit.path.starts_with("/ocs/v1.php") { Version::V1 } else { Version::V2 };
    let query = Fields::from_form(visit.head.raw_query());
    let accept = visit.head.header("accept").unwrap_or_default();
    Envelope {
        version,
        generation: visit.generation(),
        json_asked: query.find("format") == Some("json"),
        json_accepted: accept.contains("application/json"),
    }
}

/// Answers a request below `/ocs/v?.php`.
pub(crate) async fn answer(visit: &mut Visit<'_>, fault: Option<&Fault>) -> Answer {
    let envelope = envelope(visit);
    let said = say(visit, fault).await;
    envelope.answer(&said)
}

async fn say(visit: &mut Visit<'_>, fault: Option<&Fault>) -> Ocs {
    if let Err(refused) = acting::identify(visit, Door::Elsewhere).await {
        return refusal(refused);
    }
    // From the raw path, because an id may hold an encoded slash.
    let raw = visit.head.raw_path().to_owned();
    let rest = raw.split_once(".php/").map_or("", |(_, rest)| rest);
    let segments: Vec<String> = rest.trim_end_matches('/').split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if segments == ["cloud", "capabilities"] {
        return capabilities(visit);
    }
    if segments == ["config"] {
        return Ocs::Done(
            json!({"version": "1.7", "website": "Nextcloud", "host": visit.host, "contact": "", "ssl": "false"}),
        );
    }
    if visit.actor.is_none() {
        return Ocs::unauthenticated();
    }
    let authorization = visit.head.header("authorization").unwrap_or_default();
    let is_bearer = authorization.to_ascii_lowercase().starts_with("bearer ");
    if !is_bearer && !visit.passes_forgery_check() {
        return Ocs::forgery();
    }
    let content_type = visit.head.header("content-type").unwrap_or_default();
    match Fields::read(visit.head.raw_query(), content_type, &visit.body) {
        Ok(fields) => visit.fields = fields,
        Err(_) => return Ocs::Bare(400, ""),
    }
    let method = visit.method().to_owned();
    match segments.as_slice() {
        ["cloud", "users" | "groups", ..] => match provisioning(visit, &segments, fault).await {
            Ok(said) | Err(said) => said,
        },
        ["cloud", "user"] if method == "GET" => {
            let user = visit.actor.as_ref().map(|actor| actor.user.clone()).unwrap_or_default();
            users::read(visit, &user)
        }
        ["core", "getapppassword"] if method == "GET" => app_passwords::fetch(visit),
        ["core", "apppassword"] if method == "DELETE" => app_passwords::delete(visit),
        ["core", "apppassword", "rotate"] if method == "POST" => app_passwords::rotate(visit),
        ["core", "apppassword", "confirm"] if method == "PUT" => app_passwords::confirm(visit),
        ["apps", "password_policy", "api", "v1", "validate"] if method == "POST" => {
            Ocs::Done(match users::strong_password(visit.inside, visit.fields.text("password")) {
                Ok(()) => json!({"passed": true}),
                Err(reason) => json!({"passed": false, "reason": reason}),
            })
        }
        ["apps", "user_oidc", "api", "v1", "provider"] if method == "GET" => oidc::list(visit),
        ["apps", "user_oidc", "api", "v1", "user"] if method == "POST" => {
            oidc::pre_provision(visit)
        }
        ["apps", "user_oidc", "api", "v1", "user", id] if method == "DELETE" => {
            oidc::un_provision(visit, id)
        }
        ["cloud", "user"]
        | ["apps", "user_oidc", "api", "v1", "user"]
        | ["core", "getapppassword" | "apppassword"]
        | ["core", "apppassword", _] => wrong_method(),
        _ => Ocs::unknown(),
    }
}

async fn provisioning(
    visit: &mut Visit<'_>,
    segments: &[&str],
    fault: Option<&Fault>,
) -> Result<Ocs, Ocs> {
    let method = visit.method().to_owned();
    let call = (method.as_str(), segments.get(1..).unwrap_or_default());
    if is_write(call) {
        // Rights come before the confirmation, so that a plain user hears of the former.
        if needs_sub_admin(call) {
            super::rights::require(visit, super::rights::Right::AnySubAdmin)?;
        }
        require_confirmation_of_others(visit, call)?;
    }
    if fault == Some(&Fault::DiskFull) && is_write(call) {
        return Ok(Ocs::exception());
    }
    Ok(match call {
        ("GET", ["users"]) => users::list(visit, false),
        ("GET", ["users", "details"]) => users::list(visit, true),
        ("POST", ["users"]) => users::create(visit, fault).await,
        ("GET", ["users", id]) => users::read(visit, id),
        ("PUT", ["users", id]) => {
            charge_edit(visit)?;
            users::edit(visit, id)
        }
        ("PATCH", ["users", id]) if has_patch(visit) => {
            charge_edit(visit)?;
            users::patch(visit, id)
        }
        ("DELETE", ["users", id]) => users::delete(visit, id),
        ("PUT", ["users", id, "enable"]) => users::set_enabled(visit, id, true),
        ("PUT", ["users", id, "disable"]) => users::set_enabled(visit, id, false),
        ("POST", ["users", id, "welcome"]) => users::notify(visit, id, false),
        ("POST", ["users", id, "wipe"]) => users::notify(visit, id, true),
        ("GET", ["users", id, "groups"]) => groups::of_user(visit, id),
        ("POST", ["users", id, "groups"]) => groups::set_member(visit, id, true),
        ("DELETE", ["users", id, "groups"]) => groups::set_member(visit, id, false),
        ("GET" | "POST" | "DELETE", ["users", id, "subadmins"]) => groups::lead(visit, id),
        ("GET", ["groups"]) => groups::list(visit),
        ("GET", ["groups", "details"]) => groups::details(visit),
        ("POST", ["groups"]) => groups::create(visit),
        ("DELETE", ["groups", group]) => groups::delete(visit, group),
        ("GET", ["groups", group] | ["groups", group, "users"]) => groups::members(visit, group),
        ("GET", ["groups", group, "subadmins"]) => groups::sub_admins(visit, group),
        (_, ["users" | "groups"] | [_, _] | [_, _, _]) => wrong_method(),
        _ => Ocs::unknown(),
    })
}

fn is_write((method, _): (&str, &[&str])) -> bool {
    method != "GET"
}

/// Everything but the edit of one record, which its owner may do in part.
fn needs_sub_admin(call: (&str, &[&str])) -> bool {
    !matches!(call, ("PUT" | "PATCH", ["users", _]))
}

fn require_confirmation_of_others(visit: &Visit<'_>, call: (&str, &[&str])) -> Result<(), Ocs> {
    if matches!(call, ("PATCH", _)) && visit.generation() == Generation::V29 {
        return Ok(());
    }
    require_confirmation(visit)
}

fn refusal(refused: Refused) -> Ocs {
    match refused {
        Refused::Wrong | Refused::Disabled | Refused::SecondFactorNeeded => Ocs::unauthenticated(),
        Refused::TooManyFailures => Ocs::failed(429, "Reached maximum delay"),
        Refused::Broken => Ocs::exception(),
    }
}

/// `GET cloud/capabilities`: a part for anybody, more for who is signed in.
fn capabilities(visit: &Visit<'_>) -> Ocs {
    let version = visit.generation().version();
    let mut parts = version.split('.').filter_map(|part| part.parse::<u64>().ok());
    let mut next = || parts.next().unwrap_or(0);
    let version = json!({"major": next(), "minor": next(), "micro": next(), "string": version,
                         "edition": "", "extendedSupport": false});
    let mut capabilities = json!({
        "bruteforce": {"delay": brute_force::delay_millis(visit), "allow-listed": false},
        "theming": {"name": "Nextcloud", "url": "https://nextcloud.com", "color": "#00679e",
                    "logo": format!("{}/core/img/logo/logo.svg?v=0", visit.base_url())},
        "core": {"pollinterval": 60, "webdav-root": "remote.php/webdav",
                 "reference-api": true, "user": {"language": "en", "locale": "en"}},
    });
    if let (Some(_), Some(all)) = (&visit.actor, capabilities.as_object_mut()) {
        let least = visit.inside.settings.password_min_length;
        all.insert("dav".to_owned(), json!({"chunking": "1.0"}));
        if let Some(websocket) = &visit.inside.settings.push {
            let endpoints = json!({"websocket": websocket});
            all.insert("notify_push".to_owned(), json!({"endpoints": endpoints}));
        }
        all.insert(
            "files".to_owned(),
            json!({"bigfilechunking": true, "undelete": false, "versioning": false}),
        );
        all.insert(
            "password_policy".to_owned(),
            json!({"minLength": least, "enforceNonCommonPassword": true}),
        );
        all.insert("provisioning_api".to_owned(), json!({"version": "1.20.0"}));
    }
    Ocs::Done(json!({"version": version, "capabilities": capabilities}))
}
