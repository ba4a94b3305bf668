//! Every metric's name, once.
//!
//! | what | where its handles live |
//! |---|---|
//! | per request | [`RouteMetrics`], resolved when the configuration is loaded |
//! | per event (a login, a reload, a refusal) | [`Metrics`], labels looked up at each call |
//!
//! The registry is our own, so that no library can add series to what we publish.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec};
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// All metrics of the process. Label values come from the configuration or from fixed lists, so the number of
/// series is bounded: no path, no user, no client address.
pub struct Metrics {
    registry: Registry,

    requests: IntCounterVec,
    request_duration: HistogramVec,
    overhead: HistogramVec,
    request_body_bytes: IntCounterVec,
    response_body_bytes: IntCounterVec,
    in_flight: IntGaugeVec,
    websockets: IntGaugeVec,
    rejected: IntCounterVec,

    connections: IntGauge,
    handshakes: IntCounterVec,
    certificate_not_after: IntGaugeVec,

    upstream_up: IntGaugeVec,
    upstream_retries: IntCounterVec,
    upstream_connect: HistogramVec,
    wrong_identities: IntCounterVec,
    upstream_credentials_refused: IntCounterVec,

    jwt_validations: IntCounterVec,
    jwks_fetches: IntCounterVec,
    jwks_fetched: IntGaugeVec,
    rate_limits: IntCounterVec,
    authorizations: IntCounterVec,

    openid: IntCounterVec,
    logins: IntCounterVec,
    login_duration: HistogramVec,
    registrations: IntCounterVec,
    refreshes: IntCounterVec,
    sessions_ended: IntCounterVec,
    password_hash: Histogram,
    password_hash_waiting: IntGauge,

    mail_sent: IntCounterVec,
    mail_waiting: IntGauge,
    mail_oldest_waiting: IntGauge,
    nextcloud_calls: IntCounterVec,
    nextcloud_stopped: IntGauge,
    provisioning_pending: IntGauge,
    provisioning_oldest: IntGauge,
    provisioning_failed: IntGauge,

    reloads: IntCounterVec,
    reload_successful: IntGauge,
    reload_success_at: IntGauge,
    danger_options: IntGaugeVec,
    store_up: IntGaugeVec,
    leader: IntGaugeVec,
    shared_state_up: IntGauge,
    shared_state_nodes: IntGauge,
    shared_state_errors: IntCounterVec,
    shared_state_degraded: IntCounterVec,
    access_log_dropped: IntCounter,
}

