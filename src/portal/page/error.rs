//! The page of something that went wrong, for whoever was looking at a page. The proxy shows it too, on every host.

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::sheet::{Block, Sheet};
use super::words;

/// What every page is sent with. Its parts come from its own host, the one script too; nobody frames it.
///
/// The referrer stays within our own host, and is there at all because without it browsers hide the origin of a form.
pub const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ),
];

/// The page that tells `title` and the request's id, by which an operator finds it in the log.
pub fn error_page(
    status: StatusCode,
    title: &str,
    detail: Option<&str>,
    request_id: &str,
) -> String {
    let mut sheet = Sheet::anywhere(words::error_heading(status));
    sheet.push(Block::text(words::sentence(title)));
    if let Some(detail) = detail {
        sheet.push(Block::text(words::sentence(detail)));
    }
    sheet.push(Block::Small(words::request_id(status, request_id)));
    // A template that cannot be filled in would have no better page either.
    sheet.into_html().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_what_happened_and_whom_to_name_it_to() {
        let page = error_page(StatusCode::NOT_FOUND, "Nothing is here", None, "01ABC");
        assert!(page.contains("Nothing is here.") && page.contains("01ABC"), "{page}");
        assert!(page.contains("<html lang=\"en\">"));
    }

    #[test]
    fn what_it_is_told_is_never_markup() {
        let evil = "<script>alert(1)</script>\"'";
        let page = error_page(StatusCode::BAD_REQUEST, evil, Some(evil), evil);
        assert!(!page.contains("<script"), "{page}");
    }
}
