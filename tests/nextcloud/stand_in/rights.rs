//! Who may do what to users and groups (section 1.7).

use super::acting;
use super::envelope::Ocs;
use super::settings::Generation;
use super::users;
use super::visit::Visit;

/// What a call demands of its caller.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Right<'a> {
    Admin,
    /// An administrator of everything or of any group.
    AnySubAdmin,
    /// An administrator of everything or of a group that this user is in.
    SubAdminOf(&'a str),
}

/// The caller's id, if they have the right.
pub(crate) fn require(visit: &Visit<'_>, right: Right<'_>) -> Result<String, Ocs> {
    let actor = visit.actor.as_ref().ok_or_else(Ocs::unauthenticated)?;
    let state = visit.inside.state();
    if state.is_admin(&actor.user) {
        return Ok(actor.user.clone());
    }
    let leads_any = !state.groups_led_by(&actor.user).is_empty();
    let may = match right {
        Right::Admin => return Err(Ocs::forbidden("Logged in account must be an admin")),
        Right::AnySubAdmin => leads_any,
        Right::SubAdminOf(_) if !leads_any => false,
        Right::SubAdminOf(user) if users::leads(&state, &actor.user, user) => true,
        Right::SubAdminOf(_) => return Err(Ocs::unknown()),
    };
    let refusal = || Ocs::forbidden("Logged in account must be at least a sub admin");
    may.then(|| actor.user.clone()).ok_or_else(refusal)
}

/// On 34 a write needs a password that was confirmed: no app password, no OAuth2 token, no external app.
pub(crate) fn require_confirmation(visit: &Visit<'_>) -> Result<(), Ocs> {
    let actor = visit.actor.as_ref().ok_or_else(Ocs::unauthenticated)?;
    if acting::may_provision(visit, actor) {
        return Ok(());
    }
    Err(Ocs::forbidden("Password confirmation is required"))
}

/// At most 50 edits of users in 600 s for each acting account; more are 429 without a body.
pub(crate) fn charge_edit(visit: &Visit<'_>) -> Result<(), Ocs> {
    const ALLOWED: usize = 50;
    const WINDOW: i64 = 600;
    let actor = visit.actor.as_ref().ok_or_else(Ocs::unauthenticated)?;
    let now = visit.now();
    let mut state = visit.inside.state();
    let edits = state.edits.entry(actor.user.clone()).or_default();
    edits.retain(|at| now - *at < WINDOW);
    if edits.len() >= ALLOWED {
        return Err(Ocs::Bare(429, ""));
    }
    edits.push(now);
    Ok(())
}

/// What a method that a path does not know is answered.
pub(crate) fn wrong_method() -> Ocs {
    Ocs::Bare(405, "")
}

/// Whether this generation knows the atomic edit.
pub(crate) fn has_patch(visit: &Visit<'_>) -> bool {
    visit.generation() == Generation::V34
}
