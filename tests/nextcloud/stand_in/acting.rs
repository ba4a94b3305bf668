//! Who a request acts as (section 3.1): a session cookie first, whatever else is sent; then the headers of an external
//! app, a bearer token, Basic.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::settings::Generation;
use super::state::{Account, Actor, AppPassword, Login, Means, State};
use super::visit::Visit;
use super::{bearer, brute_force};

/// Why nobody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Credentials that are not right.
    Wrong,
    /// Ten failures from this address: even the right password is refused.
    TooManyFailures,
    Disabled,
    /// The real password alone, of an account that needs two factors.
    SecondFactorNeeded,
    /// An id that no path can carry.
    Broken,
}

/// Where a login happens, because WebDAV remembers its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Dav,
    Elsewhere,
}

/// How long a confirmed password stays confirmed in a session.
const CONFIRMED_FOR: i64 = 30 * 60 + 15;
/// How often the password behind an app password is looked at again.
const CHECK_EVERY: i64 = 5 * 60;

/// Finds out who this is. No credentials at all is no error: the visit then has no actor.
pub(crate) async fn identify(visit: &mut Visit<'_>, door: Door) -> Result<(), Refused> {
    visit.open_session();
    if let Some(actor) = by_session(visit) {
        visit.actor = Some(actor);
        return Ok(());
    }
    if let Some(header) = visit.head.header("authorization-app-api").map(str::to_owned) {
        let user = by_external_app(visit, &header)?;
        visit.actor = Some(actor(user, Means::AppApi));
        return Ok(());
    }
    let Some(header) = visit.head.header("authorization").map(str::to_owned) else {
        return Ok(());
    };
    let Some((scheme, credentials)) = header.split_once(' ') else { return Ok(()) };
    let (user, means) = if scheme.eq_ignore_ascii_case("bearer") {
        by_bearer(visit, credentials).await?
    } else if scheme.eq_ignore_ascii_case("basic") {
        by_basic(visit, credentials).await?
    } else {
        return Ok(());
    };
    sign_in(visit, &user, means, door).await
}

/// Marks the login, waits for the skeleton if it is the first, and leaves a session unless the means leave none.
pub(crate) async fn sign_in(
    visit: &mut Visit<'_>,
    user: &str,
    means: Means,
    door: Door,
) -> Result<(), Refused> {
    let inside = visit.inside;
    let account = inside.state().account(user).cloned().ok_or(Refused::Wrong)?;
    if account.is_broken() {
        return Err(Refused::Broken);
    }
    if !account.enabled {
        return Err(Refused::Disabled);
    }
    let now = visit.now();
    if inside.state().logged_in(&account.id, now, &inside.settings.skeleton) {
        tokio::time::sleep(inside.settings.first_login_takes).await;
    }
    let actor = actor(account.id, means);
    if actor.means != Means::OidcBearer {
        visit.renew_session(Some(Login {
            user: actor.user.clone(),
            means: actor.means.clone(),
            confirmed_at: (actor.means == Means::RealPassword).then_some(now),
            on_dav: door == Door::Dav,
        }));
    }
    visit.actor = Some(actor);
    Ok(())
}

fn actor(user: String, means: Means) -> Actor {
    let confirmed = matches!(means, Means::RealPassword | Means::OidcBearer | Means::OidcSession);
    Actor { user, means, by_cookie: false, confirmed }
}

fn by_session(visit: &mut Visit<'_>) -> Option<Actor> {
    let login = visit.with_session(|session| session.login.clone())??;
    let now = visit.now();
    let mut state = visit.inside.state();
    let lives = state.account(&login.user).is_some_and(|account| account.enabled)
        && match &login.means {
            Means::AppPassword(token) => check(&mut state, token, now).is_some(),
            _ => true,
        };
    drop(state);
    if !lives {
        visit.end_session();
        return None;
    }
    let fresh = login.confirmed_at.is_some_and(|at| now - at <= CONFIRMED_FOR);
    let confirmed = fresh || login.means == Means::OidcSession;
    Some(Actor { user: login.user, means: login.means, by_cookie: true, confirmed })
}

