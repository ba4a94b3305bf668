//! The configuration of one moment, compiled into what requests need. Immutable; a reload swaps it whole.

use std::sync::Arc;

use axum::Router;

use crate::edge::TrustedProxies;
use crate::gate::Gate;
use crate::identity::Identity;
use crate::identity::token::AccessTokens;
use crate::upstream::Upstreams;
use crate::upstream::bridge::Bridge;
use crate::upstream::rewrite::StripList;

/// Everything that a request reads from the configuration.
pub struct Snapshot {
    /// Decides.
    pub gate: Gate,
    /// Where admitted requests go.
    pub upstreams: Arc<Upstreams>,
    /// Our own API.
    pub portal: Router,
    /// Leads browsers to sign-in.
    pub identity: Arc<Identity>,
    /// The host where sign-in lives.
    pub portal_host: Arc<str>,
    /// Which headers of the client never reach an upstream.
    pub strip: StripList,
    /// Whose forwarding headers are believed.
    pub trusted: TrustedProxies,
    /// Leads to Nextcloud, when there is one.
    pub bridge: Option<Bridge>,
    /// Signs identities for upstreams in mode `jwt`.
    pub tokens: Arc<AccessTokens>,
    /// Longest target, in bytes.
    pub target_bytes: usize,
}
