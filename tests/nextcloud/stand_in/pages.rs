//! The pages and small endpoints that are no API: `status.php`, `.well-known`, the web interface, public links; and the
//! headers that every answer carries (sections 4.2 and 4.4).

use base64::Engine as _;
use serde_json::json;

use super::acting::{self, Door, Refused};
use super::fields::{Fields, encoded};
use super::visit::Visit;
use super::wire::Answer;
use super::{app_passwords, login_flow, oauth2, oidc, session};

/// `/status.php`, also in maintenance.
pub(crate) fn status(visit: &Visit<'_>) -> Answer {
    let state = visit.inside.state();
    let version = visit.generation().version();
    let body = json!({
        "installed": true, "maintenance": state.maintenance,
        "needsDbUpgrade": state.needs_db_upgrade, "version": format!("{version}.1"),
        "versionstring": version, "edition": "", "productname": "Nextcloud",
        "extendedSupport": false,
    });
    Answer::json(200, &body).with("Access-Control-Allow-Origin", "*")
}

/// What an untrusted host is told.
pub(crate) fn untrusted_host(visit: &Visit<'_>) -> Answer {
    if visit.path == "/status.php" {
        return Answer::json(400, &json!({"error": "Trusted domain error.", "code": 15}));
    }
    Answer::html(400, "<!DOCTYPE html><h2>Access through untrusted domain</h2>")
}

pub(crate) fn maintenance(is_web: bool) -> Answer {
    let answer = Answer::html(503, "<!DOCTYPE html><h2>Maintenance mode</h2>");
    let answer = answer.with("X-Nextcloud-Maintenance-Mode", "1");
    if is_web { answer.with("Retry-After", "120") } else { answer }
}

/// Everything that is neither OCS nor WebDAV.
pub(crate) async fn answer(visit: &mut Visit<'_>) -> Answer {
    if let Some(answer) = fixed(visit) {
        return answer;
    }
    let content_type = visit.head.header("content-type").unwrap_or_default();
    match Fields::read(visit.head.raw_query(), content_type, &visit.body) {
        Ok(fields) => visit.fields = fields,
        Err(_) => return Answer::empty(400),
    }
    let path = visit.path.trim_end_matches('/').to_owned();
    let method = visit.method().to_owned();
    // These look at nobody's credentials.
    match (method.as_str(), path.as_str()) {
        ("POST", "/login/v2") => return login_flow::start(visit),
        ("POST", "/login/v2/poll") => return login_flow::poll(visit),
        ("POST", "/login/v2/apptoken") => return login_flow::hand_over(visit),
        ("GET", "/login/v2/flow") => return login_flow::picker(visit),
        ("POST", "/login") => return session::submit(visit).await,
        ("POST", "/apps/oauth2/api/v1/token") => return oauth2::token(visit),
        (_, "/apps/oauth2/api/v1/token") => return Answer::empty(405),
        ("GET", "/apps/user_oidc/code") => return oidc::come_back(visit).await,
        ("GET", path) if path.starts_with("/apps/user_oidc/login/") => {
            return oidc::begin(visit).await;
        }
        ("GET", path) => {
            if let Some(token) = path.strip_prefix("/login/v2/flow/") {
                let token = token.to_owned();
                return login_flow::open(visit, &token);
            }
        }
        _ => {}
    }
    match acting::identify(visit, Door::Elsewhere).await {
        Ok(()) => {}
        Err(Refused::TooManyFailures) => {
            return Answer::html(429, "<h2>Reached maximum delay</h2>");
        }
        Err(Refused::Broken) => return Answer::html(500, "<h2>Internal Server Error</h2>"),
        Err(_) => return unauthenticated(visit),
    }
    match (method.as_str(), path.as_str()) {
        ("GET", "/login") => session::form(visit),
        ("GET" | "POST", "/logout") => session::end(visit).await,
        ("GET", "/csrftoken") => Answer::json(200, &json!({"token": visit.request_token()})),
        ("GET", "/heartbeat") => Answer::empty(200),
        ("GET" | "POST", "/login/v2/grant") => login_flow::grant(visit),
        ("GET" | "POST", "/login/flow/grant") => oauth2::grant(visit),
        ("GET", "/apps/oauth2/authorize") => oauth2::authorize(visit),
        _ => behind_login(visit, &method, &path),
    }
}

/// What needs no session at all.
fn fixed(visit: &Visit<'_>) -> Option<Answer> {
    let path = visit.path.as_str();
    Some(match path {
        "/204" => Answer::empty(204),
        "/robots.txt" => Answer::typed(200, "text/plain", "User-agent: *\nDisallow: /\n"),
        // Apache's rewrite, which knows nothing of the proxy's scheme. Any method.
        "/.well-known/caldav" | "/.well-known/carddav" => {
            let location =
                format!("http://{}{}/remote.php/dav/", visit.host, visit.inside.settings.web_root);
            Answer::html(301, "<title>301 Moved Permanently</title>").with("Location", &location)
        }
        "/.well-known/change-password" => Answer::see_other(&visit.page("settings/user/security")),
        _ if path.starts_with("/.well-known/") => {
            let name = path.trim_start_matches("/.well-known/");
            let body = json!({"message": format!("{name} not supported")});
            Answer::json(404, &body).with("X-NEXTCLOUD-WELL-KNOWN", "1")
        }
        _ if is_protected(path) => Answer::html(404, "<title>404 Not Found</title>"),
        _ if path.starts_with("/core/") || path.starts_with("/dist/") => {
            Answer::typed(200, "text/javascript", "/* an asset */\n")
                .with("Cache-Control", "public, max-age=15778463")
        }
        _ => match path.strip_prefix("/s/") {
            Some(rest) => public_link(visit, rest),
            None => return None,
        },
    })
}

