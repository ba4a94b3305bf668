//! Every endpoint of the API, in the order of the documentation. Read it as the map of `portal`.

#![expect(clippy::too_many_lines, reason = "tables")]

use axum::routing::{delete, get, patch, post, put};
use http::Method;
use serde_json::{Value, json};

use super::endpoint::{Access, Endpoint, Limit, Parameter};
use super::view::{ExportView, FactorsView, InvitationView, Page, SessionView, UserView};
use super::{
    account, admin, device, index, login, logout, me, openapi, openid, page, provisioning, puzzle,
    rate_limit, refresh, register, second_factor, session, setup, token_answer, well_known,
};

const PAGING: [Parameter; 2] = [
    Parameter { name: "skip", about: "How many to leave out. Default 0." },
    Parameter { name: "limit", about: "How many at most. Default 50, at most 200." },
];

const USER_FILTER: [Parameter; 5] = [
    Parameter { name: "q", about: "A part of the address, the sign-in name or the full name." },
    Parameter { name: "standing", about: "Of this standing." },
    Parameter { name: "role", about: "With this role." },
    Parameter { name: "skip", about: "How many to leave out. Default 0." },
    Parameter { name: "limit", about: "How many at most. Default 50, at most 200." },
];

const STATE_FILTER: [Parameter; 3] = [
    Parameter { name: "state", about: "`failed` (default), `waiting` or `done`." },
    Parameter { name: "skip", about: "How many to leave out. Default 0." },
    Parameter { name: "limit", about: "How many at most. Default 50, at most 200." },
];

const EVENT_FILTER: [Parameter; 4] = [
    Parameter { name: "user", about: "About or by the user of this id." },
    Parameter { name: "kind", about: "Of this kind." },
    Parameter { name: "before", about: "Before the event of this number: the next page." },
    Parameter { name: "limit", about: "How many at most. Default 50, at most 200." },
];

/// All of them.
pub(super) fn all() -> Vec<Endpoint> {
    let mut all = signing_in();
    all.extend(by_mail());
    all.extend(own_account());
    all.extend(own_second_factors());
    all.extend(own_sessions_and_devices());
    all.extend(administration());
    all.extend(for_clients());
    all.extend(about_us());
    all
}

/// Whether there is an endpoint of this method and path.
pub(super) fn takes(method: &Method, path: &str) -> bool {
    all().iter().any(|endpoint| endpoint.method == *method && endpoint.path == path)
}

