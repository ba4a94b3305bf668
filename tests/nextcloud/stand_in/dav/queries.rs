//! `PROPFIND`, `PROPPATCH` and `REPORT`.

use std::fmt::Write as _;

use super::super::fields::decoded;
use super::super::state::{Account, State};
use super::super::visit::Visit;
use super::super::wire::Answer;
use super::properties::{
    CALDAV, CARDDAV, Reader, element, multi_status, prop_stat, response, sync_token,
};
use super::tree::Node;
use super::xml::Element;
use super::{Place, error, locks};

/// `PROPFIND` with depth 0 or 1; `infinity` counts as 1.
pub(super) fn find(visit: &Visit<'_>, place: &Place) -> Answer {
    let body = String::from_utf8_lossy(&visit.body);
    let root = Element::parse(&body);
    if root.is_none() && !body.trim().is_empty() {
        return error(400, "BadRequest", "The body is not well-formed XML");
    }
    let wanted = root.as_ref().and_then(Element::named_properties);
    let state = visit.inside.state();
    let Some(account) = caller(visit, &state) else { return error(404, "NotFound", "") };
    let dav_root = format!("{}/remote.php/dav", visit.inside.settings.web_root);
    let reader = Reader { account: &account, dav_root: &dav_root };
    let path = place.path.as_str();
    let mut text = String::new();
    if let Some(node) = state.tree.find(path) {
        let mut tell = |path: &str, node: &Node| {
            let slash = if node.is_folder() { "/" } else { "" };
            let href = format!("{}{slash}", place.href(path));
            let found = reader.of_node(&state.tree, path, node);
            text.push_str(&response(&href, &found, wanted.as_deref()));
        };
        tell(path, node);
        if visit.head.header("depth") != Some("0") && node.is_folder() {
            for (path, node) in state.tree.children(path) {
                tell(path, node);
            }
        }
        return multi_status(&text);
    }
    let principal = format!("/principals/users/{}", account.id);
    let is_principal = path.eq_ignore_ascii_case(&principal);
    let signposts = [
        "",
        "/principals",
        "/principals/users",
        "/files",
        "/calendars",
        "/addressbooks",
        "/addressbooks/users",
        "/uploads",
    ];
    if !is_principal && !signposts.contains(&path) {
        return error(404, "NotFound", "File not found");
    }
    let name = if is_principal { &account.display_name } else { "" };
    let found = reader.signpost(name, is_principal);
    text.push_str(&response(&format!("{}/", place.href(path)), &found, wanted.as_deref()));
    multi_status(&text)
}

/// `PROPPATCH`: everything may be set.
pub(super) fn patch(visit: &Visit<'_>, place: &Place) -> Answer {
    let Some(root) = Element::parse(&String::from_utf8_lossy(&visit.body)) else {
        return error(400, "BadRequest", "The body is not well-formed XML");
    };
    let mut state = visit.inside.state();
    if let Some(locked) = locks::refusal(visit, &state.tree, &place.path) {
        return locked;
    }
    let Some(node) = state.tree.find_mut(&place.path) else {
        return error(404, "NotFound", "File not found");
    };
    let mut done = String::new();
    for step in &root.children {
        for property in step.child("prop").map(|prop| prop.children.as_slice()).unwrap_or_default()
        {
            let name = (property.namespace.clone(), property.name.clone());
            done.push_str(&element(&name.0, &name.1, ""));
            if step.name == "set" {
                node.properties.insert(name, property.text.clone());
            } else {
                node.properties.remove(&name);
            }
        }
    }
    let href = place.href(&place.path);
    let status = prop_stat(&done, "200 OK");
    multi_status(&format!("<d:response><d:href>{href}</d:href>{status}</d:response>"))
}

/// `REPORT` on a calendar or an address book: queries give everything, `multiget` what it names, and
/// `sync-collection` everything unless nothing has changed.
pub(super) fn report(visit: &Visit<'_>, place: &Place) -> Answer {
    let Some(root) = Element::parse(&String::from_utf8_lossy(&visit.body)) else {
        return error(400, "BadRequest", "The body is not well-formed XML");
    };
    let state = visit.inside.state();
    let Some(account) = caller(visit, &state) else { return error(404, "NotFound", "") };
    let Some(folder) = state.tree.find(&place.path) else {
        return error(404, "NotFound", "File not found");
    };
    let dav_root = format!("{}/remote.php/dav", visit.inside.settings.web_root);
    let reader = Reader { account: &account, dav_root: &dav_root };
    let wanted = root.named_properties();
    let named: Vec<String> = root.all("href").map(|href| decoded(&href.text)).collect();
    let token = sync_token(folder);
    let unchanged = root.child("sync-token").is_some_and(|known| known.text == token);
    let is_multiget = root.name.ends_with("multiget");
    let is_known = is_multiget
        || root.name == "sync-collection"
        || root.namespace == CALDAV && root.name == "calendar-query"
        || root.namespace == CARDDAV && root.name == "addressbook-query";
    if !is_known {
        return error(403, "ReportNotSupported", "This report is not supported");
    }
    let mut text = String::new();
    for (path, node) in state.tree.children(&place.path) {
        let href = place.href(path);
        if unchanged || is_multiget && !named.contains(&href) {
            continue;
        }
        let found = reader.of_node(&state.tree, path, node);
        text.push_str(&response(&href, &found, wanted.as_deref()));
    }
    for href in named.iter().filter(|_| is_multiget) {
        let known = state.tree.children(&place.path);
        if !known.iter().any(|(path, _)| place.href(path) == *href) {
            let _written = write!(
                text,
                "<d:response><d:href>{href}</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>"
            );
        }
    }
    if root.name == "sync-collection" {
        text.push_str(&element("DAV:", "sync-token", &token));
    }
    multi_status(&text)
}

fn caller(visit: &Visit<'_>, state: &State) -> Option<Account> {
    state.account(&visit.actor.as_ref()?.user).cloned()
}