impl Metrics {
    /// Registers everything in a registry of its own.
    #[expect(clippy::too_many_lines, reason = "a table: one entry per metric")]
    pub fn new() -> Arc<Self> {
        let registry = Registry::new();
        let make = Maker(&registry);

        let build = make.gauges(
            "stormdoor_build_info",
            "Always 1; the labels tell what was built, and with what.",
            &["version", "revision", "rustc"],
        );
        build
            .with_label_values(&[
                env!("CARGO_PKG_VERSION"),
                option_env!("STORMDOOR_REVISION").unwrap_or("unknown"),
                option_env!("STORMDOOR_RUSTC").unwrap_or("unknown"),
            ])
            .set(1);
        make.process();

        let metrics = Self {
            requests: make.counters(
                "stormdoor_http_requests_total",
                "Requests that ended, by what they got.",
                &["app", "route", "method", "code"],
            ),
            request_duration: make.histograms(
                "stormdoor_http_request_duration_seconds",
                "From the complete head of the request to the end of the response.",
                &["app", "route"],
                &[
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                    30.0, 120.0,
                ],
            ),
            overhead: make.histograms(
                "stormdoor_http_auth_overhead_seconds",
                "Time spent on deciding, before any byte left for the upstream.",
                &["app"],
                &[
                    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5,
                    0.005, 0.01, 0.05, 0.25, 1.0,
                ],
            ),
            request_body_bytes: make.counters(
                "stormdoor_http_request_body_bytes_total",
                "Body bytes received from clients.",
                &["app"],
            ),
            response_body_bytes: make.counters(
                "stormdoor_http_response_body_bytes_total",
                "Body bytes sent to clients.",
                &["app"],
            ),
            in_flight: make.gauges(
                "stormdoor_http_requests_in_flight",
                "Requests that began and have not ended.",
                &["app"],
            ),
            websockets: make.gauges("stormdoor_websockets_open", "Open WebSockets.", &["app"]),
            rejected: make.counters(
                "stormdoor_http_rejected_total",
                "Requests refused before routing, or by a limit.",
                &["reason"],
            ),

            connections: make.gauge("stormdoor_connections_open", "Open client connections."),
            handshakes: make.counters(
                "stormdoor_tls_handshakes_total",
                "TLS handshakes with clients.",
                &["result", "version"],
            ),
            certificate_not_after: make.gauges(
                "stormdoor_tls_certificate_not_after_timestamp_seconds",
                "When the certificate for a host ends, in seconds since the epoch.",
                &["host"],
            ),

            upstream_up: make.gauges(
                "stormdoor_upstream_up",
                "1 while requests may go to this endpoint.",
                &["app", "upstream"],
            ),
            upstream_retries: make.counters(
                "stormdoor_upstream_retries_total",
                "Requests sent again after an endpoint failed.",
                &["app"],
            ),
            wrong_identities: make.counters(
                "stormdoor_upstream_wrong_identity_total",
                "Answers of Nextcloud that were for somebody else than was meant, and were not passed on.",
                &["app"],
            ),
            upstream_credentials_refused: make.counters(
                "stormdoor_upstream_credentials_refused_total",
                "Credentials of an app's own that passed through to it and were refused there.",
                &["app"],
            ),
            upstream_connect: make.histograms(
                "stormdoor_upstream_connect_duration_seconds",
                "Time to open a connection to an endpoint, TLS included.",
                &["app"],
                &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
            ),

            jwt_validations: make.counters(
                "stormdoor_jwt_validations_total",
                "Tokens looked at.",
                &["issuer", "result", "reason"],
            ),
            jwks_fetches: make.counters(
                "stormdoor_jwks_fetches_total",
                "Key sets fetched from issuers.",
                &["issuer", "result"],
            ),
            jwks_fetched: make.gauges(
                "stormdoor_jwks_fetched_timestamp_seconds",
                "When an issuer's key set was last fetched, in seconds since the epoch.",
                &["issuer"],
            ),
            rate_limits: make.counters(
                "stormdoor_ratelimit_decisions_total",
                "What the rate limits said.",
                &["policy", "tier", "decision"],
            ),
            authorizations: make.counters(
                "stormdoor_authz_decisions_total",
                "What authorisation said.",
                &["app", "route", "decision"],
            ),

            openid: make.counters(
                "stormdoor_openid_total",
                "Steps of clients that ask who somebody is.",
                &["step", "result"],
            ),
            logins: make.counters(
                "stormdoor_auth_logins_total",
                "Attempts to sign in.",
                &["method", "result", "reason"],
            ),
            login_duration: make.histograms(
                "stormdoor_auth_login_duration_seconds",
                "Time to answer an attempt to sign in. Results that differ here tell who has an account.",
                &["result"],
                &[0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0],
            ),
            registrations: make.counters(
                "stormdoor_auth_registrations_total",
                "Attempts to register.",
                &["result"],
            ),
            refreshes: make.counters(
                "stormdoor_refresh_total",
                "Refresh tokens shown: rotated, grace, reuse, refused.",
                &["result"],
            ),
            sessions_ended: make.counters(
                "stormdoor_sessions_ended_total",
                "Sessions that ended, by why.",
                &["reason"],
            ),
            password_hash: make.histogram(
                "stormdoor_auth_password_hash_duration_seconds",
                "Time to hash one password, without waiting for a turn.",
                &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5],
            ),
            password_hash_waiting: make.gauge(
                "stormdoor_auth_password_hash_waiting",
                "Attempts to sign in that wait for a turn at hashing.",
            ),

            mail_sent: make.counters(
                "stormdoor_mail_sent_total",
                "Attempts to send a letter: sent, deferred, given_up.",
                &["kind", "result"],
            ),
            mail_waiting: make.gauge(
                "stormdoor_mail_waiting",
                "Letters that wait to be sent, or to be tried again.",
            ),
            mail_oldest_waiting: make.gauge(
                "stormdoor_mail_oldest_waiting_seconds",
                "How long the oldest of them has waited.",
            ),

            nextcloud_calls: make.counters(
                "stormdoor_nextcloud_calls_total",
                "Calls of our own to Nextcloud: ok, refused, too_many, unauthorized, unreachable, unwell.",
                &["call", "result"],
            ),
            nextcloud_stopped: make.gauge(
                "stormdoor_nextcloud_stopped",
                "1 while Nextcloud is not called because it refused the service account.",
            ),
            provisioning_pending: make.gauge(
                "stormdoor_provisioning_pending",
                "Users who wait to be looked at in Nextcloud.",
            ),
            provisioning_oldest: make.gauge(
                "stormdoor_provisioning_oldest_pending_seconds",
                "How long the first of them has waited.",
            ),
            provisioning_failed: make.gauge(
                "stormdoor_provisioning_failed",
                "Users whom Nextcloud refused as often as it is worth.",
            ),

            reloads: make.counters(
                "stormdoor_config_reloads_total",
                "Attempts to load the configuration again.",
                &["result"],
            ),
            reload_successful: make.gauge(
                "stormdoor_config_last_reload_successful",
                "1 when the last attempt to load the configuration succeeded.",
            ),
            reload_success_at: make.gauge(
                "stormdoor_config_last_reload_success_timestamp_seconds",
                "When the configuration in use was loaded, in seconds since the epoch.",
            ),
            danger_options: make.gauges(
                "stormdoor_config_danger_options",
                "How often the configuration uses an option that weakens protection.",
                &["option"],
            ),
            store_up: make.gauges(
                "stormdoor_store_up",
                "1 while the store answers.",
                &["store"],
            ),
            leader: make.gauges(
                "stormdoor_leader",
                "1 while this gateway does the work that one of several does for all.",
                &["work"],
            ),
            shared_state_up: make.gauge(
                "stormdoor_shared_state_up",
                "1 while the shared state answers. In memory it always does.",
            ),
            shared_state_nodes: make.gauge(
                "stormdoor_shared_state_nodes",
                "Gateways that share it, as last seen by this one.",
            ),
            shared_state_errors: make.counters(
                "stormdoor_shared_state_errors_total",
                "Questions to the shared state without a good answer: connection, nonsense, refused, timeout.",
                &["reason"],
            ),
            shared_state_degraded: make.counters(
                "stormdoor_shared_state_degraded_total",
                "Decisions made without the shared state, as on_outage says: about limits, lockout, handshakes.",
                &["concern"],
            ),
            access_log_dropped: make.counter(
                "stormdoor_access_log_dropped_total",
                "Access log lines lost: the writer could not keep up, or could not write.",
            ),
            registry,
        };