fn signing_in() -> Vec<Endpoint> {
    use Access::{Public, SignedIn};
    let (post, get) = (Method::POST, Method::GET);
    vec![
        Endpoint::new("setup", post.clone(), "/auth/setup", Public, to(setup::handle),
            "Make the first administrator, with the code that the gateway printed at its start.")
            .limit(Limit::Setup)
            .takes::<setup::Body>(json!({
                "code": "0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV-WXYZ",
                "email": "ada@example.org",
                "password": "correct horse battery staple",
            }))
            .answers::<setup::Made>(201, "Made. This never works again.")
            .problems(&["wrong-setup-code", "setup-closed", "weak-password", "invalid-field"]),
        Endpoint::new("register", post.clone(), "/auth/register", Public, to(register::handle),
            "Sign up. The answer is the same whether the address has an account or not.")
            .limit(Limit::Register)
            .takes::<register::Body>(json!({
                "email": "ada@example.org",
                "password": "correct horse battery staple",
            }))
            .answers::<account::Accepted>(202, "Accepted. What to do next is in a mail, if mail is set up.")
            .problems(&["registration-off", "by-invitation-only", "bad-invitation",
                "domain-not-admitted", "weak-password", "invalid-field"]),
        Endpoint::new("login", post.clone(), "/auth/login", Public, to(login::handle),
            "Sign in with a name and a password: JSON, or the password form of OAuth 2.0.")
            .limit(Limit::Login)
            .takes::<login::Fields>(json!({
                "username": "ada",
                "password": "correct horse battery staple",
            }))
            .or_form()
            .answers::<token_answer::Tokens>(200, "Signed in.")
            .answers::<login::PendingAnswer>(202, "A second factor is needed.")
            .problems(&["wrong-name-or-password", "locked", "busy", "invalid-field",
                "unsupported-grant-type"]),
        Endpoint::new("login_second_factor", post.clone(), "/auth/login/second-factor", Public,
            to(login::second_factor), "Give the second factor of a sign-in in progress.")
            .limit(Limit::Login)
            .takes::<login::FactorFields>(json!({ "pending_token": "…", "code": "123456" }))
            .answers::<token_answer::Tokens>(200, "Signed in.")
            .problems(&["sign-in-over", "wrong-second-factor", "locked", "invalid-field"]),
        Endpoint::new("login_enrol", post.clone(), "/auth/login/enrol", Public, to(login::enrol),
            "Begin to enrol an authenticator app in a sign-in that needs one.")
            .limit(Limit::Login)
            .takes::<login::EnrolFields>(json!({ "pending_token": "…" }))
            .answers::<second_factor::TotpOfferView>(200, "What to set the app up with.")
            .problems(&["sign-in-over"]),
        Endpoint::new("login_confirm", post.clone(), "/auth/login/confirm", Public,
            to(login::confirm), "Confirm it by its first code, which finishes the sign-in.")
            .limit(Limit::Login)
            .takes::<login::ConfirmFields>(json!({ "pending_token": "…", "code": "123456" }))
            .answers::<login::EnrolledAnswer>(200, "Signed in. The recovery codes are shown this once.")
            .problems(&["sign-in-over", "wrong-second-factor", "nothing-to-confirm", "locked"]),
        Endpoint::new("login_passkey_options", post.clone(), "/auth/login/passkey/options", Public,
            to(login::ask_for_passkey),
            "Ask for a passkey: as the second factor of a sign-in in progress, or alone.")
            .limit(Limit::Login)
            .takes::<login::AskFields>(json!({}))
            .answers::<second_factor::CeremonyView>(200, "Options for the browser.")
            .problems(&["sign-in-over"]),
        Endpoint::new("login_passkey", post.clone(), "/auth/login/passkey", Public,
            to(login::passkey), "Sign in with a passkey alone: it says who it is and verified its user.")
            .limit(Limit::Login)
            .takes::<second_factor::PasskeyFields>(json!({ "token": "…", "response": {} }))
            .answers::<token_answer::Tokens>(200, "Signed in.")
            .problems(&["wrong-second-factor", "locked"]),
        Endpoint::new("refresh", post.clone(), "/auth/refresh", Public, to(refresh::handle),
            "Trade a refresh token for the next pair. For 10 s it may be shown again; later that ends the session.")
            .limit(Limit::Refresh)
            .takes::<refresh::Body>(json!({ "refresh_token": "…" }))
            .answers::<token_answer::Tokens>(200, "The next pair.")
            .problems(&["invalid-refresh-token"]),
        Endpoint::new("logout", post, "/auth/logout", SignedIn, to(logout::handle),
            "End the session: its access tokens at once.")
            .takes::<logout::Body>(json!({}))
            .answers_nothing(204, "Ended."),
        Endpoint::new("puzzle", get.clone(), "/auth/puzzle", Public,
            axum::routing::get(puzzle::handle), "What to solve before a public form.")
            .answers::<puzzle::PuzzleView>(200, "A puzzle, good for ten minutes and once; null when none is asked for."),
        Endpoint::new("rate_limit", get, "/auth/rate-limit", SignedIn,
            axum::routing::get(rate_limit::handle), "What is left of the caller's budget.")
            .answers::<rate_limit::Left>(200, "The tightest limit of this request; nulls when there is none."),
    ]
}

/// A handler of `POST`.
fn to<H, T>(handler: H) -> axum::routing::MethodRouter<super::PortalState>
where
    H: axum::handler::Handler<T, super::PortalState>,
    T: 'static,
{
    post(handler)
}

