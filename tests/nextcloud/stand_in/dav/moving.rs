//! `MOVE` and `COPY`, and the `MOVE` that ends a chunked upload. Of `Destination` only the path matters.

use super::super::fields::decoded;
use super::super::visit::Visit;
use super::super::wire::Answer;
use super::tree::Node;
use super::{Place, error, files, locks, owner, place};

pub(super) fn answer(visit: &Visit<'_>, from: &Place) -> Answer {
    let to = match destination(visit) {
        Ok(to) => to,
        Err(refused) => return refused,
    };
    if from.path.starts_with("/uploads/") && visit.method() == "MOVE" {
        return assemble(visit, &from.path, &to);
    }
    let mut state = visit.inside.state();
    if state.tree.find(&from.path).is_none() {
        return error(404, "NotFound", "File not found");
    }
    if from.path == to {
        return error(403, "Forbidden", "Source and destination uri are identical.");
    }
    let parent = to.rsplit_once('/').map_or("", |(parent, _)| parent);
    if !state.tree.find(parent).is_some_and(Node::is_folder) {
        return error(409, "Conflict", "The destination node is not found");
    }
    let existed = state.tree.find(&to).is_some();
    if existed && visit.head.header("overwrite") == Some("F") {
        return error(
            412,
            "PreconditionFailed",
            "The destination node already exists, and the overwrite header is set to false",
        );
    }
    let locked = locks::refusal(visit, &state.tree, &to);
    let locked = locked.or_else(|| {
        let moves = visit.method() == "MOVE";
        moves.then(|| locks::refusal(visit, &state.tree, &from.path)).flatten()
    });
    if let Some(locked) = locked {
        return locked;
    }
    if visit.method() == "MOVE" {
        state.tree.rename(&from.path, &to);
    } else {
        state.tree.copy(&from.path, &to);
    }
    Answer::empty(if existed { 204 } else { 201 })
}

/// The path in the tree that `Destination` names, whatever host and scheme it says.
fn destination(visit: &Visit<'_>) -> Result<String, Answer> {
    let Some(header) = visit.head.header("destination") else {
        return Err(error(400, "BadRequest", "The destination header was not supplied"));
    };
    let after_scheme = header.split_once("://").map(|(_, rest)| rest);
    let path = match after_scheme {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => header,
    };
    let path = decoded(path);
    let foreign = || error(403, "Forbidden", "Requested uri is out of base uri");
    let web_root = &visit.inside.settings.web_root;
    let path = path.strip_prefix(web_root.as_str()).ok_or_else(foreign)?;
    let user = visit.actor.as_ref().map_or("", |actor| actor.user.as_str());
    let to = place(path, web_root, user).ok_or_else(foreign)?.path;
    if owner(&to).is_some_and(|owner| !owner.eq_ignore_ascii_case(user)) {
        return Err(error(403, "Forbidden", "Permission denied"));
    }
    Ok(to)
}

/// The chunks of an upload, in order, become one file.
fn assemble(visit: &Visit<'_>, from: &str, to: &str) -> Answer {
    let upload = from.strip_suffix("/.file").unwrap_or(from);
    let bytes = {
        let state = visit.inside.state();
        if state.tree.find(upload).is_none() {
            return error(404, "NotFound", "File not found");
        }
        let mut chunks = state.tree.children(upload);
        chunks.sort_by_key(|(path, _)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            (name.parse::<u64>().unwrap_or(u64::MAX), (*path).clone())
        });
        let parts: Vec<&[u8]> = chunks.iter().map(|(_, node)| node.bytes.as_slice()).collect();
        parts.concat()
    };
    let claimed = visit.head.header("oc-total-length").and_then(|total| total.parse().ok());
    if claimed.is_some_and(|claimed: usize| claimed != bytes.len()) {
        let message = format!(
            "Chunks on server do not sum up to {} but to {} bytes",
            claimed.unwrap_or_default(),
            bytes.len()
        );
        return error(400, "BadRequest", &message);
    }
    let answer = files::store(visit, to, bytes);
    if answer.status < 300 {
        visit.inside.state().tree.remove(upload);
    }
    answer
}
