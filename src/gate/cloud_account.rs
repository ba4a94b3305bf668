//! Stage: who is the caller in Nextcloud?
//!
//! | | |
//! |---|---|
//! | reads | the caller's names, the app's rule for ids there |
//! | refuses with | [`Refusal::NoCloudAccount`] (403) |
//!
//! A token of ours for a name that is a local account of Nextcloud *is* that account, so reserved names stay out. Subjects of
//! outside issuers stay out, too: what they are called there says nothing about who they are here.

use super::{Caller, Permit, Refusal};
use crate::identity::{CloudId, CloudIds, Issuer, NoCloudId, Principal};
use crate::route::{AccessRule, IdentityMode, Route};

/// What the caller is called in Nextcloud; nothing for anybody who is not to be told, and on other apps' routes.
///
/// # Errors
///
/// As in the table above. On a public route such a caller goes on as nobody.
pub(super) fn of(route: &Route, permit: &Permit) -> Result<Option<CloudId>, Refusal> {
    let IdentityMode::Nextcloud { ids: Some(ids) } = &route.app.identity else { return Ok(None) };
    let Caller::Known(principal) = permit.caller() else { return Ok(None) };
    let found = match (&principal.issuer, &principal.username) {
        (Issuer::Own, Some(username)) => account(ids, username, principal).map_err(reason),
        (Issuer::Own, None) => Err("cloud_id_unknown"),
        (Issuer::Outside(_), _) => Err("outside_issuer"),
    };
    match found {
        Ok(id) => Ok(Some(id)),
        Err(_) if route.access == AccessRule::Public => Ok(None),
        Err(reason) => Err(Refusal::NoCloudAccount { reason }),
    }
}

/// Where people are called by their address, it must be proven theirs: the account there of this name is theirs then.
fn account(ids: &CloudIds, username: &str, principal: &Principal) -> Result<CloudId, NoCloudId> {
    let email = principal.email.as_deref().unwrap_or_default();
    let id = ids.of(username, email)?;
    if id.is(email) && !principal.email_verified { Err(NoCloudId::Unproven) } else { Ok(id) }
}

fn reason(none: NoCloudId) -> &'static str {
    match none {
        NoCloudId::Characters => "cloud_id_characters",
        NoCloudId::Length => "cloud_id_length",
        NoCloudId::NotTheirs => "cloud_account_not_theirs",
        NoCloudId::Reserved => "cloud_id_reserved",
        NoCloudId::Unproven => "cloud_id_unproven",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::CloudIdRule;
    use crate::route::App;

    #[test]
    fn who_is_who_in_nextcloud() {
        let none: &[&str] = &[];
        let app = |ids| {
            let app = App::example("cloud", "cloud.example");
            Arc::new(App { identity: IdentityMode::Nextcloud { ids }, ..(*app).clone() })
        };
        let cloud = app(Some(CloudIds::new(CloudIdRule::Username, none)));
        let own_login = app(None);
        let addresses = app(Some(CloudIds::new(CloudIdRule::Email, none)));
        let other = App::example("other", "other.example");
        let named = |name: &str| {
            let email = Some("ada@example.org".into());
            let username = Some(name.into());
            Caller::Known(Arc::new(Principal { username, email, ..Principal::example("u-1") }))
        };
        let outside = {
            let issuer = Issuer::Outside("https://id.example".into());
            let username = Some("ada".into());
            Caller::Known(Arc::new(Principal { issuer, username, ..Principal::example("ada") }))
        };
        let proven = {
            let email = Some("ada@example.org".into());
            let (username, email_verified) = (Some("ada".into()), true);
            let named = Principal { username, email, email_verified, ..Principal::example("u-1") };
            Caller::Known(Arc::new(named))
        };
        let nameless = Caller::Known(Arc::new(Principal::example("u-1")));
        for (app, caller, expected) in [
            (&cloud, named("ada"), Ok(Some("ada"))),
            (&cloud, named("admin"), Err("cloud_id_reserved")),
            (&cloud, named("a/b"), Err("cloud_id_characters")),
            (&cloud, nameless, Err("cloud_id_unknown")),
            (&cloud, outside, Err("outside_issuer")),
            (&cloud, Caller::Anonymous, Ok(None)),
            (&addresses, proven, Ok(Some("ada@example.org"))),
            (&addresses, named("ada"), Err("cloud_id_unproven")),
            (&own_login, named("admin"), Ok(None)),
            (&other, named("admin"), Ok(None)),
        ] {
            let permit = Permit { caller };
            let public = Route::example(app, "/**");
            let closed = public.clone().signed_in(&[]);
            let found = of(&closed, &permit);
            let found = found.as_ref().map(|id| id.as_ref().map(CloudId::as_str));
            assert_eq!(found.map_err(Refusal::reason), expected, "{permit:?}");
            let found = of(&public, &permit).expect("anybody may");
            assert_eq!(found.as_ref().map(CloudId::as_str), expected.ok().flatten());
        }
    }
}