fn by_external_app(visit: &Visit<'_>, header: &str) -> Result<String, Refused> {
    let pair = STANDARD.decode(header).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, secret) = pair.as_deref().and_then(|pair| pair.split_once(':')).unwrap_or_default();
    let registered = visit.inside.settings.app_api.as_ref();
    let known = registered.filter(|(id, right)| {
        visit.head.header("ex-app-id") == Some(id)
            && visit.head.header("ex-app-version").is_some()
            && secret == right
    });
    if known.is_none() {
        if registered.is_some() {
            brute_force::register(visit);
        }
        return Err(Refused::Wrong);
    }
    let mut state = visit.inside.state();
    let account = state.account(user).ok_or(Refused::Wrong)?;
    if !account.enabled {
        return Err(Refused::Disabled);
    }
    let id = account.id.clone();
    state.logged_in(&id, visit.now(), &visit.inside.settings.skeleton);
    Ok(id)
}

async fn by_bearer(visit: &Visit<'_>, token: &str) -> Result<(String, Means), Refused> {
    let owner = check(&mut visit.inside.state(), token, visit.now());
    if let Some(owner) = owner {
        return Ok((owner, Means::AppPassword(token.to_owned())));
    }
    // A wrong bearer token is not counted as a failed login.
    let user = bearer::accept(visit.inside, token).await.ok_or(Refused::Wrong)?;
    Ok((user, Means::OidcBearer))
}

async fn by_basic(visit: &Visit<'_>, credentials: &str) -> Result<(String, Means), Refused> {
    let pair = STANDARD.decode(credentials.trim()).ok();
    let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(Refused::Wrong)?;
    let (login, secret) = pair.split_once(':').ok_or(Refused::Wrong)?;
    if brute_force::is_locked_out(visit) {
        return Err(Refused::TooManyFailures);
    }
    let found = with_password(visit, login, secret);
    if found == Err(Refused::Wrong) {
        brute_force::register(visit);
        brute_force::sleep(visit).await;
    }
    found
}

/// Checks a name (or e-mail address) with a real password or an app password.
pub(crate) fn with_password(
    visit: &Visit<'_>,
    login: &str,
    secret: &str,
) -> Result<(String, Means), Refused> {
    let mut state = visit.inside.state();
    let now = visit.now();
    let account = state.find_login(login).cloned();
    if let Some(owner) = check(&mut state, secret, now) {
        let same = account.is_some_and(|account| account.id == owner);
        return same.then(|| (owner, Means::AppPassword(secret.to_owned()))).ok_or(Refused::Wrong);
    }
    let account = account.ok_or(Refused::Wrong)?;
    let is_real = account.password.as_deref() == Some(secret);
    if !is_real {
        // The app password of a disabled account is no garbage; its account is.
        let own = state.app_passwords.get(secret).is_some_and(|token| token.owner == account.id);
        return Err(if own && !account.enabled { Refused::Disabled } else { Refused::Wrong });
    }
    if !account.enabled {
        return Err(Refused::Disabled);
    }
    if account.two_factor {
        return Err(Refused::SecondFactorNeeded);
    }
    refresh_app_passwords(&mut state, &account, now);
    Ok((account.id, Means::RealPassword))
}

/// A login with the real password makes the stale app passwords of the account good again.
fn refresh_app_passwords(state: &mut State, account: &Account, now: i64) {
    let own = |token: &&mut AppPassword| token.owner == account.id;
    for token in state.app_passwords.values_mut().filter(own) {
        token.stale = false;
        token.beside.clone_from(&account.password);
        token.checked_at = now;
    }
}

/// The owner of an app password that is good now. Every five minutes the account behind it is looked at again: a
/// changed password makes it stale, a disabled account ends it for good.
pub(crate) fn check(state: &mut State, token: &str, now: i64) -> Option<String> {
    let found = state.app_passwords.get(token)?;
    if found.ends_at.is_some_and(|end| now >= end) {
        state.app_passwords.remove(token);
        return None;
    }
    let account = state.account(&found.owner).cloned();
    let is_due = now - found.checked_at >= CHECK_EVERY;
    let is_enabled = account.as_ref().is_some_and(|account| account.enabled);
    if !is_enabled {
        if is_due {
            state.app_passwords.remove(token);
        }
        return None;
    }
    let password = account.and_then(|account| account.password);
    let found = state.app_passwords.get_mut(token)?;
    if is_due {
        found.checked_at = now;
        found.stale = found.beside != password;
    }
    (!found.stale).then(|| found.owner.clone())
}

/// What a request acting as somebody may do about users and groups with these means.
pub(crate) fn may_provision(visit: &Visit<'_>, actor: &Actor) -> bool {
    visit.generation() == Generation::V29 || actor.confirmed
}
