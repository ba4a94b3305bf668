//! 4b. Towards the backend: which endpoint, how to reach it, what to send it, and what its failures mean.
//!
//! | file | |
//! |---|---|
//! | `cluster` | the endpoints of one upstream and their state; [`EndpointGuard`] |
//! | `balance` | how the next endpoint is chosen |
//! | `health` | active checks; ejection after failures |
//! | `dns` | names to addresses, in the background |
//! | `peer` | timeouts, protocol and TLS towards an endpoint |
//! | [`retry`] | which failures may be tried again |
//! | [`bridge`] | how Nextcloud learns who is calling, and whose its cookies are |
//! | [`rewrite`] | the head that is forwarded |
//! | [`response`] | what a failure means for the client |
//! | [`whoami`] | the built-in app, which answers with what it saw |

mod balance;
pub mod bridge;
mod cluster;
mod dns;
mod health;
mod patient;
mod peer;
pub mod response;
pub mod retry;
pub mod rewrite;
pub mod whoami;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use pingora_core::connectors::http::Connector;
use pingora_core::upstreams::peer::HttpPeer;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::cluster::Cluster;
pub use self::cluster::{EndpointGuard, EndpointId};
use self::patient::Patient;
use crate::clock::Clock;
use crate::config::{Upstream, UpstreamProtocol};
use crate::observe::Metrics;

/// All upstreams of one configuration. Immutable; what is known about an endpoint's health, addresses and load passes
/// to the next configuration when the endpoint stays in it.
pub struct Upstreams {
    clusters: HashMap<Arc<str>, Cluster>,
    /// Of health checks; there when any upstream has one.
    connector: Option<Arc<Connector>>,
    /// Aborted when dropped.
    tasks: Mutex<JoinSet<()>>,
}

/// What upstreams need from outside.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where to show what is up.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the built-in app listens ([`whoami::bind`]).
    pub whoami: SocketAddr,
}

/// A chosen endpoint.
#[derive(Debug)]
pub struct Chosen {
    /// How to reach it.
    pub peer: Box<HttpPeer>,
    /// Keep it for as long as the request is in flight.
    pub endpoint: EndpointGuard,
    protocol: UpstreamProtocol,
}

impl Chosen {
    /// The same for a request that asks to become a WebSocket: over HTTP/1.1 whatever the upstream's protocol, as an upgrade
    /// does not exist in HTTP/2 (RFC 9113 §8.6).
    #[must_use]
    pub fn for_websocket(mut self) -> Self {
        match self.protocol {
            UpstreamProtocol::Http1 => {}
            UpstreamProtocol::Http2 => self.peer.options.set_http_version(1, 1),
        }
        let connect = self.peer.options.connection_timeout.unwrap_or(Duration::from_secs(5));
        self.peer.options.custom_l4 = Some(Patient::within(connect));
        // Such a connection belongs to one WebSocket; it is never taken from the pool for anything else.
        self.peer.group_key ^= WEBSOCKET_GROUP;
        self
    }
}

/// Keeps connections for WebSockets apart from pooled ones.
const WEBSOCKET_GROUP: u64 = 0x5745_4253_4f43_4b45;

/// Why no endpoint could be chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoEndpoint {
    /// None of its names has been resolved yet.
    #[error("no endpoint of the upstream has been resolved yet")]
    NotResolved,
    /// Health checks say that all of them are down.
    #[error("no endpoint of the upstream is healthy")]
    Unhealthy,
    /// No upstream has this name.
    #[error("no such upstream")]
    UnknownUpstream,
}