fn by_mail() -> Vec<Endpoint> {
    use Access::Public;
    let post = |name, path, handler, summary| {
        Endpoint::new(name, Method::POST, path, Public, handler, summary).limit(Limit::Login)
    };
    vec![
        post("verify_email", "/auth/verify-email", to(account::verify_email),
            "Prove an address by the mailed link and the password that was chosen with it.")
            .takes::<account::Proof>(json!({
                "token": "…", "password": "correct horse battery staple",
            }))
            .answers::<account::Verified>(200, "Proven.")
            .problems(&["link-spent", "wrong-password", "locked"]),
        post("password_forgot", "/auth/password/forgot", to(account::forgot_password),
            "Ask for a link to a new password. The answer tells nothing about who has an account.")
            .limit(Limit::Mail)
            .takes::<account::Forgotten>(json!({ "email": "ada@example.org" }))
            .answers::<account::Accepted>(202, "A mail is on its way, if there is such an account.")
            .problems(&["puzzle-unsolved"]),
        post("password_reset", "/auth/password/reset", to(account::reset_password),
            "Set a new password by the mailed link. Every session ends.")
            .takes::<account::Reset>(json!({
                "token": "…", "password": "another horse battery staple",
            }))
            .answers_nothing(204, "Set.")
            .problems(&["link-spent", "weak-password", "locked"]),
        post("password_strength", "/auth/password/strength", to(account::strength),
            "How good a password would be.")
            .limit(Limit::Refresh)
            .takes::<account::Candidate>(json!({ "password": "hunter2" }))
            .answers::<account::Strength>(200, "The score, and what would make it better.")
            .problems(&["weak-password", "busy"]),
        post("email_confirm", "/auth/email/confirm", to(account::confirm_email),
            "Make the change of address that a mailed link is for.")
            .takes::<account::Link>(json!({ "token": "…" }))
            .answers_nothing(204, "Changed.")
            .problems(&["link-spent", "address-taken"]),
        post("email_agree", "/auth/email/agree", to(account::agree_to_email),
            "Agree to a change of address by the link that the present address got. The new one gets a link then.")
            .limit(Limit::Mail)
            .takes::<account::Link>(json!({ "token": "…" }))
            .answers::<account::Accepted>(202, "A mail to the new address is on its way.")
            .problems(&["link-spent"]),
        post("email_cancel", "/auth/email/cancel", to(account::cancel_email),
            "Call a change of address off by the link that the old address got. Every session ends.")
            .takes::<account::Link>(json!({ "token": "…" }))
            .answers_nothing(204, "Called off.")
            .problems(&["link-spent", "address-taken"]),
    ]
}

fn own_account() -> Vec<Endpoint> {
    use Access::{Fresh, SignedIn};
    vec![
        Endpoint::new("me", Method::GET, "/auth/me", SignedIn, get(me::handle), "Who is calling.")
            .answers::<Value>(200, "The account; for an outside issuer's token, what the token says."),
        Endpoint::new("my_provisioning", Method::GET, "/auth/me/provisioning", SignedIn,
            get(provisioning::own), "How far the caller is in Nextcloud.")
            .answers::<provisioning::OwnView>(200, "How far."),
        Endpoint::new("change_me", Method::PATCH, "/auth/me", SignedIn, patch(account::change),
            "Change the profile.")
            .takes::<account::Profile>(json!({ "full_name": "Ada Lovelace" }))
            .answers::<UserView>(200, "As it is now.")
            .problems(&["invalid-field"]),
        Endpoint::new("erase_me", Method::DELETE, "/auth/me", Fresh, delete(account::erase),
            "Erase the account with everything that belongs to it.")
            .answers_nothing(204, "Erased.")
            .problems(&["prove-it-is-you", "last-administrator"]),
        Endpoint::new("change_password", Method::PUT, "/auth/me/password", SignedIn,
            put(account::change_password),
            "Change the password. Other sessions end; access tokens of this one must be refreshed.")
            .limit(Limit::Login)
            .takes::<account::Passwords>(json!({
                "old_password": "correct horse battery staple",
                "new_password": "another horse battery staple",
            }))
            .answers_nothing(204, "Changed.")
            .problems(&["wrong-password", "weak-password", "locked", "busy"]),
        Endpoint::new("change_email", Method::PUT, "/auth/me/email", Fresh,
            put(account::change_email),
            "Ask for another address. The present one gets links to agree and to call it off; then the new one confirms.")
            .limit(Limit::Mail)
            .takes::<account::NewEmail>(json!({ "email": "lovelace@example.org" }))
            .answers::<account::Accepted>(202, "A mail to the present address is on its way.")
            .problems(&["prove-it-is-you", "no-mail", "invalid-field"]),
        Endpoint::new("export_me", Method::GET, "/auth/me/export", SignedIn, get(account::export),
            "Everything that is kept about the caller.")
            .limit(Limit::Register)
            .answers::<ExportView>(200, "As JSON, to be saved."),
        Endpoint::new("set_nextcloud_password", Method::PUT, "/auth/me/nextcloud/app-password", Fresh,
            put(account::cloud_password::set_own),
            "Store an app password of Nextcloud, by which it is told who is calling (`bridge: app_password`).")
            .takes::<account::cloud_password::Body>(json!({ "password": "aBcDe-FgHiJ-kLmNo-PqRsT-uVwXy" }))
            .answers_nothing(204, "Stored, sealed. It is never shown again.")
            .problems(&["prove-it-is-you", "invalid-field"]),
        Endpoint::new("remove_nextcloud_password", Method::DELETE, "/auth/me/nextcloud/app-password",
            SignedIn, delete(account::cloud_password::remove_own),
            "Remove the app password of Nextcloud. It stays good in Nextcloud itself.")
            .answers_nothing(204, "Removed.")
            .problems(&["not-found"]),
    ]
}

