//! App passwords: fetch one, delete it, rotate it (section 2).

use serde_json::json;

use super::acting::with_password;
use super::envelope::Ocs;
use super::fields::random_word;
use super::state::{AppPassword, Means, State};
use super::visit::Visit;
use super::wire::Answer;

/// How long a rotated one is still believed, in seconds: the server's own cache of tokens.
const ROTATED_LIVES: i64 = 10;

/// Stores a new app password beside the account's present real password.
pub(crate) fn mint(state: &mut State, owner: &str, name: &str, token: String, now: i64) -> String {
    let beside = state.account(owner).and_then(|account| account.password.clone());
    let minted = AppPassword {
        owner: owner.to_owned(),
        name: name.chars().take(120).collect(),
        is_oauth: false,
        beside,
        checked_at: now,
        stale: false,
        ends_at: None,
    };
    state.app_passwords.insert(token.clone(), minted);
    token
}

/// `GET core/getapppassword`, for somebody who came with the real password.
pub(crate) fn fetch(visit: &Visit<'_>) -> Ocs {
    let Some(actor) = &visit.actor else { return Ocs::unauthenticated() };
    if actor.means != Means::RealPassword {
        return Ocs::forbidden("You cannot request an new apppassword with an apppassword");
    }
    let name = visit.head.header("user-agent").unwrap_or_default();
    let mut state = visit.inside.state();
    let token = mint(&mut state, &actor.user, name, random_word(72), visit.now());
    Ocs::Done(json!({"apppassword": token}))
}

/// `DELETE core/apppassword`, for somebody who came with one.
pub(crate) fn delete(visit: &Visit<'_>) -> Ocs {
    let Some(actor) = &visit.actor else { return Ocs::unauthenticated() };
    let Means::AppPassword(token) = &actor.means else {
        return Ocs::forbidden("no app password in use");
    };
    visit.inside.state().app_passwords.remove(token);
    Ocs::done()
}

/// `POST core/apppassword/rotate`
pub(crate) fn rotate(visit: &Visit<'_>) -> Ocs {
    let Some(actor) = &visit.actor else { return Ocs::unauthenticated() };
    let Means::AppPassword(token) = &actor.means else {
        return Ocs::forbidden("no app password in use");
    };
    let now = visit.now();
    let mut state = visit.inside.state();
    let Some(old) = state.app_passwords.get_mut(token) else { return Ocs::unauthenticated() };
    old.ends_at = Some(now + ROTATED_LIVES);
    let name = old.name.clone();
    let fresh = mint(&mut state, &actor.user, &name, random_word(72), now);
    Ocs::Done(json!({"apppassword": fresh}))
}

/// `PUT core/apppassword/confirm`: opens the session for what needs a confirmed password.
pub(crate) fn confirm(visit: &Visit<'_>) -> Ocs {
    let Some(actor) = &visit.actor else { return Ocs::unauthenticated() };
    let password = visit.fields.text("password");
    match with_password(visit, &actor.user, password) {
        Ok((_, Means::RealPassword)) => {
            let now = visit.now();
            confirm_session(visit, now);
            Ocs::Done(json!({"lastLogin": now}))
        }
        _ => Ocs::forbidden(""),
    }
}

fn confirm_session(visit: &Visit<'_>, now: i64) {
    visit.with_session(|session| {
        if let Some(login) = &mut session.login {
            login.confirmed_at = Some(now);
        }
    });
}

/// `POST /settings/personal/authtokens` of the settings page: five words of five letters.
pub(crate) fn create_in_settings(visit: &Visit<'_>) -> Answer {
    let Some(actor) = &visit.actor else { return Answer::empty(401) };
    if !actor.confirmed {
        return Answer::json(403, &json!({"message": "Password confirmation is required"}));
    }
    let words: Vec<String> = (0..5).map(|_| random_word(5)).collect();
    let name = visit.fields.text("name");
    let mut state = visit.inside.state();
    let token = mint(&mut state, &actor.user, name, words.join("-"), visit.now());
    Answer::json(
        200,
        &json!({"token": token, "loginName": actor.user,
                "deviceToken": {"name": name, "type": 1, "canDelete": true, "canRename": true}}),
    )
}
