//! One resource: read, write, delete, make a folder, a calendar or an address book.

use ring::digest::{SHA256, digest};

use super::super::clock::http_date;
use super::super::fields::{encoded, hex};
use super::super::users::quota_bytes;
use super::super::visit::Visit;
use super::super::wire::Answer;
use super::tree::{Kind, Node, Stored};
use super::xml::Element;
use super::{Place, arrived, error, locks};

/// `GET` and `HEAD`, of a file only.
pub(super) fn get(visit: &Visit<'_>, place: &Place) -> Answer {
    let state = visit.inside.state();
    let Some(node) = state.tree.find(&place.path) else {
        return error(404, "NotFound", "File not found");
    };
    if node.is_folder() {
        return error(405, "MethodNotAllowed", "GET is not available for directories");
    }
    let quoted = format!("\"{}\"", node.etag);
    if let Some(refused) = precondition(visit, Some(node)) {
        return refused;
    }
    let shown = visit.head.header("if-none-match");
    if shown.is_some_and(|shown| shown == "*" || shown.contains(&quoted)) {
        return Answer::empty(304).with("ETag", &quoted);
    }
    let length = node.bytes.len();
    let (status, bytes) = match visit.head.header("range").map(|range| part(range, length)) {
        None | Some(Part::Whole) => (200, node.bytes.clone()),
        Some(Part::Some(first, last)) => {
            (206, node.bytes.get(first..=last).unwrap_or_default().to_vec())
        }
        Some(Part::Outside) => {
            return error(
                416,
                "RequestedRangeNotSatisfiable",
                "The start offset exceeded the size of the entity",
            );
        }
    };
    let name = place.path.rsplit('/').next().unwrap_or_default();
    let mut answer = Answer::typed(status, &node.content_type, bytes)
        .with("Last-Modified", &http_date(node.modified))
        .with("ETag", &quoted)
        .with("OC-ETag", &quoted)
        .with("Accept-Ranges", "bytes")
        .with("X-Accel-Buffering", "no")
        .with("Content-Security-Policy", "default-src 'none';")
        .with(
            "Content-Disposition",
            &format!("attachment; filename*=UTF-8''{0}; filename=\"{0}\"", encoded(name, "")),
        );
    if let Some(checksum) = &node.checksum {
        answer = answer.with("OC-Checksum", checksum);
    }
    if let (206, Some(Part::Some(first, last))) =
        (status, visit.head.header("range").map(|range| part(range, length)))
    {
        answer = answer.with("Content-Range", &format!("bytes {first}-{last}/{length}"));
    }
    answer
}

enum Part {
    Whole,
    Some(usize, usize),
    Outside,
}

/// One range; several are ignored.
fn part(range: &str, length: usize) -> Part {
    let Some(range) = range.strip_prefix("bytes=").filter(|range| !range.contains(',')) else {
        return Part::Whole;
    };
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    let end = length.saturating_sub(1);
    let (first, last) = match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(end)),
        (Ok(first), Err(_)) => (first, end),
        (Err(_), Ok(suffix)) => (length.saturating_sub(suffix), end),
        (Err(_), Err(_)) => return Part::Whole,
    };
    if first >= length || last < first { Part::Outside } else { Part::Some(first, last) }
}

/// `PUT`
pub(super) fn put(visit: &mut Visit<'_>, place: &Place) -> Answer {
    {
        let state = visit.inside.state();
        let found = state.tree.find(&place.path);
        if found.is_some_and(Node::is_folder) {
            return error(409, "Conflict", "PUT is not allowed on non-files.");
        }
        if let Some(refused) = precondition(visit, found) {
            return refused;
        }
        let parent = place.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !state.tree.find(parent).is_some_and(Node::is_folder) {
            return error(409, "Conflict", "Files cannot be created in non-existent collections");
        }
        if let Some(locked) = locks::refusal(visit, &state.tree, &place.path) {
            return locked;
        }
    }
    if let Err(refused) = arrived(visit) {
        return refused;
    }
    let bytes = std::mem::take(&mut visit.body);
    store(visit, &place.path, bytes)
}