        metrics.shared_state_up.set(1);
        metrics.shared_state_nodes.set(1);
        // It runs, so its configuration was good.
        metrics.reload_successful.set(1);
        // What alerts count must be there before it first happens: from nothing to 1 is no increase for Prometheus.
        for result in ["rotated", "grace", "reuse", "refused"] {
            metrics.refreshes.with_label_values(&[result]);
        }
        for result in [RELOADED, NOT_RELOADED] {
            metrics.reloads.with_label_values(&[result]);
        }
        Arc::new(metrics)
    }

    /// `stormdoor_http_rejected_total{reason}`: refused before routing, or by a limit.
    pub fn rejected(&self, reason: &'static str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// `stormdoor_tls_handshakes_total{result, version}`.
    pub fn handshake(&self, result: &'static str, version: &'static str) {
        self.handshakes.with_label_values(&[result, version]).inc();
    }

    /// `stormdoor_connections_open`.
    pub fn connections_open(&self, by: i64) {
        self.connections.add(by);
    }

    /// `stormdoor_tls_certificate_not_after_timestamp_seconds{host}`.
    pub fn certificate_not_after(&self, host: &str, seconds: i64) {
        self.certificate_not_after.with_label_values(&[host]).set(seconds);
    }

    /// Ends the series of a host whose certificate is no longer configured, or its expiry would alarm for ever.
    pub fn forget_certificate(&self, host: &str) {
        // An error says that there was none.
        let _ = self.certificate_not_after.remove_label_values(&[host]);
    }

    /// `stormdoor_upstream_up{app, upstream}`: `upstream` is the endpoint as configured.
    pub fn upstream_up(&self, app: &str, endpoint: &str, up: bool) {
        self.upstream_up.with_label_values(&[app, endpoint]).set(i64::from(up));
    }

    /// Ends the series of an endpoint that is no longer configured, or its last "down" would alarm for ever.
    pub fn forget_upstream(&self, app: &str, endpoint: &str) {
        // An error says that there was none.
        let _ = self.upstream_up.remove_label_values(&[app, endpoint]);
    }

    /// `stormdoor_upstream_retries_total{app}`.
    pub fn upstream_retry(&self, app: &str) {
        self.upstream_retries.with_label_values(&[app]).inc();
    }

    /// `stormdoor_upstream_wrong_identity_total{app}`.
    pub fn wrong_identity(&self, app: &str) {
        self.wrong_identities.with_label_values(&[app]).inc();
    }

    /// `stormdoor_upstream_credentials_refused_total{app}`.
    pub fn upstream_credential_refused(&self, app: &str) {
        self.upstream_credentials_refused.with_label_values(&[app]).inc();
    }

    /// `stormdoor_upstream_connect_duration_seconds{app}`.
    pub fn upstream_connected(&self, app: &str, took: Duration) {
        self.upstream_connect.with_label_values(&[app]).observe(took.as_secs_f64());
    }

    /// `stormdoor_jwt_validations_total{issuer, result, reason}`.
    pub fn jwt_validation(&self, issuer: &str, result: &'static str, reason: &'static str) {
        self.jwt_validations.with_label_values(&[issuer, result, reason]).inc();
    }

    /// `stormdoor_jwks_fetches_total{issuer, result}`.
    pub fn jwks_fetch(&self, issuer: &str, result: &'static str) {
        self.jwks_fetches.with_label_values(&[issuer, result]).inc();
    }

    /// `stormdoor_jwks_fetched_timestamp_seconds{issuer}`.
    pub fn jwks_fetched(&self, issuer: &str, at_seconds: i64) {
        self.jwks_fetched.with_label_values(&[issuer]).set(at_seconds);
    }

    /// `stormdoor_ratelimit_decisions_total{policy, tier, decision}`.
    pub fn rate_limit(&self, policy: &str, tier: &str, decision: &'static str) {
        self.rate_limits.with_label_values(&[policy, tier, decision]).inc();
    }

    /// `stormdoor_authz_decisions_total{app, route, decision}`.
    pub fn authorization(&self, app: &str, route: &str, decision: &'static str) {
        self.authorizations.with_label_values(&[app, route, decision]).inc();
    }

    /// `stormdoor_auth_logins_total{method, result, reason}` and `stormdoor_auth_login_duration_seconds{result}`.
    /// `result` is `success` when somebody is signed in; alerts take anything else for a failure.
    pub fn login(
        &self,
        method: &'static str,
        result: &'static str,
        reason: &'static str,
        took: Duration,
    ) {
        self.logins.with_label_values(&[method, result, reason]).inc();
        self.login_duration.with_label_values(&[result]).observe(took.as_secs_f64());
    }

    /// `stormdoor_openid_total{step, result}`. Steps: `authorize`, `token`, `userinfo`, `end_session`.
    pub fn openid(&self, step: &'static str, result: &'static str) {
        self.openid.with_label_values(&[step, result]).inc();
    }

    /// `stormdoor_auth_registrations_total{result}`.
    pub fn registration(&self, result: &'static str) {
        self.registrations.with_label_values(&[result]).inc();
    }

    /// `stormdoor_refresh_total{result}`: rotated, grace, reuse, refused.
    pub fn refresh(&self, result: &'static str) {
        self.refreshes.with_label_values(&[result]).inc();
    }

    /// `stormdoor_sessions_ended_total{reason}`.
    pub fn session_ended(&self, reason: &'static str) {
        self.sessions_ended.with_label_values(&[reason]).inc();
    }

    /// `stormdoor_auth_password_hash_duration_seconds`.
    pub fn password_hashed(&self, took: Duration) {
        self.password_hash.observe(took.as_secs_f64());
    }

    /// `stormdoor_auth_password_hash_waiting`.
    pub fn password_hash_waiting(&self, by: i64) {
        self.password_hash_waiting.add(by);
    }

    /// `stormdoor_mail_sent_total{kind, result}`: sent, deferred, `given_up`.
    pub fn mail_sent(&self, kind: &'static str, result: &'static str) {
        self.mail_sent.with_label_values(&[kind, result]).inc();
    }

    /// `stormdoor_mail_waiting` and `stormdoor_mail_oldest_waiting_seconds`.
    pub fn mail_waiting(&self, count: u64, oldest: Duration) {
        self.mail_waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.mail_oldest_waiting.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }

    /// `stormdoor_nextcloud_calls_total{call, result}`.
    pub fn nextcloud_called(&self, call: &'static str, result: &'static str) {
        self.nextcloud_calls.with_label_values(&[call, result]).inc();
    }

    /// `stormdoor_nextcloud_stopped`.
    pub fn nextcloud_stopped(&self, stopped: bool) {
        self.nextcloud_stopped.set(i64::from(stopped));
    }

    /// `stormdoor_provisioning_pending`, `_oldest_pending_seconds` and `_failed`.
    pub fn provisioning_backlog(&self, pending: u64, oldest: Duration, failed: u64) {
        self.provisioning_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.provisioning_oldest.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
        self.provisioning_failed.set(i64::try_from(failed).unwrap_or(i64::MAX));
    }

    /// `stormdoor_config_reloads_total{result}` and the two `stormdoor_config_last_reload_*` gauges.
    pub fn reloaded(&self, successful: bool, at_seconds: i64) {
        let result = if successful { RELOADED } else { NOT_RELOADED };
        self.reloads.with_label_values(&[result]).inc();
        self.reload_successful.set(i64::from(successful));
        if successful {
            self.reload_success_at.set(at_seconds);
        }
    }

    /// `stormdoor_config_danger_options{option}`.
    pub fn danger_option(&self, option: &str, count: i64) {
        self.danger_options.with_label_values(&[option]).set(count);
    }

    /// `stormdoor_store_up{store}`.
    pub fn store_up(&self, store: &'static str, up: bool) {
        self.store_up.with_label_values(&[store]).set(i64::from(up));
    }

    /// `stormdoor_leader{work}`.
    pub fn leader(&self, work: &'static str, leads: bool) {
        self.leader.with_label_values(&[work]).set(i64::from(leads));
    }

    /// `stormdoor_shared_state_up`.
    pub fn shared_state_up(&self, up: bool) {
        self.shared_state_up.set(i64::from(up));
    }

    /// `stormdoor_shared_state_nodes`.
    pub fn shared_state_nodes(&self, nodes: u32) {
        self.shared_state_nodes.set(nodes.into());
    }

    /// `stormdoor_shared_state_errors_total{reason}`: connection, nonsense, refused, timeout.
    pub fn shared_state_error(&self, reason: &'static str) {
        self.shared_state_errors.with_label_values(&[reason]).inc();
    }

    /// `stormdoor_shared_state_degraded_total{concern}`: limits, lockout, handshakes.
    pub fn shared_state_degraded(&self, concern: &'static str) {
        self.shared_state_degraded.with_label_values(&[concern]).inc();
    }

    /// `stormdoor_websockets_open{app}`.
    pub fn websocket(&self, app: &str, by: i64) {
        self.websockets.with_label_values(&[app]).add(by);
    }

    /// `stormdoor_access_log_dropped_total`.
    pub fn access_log_dropped(&self, lines: u64) {
        self.access_log_dropped.inc_by(lines);
    }

    /// Handles for one route, resolved once when the configuration is loaded.
    pub fn route(&self, app: &str, route: &str) -> RouteMetrics {
        RouteMetrics(Arc::new(Handles {
            app: app.into(),
            route: route.into(),
            requests: self.requests.clone(),
            by_method: std::array::from_fn(|_| OnceLock::new()),
            duration: self.request_duration.with_label_values(&[app, route]),
            overhead: self.overhead.with_label_values(&[app]),
            request_body_bytes: self.request_body_bytes.with_label_values(&[app]),
            response_body_bytes: self.response_body_bytes.with_label_values(&[app]),
            in_flight: self.in_flight.with_label_values(&[app]),
        }))
    }

    /// Everything in the Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Fails only for a metric family without samples, and `gather` gives none of these.
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "could not render all metrics");
        }
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Pre-resolved handles of one route: recording costs no look-up of labels beyond method and code.
#[derive(Clone)]
pub struct RouteMetrics(Arc<Handles>);

