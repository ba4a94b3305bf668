//! The names of structured log fields. One name per thing, so that one query finds it everywhere.
//!
//! They follow OpenTelemetry's semantic conventions where these have a name; ours are below `stormdoor.`.
//! Never a field: passwords, tokens, cookies, codes, e-mail addresses, query strings, request or response bodies.

/// The client's address, after trusted proxies.
pub const CLIENT: &str = "client.address";
/// The method of the request.
pub const METHOD: &str = "http.request.method";
/// Body bytes received.
pub const REQUEST_BYTES: &str = "http.request.body.size";
/// Body bytes sent.
pub const RESPONSE_BYTES: &str = "http.response.body.size";
/// The status of the response.
pub const STATUS: &str = "http.response.status_code";
/// The HTTP version: `1.0`, `1.1` or `2`.
pub const PROTOCOL: &str = "network.protocol.version";
/// The canonical host.
pub const HOST: &str = "server.address";
/// The app that answered.
pub const APP: &str = "stormdoor.app";
/// What became of a request: forwarded, served, answered or refused.
pub const DECISION: &str = "stormdoor.decision";
/// The whole request, in milliseconds.
pub const DURATION: &str = "stormdoor.duration_ms";
/// Our share of it before the upstream, in milliseconds.
pub const OVERHEAD: &str = "stormdoor.overhead_ms";
/// Why it was refused.
pub const REASON: &str = "stormdoor.reason";
/// What names a request in logs, answers and at the upstream.
pub const REQUEST_ID: &str = "stormdoor.request_id";
/// The route that matched.
pub const ROUTE: &str = "stormdoor.route";
/// The endpoint that a request went to.
pub const UPSTREAM: &str = "stormdoor.upstream";
/// The canonical path, without query.
pub const PATH: &str = "url.path";
/// The subject of the verified credential.
pub const SUBJECT: &str = "user.id";
/// What the client calls itself.
pub const USER_AGENT: &str = "user_agent.original";
