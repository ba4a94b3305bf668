//! Stage: `Caller` + `Route` → [`Permit`].
//!
//! | | |
//! |---|---|
//! | reads | the caller's permissions, roles, scopes and second factor; the route's rule |
//! | refuses with | [`Refusal::Unauthenticated`] (401), [`Refusal::Forbidden`] (403), [`Refusal::SecondFactorRequired`] (401, RFC 9470) |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Caller, Permit, Refusal};
use crate::clock::Timestamp;
use crate::identity::{Permission, Principal};
use crate::route::{AccessRule, Route};

/// Lets `caller` use `route` at `now`, when it meets every demand.
///
/// Of several unmet demands the first in the order of [`Demand`] is named. The second factor is last: asking for
/// one is of use only when it is all that is missing.
///
/// # Errors
///
/// As in the table above.
pub(super) fn permit(caller: Caller, route: &Route, now: Timestamp) -> Result<Permit, Refusal> {
    match (&route.access, &caller) {
        (AccessRule::Public, _) => Ok(Permit { caller }),
        (AccessRule::SignedIn { .. }, Caller::Anonymous) => {
            Err(Refusal::Unauthenticated { reason: "no_credential", invalid_token: false })
        }
        // Of such a caller only the app knows anything, so it meets only what asks nothing of us.
        (rule @ AccessRule::SignedIn { .. }, Caller::OfUpstream(_)) => match demands(rule).next() {
            Some(unmet) => Err(unmet.refusal()),
            None => Ok(Permit { caller }),
        },
        (AccessRule::SignedIn { .. }, Caller::Known(principal))
            if !route.accept.takes(principal.kind) =>
        {
            Err(Refusal::Forbidden { reason: "credential_kind", scopes: Vec::new() })
        }
        (rule, Caller::Known(principal)) => {
            match demands(rule).find(|demand| !demand.met_by(principal, now)) {
                Some(unmet) => Err(unmet.refusal()),
                None => Ok(Permit { caller }),
            }
        }
    }
}

/// One thing that a route asks of its caller, beside being signed in.
#[derive(Clone, Copy)]
pub(super) enum Demand<'r> {
    /// To hold this permission.
    Permission(&'r Permission),
    /// To have one of these roles.
    AnyRole(&'r [Arc<str>]),
    /// To show a credential with all of these scopes, unless it is not limited by scope.
    Scopes(&'r [Arc<str>]),
    /// To have given a second factor within this time.
    SecondFactor(Duration),
}

/// What `rule` demands, in the order in which it is looked at.
pub(super) fn demands(rule: &AccessRule) -> impl Iterator<Item = Demand<'_>> {
    let (permissions, roles, scopes, second_factor) = match rule {
        AccessRule::Public => (&[][..], &[][..], &[][..], None),
        AccessRule::SignedIn { permissions, roles, scopes, second_factor } => {
            (permissions.as_slice(), roles.as_slice(), scopes.as_slice(), *second_factor)
        }
    };
    let permissions = permissions.iter().map(Demand::Permission);
    let roles = (!roles.is_empty()).then_some(Demand::AnyRole(roles));
    let scopes = (!scopes.is_empty()).then_some(Demand::Scopes(scopes));
    permissions.chain(roles).chain(scopes).chain(second_factor.map(Demand::SecondFactor))
}

impl Demand<'_> {
    /// Whether `principal` meets this at `now`.
    pub(super) fn met_by(self, principal: &Principal, now: Timestamp) -> bool {
        match self {
            Self::Permission(needed) => principal.permissions.allow(needed),
            Self::AnyRole(roles) => roles.iter().any(|role| principal.roles.contains(role)),
            Self::Scopes(needed) => principal
                .scopes
                .as_ref()
                .is_none_or(|held| needed.iter().all(|scope| held.contains(scope))),
            Self::SecondFactor(within) => {
                principal.second_factor_at.is_some_and(|given| now.since(given) <= within)
            }
        }
    }

    fn refusal(self) -> Refusal {
        let forbidden = |reason| Refusal::Forbidden { reason, scopes: Vec::new() };
        match self {
            Self::Permission(_) => forbidden("permission"),
            Self::AnyRole(_) => forbidden("role"),
            Self::Scopes(scopes) => Refusal::Forbidden { reason: "scope", scopes: scopes.to_vec() },
            Self::SecondFactor(max_age) => Refusal::SecondFactorRequired { max_age },
        }
    }
}

