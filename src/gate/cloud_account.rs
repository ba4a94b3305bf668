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
use crate::identity::{CloudId, Issuer, NoCloudId};
use crate::route::{AccessRule, IdentityMode, Route};

/// What the caller is called in Nextcloud; nothing for anybody who is not to be told, and on other apps' routes.
///
/// # Errors
///
/// As in the table above. On a public route such a caller goes on as nobody.
pub(super) fn of(route: &Route, permit: &Permit) -> Result<Option<CloudId>, Refusal> {
    let IdentityMode::Nextcloud { ids: Some(ids) } = &route.app.identity else { return Ok(None) };
    let Caller::Known(principal) = permit.caller() else { return Ok(None) };
    let names = (&principal.issuer, &principal.username, &principal.email);
    let found = match names {
        (Issuer::Own, Some(username), email) => {
            ids.of(username, email.as_deref().unwrap_or_default()).map_err(|none| match none {
                NoCloudId::Characters => "cloud_id_characters",
                NoCloudId::Length => "cloud_id_length",
                NoCloudId::Reserved => "cloud_id_reserved",
                NoCloudId::Unproven => "cloud_id_unproven",
            })
        }
        (Issuer::Own, None, _) => Err("cloud_id_unknown"),
        (Issuer::Outside(_), _, _) => Err("outside_issuer"),
    };
    match found {
        Ok(id) => Ok(Some(id)),
        Err(_) if route.access == AccessRule::Public => Ok(None),
        Err(reason) => Err(Refusal::NoCloudAccount { reason }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::{CloudIdRule, CloudIds, Principal};
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
        let nameless = Caller::Known(Arc::new(Principal::example("u-1")));
        for (app, caller, expected) in [
            (&cloud, named("ada"), Ok(Some("ada"))),
            (&cloud, named("admin"), Err("cloud_id_reserved")),
            (&cloud, named("a/b"), Err("cloud_id_characters")),
            (&cloud, nameless, Err("cloud_id_unknown")),
            (&cloud, outside, Err("outside_issuer")),
            (&cloud, Caller::Anonymous, Ok(None)),
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
