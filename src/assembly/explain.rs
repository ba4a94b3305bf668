//! `stormdoor explain`, without opening anything.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use http::Method;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::edge::{Authority, Target};
use crate::gate::{Explanation, Gate, VerifyError, VerifyTokens};
use crate::identity::{Issuer, Principal, Subject};
use crate::observe::Metrics;
use crate::portal;
use crate::store::memory;

/// Explains what the gate of `config` would decide on a request by somebody with `roles`, or by nobody.
///
/// # Errors
///
/// When the host or the target would be refused at the edge: with the reason.
pub fn explain(
    config: &Config,
    host: &str,
    target: &str,
    method: &Method,
    client: IpAddr,
    roles: Option<Vec<String>>,
) -> anyhow::Result<Explanation> {
    let mut routes = config.routes.clone();
    routes.extend(portal::routes(&Arc::new(portal::app(&config.public_url)), &config.rate_limits));
    let counters = Arc::new(memory::Counters::default());
    let gate = Gate::build(config, routes, counters, Arc::new(Nobody), Metrics::new());

    let host = Authority::parse(host).context("the edge refuses this host with 400")?.host;
    let profile = gate.table().targets_of(&host);
    let target = Target::parse(target, profile).context("the edge refuses this target with 400")?;
    let now = SystemClock.now();
    let principal = roles.map(|roles| somebody(config, roles, now));
    Ok(gate.explain(&host, &target, method, client, principal.as_ref(), now))
}

fn somebody(config: &Config, roles: Vec<String>, now: Timestamp) -> Principal {
    let roles: Vec<Arc<str>> = roles.into_iter().map(Arc::from).collect();
    let tier =
        roles.iter().find_map(|role| config.roles.find(role)).map(|role| Arc::clone(&role.tier));
    Principal {
        subject: Subject::new("somebody"),
        issuer: Issuer::Own,
        username: None,
        email: None,
        email_verified: false,
        groups: vec![],
        scopes: None,
        permissions: config.roles.permissions(roles.iter().map(|role| &**role)),
        tier: tier.unwrap_or_else(|| "free".into()),
        rate_limit: None,
        kind: crate::identity::CredentialKind::AccessToken,
        session: None,
        token_id: None,
        issued_at: now,
        expires_at: now,
        second_factor_at: None,
        roles,
    }
}

/// Explaining verifies nothing.
struct Nobody;

#[async_trait]
impl VerifyTokens for Nobody {
    fn cached(&self, _token: &str, _now: Timestamp) -> Option<Arc<Principal>> {
        None
    }

    async fn verify(&self, _token: &str, _now: Timestamp) -> Result<Arc<Principal>, VerifyError> {
        Err(VerifyError::Invalid("malformed"))
    }
}