/// For `stormdoor explain`.
impl fmt::Display for Demand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(needed) => write!(f, "needs {needed}"),
            Self::AnyRole(roles) => write!(f, "role {}", roles.join(" or ")),
            Self::Scopes(scopes) => write!(f, "scope {}", scopes.join(" ")),
            Self::SecondFactor(within) => {
                write!(f, "second factor <= {}", humantime::format_duration(*within))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::App;

    fn now() -> Timestamp {
        Timestamp::from_secs(10_000)
    }

    fn rule() -> AccessRule {
        AccessRule::SignedIn {
            permissions: Vec::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            second_factor: None,
        }
    }

    fn ask(access: AccessRule, principal: &Principal) -> Result<(), String> {
        let app = App::example("files", "files.example");
        let route = Route { access, ..Route::example(&app, "/**") };
        let caller = Caller::Known(Arc::new(principal.clone()));
        permit(caller, &route, now()).map(drop).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn every_permission_is_needed_one_role_is_enough() {
        let viewer = Principal::example("ana");
        for (permissions, roles, verdict) in [
            (&[][..], &[][..], "permitted"),
            (&["files:read"], &[], "permitted"),
            (&["files:read", "files:write"], &[], "forbidden: permission"),
            (&[], &["admin", "viewer"], "permitted"),
            (&[], &["admin"], "forbidden: role"),
            (&["files:write"], &["viewer"], "forbidden: permission"),
        ] {
            let AccessRule::SignedIn { scopes, second_factor, .. } = rule() else { unreachable!() };
            let access = AccessRule::SignedIn {
                permissions: permissions.iter().map(|text| text.parse().unwrap()).collect(),
                roles: roles.iter().map(|name| Arc::from(*name)).collect(),
                scopes,
                second_factor,
            };
            let found = ask(access, &viewer).err().unwrap_or_else(|| "permitted".into());
            assert_eq!(found, verdict, "{permissions:?} {roles:?}");
        }
    }

    #[test]
    fn scopes_limit_only_credentials_that_have_scopes() {
        let needs = |scopes: &[&str]| AccessRule::SignedIn {
            permissions: Vec::new(),
            roles: Vec::new(),
            scopes: scopes.iter().map(|scope| Arc::from(*scope)).collect(),
            second_factor: None,
        };
        let scoped = |scopes: &[&str]| Principal {
            scopes: Some(scopes.iter().map(|scope| Arc::from(*scope)).collect()),
            ..Principal::example("ana")
        };
        assert!(ask(needs(&["read"]), &Principal::example("ana")).is_ok());
        assert!(ask(needs(&["read"]), &scoped(&["read", "write"])).is_ok());
        assert!(ask(needs(&["read", "write"]), &scoped(&["read"])).is_err());
        assert!(ask(needs(&["read"]), &scoped(&[])).is_err());
        assert!(ask(needs(&[]), &scoped(&[])).is_ok());
    }

    #[test]
    fn a_second_factor_ages() {
        let within = Duration::from_mins(15);
        let access = || AccessRule::SignedIn {
            permissions: Vec::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            second_factor: Some(within),
        };
        let given = |at| Principal { second_factor_at: at, ..Principal::example("ana") };
        assert!(ask(access(), &given(None)).is_err());
        assert!(ask(access(), &given(Some(now() - within))).is_ok());
        let stale = now() - within - Duration::from_millis(1);
        assert!(ask(access(), &given(Some(stale))).is_err());
    }

    #[test]
    fn nobody_is_asked_to_sign_in_and_a_public_route_asks_nobody() {
        let app = App::example("files", "files.example");
        let public = Route::example(&app, "/**");
        let closed = Route { access: rule(), ..public.clone() };
        assert!(permit(Caller::Anonymous, &public, now()).is_ok());
        assert!(matches!(
            permit(Caller::Anonymous, &closed, now()),
            Err(Refusal::Unauthenticated { invalid_token: false, .. })
        ));
    }
}
