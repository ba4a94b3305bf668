//! Who is up: active checks, and ejection of endpoints that keep failing. State machines first, then the probe.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{StatusCode, Uri};
use pingora_core::Result;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::{HttpPeer, Peer as _};
use pingora_core::{Error, ErrorType, OrErr as _};
use pingora_http::RequestHeader;

use crate::clock::Timestamp;
use crate::config::{HealthAnswer, HealthCheck};

/// What active checks have found so far. Up until they say otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Checks {
    up: bool,
    /// Results in a row that speak against `up`.
    against: u32,
}

impl Default for Checks {
    fn default() -> Self {
        Self { up: true, against: 0 }
    }
}

impl Checks {
    /// Takes the result of one check; whether the endpoint is up now.
    pub(super) fn record(&mut self, healthy: bool, check: &HealthCheck) -> bool {
        if healthy == self.up {
            self.against = 0;
            return self.up;
        }
        self.against = self.against.saturating_add(1);
        let needed = if self.up { check.unhealthy_after } else { check.healthy_after };
        if self.against >= needed {
            *self = Self { up: healthy, against: 0 };
        }
        self.up
    }
}

/// Failures in a row until an endpoint is ejected.
pub(super) const EJECT_AFTER: u32 = 5;
/// How long the first ejection lasts; the n-th in a row lasts n times as long.
pub(super) const EJECT_FOR: Duration = Duration::from_secs(10);
/// How long an ejection lasts at most.
pub(super) const EJECT_AT_MOST: Duration = Duration::from_mins(5);

/// What requests have found: an endpoint that fails five times in a row is left alone for a while.
///
/// After that while, one more failure ejects it again, for longer; one success forgets everything. What counts as a
/// failure: no connection, no (valid) response, or 502, 503 and 504.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Ejection {
    failures: u32,
    times: u32,
    until: Timestamp,
}

impl Ejection {
    /// Takes a failure; until when the endpoint is ejected, when this ejects it.
    pub(super) fn failed(&mut self, now: Timestamp) -> Option<Timestamp> {
        if now < self.until {
            // Sent before it was ejected, or because all others are as bad: known already.
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        if self.times == 0 && self.failures < EJECT_AFTER {
            return None;
        }
        self.times = self.times.saturating_add(1);
        self.until = now + EJECT_FOR.saturating_mul(self.times).min(EJECT_AT_MOST);
        Some(self.until)
    }

    /// Takes a success.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

/// Asks one endpoint whether it is healthy.
#[derive(Debug)]
pub(super) struct Probe {
    check: HealthCheck,
    request: RequestHeader,
    /// The request again, as HTTP/2 wants it.
    target: Uri,
}

impl Probe {
    /// A probe with `check` of the endpoint that is reached as `authority`.
    pub(super) fn new(check: &HealthCheck, tls: bool, authority: &str) -> Result<Self> {
        let authority = check.host.as_deref().unwrap_or(authority);
        let mut request = RequestHeader::build("GET", check.path.as_bytes(), Some(3))?;
        request.insert_header(http::header::HOST, authority)?;
        request.insert_header(http::header::USER_AGENT, "stormdoor-health")?;
        request.insert_header(http::header::ACCEPT, "*/*")?;
        let invalid = "not a path or host for a health check";
        let path: PathAndQuery =
            check.path.parse().or_err(ErrorType::InvalidHTTPHeader, invalid)?;
        let authority: Authority =
            authority.parse().or_err(ErrorType::InvalidHTTPHeader, invalid)?;
        let target = Uri::builder()
            .scheme(if tls { Scheme::HTTPS } else { Scheme::HTTP })
            .authority(authority)
            .path_and_query(path)
            .build()
            .or_err(ErrorType::InvalidHTTPHeader, invalid)?;
        Ok(Self { check: check.clone(), request, target })
    }

    /// Asks at `peer`. Healthy is an answer as [`HealthAnswer`] wants it, in time; with what people should know about it.
    pub(super) async fn ask(
        &self,
        connector: &Connector,
        peer: &HttpPeer,
    ) -> Result<Option<&'static str>> {
        let timeout = self.check.timeout;
        match tokio::time::timeout(timeout, self.exchange(connector, peer)).await {
            Ok(result) => result,
            Err(_) => {
                Error::e_explain(ErrorType::ReadTimedout, format!("no answer in {timeout:?}"))
            }
        }
    }

    async fn exchange(
        &self,
        connector: &Connector,
        peer: &HttpPeer,
    ) -> Result<Option<&'static str>> {
        let (mut session, _reused) = connector.get_http_session(peer).await?;
        let mut request = self.request.clone();
        if matches!(session, HttpSession::H2(_)) {
            request.remove_header(&http::header::HOST);
            request.set_version(http::Version::HTTP_2);
            request.set_uri(self.target.clone());
        }
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let head = session.response_header();
        let status = head.map(|head| head.status);
        let in_maintenance =
            head.is_some_and(|head| head.headers.contains_key("x-nextcloud-maintenance-mode"));
        let body = match self.check.answer {
            HealthAnswer::Nextcloud => read_body(&mut session).await?,
            HealthAnswer::Status => Vec::new(),
        };
        if matches!(session, HttpSession::H2(_)) {
            // Every HTTP/1 check opens a connection of its own, so that it tests whether that works. HTTP/2 connections
            // stay in the connector's pool until they break.
            connector.release_http_session(session, peer, peer.idle_timeout()).await;
        }
        match status {
            Some(status) if self.check.answer == HealthAnswer::Nextcloud => {
                nextcloud_says(status, in_maintenance, &body)
            }
            Some(status) if status.is_success() || status.is_redirection() => Ok(None),
            Some(status) => {
                Error::e_explain(ErrorType::HTTPStatus(status.as_u16()), "answered a health check")
            }
            None => Error::e_explain(ErrorType::ConnectionClosed, "no answer to a health check"),
        }
    }
}