fn own_second_factors() -> Vec<Endpoint> {
    use Access::{Fresh, SignedIn};
    vec![
        Endpoint::new(
            "second_factors",
            Method::GET,
            "/auth/second-factor",
            SignedIn,
            get(second_factor::list),
            "The caller's second factors.",
        )
        .answers::<FactorsView>(200, "Without their secrets."),
        Endpoint::new(
            "verify_second_factor",
            Method::POST,
            "/auth/second-factor/verify",
            SignedIn,
            to(second_factor::verify),
            "Give a second factor again, where a fresh one is asked for.",
        )
        .limit(Limit::Login)
        .takes::<login::Factor>(json!({ "code": "123456" }))
        .answers::<second_factor::SteppedUp>(200, "Noted in the session.")
        .problems(&["wrong-second-factor", "locked", "invalid-field"]),
        Endpoint::new(
            "enrol_totp",
            Method::POST,
            "/auth/second-factor/totp/enrol",
            Fresh,
            to(second_factor::enrol_totp),
            "Begin to enrol an authenticator app.",
        )
        .answers::<second_factor::TotpOfferView>(200, "What to set the app up with.")
        .problems(&["prove-it-is-you", "already-enrolled"]),
        Endpoint::new(
            "confirm_totp",
            Method::POST,
            "/auth/second-factor/totp/confirm",
            Fresh,
            to(second_factor::confirm_totp),
            "Confirm it by its first code.",
        )
        .limit(Limit::Login)
        .takes::<second_factor::Code>(json!({ "code": "123456" }))
        .answers::<second_factor::RecoveryCodes>(
            200,
            "Enrolled. The recovery codes are shown this once.",
        )
        .problems(&["prove-it-is-you", "nothing-to-confirm", "wrong-second-factor"]),
        Endpoint::new(
            "remove_totp",
            Method::POST,
            "/auth/second-factor/totp/disable",
            Fresh,
            to(second_factor::remove_totp),
            "Remove the authenticator app.",
        )
        .answers_nothing(204, "Removed.")
        .problems(&["prove-it-is-you", "second-factor-required", "not-found"]),
        Endpoint::new(
            "enrol_passkey",
            Method::POST,
            "/auth/second-factor/passkeys/options",
            Fresh,
            to(second_factor::enrol_passkey),
            "Begin to enrol a passkey.",
        )
        .answers::<second_factor::CeremonyView>(200, "Options for the browser.")
        .problems(&["prove-it-is-you"]),
        Endpoint::new(
            "add_passkey",
            Method::POST,
            "/auth/second-factor/passkeys",
            Fresh,
            to(second_factor::confirm_passkey),
            "Enrol a passkey by what the browser brings back.",
        )
        .takes::<second_factor::NewPasskey>(json!({
            "name": "laptop", "token": "…", "response": {},
        }))
        .answers::<second_factor::AddedPasskey>(
            201,
            "Enrolled. The recovery codes are shown this once.",
        )
        .problems(&[
            "prove-it-is-you",
            "nothing-to-confirm",
            "wrong-second-factor",
            "already-enrolled",
            "invalid-field",
        ]),
        Endpoint::new(
            "remove_passkey",
            Method::DELETE,
            "/auth/second-factor/passkeys/{id}",
            Fresh,
            delete(second_factor::remove_passkey),
            "Remove a passkey.",
        )
        .answers_nothing(204, "Removed.")
        .problems(&["prove-it-is-you", "second-factor-required", "not-found"]),
        Endpoint::new(
            "challenge_passkey",
            Method::POST,
            "/auth/second-factor/passkeys/challenge",
            SignedIn,
            to(second_factor::challenge),
            "Ask for one of the caller's passkeys, to be given to `verify`.",
        )
        .answers::<second_factor::CeremonyView>(200, "Options for the browser."),
        Endpoint::new(
            "renew_recovery_codes",
            Method::POST,
            "/auth/second-factor/recovery-codes",
            Fresh,
            to(second_factor::renew_recovery_codes),
            "Make ten recovery codes in place of those before.",
        )
        .answers::<second_factor::RecoveryCodes>(200, "They are shown this once.")
        .problems(&["prove-it-is-you", "not-found"]),
    ]
}

