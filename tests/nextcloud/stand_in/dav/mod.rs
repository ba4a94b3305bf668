//! `/remote.php/dav` and `/remote.php/webdav` (section 4.3): the door, and which path leads where.

mod files;
mod locks;
mod moving;
mod properties;
mod queries;
mod tree;
mod xml;

pub(crate) use tree::Tree;

use super::acting::{self, Door, Refused};
use super::faults::Fault;
use super::fields::escaped;
use super::state::{Login, Means};
use super::visit::Visit;
use super::wire::{Answer, Body, BodyEnd};

/// Where a request path leads.
#[derive(Debug, Clone)]
struct Place {
    /// The full path in the tree, without a slash at its end.
    path: String,
    /// What stands before the path in hrefs, and how much of the path it stands for.
    base: String,
    stands_for: String,
}

impl Place {
    fn href(&self, path: &str) -> String {
        let rest = path.strip_prefix(self.stands_for.as_str()).unwrap_or(path);
        format!("{}{rest}", self.base)
    }
}

/// Answers a request below `/remote.php/(web)dav`, reading the body only from somebody who may send one.
pub(crate) async fn answer(
    visit: &mut Visit<'_>,
    body: &mut Body<'_>,
    fault: Option<&Fault>,
) -> Answer {
    if let Err(refused) = acting::identify(visit, Door::Dav).await {
        return refusal(refused);
    }
    let Some(actor) = visit.actor.clone() else {
        return challenge("No public access to this resource.");
    };
    if !cannot_be_forged(visit) && actor.by_cookie && !visit.passes_forgery_check() {
        return challenge("CSRF check not passed.");
    }
    let (bytes, end) = body.read().await;
    visit.body = bytes;
    visit.body_end = end;
    if fault == Some(&Fault::DiskFull)
        && matches!(visit.method(), "PUT" | "MKCOL" | "MOVE" | "COPY")
    {
        return error(507, "InsufficientStorage", "Insufficient space");
    }
    let root = visit.inside.settings.web_root.clone();
    let Some(place) = place(&visit.path, &root, &actor.user) else {
        return error(404, "NotFound", "File not found");
    };
    let method = visit.method().to_owned();
    if let Some(answer) = outside(&place.path, &actor.user, &method) {
        return answer;
    }
    let answer = match method.as_str() {
        "OPTIONS" => options(),
        "GET" | "HEAD" => files::get(visit, &place),
        "PUT" => files::put(visit, &place),
        "DELETE" => files::delete(visit, &place),
        "MKCOL" | "MKCALENDAR" => files::make(visit, &place),
        "MOVE" | "COPY" => moving::answer(visit, &place),
        "PROPFIND" => queries::find(visit, &place),
        "PROPPATCH" => queries::patch(visit, &place),
        "REPORT" => queries::report(visit, &place),
        "LOCK" => locks::lock(visit, &place),
        "UNLOCK" => locks::unlock(visit, &place),
        _ => error(
            501,
            "NotImplemented",
            "There was no plugin in the system that was willing to handle this method.",
        ),
    };
    answer.with("DAV", FEATURES)
}

const FEATURES: &str = "1, 2, 3, extended-mkcol, access-control, calendarserver-principal-property-search, \
                        nextcloud-checksum-update, calendar-access, addressbook";

/// Methods that change nothing, requests with an `Authorization` header, the official clients, and sessions that began
/// here need no request token.
fn cannot_be_forged(visit: &Visit<'_>) -> bool {
    let agent = visit.head.header("user-agent").unwrap_or_default();
    let is_official = ["mirall/", "Nextcloud-android/", "Nextcloud-iOS/"]
        .iter()
        .any(|client| agent.contains(client));
    let began_here = visit.with_session(|session| {
        let on_dav = |login: &Login| login.on_dav && login.means != Means::OidcSession;
        session.login.as_ref().is_some_and(on_dav)
    });
    matches!(visit.method(), "GET" | "HEAD" | "OPTIONS")
        || visit.head.header("authorization").is_some()
        || is_official
        || began_here == Some(true)
}