/// Longest answer of `/status.php` that is looked at, in bytes. It has about 200.
const STATUS_MAX: usize = 4096;

async fn read_body(session: &mut HttpSession) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < STATUS_MAX
        && let Some(chunk) = session.read_response_body().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What `/status.php` means. A Nextcloud that is in maintenance or waits for an upgrade answers every request itself, and
/// says more than our 503 could: it stays in use.
fn nextcloud_says(
    status: StatusCode,
    in_maintenance: bool,
    body: &[u8],
) -> Result<Option<&'static str>> {
    const MAINTENANCE: Option<&str> = Some("Nextcloud is in maintenance mode");
    let answered =
        |about: &'static str| Error::e_explain(ErrorType::HTTPStatus(status.as_u16()), about);
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let is = |key: &str| said.get(key).and_then(serde_json::Value::as_bool);
    match (status, is("installed")) {
        (StatusCode::SERVICE_UNAVAILABLE, _) if in_maintenance => Ok(MAINTENANCE),
        (StatusCode::BAD_REQUEST, _) if said.get("code").is_some_and(|code| code == 15) => {
            answered("Nextcloud does not trust this host: add it to its trusted_domains")
        }
        (StatusCode::OK, Some(true)) if is("maintenance") == Some(true) => Ok(MAINTENANCE),
        (StatusCode::OK, Some(true)) if is("needsDbUpgrade") == Some(true) => {
            Ok(Some("Nextcloud waits for its upgrade (occ upgrade)"))
        }
        (StatusCode::OK, Some(true)) => Ok(None),
        (StatusCode::OK, Some(false)) => Ok(Some("Nextcloud is initializing: not installed yet")),
        _ => answered("not what Nextcloud answers at status.php"),
    }
}