fn own_sessions_and_devices() -> Vec<Endpoint> {
    use Access::{Fresh, SignedIn};
    vec![
        Endpoint::new(
            "sessions",
            Method::GET,
            "/auth/sessions",
            SignedIn,
            get(session::list),
            "Where the caller is signed in.",
        )
        .answers::<session::Sessions>(200, "The one used last first."),
        Endpoint::new(
            "end_other_sessions",
            Method::DELETE,
            "/auth/sessions",
            SignedIn,
            delete(session::end_others),
            "End every session but this one.",
        )
        .answers::<session::Ended>(200, "How many."),
        Endpoint::new(
            "session",
            Method::GET,
            "/auth/sessions/{id}",
            SignedIn,
            get(session::find),
            "One session of the caller's.",
        )
        .answers::<SessionView>(200, "The session.")
        .problems(&["not-found"]),
        Endpoint::new(
            "end_session",
            Method::DELETE,
            "/auth/sessions/{id}",
            SignedIn,
            delete(session::end),
            "End one session of the caller's.",
        )
        .answers_nothing(204, "Ended.")
        .problems(&["not-found"]),
        Endpoint::new(
            "devices",
            Method::GET,
            "/auth/devices",
            SignedIn,
            get(device::list),
            "The caller's device passwords and API tokens.",
        )
        .answers::<device::Devices>(200, "Without their secrets."),
        Endpoint::new(
            "add_device",
            Method::POST,
            "/auth/devices",
            Fresh,
            to(device::add),
            "Make a device password, or with `permissions` an API token.",
        )
        .takes::<device::Body>(json!({ "name": "phone" }))
        .answers::<device::Made>(201, "The secret is shown this once.")
        .problems(&[
            "prove-it-is-you",
            "beyond-your-rights",
            "too-many-devices",
            "invalid-field",
        ]),
        Endpoint::new(
            "remove_device",
            Method::DELETE,
            "/auth/devices/{id}",
            SignedIn,
            delete(device::remove),
            "Remove a device password or API token: it is refused at once.",
        )
        .answers_nothing(204, "Removed.")
        .problems(&["not-found"]),
    ]
}