impl RouteMetrics {
    /// A request began: `stormdoor_http_requests_in_flight{app}`. Each must be followed by one [`Self::ended`].
    pub fn began(&self) {
        self.0.in_flight.inc();
    }

    /// It ended: `stormdoor_http_requests_total{app, route, method, code}`, the duration and overhead histograms, and
    /// the body byte counters. Methods off the allow-list count as `other`.
    pub fn ended(
        &self,
        method: &str,
        code: u16,
        took: Duration,
        overhead: Duration,
        request_bytes: u64,
        response_bytes: u64,
    ) {
        let handles = &*self.0;
        handles.in_flight.dec();
        handles.count(method, code);
        handles.duration.observe(took.as_secs_f64());
        handles.overhead.observe(overhead.as_secs_f64());
        handles.request_body_bytes.inc_by(request_bytes);
        handles.response_body_bytes.inc_by(response_bytes);
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMetrics")
            .field("app", &self.0.app)
            .field("route", &self.0.route)
            .finish_non_exhaustive()
    }
}

struct Handles {
    app: Box<str>,
    route: Box<str>,
    requests: IntCounterVec,
    by_method: [OnceLock<Box<ByCode>>; METHODS.len() + 1],
    duration: Histogram,
    overhead: Histogram,
    request_body_bytes: IntCounter,
    response_body_bytes: IntCounter,
    in_flight: IntGauge,
}

