//! The login form and signing out: a browser's way in (sections 3.1 and 4.1).

use super::acting::{self, Door, with_password};
use super::fields::{encoded, escaped, random_word};
use super::state::Means;
use super::visit::Visit;
use super::wire::Answer;
use super::{brute_force, oidc};

/// `GET /login`
pub(crate) fn form(visit: &mut Visit<'_>) -> Answer {
    if visit.actor.is_some() {
        return Answer::see_other(&landing(visit));
    }
    let token = visit.request_token();
    let target = escaped(visit.fields.text("redirect_url"));
    Answer::html(
        200,
        format!(
            "<!DOCTYPE html>\n<html><head data-requesttoken=\"{token}\"><title>Nextcloud</title></head>\n\
             <body id=\"body-login\"><form method=\"post\" name=\"login\" action=\"{}\">\
             <input name=\"user\"><input type=\"password\" name=\"password\">\
             <input type=\"hidden\" name=\"redirect_url\" value=\"{target}\">\
             <input type=\"hidden\" name=\"requesttoken\" value=\"{token}\"></form></body></html>",
            visit.page("login")
        ),
    )
    .with("Referrer-Policy", "same-origin")
}

/// `POST /login`: with the request token of this session, from a page of this server.
pub(crate) async fn submit(visit: &mut Visit<'_>) -> Answer {
    visit.open_session();
    let user = visit.fields.text("user").to_owned();
    let password = visit.fields.text("password").to_owned();
    let back = format!("{}?direct=1&user={}", visit.page("login"), encoded(&user, ""));
    if !visit.passes_forgery_check() || !comes_from_here(visit) {
        return Answer::see_other(&back);
    }
    if brute_force::is_locked_out(visit) {
        return Answer::html(429, "<h2>Too many requests</h2>");
    }
    let target = landing(visit);
    let Ok((id, means)) = with_password(visit, &user, &password) else {
        brute_force::register(visit);
        brute_force::sleep(visit).await;
        return Answer::see_other(&back);
    };
    if acting::sign_in(visit, &id, means, Door::Elsewhere).await.is_err() {
        return Answer::see_other(&back);
    }
    // "Remember me", which names the session once more.
    visit.set_cookie("nc_username", &encoded(&id, ""));
    visit.set_cookie("nc_token", &random_word(32));
    visit.set_cookie("nc_session_id", &random_word(32));
    Answer::see_other(&target)
}

/// `GET /logout` with the request token.
pub(crate) async fn end(visit: &mut Visit<'_>) -> Answer {
    let Some(actor) = visit.actor.take() else {
        return Answer::see_other(&visit.page("login"));
    };
    if !visit.passes_forgery_check() {
        visit.actor = Some(actor);
        return Answer::typed(
            412,
            "application/json; charset=utf-8",
            r#"{"message":"CSRF check failed"}"#,
        );
    }
    visit.end_session();
    for name in ["nc_username", "nc_token", "nc_session_id"] {
        visit.set_cookie(name, "deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0");
    }
    let away =
        if actor.means == Means::OidcSession { oidc::end_session_url(visit).await } else { None };
    let target = away.unwrap_or_else(|| format!("{}?clear=1", visit.page("login")));
    Answer::see_other(&target).with("Clear-Site-Data", "\"cache\", \"storage\"")
}

/// Where a login leads: `redirect_url` if it is a path here.
fn landing(visit: &Visit<'_>) -> String {
    let wanted = visit.fields.text("redirect_url");
    if wanted.starts_with('/') && !wanted.starts_with("//") {
        wanted.to_owned()
    } else {
        visit.page("apps/dashboard/")
    }
}

/// Whether `Origin` names a trusted domain; absent and `null` do not.
fn comes_from_here(visit: &Visit<'_>) -> bool {
    let origin = visit.head.header("origin").and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, host)| host == visit.host || visit.is_trusted_name(host))
}