fn administration() -> Vec<Endpoint> {
    let read = |name, path, permission, handler, summary| {
        Endpoint::new(name, Method::GET, path, Access::May(permission), handler, summary)
    };
    let act = |name, path, handler, summary| {
        let access = Access::May("user:write");
        Endpoint::new(name, Method::POST, path, access, handler, summary)
            .answers::<UserView>(200, "As it is now.")
            .problems(&["not-found", "beyond-your-rights", "last-administrator", "wrong-standing"])
    };
    let set = |name, path, permission, handler, summary| {
        Endpoint::new(name, Method::PUT, path, Access::May(permission), handler, summary)
            .answers::<UserView>(200, "As it is now.")
            .problems(&["not-found", "beyond-your-rights", "last-administrator", "invalid-field"])
    };
    let end = |name, path, permission, handler, summary| {
        Endpoint::new(name, Method::DELETE, path, Access::May(permission), handler, summary)
            .problems(&["not-found", "beyond-your-rights"])
    };
    vec![
        read("admin_users", "/auth/admin/users", "user:read", get(admin::list), "List users.")
            .query(&USER_FILTER)
            .answers::<Page<UserView>>(200, "Oldest first.")
            .problems(&["bad-query"]),
        Endpoint::new(
            "admin_add_user",
            Method::POST,
            "/auth/admin/users",
            Access::May("user:write"),
            to(admin::add),
            "Add a user.",
        )
        .takes::<admin::NewUserBody>(json!({
            "email": "bob@example.org",
            "password": "correct horse battery staple",
            "roles": ["viewer"],
        }))
        .answers::<UserView>(201, "Added.")
        .problems(&[
            "address-taken",
            "weak-password",
            "invalid-field",
            "beyond-your-rights",
        ]),
        read("admin_user", "/auth/admin/users/{id}", "user:read", get(admin::find), "One user.")
            .answers::<UserView>(200, "The user.")
            .problems(&["not-found"]),
        Endpoint::new(
            "admin_change_user",
            Method::PATCH,
            "/auth/admin/users/{id}",
            Access::May("user:write"),
            patch(admin::change),
            "Change a name or an address.",
        )
        .takes::<admin::ChangeUser>(json!({ "full_name": "Bob" }))
        .answers::<UserView>(200, "As it is now.")
        .problems(&["not-found", "beyond-your-rights", "address-taken", "invalid-field"]),
        end(
            "admin_delete_user",
            "/auth/admin/users/{id}",
            "user:write",
            delete(admin::delete),
            "Remove a user, who can be restored. Every credential ends.",
        )
        .answers::<UserView>(200, "As it is now."),
        act(
            "admin_restore_user",
            "/auth/admin/users/{id}/restore",
            to(admin::restore),
            "Restore a user who was removed.",
        ),
        act(
            "admin_approve_user",
            "/auth/admin/users/{id}/approve",
            to(admin::approve),
            "Let somebody in who signed up.",
        ),
        act(
            "admin_lock_user",
            "/auth/admin/users/{id}/lock",
            to(admin::lock),
            "Lock a user until unlocked. Every credential ends.",
        ),
        act(
            "admin_unlock_user",
            "/auth/admin/users/{id}/unlock",
            to(admin::unlock),
            "Unlock a user, whether an administrator or too many failures locked them.",
        ),
        Endpoint::new(
            "admin_erase_user",
            Method::POST,
            "/auth/admin/users/{id}/erase",
            Access::May("user:erase"),
            to(admin::erase),
            "Erase a user who was removed before, for good.",
        )
        .answers_nothing(204, "Erased.")
        .problems(&["not-found", "beyond-your-rights", "wrong-standing"]),
        set(
            "admin_set_roles",
            "/auth/admin/users/{id}/roles",
            "role:write",
            put(admin::set_roles),
            "Give somebody exactly these roles.",
        )
        .takes::<admin::RolesBody>(json!({ "roles": ["developer"] })),
        set(
            "admin_set_grants",
            "/auth/admin/users/{id}/grants",
            "role:write",
            put(admin::set_grants),
            "Give somebody exactly these permissions beside those of the roles.",
        )
        .takes::<admin::Grants>(json!({
            "grants": [{ "permission": "files:read", "until": "2030-01-01T00:00:00Z" }],
        })),
        read(
            "admin_provisioning",
            "/auth/admin/provisioning",
            "user:read",
            get(provisioning::list),
            "Who is not in Nextcloud as they should be.",
        )
        .query(&STATE_FILTER)
        .answers::<Page<provisioning::EntryView>>(200, "The one waiting longest first.")
        .problems(&["bad-query"]),
        read(
            "admin_user_provisioning",
            "/auth/admin/users/{id}/provisioning",
            "user:read",
            get(provisioning::find),
            "How far somebody is in Nextcloud; also somebody erased.",
        )
        .answers::<provisioning::EntryView>(200, "What is known.")
        .problems(&["not-found"]),
        Endpoint::new(
            "admin_retry_provisioning",
            Method::POST,
            "/auth/admin/users/{id}/provisioning/retry",
            Access::May("user:write"),
            to(provisioning::retry),
            "Have somebody looked at in Nextcloud again, now.",
        )
        .answers::<provisioning::EntryView>(202, "It will be.")
        .problems(&["not-found", "beyond-your-rights", "provisioning-off"]),
        read(
            "admin_user_sessions",
            "/auth/admin/users/{id}/sessions",
            "session:read",
            get(admin::sessions_of),
            "Where somebody is signed in.",
        )
        .answers::<Page<SessionView>>(200, "The one used last first.")
        .problems(&["not-found"]),
        end(
            "admin_end_user_sessions",
            "/auth/admin/users/{id}/sessions",
            "session:write",
            delete(admin::end_sessions),
            "Sign somebody out everywhere.",
        )
        .answers::<session::Ended>(200, "How many sessions ended."),
        end(
            "admin_reset_second_factor",
            "/auth/admin/users/{id}/second-factor",
            "user:write",
            delete(admin::reset_second_factor),
            "Remove every second factor of somebody, and sign them out.",
        )
        .answers_nothing(204, "Removed."),
        Endpoint::new(
            "admin_set_nextcloud_password",
            Method::PUT,
            "/auth/admin/users/{id}/nextcloud/app-password",
            Access::May("user:write"),
            put(account::cloud_password::set),
            "Store an app password of Nextcloud for somebody.",
        )
        .takes::<account::cloud_password::Body>(json!({
            "password": "aBcDe-FgHiJ-kLmNo-PqRsT-uVwXy",
        }))
        .answers_nothing(204, "Stored, sealed. It is never shown again.")
        .problems(&["not-found", "beyond-your-rights", "invalid-field"]),
        end(
            "admin_remove_nextcloud_password",
            "/auth/admin/users/{id}/nextcloud/app-password",
            "user:write",
            delete(account::cloud_password::remove),
            "Remove the app password of Nextcloud that is stored for somebody.",
        )
        .answers_nothing(204, "Removed."),
        read("admin_roles", "/auth/admin/roles", "role:read", get(admin::roles), "List roles.")
            .answers::<admin::RolesView>(200, "By name."),
        read(
            "admin_sessions",
            "/auth/admin/sessions",
            "session:read",
            get(admin::sessions),
            "List live sessions.",
        )
        .query(&PAGING)
        .answers::<Page<SessionView>>(200, "The one used last first."),
        end(
            "admin_end_session",
            "/auth/admin/sessions/{id}",
            "session:write",
            delete(admin::end_session),
            "End a session.",
        )
        .answers_nothing(204, "Ended."),
        read(
            "admin_invitations",
            "/auth/admin/invitations",
            "invitation:read",
            get(admin::invitations),
            "List invitations that are good.",
        )
        .answers::<admin::Invitations>(200, "Newest first."),
        Endpoint::new(
            "admin_invite",
            Method::POST,
            "/auth/admin/invitations",
            Access::May("invitation:write"),
            to(admin::invite),
            "Invite somebody. The link is mailed, and shown this once.",
        )
        .limit(Limit::Refresh)
        .takes::<admin::NewInvitation>(json!({ "email": "eve@example.org" }))
        .answers::<InvitationView>(201, "Invited.")
        .problems(&["address-taken", "invalid-field", "beyond-your-rights"]),
        end(
            "admin_revoke_invitation",
            "/auth/admin/invitations/{email}",
            "invitation:write",
            delete(admin::revoke_invitation),
            "Call an invitation off.",
        )
        .answers_nothing(204, "Called off."),
        read(
            "admin_audit",
            "/auth/admin/audit",
            "audit:read",
            get(admin::events),
            "What was recorded.",
        )
        .query(&EVENT_FILTER)
        .answers::<admin::Events>(200, "Newest first.")
        .problems(&["not-found"]),
    ]
}

