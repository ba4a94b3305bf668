//! Stage: may this caller use this route?
//!
//! | | |
//! |---|---|
//! | reads | caller, the route's access rule |
//! | refuses with | [`Refusal::Unauthenticated`] (401), [`Refusal::Forbidden`] (403), [`Refusal::SecondFactorRequired`] (401, RFC 9470) |

use std::sync::Arc;

use super::{Caller, Permit, Refusal};
use crate::clock::Timestamp;
use crate::identity::Principal;
use crate::route::{AccessRule, Route};

/// Proves that `caller` may use `route`.
pub(super) fn permit(caller: Caller, route: &Route, now: Timestamp) -> Result<Permit, Refusal> {
    let AccessRule::SignedIn { permissions, roles, scopes, second_factor } = &route.access else {
        return Ok(Permit { caller });
    };
    let Caller::Known(principal) = &caller else {
        return Err(Refusal::Unauthenticated { reason: "no_credential", invalid_token: false });
    };
    if !permissions.iter().all(|needed| principal.permissions.allow(needed)) {
        return Err(Refusal::Forbidden { reason: "permission", scopes: vec![] });
    }
    if !roles.is_empty() && !roles.iter().any(|role| principal.roles.contains(role)) {
        return Err(Refusal::Forbidden { reason: "role", scopes: vec![] });
    }
    check_scopes(principal, scopes)?;
    if let Some(max_age) = *second_factor {
        let fresh = principal.second_factor_at.is_some_and(|at| now.since(at) <= max_age);
        if !fresh {
            return Err(Refusal::SecondFactorRequired { max_age });
        }
    }
    Ok(Permit { caller })
}

/// Scopes limit what a token was made for; a credential without scopes is not limited.
fn check_scopes(principal: &Principal, needed: &[Arc<str>]) -> Result<(), Refusal> {
    let Some(held) = &principal.scopes else { return Ok(()) };
    let missing: Vec<_> = needed.iter().filter(|scope| !held.contains(scope)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::Forbidden { reason: "scope", scopes: missing })
}