fn refusal(refused: Refused) -> Answer {
    match refused {
        Refused::Wrong => challenge("Username or password was incorrect"),
        Refused::SecondFactorNeeded => Answer {
            body: error_body(
                "OCA\\DAV\\Connector\\Sabre\\Exception\\PasswordLoginForbidden",
                "Password login forbidden",
            ),
            ..challenge("")
        },
        Refused::TooManyFailures => error(
            429,
            "OCA\\DAV\\Connector\\Sabre\\Exception\\TooManyRequests",
            "Reached maximum delay",
        ),
        Refused::Disabled => error(503, "ServiceUnavailable", "Account disabled"),
        Refused::Broken => error(500, "OC\\Files\\Exception", "Internal Server Error"),
    }
}

fn challenge(message: &str) -> Answer {
    error(401, "NotAuthenticated", message)
        .with("WWW-Authenticate", "Basic realm=\"Nextcloud\", charset=\"UTF-8\"")
}

/// As sabre/dav words it.
fn error(status: u16, exception: &str, message: &str) -> Answer {
    let class = if exception.contains('\\') {
        exception.to_owned()
    } else {
        format!("Sabre\\DAV\\Exception\\{exception}")
    };
    Answer::typed(status, "application/xml; charset=utf-8", error_body(&class, message))
}

fn error_body(class: &str, message: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:error xmlns:d=\"DAV:\" xmlns:s=\"http://sabredav.org/ns\">\n  \
         <s:exception>{class}</s:exception>\n  <s:message>{}</s:message>\n</d:error>\n",
        escaped(message)
    )
    .into_bytes()
}

fn options() -> Answer {
    Answer::empty(200).with("MS-Author-Via", "DAV").with(
        "Allow",
        "OPTIONS, GET, HEAD, DELETE, PROPFIND, PUT, PROPPATCH, COPY, MOVE, REPORT, LOCK, UNLOCK, MKCOL, MKCALENDAR",
    )
}

/// Where this path of the server leads.
fn place(path: &str, web_root: &str, user: &str) -> Option<Place> {
    let trimmed = path.trim_end_matches('/');
    if let Some(rest) = below(trimmed, "/remote.php/webdav") {
        let home = format!("/files/{user}");
        return Some(Place {
            path: format!("{home}{rest}"),
            base: format!("{web_root}/remote.php/webdav"),
            stands_for: home,
        });
    }
    below(trimmed, "/remote.php/dav").map(|rest| Place {
        path: rest.to_owned(),
        base: format!("{web_root}/remote.php/dav"),
        stands_for: String::new(),
    })
}

fn below<'p>(path: &'p str, root: &str) -> Option<&'p str> {
    path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What everybody who is not its owner sees of a home: nothing to read, and nothing to write.
fn outside(path: &str, user: &str, method: &str) -> Option<Answer> {
    let owner = owner(path)?;
    if owner.eq_ignore_ascii_case(user) {
        return None;
    }
    Some(match method {
        "GET" | "HEAD" | "PROPFIND" | "OPTIONS" | "REPORT" => {
            error(404, "NotFound", "File not found")
        }
        _ => error(403, "Forbidden", "Permission denied"),
    })
}

/// Whose home a path of the tree is in.
fn owner(path: &str) -> Option<&str> {
    let mut parts = path.split('/').skip(1);
    match parts.next()? {
        "files" | "uploads" | "calendars" => parts.next(),
        "addressbooks" => parts.nth(1),
        _ => None,
    }
}

/// Whether the body came whole, and if it did not, whether what there is is stored all the same: a cut chunked body
/// looks complete, up to the last whole block of 8 KiB.
fn arrived(visit: &mut Visit<'_>) -> Result<(), Answer> {
    match visit.body_end {
        BodyEnd::Complete => Ok(()),
        BodyEnd::CutChunked => {
            let whole = visit.body.len() / 8192 * 8192;
            visit.body.truncate(whole);
            Ok(())
        }
        BodyEnd::CutSized => Err(error(
            400,
            "BadRequest",
            "Expected filesize does not match the amount of bytes that were received",
        )),
    }
}