const AUTHORIZATION: [Parameter; 12] = [
    Parameter { name: "client_id", about: "The client." },
    Parameter { name: "redirect_uri", about: "One of the client's, letter by letter." },
    Parameter { name: "response_type", about: "`code`." },
    Parameter { name: "scope", about: "`openid`, and `profile` and `email` if wanted." },
    Parameter { name: "state", about: "Comes back as it is: up to 512 visible ASCII characters." },
    Parameter { name: "nonce", about: "Comes back in the ID token, as `state`." },
    Parameter { name: "code_challenge", about: "S256 of the verifier (RFC 7636)." },
    Parameter { name: "code_challenge_method", about: "`S256`." },
    Parameter { name: "response_mode", about: "`query`, or nothing." },
    Parameter { name: "prompt", about: "`none`, `login`, `select_account`, `consent`." },
    Parameter { name: "max_age", about: "Seconds since the sign-in, at most." },
    Parameter { name: "login_hint", about: "Who it probably is." },
];

const END: [Parameter; 4] = [
    Parameter {
        name: "id_token_hint",
        about: "An ID token of the session: then nothing is asked.",
    },
    Parameter { name: "client_id", about: "The client." },
    Parameter { name: "post_logout_redirect_uri", about: "One of the client's, letter by letter." },
    Parameter { name: "state", about: "Comes back as it is." },
];

