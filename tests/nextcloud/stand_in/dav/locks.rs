//! `LOCK` and `UNLOCK`, as little as clients need: exclusive, without an end.

use super::super::fields::random_word;
use super::super::visit::Visit;
use super::super::wire::Answer;
use super::properties::active_lock;
use super::tree::{Node, Tree};
use super::xml::Element;
use super::{Place, error};

/// `LOCK`: a new one, or with an empty body the old one once more.
pub(super) fn lock(visit: &Visit<'_>, place: &Place) -> Answer {
    let mut state = visit.inside.state();
    let parent = place.path.rsplit_once('/').map_or("", |(parent, _)| parent);
    if !state.tree.find(parent).is_some_and(Node::is_folder) {
        return error(409, "Conflict", "Parent node does not exist");
    }
    let root = Element::parse(&String::from_utf8_lossy(&visit.body));
    let held = state.tree.find(&place.path).and_then(|node| node.lock.clone());
    let lock = match (root, held) {
        (None, Some(held)) if shows(visit, &held.0) => held,
        (None, _) => return error(400, "BadRequest", "An xml body is required for lock requests"),
        (Some(_), Some(_)) => return error(423, "Locked", "The resource is locked"),
        (Some(root), None) => {
            let owner = root.child("owner");
            let owner = owner.map(|owner| match owner.child("href") {
                Some(href) => href.text.clone(),
                None => owner.text.clone(),
            });
            let hex = random_word(32);
            (format!("opaquelocktoken:{hex}"), owner.unwrap_or_default())
        }
    };
    let is_new = state.tree.find(&place.path).is_none();
    if is_new {
        let now = visit.now();
        state.tree.put(&place.path, Vec::new(), None, now);
    }
    if let Some(node) = state.tree.find_mut(&place.path) {
        node.lock = Some(lock.clone());
    }
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:prop xmlns:d=\"DAV:\"><d:lockdiscovery>{}</d:lockdiscovery></d:prop>",
        active_lock(&lock)
    );
    Answer::typed(if is_new { 201 } else { 200 }, "application/xml; charset=utf-8", body)
        .with("Lock-Token", &format!("<{}>", lock.0))
}

/// `UNLOCK`
pub(super) fn unlock(visit: &Visit<'_>, place: &Place) -> Answer {
    let shown = visit.head.header("lock-token").map(|token| token.trim_matches(['<', '>', ' ']));
    let Some(shown) = shown else {
        return error(400, "BadRequest", "No lock token was supplied");
    };
    let mut state = visit.inside.state();
    match state.tree.find_mut(&place.path) {
        Some(node) if node.lock.as_ref().is_some_and(|(token, _)| token == shown) => {
            node.lock = None;
            Answer::empty(204)
        }
        _ => error(
            409,
            "LockTokenMatchesRequestUri",
            "The locktoken supplied does not match any locks on this entity",
        ),
    }
}

/// 423 if the path, what is above it or below it is locked, and the request does not show the token.
pub(super) fn refusal(visit: &Visit<'_>, tree: &Tree, path: &str) -> Option<Answer> {
    let mut above = Some(path);
    let mut locks = Vec::new();
    while let Some(at) = above {
        locks.extend(tree.find(at).and_then(|node| node.lock.as_ref()));
        above = at.rsplit_once('/').map(|(parent, _)| parent);
    }
    locks.extend(tree.below(path).filter_map(|(_, node)| node.lock.as_ref()));
    let shut = locks.iter().any(|(token, _)| !shows(visit, token));
    shut.then(|| error(423, "Locked", "The resource is locked"))
}

fn shows(visit: &Visit<'_>, token: &str) -> bool {
    visit.head.header("if").is_some_and(|shown| shown.contains(token))
}