/// The connector of health checks, apart from the one of requests.
///
/// `None` when the system's certificates cannot be read, on which Pingora's connector would panic.
pub(super) fn connector() -> Option<Arc<Connector>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() && !found.errors.is_empty() {
        return None;
    }
    Some(Arc::new(Connector::new(None)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use async_trait::async_trait;
    use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp as _};
    use pingora_core::protocols::http::ServerSession;
    use pingora_core::protocols::l4::stream::Stream as L4Stream;
    use pingora_core::server::ShutdownWatch;
    use pingora_http::ResponseHeader;
    use rustls::pki_types::PrivateKeyDer;

    use super::super::peer::PeerSettings;
    use super::super::response;
    use super::super::tests::upstream;
    use super::*;
    use crate::config::{Endpoint, Upstream, UpstreamProtocol};
    use crate::gate::Refusal;

    fn check() -> HealthCheck {
        HealthCheck {
            path: "/health".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
            host: None,
            answer: HealthAnswer::Status,
        }
    }

    #[test]
    fn what_nextcloud_says_of_itself() {
        let said = |more: &str| {
            format!("{{\"installed\":true,\"maintenance\":false,\"needsDbUpgrade\":false{more}}}")
        };
        let good = said("");
        let busy = good.replace("\"maintenance\":false", "\"maintenance\":true");
        let old = good.replace("\"needsDbUpgrade\":false", "\"needsDbUpgrade\":true");
        let new = good.replace("\"installed\":true", "\"installed\":false");
        let untrusted = r#"{"error":"Trusted domain error.","code":15}"#;
        for (status, header, body, found) in [
            (200, false, good.as_str(), Some("")),
            (200, false, &busy, Some("maintenance")),
            (503, true, "", Some("maintenance")),
            (503, false, "", None),
            (200, false, &old, Some("upgrade")),
            (200, false, &new, Some("initializing")),
            (400, false, untrusted, None),
            (200, false, "<html>another server</html>", None),
            (200, false, "{}", None),
            (500, false, &good, None),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let said = nextcloud_says(status, header, body.as_bytes());
            let said = said.ok().map(Option::unwrap_or_default);
            match found {
                Some("") => assert_eq!(said, Some(""), "{status} {body}"),
                Some(word) => {
                    assert!(said.is_some_and(|text| text.contains(word)), "{status} {body}");
                }
                None => assert_eq!(said, None, "{status} {body}"),
            }
        }
    }

    #[test]
    fn results_in_a_row_change_the_state() {
        for (results, states) in [
            ("+", "U"),
            ("---", "UUD"),
            ("--+---", "UUUUUD"),
            ("---+", "UUDD"),
            ("---++", "UUDDU"),
            ("---+-++", "UUDDDDU"),
        ] {
            let mut checks = Checks::default();
            let found: String = results
                .chars()
                .map(|result| if checks.record(result == '+', &check()) { 'U' } else { 'D' })
                .collect();
            assert_eq!(found, states, "{results}");
        }
    }

    #[test]
    fn five_failures_in_a_row_eject_for_ten_seconds() {
        let now = Timestamp::from_secs(100);
        let mut ejection = Ejection::default();
        for _ in 1..EJECT_AFTER {
            assert_eq!(ejection.failed(now), None);
        }
        assert_eq!(ejection.failed(now), Some(Timestamp::from_secs(110)));
        assert_eq!(ejection.failed(now), None, "stragglers do not prolong it");
    }

    #[test]
    fn a_success_between_failures_starts_the_count_again() {
        let now = Timestamp::from_secs(100);
        let mut ejection = Ejection::default();
        for _ in 0..3 {
            for _ in 1..EJECT_AFTER {
                assert_eq!(ejection.failed(now), None);
            }
            ejection.succeeded();
        }
    }

    #[test]
    fn every_further_ejection_lasts_longer_up_to_five_minutes() {
        let mut now = Timestamp::from_secs(0);
        let mut ejection = Ejection::default();
        let mut lengths = Vec::new();
        for _ in 0..100 {
            if let Some(until) = ejection.failed(now) {
                lengths.push(until.since(now).as_secs());
                now = until;
            }
        }
        assert_eq!(lengths.first_chunk(), Some(&[10, 20, 30, 40]));
        assert_eq!(lengths.last(), Some(&300));
    }

    fn peer(upstream: &Upstream, tls: bool, host: &str, address: SocketAddr) -> HttpPeer {
        let endpoint = Endpoint { tls, host: host.to_owned(), port: address.port() };
        let settings = PeerSettings::of(upstream).expect("settings");
        settings.template(&endpoint).expect("a template").at(address.ip())
    }

    async fn ask(peer: &HttpPeer) -> Result<Option<&'static str>> {
        let probe = Probe::new(&check(), peer.is_tls(), "app.example.org").expect("a probe");
        probe.ask(&Connector::new(None), peer).await
    }

    /// A CA in a file, and a TLS server on loopback with a certificate of it for `names`, which answers 204.
    fn tls_server(names: &[&str]) -> (tempfile::NamedTempFile, SocketAddr) {
        let ca_key = rcgen::KeyPair::generate().expect("a key");
        let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).expect("a CA").pem();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = rcgen::CertificateParams::new(names).expect("names");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("a certificate and its key");
        let config = Arc::new(config);

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("TLS");
                let mut stream = rustls::Stream::new(&mut tls, &mut socket);
                if stream.read(&mut [0; 4096]).is_ok() {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                }
            }
        });
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(ca_pem.as_bytes()).expect("written");
        (file, address)
    }

    #[tokio::test]
    async fn a_certificate_counts_for_its_ca_and_its_name_or_address_only() {
        let (ca, address) = tls_server(&["app.example.org", "127.0.0.1"]);
        let (_other_ca, other) = tls_server(&["app.example.org", "127.0.0.1"]);
        let mut upstream = upstream();
        upstream.tls.ca_file = Some(ca.path().to_owned());
        for (host, address, good) in [
            ("app.example.org", address, true),
            ("127.0.0.1", address, true),
            ("other.example.org", address, false),
            ("127.0.0.2", address, false),
            ("app.example.org", other, false),
        ] {
            let result = ask(&peer(&upstream, true, host, address)).await;
            assert_eq!(result.is_ok(), good, "{host}: {result:?}");
            if let Err(error) = result {
                let refusal = response::refusal(&error.into_up());
                assert!(matches!(refusal, Refusal::BadGateway { reason: "certificate" }));
            }
        }
        upstream.tls.ca_file = None;
        assert!(ask(&peer(&upstream, true, "app.example.org", address)).await.is_err());
        upstream.tls.danger_skip_verification = Some("in a test".to_owned());
        assert!(ask(&peer(&upstream, true, "other.example.org", address)).await.is_ok());
    }

    /// Answers 200 over HTTP/2 with prior knowledge.
    struct H2c(HttpServerOptions);

    #[async_trait]
    impl HttpServerApp for H2c {
        async fn process_new_http(
            self: &Arc<Self>,
            mut session: ServerSession,
            _shutdown: &ShutdownWatch,
        ) -> Option<ReusedHttpStream> {
            assert!(session.read_request().await.expect("a request"));
            assert!(session.is_http2());
            assert_eq!(session.req_header().uri.path(), "/health");
            let head = ResponseHeader::build(200, None).expect("a head");
            session.write_response_header(Box::new(head)).await.expect("written");
            session.finish().await.expect("finished");
            None
        }

        fn server_options(&self) -> Option<&HttpServerOptions> {
            Some(&self.0)
        }
    }

    #[tokio::test]
    async fn http2_with_prior_knowledge_is_checked_over_http2() {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        let app = Arc::new(H2c(options));
        let (_stop, shutdown) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
                tokio::spawn(async move {
                    app.process_new(Box::new(L4Stream::from(stream)), &shutdown).await;
                });
            }
        });
        let upstream = Upstream { protocol: UpstreamProtocol::Http2, ..upstream() };
        let peer = peer(&upstream, false, "app.example.org", address);
        let connector = Connector::new(None);
        let probe = Probe::new(&check(), false, "app.example.org").expect("a probe");
        for _ in 0..3 {
            probe.ask(&connector, &peer).await.expect("healthy");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_does_not_answer_in_time_is_not_healthy() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let check = HealthCheck { timeout: Duration::from_millis(100), ..check() };
        let probe = Probe::new(&check, false, "app.example.org").expect("a probe");
        let peer = peer(&upstream(), false, "app.example.org", address);
        let error = probe.ask(&Connector::new(None), &peer).await.expect_err("silence");
        assert_eq!(error.etype(), &ErrorType::ReadTimedout);
    }

    #[tokio::test]
    async fn a_closed_port_is_a_refused_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let error = ask(&peer(&upstream(), false, "app.example.org", address)).await;
        let refusal = response::refusal(&error.expect_err("nobody there").into_up());
        assert!(matches!(refusal, Refusal::BadGateway { reason: "connect_refused" }));
    }
}