/// Counters of one method by status. Made when first needed: most routes see few methods and few statuses, and
/// a series that nobody caused should not be published.
type ByCode = [OnceLock<IntCounter>; CODES.len()];

impl Handles {
    fn count(&self, method: &str, code: u16) {
        let row = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len());
        let column = CODES.iter().position(|known| *known == code);
        let counter = column.and_then(|column| {
            self.by_method
                .get(row)?
                .get_or_init(|| Box::new(std::array::from_fn(|_| OnceLock::new())))
                .get(column)
        });
        match counter {
            Some(counter) => counter.get_or_init(|| self.resolve(row, code)).inc(),
            // A status of the upstream's own invention.
            None => self.resolve(row, code).inc(),
        }
    }

    fn resolve(&self, row: usize, code: u16) -> IntCounter {
        let method = METHODS.get(row).copied().unwrap_or("other");
        // Three digits and no more: what is not a status must not make series.
        let code = if (100..1000).contains(&code) { code.to_string() } else { "none".to_owned() };
        self.requests.with_label_values(&[&*self.app, &*self.route, method, &code])
    }
}

const RELOADED: &str = "success";
const NOT_RELOADED: &str = "failure";

/// Methods with a series of their own, the frequent ones first; all others are `other`.
const METHODS: [&str; 23] = [
    "GET",
    "POST",
    "PROPFIND",
    "PUT",
    "HEAD",
    "OPTIONS",
    "DELETE",
    "PATCH",
    "REPORT",
    "MKCOL",
    "MOVE",
    "COPY",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "MKCALENDAR",
    "ACL",
    "BIND",
    "UNBIND",
    "REBIND",
    "VERSION-CONTROL",
    "TRACE",
];

