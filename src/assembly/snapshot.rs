//! A configuration compiled into what requests need.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;

use super::connectors::CountedVerifier;
use super::records::{RecordRooms, access_tokens};
use crate::clock::Clock;
use crate::config::Config;
use crate::edge::TrustedProxies;
use crate::federation;
use crate::gate::{Gate, VerifyTokens};
use crate::identity::Issuer;
use crate::identity::openid::Provider;
use crate::identity::token::{Algorithm, IssuerRules, Verifier};
use crate::observe::Metrics;
use crate::portal;
use crate::proxy::Snapshot;
use crate::route::Route;
use crate::throttle::Counters;
use crate::upstream::bridge::Bridge;
use crate::upstream::rewrite::StripList;
use crate::upstream::{Deps, Upstreams};

/// What stays while configurations come and go.
pub(super) struct Lasting {
    pub(super) rooms: RecordRooms,
    pub(super) counters: Arc<dyn Counters>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) whoami: SocketAddr,
}

impl Lasting {
    /// Compiles `config`. Nothing is in force yet.
    pub(super) fn compile(
        &self,
        config: &Config,
        previous: Option<&Snapshot>,
    ) -> anyhow::Result<Snapshot> {
        let portal_app = Arc::new(portal::app(&config.public_url));
        let mut routes = portal::on_app_hosts(&config.apps, &portal_app);
        routes.extend(config.routes.iter().cloned());
        routes.extend(portal::routes(&portal_app, &config.rate_limits));
        let mut apps = config.apps.clone();
        apps.push(portal_app);

        let verifier = CountedVerifier {
            verifier: self.verifier(config)?,
            identity: Arc::clone(&self.rooms.identity),
            revocations: Arc::clone(&self.rooms.revocations),
            metrics: Arc::clone(&self.metrics),
        };
        let gate = self.gate(config, routes, Arc::new(verifier));
        let deps = Deps {
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            whoami: self.whoami,
        };
        let before = previous.map(|previous| &*previous.upstreams);
        let upstreams = Arc::new(Upstreams::build(&config.upstreams, before, &deps)?);
        let ring = Arc::clone(&self.rooms.signing.ring);
        let cloud_ids = config.nextcloud.as_ref().map(|nextcloud| nextcloud.ids.clone());
        let cloud_ids = cloud_ids.unwrap_or_default();
        let provider = Provider::new(
            Arc::clone(&self.rooms.identity),
            Arc::clone(&self.rooms.signing.ring),
            Arc::clone(&config.tokens.issuer),
            config.clients(),
        );
        let state = portal::PortalState {
            openid: Arc::new(provider),
            identity: Arc::clone(&self.rooms.identity),
            jwks: Arc::new(move || serde_json::from_str(&ring.jwks()).unwrap_or_default()),
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            cloud_ids: Arc::new(cloud_ids),
        };
        let tokens = access_tokens(config, &self.rooms.signing.ring);
        let bridge = config.nextcloud.as_ref().map(|settings| {
            Bridge::new(settings, Arc::clone(&self.rooms.identity), Arc::clone(&tokens))
        });
        Ok(Snapshot {
            bridge,
            gate,
            upstreams,
            portal: portal::router(state),
            identity: Arc::clone(&self.rooms.identity),
            portal_host: config.public_url.host.as_str().into(),
            strip: StripList::of(&apps),
            trusted: TrustedProxies::new(config.trusted_proxies.clone()),
            tokens,
            target_bytes: config.listeners.limits.target_bytes,
        })
    }

    fn gate(&self, config: &Config, routes: Vec<Route>, tokens: Arc<dyn VerifyTokens>) -> Gate {
        let counters = Arc::clone(&self.counters);
        Gate::build(config, routes, counters, tokens, Arc::clone(&self.metrics))
    }

    fn verifier(&self, config: &Config) -> anyhow::Result<Verifier> {
        let mut issuers = vec![own_rules(config, &self.rooms)];
        for issuer in &config.issuers {
            let leeway = config.tokens.leeway;
            let rules = federation::rules(issuer, leeway, &self.clock, &self.metrics)
                .with_context(|| format!("issuer {}", issuer.issuer))?;
            issuers.push(rules);
        }
        let revocations = Arc::clone(&self.rooms.revocations);
        Ok(Verifier::new(issuers, config.roles.clone(), revocations))
    }
}

/// Our own tokens are accepted by the same verifier as anybody's.
fn own_rules(config: &Config, rooms: &RecordRooms) -> IssuerRules {
    let path = |name: &str| vec![name.to_owned()];
    // Keys of an algorithm that was configured before are good until their tokens expired; a shared secret is not
    // taken beside public keys.
    let algorithms = match config.tokens.algorithm {
        Algorithm::Hs256 => vec![Algorithm::Hs256],
        _ => vec![Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256],
    };
    IssuerRules {
        name: Arc::clone(&config.tokens.issuer),
        kind: Issuer::Own,
        audience: vec![Arc::clone(&config.tokens.audience)],
        algorithms,
        types: vec!["at+jwt".into()],
        keys: Arc::clone(&rooms.signing.ring) as Arc<dyn crate::identity::token::IssuerKeys>,
        leeway: std::time::Duration::ZERO,
        roles_claim: path("roles"),
        default_roles: vec![],
        groups_claim: path("groups"),
        tier_claim: Some(path("tier")),
    }
}
