//! Is somebody looking at the answer? A browser that goes to a page is led to sign-in and gets errors as pages; every
//! other client gets 401 and problem+json, and never a redirect.

use http::{HeaderMap, Method, header};

/// Whether the request is a browser's, on its way to a page.
///
/// | `Sec-Fetch-Mode` | `Sec-Fetch-Dest` | `Accept` | |
/// |---|---|---|---|
/// | `navigate` | `document` | | yes |
/// | anything else | | | no |
/// | absent | | names `text/html` | yes: an older browser |
/// | absent | | | no |
///
/// Only for `GET` and `HEAD`: what was posted would be lost on the way.
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(mode) = text("sec-fetch-mode") {
        // An absent destination is one of a browser that sends the mode only.
        return mode == "navigate" && text("sec-fetch-dest").is_none_or(|dest| dest == "document");
    }
    // Programs that call themselves so by hand are not browsers.
    let scripted = headers.contains_key(header::AUTHORIZATION)
        || text("x-requested-with").is_some_and(|with| with.eq_ignore_ascii_case("xmlhttprequest"));
    let accept = text(header::ACCEPT.as_str()).unwrap_or_default();
    !scripted && accept.split(',').any(|range| range.trim_start().starts_with("text/html"))
}

/// Whether somebody looks at the answer: on the way to a page, or after sending a form from one.
pub fn is_looked_at(method: &Method, headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = content_type.is_some_and(|text| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        ["application/x-www-form-urlencoded", "multipart/form-data"]
            .iter()
            .any(|form| essence.eq_ignore_ascii_case(form))
    });
    let method = if *method == Method::POST && is_form { &Method::GET } else { method };
    is_navigation(method, headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::example::headers;

    #[test]
    fn who_is_looking() {
        let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for (method, lines, looking) in [
            (Method::GET, &[html][..], true),
            (Method::HEAD, &[html], true),
            (Method::POST, &[html], false),
            (Method::GET, &[("accept", "*/*")], false),
            (Method::GET, &[("accept", "application/json")], false),
            (Method::GET, &[], false),
            (Method::GET, &[html, ("authorization", "Bearer x")], false),
            (Method::GET, &[html, ("x-requested-with", "XMLHttpRequest")], false),
            (Method::GET, &[html, ("sec-fetch-mode", "navigate")], true),
            (Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (Method::GET, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false),
            (Method::GET, &[html, ("sec-fetch-mode", "cors")], false),
            (Method::GET, &[html, ("sec-fetch-mode", "websocket")], false),
        ] {
            let label = format!("{method} {lines:?}");
            assert_eq!(is_navigation(&method, &headers(lines)), looking, "{label}");
        }
    }
    #[test]
    fn who_sent_a_form_looks_at_the_answer_too() {
        let html = ("accept", "text/html,*/*;q=0.8");
        let form = ("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        for (method, lines, looking) in [
            (Method::POST, &[html, form][..], true),
            (Method::POST, &[html, ("content-type", "application/json")], false),
            (Method::POST, &[form], false),
            (Method::POST, &[form, ("accept", "*/*")], false),
            (Method::POST, &[html, form, ("sec-fetch-mode", "cors")], false),
            (Method::PUT, &[html, form], false),
            (Method::GET, &[html], true),
        ] {
            let label = format!("{method} {lines:?}");
            assert_eq!(is_looked_at(&method, &headers(lines)), looking, "{label}");
        }
    }
}
