//! `LOCK`, `UNLOCK` and the header `If` (RFC 4918 §10.4), as little as clients need: locks of any depth, without an end.

use super::super::fields::{decoded, random_word};
use super::super::visit::Visit;
use super::super::wire::Answer;
use super::properties::active_lock;
use super::tree::{Lock, Node, Tree};
use super::xml::Element;
use super::{Place, error, place};

/// `LOCK`: a new one, or with an empty body the old one once more.
pub(super) fn lock(visit: &Visit<'_>, place: &Place) -> Answer {
    let mut state = visit.inside.state();
    let parent = place.path.rsplit_once('/').map_or("", |(parent, _)| parent);
    if !state.tree.find(parent).is_some_and(Node::is_folder) {
        return error(409, "Conflict", "Parent node does not exist");
    }
    let held = state.tree.find(&place.path).map(|node| node.locks.clone()).unwrap_or_default();
    let lock = if let Some(root) = Element::parse(&String::from_utf8_lossy(&visit.body)) {
        let is_shared =
            root.child("lockscope").is_some_and(|scope| scope.child("shared").is_some());
        let is_free = held.is_empty() || is_shared && held.iter().all(|lock| lock.is_shared);
        if !is_free {
            return error(423, "ConflictingLock", "The resource is locked");
        }
        let owner = root.child("owner").map(|owner| owner.child("href").unwrap_or(owner));
        let owner = owner.map(|owner| owner.text.clone()).unwrap_or_default();
        Lock { token: format!("opaquelocktoken:{}", random_word(32)), owner, is_shared }
    } else {
        match held.into_iter().find(|lock| shows(visit, &lock.token)) {
            Some(held) => held,
            None => return error(400, "BadRequest", "An xml body is required for lock requests"),
        }
    };
    let is_new = state.tree.find(&place.path).is_none();
    if is_new {
        let now = visit.now();
        state.tree.put(&place.path, Vec::new(), None, now);
    }
    if let Some(node) = state.tree.find_mut(&place.path) {
        node.locks.retain(|held| held.token != lock.token);
        node.locks.push(lock.clone());
    }
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <d:prop xmlns:d=\"DAV:\"><d:lockdiscovery>{}</d:lockdiscovery></d:prop>",
        active_lock(&lock)
    );
    Answer::typed(if is_new { 201 } else { 200 }, "application/xml; charset=utf-8", body)
        .with("Lock-Token", &format!("<{}>", lock.token))
}

/// `UNLOCK`
pub(super) fn unlock(visit: &Visit<'_>, place: &Place) -> Answer {
    let shown = visit.head.header("lock-token").map(|token| token.trim_matches(['<', '>', ' ']));
    let Some(shown) = shown else {
        return error(400, "BadRequest", "No lock token was supplied");
    };
    let mut state = visit.inside.state();
    let node = state.tree.find_mut(&place.path);
    let held = |node: &&mut Node| node.locks.iter().any(|lock| lock.token == shown);
    let Some(node) = node.filter(held) else {
        return error(
            409,
            "LockTokenMatchesRequestUri",
            "The locktoken supplied does not match any locks on this entity",
        );
    };
    node.locks.retain(|lock| lock.token != shown);
    Answer::empty(204)
}

/// 423 if the path, what is above it or below it is locked and the request shows none of the tokens; then 412 if the
/// request's `If` does not hold.
pub(super) fn refusal(visit: &Visit<'_>, tree: &Tree, path: &str) -> Option<Answer> {
    let shut = |node: &Node| {
        !node.locks.is_empty() && !node.locks.iter().any(|lock| shows(visit, &lock.token))
    };
    if above(tree, path).any(shut) || tree.below(path).any(|(_, node)| shut(node)) {
        return Some(error(423, "Locked", "The resource is locked"));
    }
    let fails =
        visit.head.header("if").is_some_and(|condition| !holds(visit, tree, path, condition));
    let message = "An If-header was specified, but none of its conditions matched";
    fails.then(|| error(412, "PreconditionFailed", message))
}

/// Whether one of the lists of an `If` header is true.
fn holds(visit: &Visit<'_>, tree: &Tree, path: &str, header: &str) -> bool {
    let user = visit.actor.as_ref().map_or("", |actor| actor.user.as_str());
    let mut about = path.to_owned();
    let mut rest = header.trim();
    while !rest.is_empty() {
        if let Some((tag, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            let tag = tag.split_once("://").map_or(tag, |(_, host)| {
                host.find('/').and_then(|at| host.get(at..)).unwrap_or_default()
            });
            let tag = decoded(tag);
            let tag = tag.strip_prefix(visit.inside.settings.web_root.as_str()).unwrap_or(&tag);
            about = place(tag, "", user).map(|place| place.path).unwrap_or_default();
            rest = after.trim_start();
            continue;
        }
        let Some((list, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        else {
            return false;
        };
        if all_hold(tree, &about, list) {
            return true;
        }
        rest = after.trim_start();
    }
    false
}

/// Whether each condition of a list is true of this path.
fn all_hold(tree: &Tree, path: &str, list: &str) -> bool {
    let mut rest = list.trim();
    let mut wanted = true;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("Not") {
            wanted = false;
            rest = after.trim_start();
            continue;
        }
        let token = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let etag = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (is_so, after) = match (token, etag) {
            (Some((token, after)), _) => {
                let held = |node: &Node| node.locks.iter().any(|lock| lock.token == token);
                (above(tree, path).any(held), after)
            }
            (_, Some((etag, after))) => {
                let same = |node: &Node| etag.trim_matches('"') == node.etag;
                (tree.find(path).is_some_and(same), after)
            }
            _ => return false,
        };
        if is_so != wanted {
            return false;
        }
        wanted = true;
        rest = after.trim_start();
    }
    true
}

/// The path itself and what it is in.
fn above<'t>(tree: &'t Tree, path: &str) -> impl Iterator<Item = &'t Node> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let nodes: Vec<&Node> = ends.filter_map(|end| tree.find(path.get(..end)?)).collect();
    nodes.into_iter()
}

fn shows(visit: &Visit<'_>, token: &str) -> bool {
    visit.head.header("if").is_some_and(|shown| shown.contains(&format!("<{token}>")))
}