/// Why upstreams could not be built from a configuration.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The private CA cannot be used.
    #[error("upstream {upstream}: CA file {}: {problem}", file.display())]
    Ca {
        /// Of which upstream.
        upstream: Arc<str>,
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A health check cannot be made into a request.
    #[error("upstream {upstream}: health check: {problem}")]
    HealthCheck {
        /// Of which upstream.
        upstream: Arc<str>,
        /// What is wrong with it.
        problem: String,
    },
    /// It has no servers.
    #[error("upstream {upstream}: no servers")]
    NoServers {
        /// Which upstream.
        upstream: Arc<str>,
    },
    /// The certificates of the system cannot be read, which the TLS client needs.
    #[error(
        "the system's CA certificates cannot be read; install ca-certificates or set SSL_CERT_FILE"
    )]
    NoSystemRoots,
    /// No certificate can be verified against this name.
    #[error(
        "upstream {upstream}: a certificate cannot be verified against {name:?}; set tls.server_name to the name in it"
    )]
    ServerName {
        /// Of which upstream.
        upstream: Arc<str>,
        /// Which name.
        name: String,
    },
}

impl Upstreams {
    /// The upstreams of `config`, with what `previous` knows about the same endpoints.
    ///
    /// Nothing runs yet: see [`Upstreams::resolve`] and [`Upstreams::start`].
    pub fn build(
        config: &BTreeMap<Arc<str>, Upstream>,
        previous: Option<&Self>,
        deps: &Deps,
    ) -> Result<Self, UpstreamError> {
        let mut clusters = HashMap::with_capacity(config.len());
        for (name, upstream) in config {
            let known = previous.and_then(|upstreams| upstreams.clusters.get(name));
            clusters.insert(Arc::clone(name), Cluster::build(upstream, known, deps)?);
        }
        let connector = if config.values().any(|upstream| upstream.health.is_some()) {
            let known = previous.and_then(|upstreams| upstreams.connector.clone());
            Some(known.or_else(health::connector).ok_or(UpstreamError::NoSystemRoots)?)
        } else {
            None
        };
        Ok(Self { clusters, connector, tasks: Mutex::default() })
    }

    /// The endpoint of upstream `name` for a request that has already failed at `tried`.
    ///
    /// Endpoints that were tried are used again only when no other is left.
    pub fn choose(&self, name: &str, tried: &[EndpointId]) -> Result<Chosen, NoEndpoint> {
        self.clusters.get(name).ok_or(NoEndpoint::UnknownUpstream)?.choose(tried)
    }

    /// The `Host` that upstream `name` is sent instead of the client's.
    pub fn host(&self, name: &str) -> Option<&str> {
        self.clusters.get(name)?.host.as_deref()
    }

    /// How many further attempts upstream `name` allows.
    pub fn retries(&self, name: &str) -> usize {
        self.clusters.get(name).map_or(0, |cluster| cluster.retries)
    }

    /// Resolves every name that is not resolved yet, all at once, 10 s at most. Await it before the snapshot goes
    /// into use, so that its first requests find addresses. Failures are logged and tried again by the tasks.
    pub async fn resolve(&self) {
        let members = self.clusters.values().flat_map(Cluster::members);
        let unresolved = members.filter(|member| !member.is_resolved());
        join_all(unresolved.map(|member| member.resolve())).await;
    }

    /// Starts resolving names and checking health in the background, in the current runtime, until [`Upstreams::stop`] or
    /// until this is dropped. Once per snapshot.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for member in self.clusters.values().flat_map(Cluster::members) {
            if member.name().is_some() {
                let member = Arc::clone(member);
                tasks.spawn(async move {
                    loop {
                        if !member.is_resolved() {
                            member.resolve().await;
                        }
                        let resolved = member.is_resolved();
                        tokio::time::sleep(if resolved { dns::EVERY } else { dns::SOON }).await;
                        if resolved {
                            member.resolve().await;
                        }
                    }
                });
            }
            if let (Some(every), Some(connector)) = (member.check_interval(), &self.connector) {
                let (member, connector) = (Arc::clone(member), Arc::clone(connector));
                tasks.spawn(async move {
                    let mut ticks = tokio::time::interval(every.max(SHORTEST_INTERVAL));
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    loop {
                        ticks.tick().await;
                        if member.is_resolved() {
                            member.check(&connector).await;
                        }
                    }
                });
            }
        }
    }

    /// Ends the background tasks: for a snapshot that has been replaced, while its last requests still hold it.
    pub fn stop(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// For readiness: each upstream's name, and whether a request to it would find an endpoint.
    pub fn readiness(&self) -> impl Iterator<Item = (&Arc<str>, bool)> {
        self.clusters.values().map(|cluster| (&cluster.name, cluster.is_available()))
    }
}