/// Puts bytes under a path, as `PUT` and the end of a chunked upload do.
pub(super) fn store(visit: &Visit<'_>, path: &str, bytes: Vec<u8>) -> Answer {
    let mut state = visit.inside.state();
    let user = visit.actor.as_ref().map(|actor| actor.user.clone()).unwrap_or_default();
    let quota = state.account(&user).map_or(-3, |account| quota_bytes(&account.quota));
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let old = state.tree.find(path).map_or(0, |node| node.bytes.len());
    let used = state.tree.used_by(&user) - i64::try_from(old).unwrap_or(0);
    if quota >= 0 && path.starts_with("/files/") && used.saturating_add(size) > quota {
        return error(507, "InsufficientStorage", "Insufficient space");
    }
    let hash = digest(&SHA256, &bytes);
    let claimed = visit.head.header("x-oc-mtime").and_then(|time| time.trim().parse::<i64>().ok());
    let modified = claimed.unwrap_or_else(|| visit.now());
    let stored = state.tree.put(path, bytes, visit.head.header("content-type"), modified);
    let Some(node) = state.tree.find_mut(path) else {
        return error(500, "InternalServerError", "stored and gone");
    };
    node.checksum = visit.head.header("oc-checksum").map(str::to_owned);
    let quoted = format!("\"{}\"", node.etag);
    let mut answer = Answer::empty(if stored == Stored::Created { 201 } else { 204 })
        .with("ETag", &quoted)
        .with("OC-ETag", &quoted)
        .with("OC-FileId", &format!("{:08}{}", node.file_id, visit.inside.instance_id));
    if claimed.is_some() {
        answer = answer.with("X-OC-MTime", "accepted");
    }
    if visit.head.header("x-hash") == Some("sha256") {
        let text = hex(hash.as_ref());
        answer = answer.with("X-Hash-SHA256", &text);
    }
    answer
}

/// `DELETE`
pub(super) fn delete(visit: &Visit<'_>, place: &Place) -> Answer {
    let mut state = visit.inside.state();
    let Some(node) = state.tree.find(&place.path) else {
        return error(404, "NotFound", "File not found");
    };
    if let Some(refused) = precondition(visit, Some(node)) {
        return refused;
    }
    if let Some(locked) = locks::refusal(visit, &state.tree, &place.path) {
        return locked;
    }
    if place.path.matches('/').count() == 2 && !place.path.starts_with("/addressbooks") {
        return error(403, "Forbidden", "Permission denied to delete home folder");
    }
    state.tree.remove(&place.path);
    Answer::empty(204)
}

/// `MKCOL` and `MKCALENDAR`
pub(super) fn make(visit: &Visit<'_>, place: &Place) -> Answer {
    let mut state = visit.inside.state();
    if state.tree.find(&place.path).is_some() {
        return error(405, "MethodNotAllowed", "The resource you tried to create already exists");
    }
    let parent = place.path.rsplit_once('/').map_or("", |(parent, _)| parent);
    if !state.tree.find(parent).is_some_and(Node::is_folder) {
        return error(409, "Conflict", "Parent node does not exist");
    }
    if let Some(locked) = locks::refusal(visit, &state.tree, &place.path) {
        return locked;
    }
    let body = String::from_utf8_lossy(&visit.body);
    let is_xml = visit.head.header("content-type").is_some_and(|value| value.contains("xml"));
    if !body.is_empty() && !is_xml {
        return error(
            415,
            "UnsupportedMediaType",
            "The request body for the MKCOL request must have an xml Content-Type",
        );
    }
    let kind = match visit.method() {
        "MKCALENDAR" => Kind::Calendar,
        _ if place.path.starts_with("/calendars/") => Kind::Calendar,
        _ if place.path.starts_with("/addressbooks/") => Kind::AddressBook,
        _ => Kind::Folder,
    };
    state.tree.make(&place.path, kind, visit.now());
    let properties = Element::parse(&body);
    let properties = properties.as_ref().and_then(|root| root.child("set")?.child("prop"));
    if let (Some(properties), Some(node)) = (properties, state.tree.find_mut(&place.path)) {
        for property in properties.children.iter().filter(|one| one.name != "resourcetype") {
            let name = (property.namespace.clone(), property.name.clone());
            node.properties.insert(name, property.text.clone());
        }
    }
    match state.tree.find(&place.path) {
        Some(node) if kind == Kind::Folder => Answer::empty(201)
            .with("OC-FileId", &format!("{:08}{}", node.file_id, visit.inside.instance_id)),
        _ => Answer::empty(201),
    }
}

/// `If-Match` and `If-None-Match` against what is there.
fn precondition(visit: &Visit<'_>, node: Option<&Node>) -> Option<Answer> {
    let quoted = node.map(|node| format!("\"{}\"", node.etag));
    let fits = |shown: &str| match &quoted {
        None => false,
        Some(_) if shown.trim() == "*" => true,
        Some(quoted) => shown.contains(quoted.as_str()),
    };
    if visit.head.header("if-match").is_some_and(|shown| !fits(shown)) {
        return Some(error(
            412,
            "PreconditionFailed",
            "An If-Match header was specified, but none of the specified the ETags matched.",
        ));
    }
    let is_read = matches!(visit.method(), "GET" | "HEAD");
    if !is_read && visit.head.header("if-none-match").is_some_and(fits) {
        return Some(error(
            412,
            "PreconditionFailed",
            "An If-None-Match header was specified, but the ETag matched.",
        ));
    }
    None
}