/// OpenID Connect Core 1.0 and RP-Initiated Logout 1.0.
fn for_clients() -> Vec<Endpoint> {
    let public = |name, method, path, handler, summary| {
        Endpoint::new(name, method, path, Access::Public, handler, summary)
    };
    let (authorize, end) = ("/auth/openid/authorize", "/auth/openid/end-session");
    vec![
        public(
            "openid_configuration",
            Method::GET,
            "/.well-known/openid-configuration",
            get(well_known::openid_configuration::handle),
            "What this is able to do as an OpenID provider.",
        )
        .answers::<Value>(200, "The discovery document.")
        .problems(&["not-found"]),
        public(
            "openid_authorize",
            Method::GET,
            authorize,
            get(page::authorize),
            "Ask who somebody is: a browser comes here, and goes back with a code.",
        )
        .query(&AUTHORIZATION)
        .answers_nothing(303, "Back to the client, or to the sign-in first.")
        .problems(&["unanswerable"]),
        public(
            "openid_authorize_by_form",
            Method::POST,
            authorize,
            to(page::authorize_by_form),
            "The same, with the parameters in a form.",
        )
        .takes::<Value>(json!({ "client_id": "stormdoor" }))
        .only_form()
        .answers_nothing(303, "To the same with `GET`."),
        public(
            "openid_token",
            Method::POST,
            "/auth/openid/token",
            to(openid::token::handle),
            "Trade a code for an ID token. Errors are those of OAuth 2.0 (RFC 6749 section 5.2).",
        )
        .takes::<openid::token::Fields>(json!({
            "grant_type": "authorization_code",
            "code": "…",
            "redirect_uri": "https://cloud.example.org/index.php/apps/user_oidc/code",
            "code_verifier": "…",
            "client_id": "stormdoor",
            "client_secret": "…",
        }))
        .only_form()
        .answers::<openid::token::Given>(200, "Who it is.")
        .answers::<openid::token::Refusal>(400, "The code or the request is not good.")
        .answers::<openid::token::Refusal>(401, "The client is not who it says.")
        .problems(&["locked"]),
        public(
            "openid_userinfo",
            Method::GET,
            "/auth/openid/userinfo",
            get(openid::user_info::handle),
            "What the client of an access token may know.",
        )
        .answers::<Value>(200, "Claims.")
        .problems(&["no-access-token", "invalid-access-token"]),
        public(
            "openid_userinfo_by_post",
            Method::POST,
            "/auth/openid/userinfo",
            to(openid::user_info::handle),
            "The same.",
        )
        .answers::<Value>(200, "Claims.")
        .problems(&["no-access-token", "invalid-access-token"]),
        public(
            "openid_end_session",
            Method::GET,
            end,
            get(page::end_session),
            "Sign out, from a client: a browser comes here.",
        )
        .query(&END)
        .answers_nothing(303, "Back to the client, or to a question first."),
        public(
            "openid_end_session_by_form",
            Method::POST,
            end,
            to(page::end_session_by_form),
            "The same, with the parameters in a form.",
        )
        .takes::<Value>(json!({ "client_id": "stormdoor" }))
        .only_form()
        .answers_nothing(303, "To the same with `GET`."),
    ]
}

fn about_us() -> Vec<Endpoint> {
    use Access::Public;
    vec![
        Endpoint::new(
            "jwks",
            Method::GET,
            "/.well-known/jwks.json",
            Public,
            get(well_known::jwks::handle),
            "Our public keys (RFC 7517).",
        )
        .answers::<Value>(200, "A JWK set.")
        .written_as("application/jwk-set+json"),
        Endpoint::new(
            "openapi",
            Method::GET,
            "/auth/openapi.json",
            Public,
            get(openapi::handle),
            "This document.",
        )
        .answers::<Value>(200, "OpenAPI 3.1."),
        Endpoint::new("index", Method::GET, "/", Public, get(index::handle), "What this is.")
            .answers::<Value>(200, "Where to go on."),
    ]
}