/// Statuses whose counter is kept at hand, the frequent ones first.
const CODES: [u16; 44] = [
    200, 304, 204, 206, 207, 201, 401, 404, 403, 302, 429, 400, 301, 303, 502, 503, 504, 500, 101,
    202, 203, 205, 208, 300, 307, 308, 402, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416,
    421, 422, 423, 431, 501, 507,
];

/// Makes metrics and registers them. Names and labels are constants of this file, so a mistake in one shows in the first test.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help).expect(VALID))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help).expect(VALID))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(options).expect(VALID))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels).expect(VALID))
    }

    /// `process_*`: processor, memory and open files, from `/proc`.
    fn process(&self) {
        self.0.register(Box::new(ProcessCollector::for_self())).expect("every name is used once");
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.0.register(Box::new(collector.clone())).expect("every name is used once");
        collector
    }
}

const VALID: &str = "names, labels and buckets are valid";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Every metric, with one sample at least.
    fn touched() -> Arc<Metrics> {
        let metrics = Metrics::new();
        metrics.rejected("bad_path");
        metrics.shared_state_error("timeout");
        metrics.shared_state_degraded("limits");
        metrics.handshake("success", "1.3");
        metrics.connections_open(1);
        metrics.certificate_not_after("localhost", 1);
        metrics.upstream_up("cloud", "http://127.0.0.1:1", true);
        metrics.upstream_retry("cloud");
        metrics.upstream_connected("cloud", MILLI);
        metrics.jwt_validation("us", "success", "");
        metrics.jwks_fetch("us", "success");
        metrics.jwks_fetched("us", 1);
        metrics.rate_limit("default", "free", "allowed");
        metrics.authorization("cloud", "dav", "allowed");
        metrics.login("password", "success", "", MILLI);
        metrics.openid("token", "success");
        metrics.wrong_identity("cloud");
        metrics.upstream_credential_refused("cloud");
        metrics.registration("success");
        metrics.refresh("rotated");
        metrics.session_ended("logout");
        metrics.password_hashed(MILLI);
        metrics.password_hash_waiting(1);
        metrics.mail_sent("verify_email", "sent");
        metrics.mail_waiting(1, MILLI);
        metrics.nextcloud_called("read", "ok");
        metrics.nextcloud_stopped(false);
        metrics.provisioning_backlog(1, MILLI, 0);
        metrics.reloaded(true, 1);
        metrics.danger_option("danger_skip_verification", 1);
        metrics.store_up("sqlite", true);
        metrics.leader("upkeep", true);
        metrics.websocket("cloud", 1);
        metrics.access_log_dropped(1);
        let route = metrics.route("cloud", "dav");
        route.began();
        route.ended("GET", 200, MILLI, MILLI, 1, 2);
        metrics
    }

    /// The value of one series, as shown.
    fn value(metrics: &Metrics, series: &str) -> Option<String> {
        let text = metrics.render();
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.map(str::to_owned)
    }

    fn names_in(text: &str) -> BTreeSet<&str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("stormdoor_") || word.starts_with("process_"))
            .collect()
    }

    #[test]
    fn dashboard_and_rules_use_only_metrics_that_exist() {
        let rendered = touched().render();
        let samples = rendered.lines().filter(|line| !line.starts_with('#'));
        let known: BTreeSet<&str> =
            samples.filter_map(|line| line.split(['{', ' ']).next()).collect();
        for (file, text) in [
            ("dashboard.json", include_str!("../../deploy/grafana/dashboard.json")),
            ("rules.yml", include_str!("../../deploy/prometheus/rules.yml")),
        ] {
            let used = names_in(text);
            let unknown: Vec<_> = used.difference(&known).collect();
            assert!(unknown.is_empty(), "{file} uses {unknown:?}");
            assert!(used.len() > 10, "{file} uses {used:?}");
        }
    }

    #[test]
    fn the_dashboard_shows_every_metric_of_ours() {
        let dashboard = names_in(include_str!("../../deploy/grafana/dashboard.json"));
        let rendered = touched().render();
        let ours = rendered
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split(' ').next())
            .filter(|name| name.starts_with("stormdoor_"));
        for name in ours {
            let shown = dashboard.contains(name) || dashboard.contains(&*format!("{name}_bucket"));
            assert!(shown, "{name}");
        }
    }

    #[test]
    fn dashboard_and_rules_can_be_read() {
        let dashboard = include_str!("../../deploy/grafana/dashboard.json");
        serde_json::from_str::<serde_json::Value>(dashboard).unwrap();
        for rules in [
            include_str!("../../deploy/prometheus/rules.yml"),
            include_str!("../../deploy/prometheus/prometheus.yml"),
            include_str!("../../docker-compose.yml"),
        ] {
            serde_yaml::from_str::<serde_json::Value>(rules).unwrap();
        }
    }

    #[test]
    fn a_request_is_counted_once_under_its_route_method_and_code() {
        let metrics = Metrics::new();
        let route = metrics.route("cloud", "dav");
        // A second set of handles, as after a reload, goes on where the first stopped.
        for route in [&route, &route.clone(), &metrics.route("cloud", "dav")] {
            route.began();
            route.ended("PROPFIND", 207, 20 * MILLI, MILLI, 10, 200);
        }
        let series = r#"{app="cloud",code="207",method="PROPFIND",route="dav"}"#;
        for (name, expected) in [
            (format!("stormdoor_http_requests_total{series}"), "3"),
            (r#"stormdoor_http_requests_in_flight{app="cloud"}"#.to_owned(), "0"),
            (r#"stormdoor_http_request_body_bytes_total{app="cloud"}"#.to_owned(), "30"),
            (r#"stormdoor_http_response_body_bytes_total{app="cloud"}"#.to_owned(), "600"),
            (r#"stormdoor_http_auth_overhead_seconds_count{app="cloud"}"#.to_owned(), "3"),
        ] {
            assert_eq!(value(&metrics, &name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_a_client_or_upstream_makes_up_does_not_make_series_without_end() {
        let metrics = Metrics::new();
        let route = metrics.route("cloud", "dav");
        for (method, code) in [("BREW", 200), ("get", 200), ("", 200), ("GET", 0), ("GET", 65_535)]
        {
            route.ended(method, code, MILLI, MILLI, 0, 0);
        }
        let count = |method: &str, code: &str| {
            let labels = format!(r#"app="cloud",code="{code}",method="{method}",route="dav""#);
            value(&metrics, &format!("stormdoor_http_requests_total{{{labels}}}"))
        };
        assert_eq!(count("other", "200").as_deref(), Some("3"));
        assert_eq!(count("GET", "none").as_deref(), Some("2"));
    }

    #[test]
    fn an_unusual_status_is_counted_as_well() {
        let metrics = Metrics::new();
        let route = metrics.route("cloud", "dav");
        route.ended("GET", 299, MILLI, MILLI, 0, 0);
        route.ended("GET", 299, MILLI, MILLI, 0, 0);
        let series =
            r#"stormdoor_http_requests_total{app="cloud",code="299",method="GET",route="dav"}"#;
        assert_eq!(value(&metrics, series).as_deref(), Some("2"));
    }

    #[test]
    fn a_failed_reload_leaves_the_time_of_the_last_good_one() {
        let metrics = Metrics::new();
        let successful = "stormdoor_config_last_reload_successful";
        let at = "stormdoor_config_last_reload_success_timestamp_seconds";
        assert_eq!(value(&metrics, successful).as_deref(), Some("1"));
        metrics.reloaded(true, 100);
        metrics.reloaded(false, 200);
        assert_eq!(value(&metrics, successful).as_deref(), Some("0"));
        assert_eq!(value(&metrics, at).as_deref(), Some("100"));
    }

    #[test]
    fn what_was_forgotten_is_no_longer_shown() {
        let metrics = touched();
        metrics.forget_upstream("cloud", "http://127.0.0.1:1");
        metrics.forget_upstream("cloud", "http://127.0.0.1:1");
        metrics.forget_certificate("localhost");
        let rendered = metrics.render();
        assert!(!rendered.contains("\nstormdoor_upstream_up{"));
        assert!(!rendered.contains("\nstormdoor_tls_certificate_not_after_timestamp_seconds{"));
    }

    #[test]
    fn a_label_cannot_break_out_of_its_line() {
        let metrics = Metrics::new();
        metrics.jwks_fetched("a\"} 1\nforged 2", 3);
        assert!(!metrics.render().contains("\nforged"));
    }
}