/// What the shipped `.htaccess` hides.
fn is_protected(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(first, "config" | "data" | "lib" | "3rdparty") || first.starts_with('.')
}

/// `/s/{token}` shows the file, `/s/{token}/download` is the file.
fn public_link(visit: &Visit<'_>, rest: &str) -> Answer {
    let (token, action) = rest.split_once('/').unwrap_or((rest, ""));
    let state = visit.inside.state();
    let link = state.links.get(token);
    let file = link.and_then(|(owner, path)| state.tree.bytes(&format!("/files/{owner}/{path}")));
    match (file, action) {
        (Some(bytes), "download") => Answer::typed(200, "application/octet-stream", bytes),
        (Some(_), "") => {
            let name = link.map(|(_, path)| path.as_str()).unwrap_or_default();
            Answer::html(200, format!("<!DOCTYPE html><title>{name} - Nextcloud</title>"))
        }
        _ => Answer::html(404, "<!DOCTYPE html><h2>File not found</h2>"),
    }
}

/// The web interface, for somebody who is signed in: pages, and writes that carry the request token.
fn behind_login(visit: &mut Visit<'_>, method: &str, path: &str) -> Answer {
    let Some(actor) = visit.actor.clone() else { return unauthenticated(visit) };
    if method != "GET" && method != "HEAD" {
        let is_bearer = !actor.by_cookie && visit.head.header("authorization-app-api").is_some();
        if !is_bearer && !visit.passes_forgery_check() {
            return Answer::json(412, &json!({"message": "CSRF check failed"}));
        }
        return match path {
            "/settings/personal/authtokens" => app_passwords::create_in_settings(visit),
            _ if path.starts_with("/apps/") || path.starts_with("/settings/") => {
                Answer::json(200, &json!({"status": "ok"}))
            }
            _ => Answer::empty(405),
        };
    }
    match path {
        "" => Answer::see_other(&visit.page("apps/dashboard/")),
        // Of the app bruteforcesettings: JSON in base64.
        "/settings/admin/security" if visit.inside.state().is_admin(&actor.user) => {
            let client = json!(visit.client.to_string()).to_string();
            let client = base64::engine::general_purpose::STANDARD.encode(client);
            let id = "initial-state-bruteforcesettings-remote-address";
            let input = format!("<input type=\"hidden\" id=\"{id}\" value=\"{client}\">");
            Answer::html(200, format!("<!DOCTYPE html>\n<html><body>{input}</body></html>"))
        }
        _ if path.starts_with("/apps/")
            || path.starts_with("/settings")
            || path.starts_with("/f/") =>
        {
            Answer::html(
                200,
                format!(
                    "<!DOCTYPE html>\n<html><head data-user=\"{}\" data-requesttoken=\"{}\"><title>Nextcloud</title></head><body></body></html>",
                    actor.user,
                    visit.request_token()
                ),
            )
        }
        _ => Answer::html(404, "<!DOCTYPE html><h2>Page not found</h2>"),
    }
}

/// Browsers go to the login form, programs are told.
fn unauthenticated(visit: &Visit<'_>) -> Answer {
    let accept = visit.head.header("accept").unwrap_or_default();
    if accept.contains("text/html") {
        let back = encoded(&format!("{}{}", visit.inside.settings.web_root, visit.head.target), "");
        return Answer::see_other(&format!("{}?redirect_url={back}", visit.page("login")));
    }
    Answer::json(401, &json!({"message": "Current user is not logged in"}))
}

/// Headers that Nextcloud and its `.htaccess` send with everything; what an answer has of its own stays.
pub(crate) fn with_usual_headers(mut answer: Answer, request_id: &str) -> Answer {
    let usual = [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("X-Permitted-Cross-Domain-Policies", "none"),
        ("X-Robots-Tag", "noindex, nofollow"),
        ("Referrer-Policy", "no-referrer"),
        ("X-XSS-Protection", "1; mode=block"),
        ("X-Request-Id", request_id),
        ("Cache-Control", "no-cache, no-store, must-revalidate"),
        (
            "Feature-Policy",
            "autoplay 'self';camera 'none';fullscreen 'self';geolocation 'none';microphone 'none';payment 'none'",
        ),
    ];
    let is_html = answer
        .headers
        .iter()
        .any(|(name, value)| name == "Content-Type" && value.starts_with("text/html"));
    for (name, value) in usual {
        if !answer.has(name) {
            answer = answer.with(name, value);
        }
    }
    if is_html && !answer.has("Content-Security-Policy") {
        let policy = format!(
            "default-src 'none';base-uri 'none';manifest-src 'self';script-src 'nonce-{request_id}';\
             script-src-elem 'strict-dynamic' 'nonce-{request_id}';style-src 'self' 'unsafe-inline';\
             img-src 'self' data: blob:;font-src 'self' data:;connect-src 'self';media-src 'self';\
             frame-src 'self';frame-ancestors 'self';worker-src 'self';form-action 'self'"
        );
        answer = answer.with("Content-Security-Policy", &policy);
    }
    answer
}
