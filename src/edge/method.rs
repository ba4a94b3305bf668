//! The methods that exist here. Everything else is answered with 501 before routing.

use http::Method;

/// HTTP, WebDAV (RFC 4918, 3253, 3648, 3744, 5323, 5842), CalDAV and CardDAV (RFC 4791, 6352).
pub const ALLOWED: [&str; 34] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLOCK",
    "UPDATE",
    "VERSION-CONTROL",
    "MKADDRESSBOOK",
    "QUERY",
];

/// Whether `method` exists here. Methods are case-sensitive (RFC 9110 §9.1).
pub fn is_allowed(method: &Method) -> bool {
    is_allowed_name(method.as_str())
}

pub(super) fn is_allowed_name(method: &str) -> bool {
    // The two that nearly every request uses, first.
    matches!(method, "GET" | "POST") || ALLOWED.contains(&method)
}