/// Between two checks of an endpoint, whatever the configuration says.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").field("clusters", &self.clusters).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::config::{Balance, Endpoint, HealthCheck, Servers, UpstreamTimeouts, UpstreamTls};

    pub(super) fn upstream() -> Upstream {
        Upstream {
            name: "app".into(),
            servers: Servers::Whoami,
            balance: Balance::LeastRequests,
            tls: UpstreamTls::default(),
            protocol: UpstreamProtocol::Http1,
            timeouts: UpstreamTimeouts {
                connect: Duration::from_secs(5),
                read: Duration::from_mins(1),
                write: Duration::from_mins(1),
                idle: Duration::from_mins(1),
            },
            health: None,
            host: None,
            retries: 1,
        }
    }

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { tls: false, host: host.to_owned(), port }
    }

    fn upstream_at(endpoints: &[Endpoint]) -> Upstream {
        Upstream { servers: Servers::Endpoints(endpoints.to_vec()), ..upstream() }
    }

    fn deps(clock: &ManualClock) -> Deps {
        Deps {
            metrics: Metrics::new(),
            clock: Arc::new(clock.clone()),
            whoami: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
        }
    }

    fn clock() -> ManualClock {
        ManualClock::at(Timestamp::from_secs(1_000))
    }

    fn build(upstream: Upstream, previous: Option<&Upstreams>, clock: &ManualClock) -> Upstreams {
        let config = BTreeMap::from([(Arc::clone(&upstream.name), upstream)]);
        Upstreams::build(&config, previous, &deps(clock)).expect("upstreams")
    }

    fn two() -> Upstream {
        upstream_at(&[endpoint("192.0.2.1", 80), endpoint("192.0.2.2", 80)])
    }

    #[test]
    fn an_endpoint_with_a_request_in_flight_is_left_for_an_idle_one() {
        let upstreams = build(two(), None, &clock());
        let first = upstreams.choose("app", &[]).expect("an endpoint");
        let second = upstreams.choose("app", &[]).expect("an endpoint");
        assert_ne!(first.endpoint.id(), second.endpoint.id());
        let idle = first.endpoint.id();
        drop(first);
        let third = upstreams.choose("app", &[]).expect("an endpoint");
        assert_eq!(third.endpoint.id(), idle);
    }

    #[test]
    fn a_second_attempt_goes_elsewhere_when_there_is_an_elsewhere() {
        let upstreams = build(two(), None, &clock());
        let first = upstreams.choose("app", &[]).expect("an endpoint").endpoint.id();
        let second = upstreams.choose("app", &[first]).expect("an endpoint").endpoint.id();
        assert_ne!(first, second);
        assert!(upstreams.choose("app", &[first, second]).is_ok());
    }

    #[test]
    fn an_endpoint_that_keeps_failing_is_ejected_until_its_time_is_over() {
        let clock = clock();
        let upstreams = build(two(), None, &clock);
        let bad = upstreams.choose("app", &[]).expect("an endpoint").endpoint;
        for _ in 0..health::EJECT_AFTER {
            bad.failed();
        }
        let id = bad.id();
        drop(bad);
        let ids = || -> Vec<EndpointId> {
            (0..4).map(|_| upstreams.choose("app", &[]).expect("one").endpoint.id()).collect()
        };
        assert!(!ids().contains(&id));
        clock.advance(health::EJECT_FOR);
        assert!(ids().contains(&id));
    }

    #[test]
    fn the_only_endpoint_is_used_even_when_it_keeps_failing() {
        let upstreams = build(upstream_at(&[endpoint("192.0.2.1", 80)]), None, &clock());
        for _ in 0..20 {
            upstreams.choose("app", &[]).expect("the endpoint").endpoint.failed();
        }
    }

    #[test]
    fn a_reload_remembers_ejection_and_load_of_endpoints_that_stay() {
        let clock = clock();
        let before = build(two(), None, &clock);
        let bad = before.choose("app", &[]).expect("an endpoint").endpoint;
        for _ in 0..health::EJECT_AFTER {
            bad.failed();
        }
        let mut changed = two();
        changed.retries = 7;
        let after = build(changed, Some(&before), &clock);
        assert_eq!(after.retries("app"), 7);
        for _ in 0..4 {
            assert_ne!(after.choose("app", &[]).expect("one").endpoint.label(), bad.label());
        }
    }

    #[test]
    fn why_nothing_can_be_chosen_is_told_apart() {
        let upstreams = build(upstream_at(&[endpoint("app.invalid", 80)]), None, &clock());
        assert_eq!(upstreams.choose("app", &[]).err(), Some(NoEndpoint::NotResolved));
        assert_eq!(upstreams.choose("other", &[]).err(), Some(NoEndpoint::UnknownUpstream));
    }

    #[tokio::test]
    async fn names_are_resolved_and_survive_a_reload() {
        let clock = clock();
        let upstream = upstream_at(&[endpoint("localhost", 80)]);
        let before = build(upstream.clone(), None, &clock);
        before.resolve().await;
        assert!(before.choose("app", &[]).expect("resolved").endpoint.address().ip().is_loopback());
        let after = build(upstream, Some(&before), &clock);
        assert!(after.choose("app", &[]).is_ok());
    }

    #[test]
    fn an_upgrade_goes_over_http_1() {
        let upstream = Upstream { protocol: UpstreamProtocol::Http2, ..two() };
        let upstreams = build(upstream, None, &clock());
        let chosen = upstreams.choose("app", &[]).expect("an endpoint");
        assert_eq!(chosen.peer.options.alpn.get_max_http_version(), 2);
        assert_eq!(chosen.for_websocket().peer.options.alpn.get_max_http_version(), 1);
    }

    #[test]
    fn an_upstream_without_servers_is_refused() {
        let config = BTreeMap::from([("app".into(), upstream_at(&[]))]);
        let refused = Upstreams::build(&config, None, &deps(&clock())).err();
        assert!(matches!(refused, Some(UpstreamError::NoServers { .. })));
    }

    /// Answers every connection with `status`, whatever it asks.
    async fn serve(listener: TcpListener, status: &'static str) {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_answers_checks_badly_goes_down_and_the_good_one_stays() {
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let bad = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let mut upstream =
            upstream_at(&[endpoint("localhost", port(&good)), endpoint("127.0.0.1", port(&bad))]);
        let good_port = port(&good);
        tokio::spawn(serve(good, "204 No Content"));
        tokio::spawn(serve(bad, "500 Internal Server Error"));
        upstream.health = Some(HealthCheck {
            path: "/health".to_owned(),
            interval: Duration::from_millis(100),
            timeout: Duration::from_secs(2),
            unhealthy_after: 2,
            healthy_after: 2,
            host: None,
            answer: crate::config::HealthAnswer::Status,
        });
        let upstreams = build(upstream, None, &clock());
        upstreams.resolve().await;
        upstreams.start();
        let only_good = || {
            let ports =
                (0..4).map(|_| upstreams.choose("app", &[]).map(|c| c.endpoint.address().port()));
            ports.collect::<Vec<_>>() == vec![Ok(good_port); 4]
        };
        for _ in 0..100 {
            if only_good() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the bad endpoint is still in use");
    }
}
