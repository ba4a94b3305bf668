//! The endpoints of one upstream, and what is known about each.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::connectors::http::Connector;
use pingora_core::upstreams::peer::HttpPeer;
use smallvec::SmallVec;

use super::balance::{self, Standing};
use super::health::{Checks, Ejection, Probe};
use super::peer::{PeerSettings, PeerTemplate};
use super::{Chosen, Deps, NoEndpoint, UpstreamError, dns};
use crate::clock::{Clock, Timestamp};
use crate::config::{Balance, Endpoint, HealthCheck, Servers, Upstream, UpstreamProtocol};
use crate::observe::Metrics;

/// How long an address of an endpoint that failed comes after its other addresses.
const REST: Duration = Duration::from_mins(5);

/// One upstream of a configuration.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) name: Arc<str>,
    pub(super) host: Option<String>,
    pub(super) retries: usize,
    balance: Balance,
    protocol: UpstreamProtocol,
    members: Vec<Arc<Member>>,
    turn: AtomicUsize,
}

impl Cluster {
    /// The cluster of `upstream`, with what `previous` knows about the same endpoints.
    pub(super) fn build(
        upstream: &Upstream,
        previous: Option<&Self>,
        deps: &Deps,
    ) -> Result<Self, UpstreamError> {
        let whoami;
        let endpoints = match &upstream.servers {
            Servers::Whoami => {
                whoami = [endpoint_at(deps.whoami)];
                whoami.as_slice()
            }
            Servers::Endpoints(endpoints) => endpoints,
        };
        if endpoints.is_empty() {
            return Err(UpstreamError::NoServers { upstream: Arc::clone(&upstream.name) });
        }
        let settings = PeerSettings::of(upstream)?;
        let mut members = Vec::with_capacity(endpoints.len());
        for (index, endpoint) in endpoints.iter().enumerate() {
            let known = previous.and_then(|cluster| {
                cluster.members.iter().find(|member| member.endpoint == *endpoint)
            });
            let shared = known.map(|member| Arc::clone(&member.shared)).unwrap_or_default();
            let template = settings.template(endpoint)?;
            let member =
                Member::new(EndpointId(index), upstream, endpoint, template, shared, deps)?;
            members.push(Arc::new(member));
        }
        Ok(Self {
            name: Arc::clone(&upstream.name),
            host: upstream.host.clone(),
            retries: upstream.retries,
            balance: upstream.balance,
            protocol: upstream.protocol,
            members,
            turn: AtomicUsize::new(0),
        })
    }

    /// The endpoint for a request that has already failed at `tried`.
    pub(super) fn choose(&self, tried: &[EndpointId]) -> Result<Chosen, NoEndpoint> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let standings: SmallVec<[Standing; 8]> =
            self.members.iter().map(|member| member.standing(tried)).collect();
        let picked = balance::pick(self.balance, &standings, turn);
        let member = picked.and_then(|index| self.members.get(index));
        let (member, reach) = member
            .and_then(|member| Some((member, member.next_reach()?)))
            .ok_or_else(|| self.why_none())?;
        let peer = Box::new(reach.peer.clone());
        let endpoint = EndpointGuard::new(Arc::clone(member), reach);
        Ok(Chosen { peer, endpoint, protocol: self.protocol })
    }

    pub(super) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Whether a request would find an endpoint.
    pub(super) fn is_available(&self) -> bool {
        self.members.iter().any(|member| member.is_up() && member.is_resolved())
    }

    fn why_none(&self) -> NoEndpoint {
        if self.members.iter().all(|member| member.reaches.load().is_empty()) {
            NoEndpoint::NotResolved
        } else {
            NoEndpoint::Unhealthy
        }
    }
}

fn endpoint_at(address: SocketAddr) -> Endpoint {
    Endpoint { tls: false, host: address.ip().to_string(), port: address.port() }
}

/// Names an endpoint within its upstream, in the snapshot that chose it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EndpointId(usize);

/// One endpoint of a configuration.
#[derive(Debug)]
pub(super) struct Member {
    id: EndpointId,
    app: Arc<str>,
    /// As configured: `https://app.example.org:8443`.
    label: String,
    endpoint: Endpoint,
    template: PeerTemplate,
    shared: Arc<Shared>,
    /// Where it can be reached; empty until its name is resolved.
    reaches: ArcSwap<Vec<Arc<Reach>>>,
    turn: AtomicUsize,
    /// The last look-up failed, which has been said once.
    unresolvable: AtomicBool,
    check: Option<HealthCheck>,
    probe: Option<Probe>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

/// One address of an endpoint, with the peer prepared for it.
#[derive(Debug)]
struct Reach {
    address: IpAddr,
    peer: HttpPeer,
    /// In milliseconds, as [`Timestamp`]: other addresses come first until then.
    resting_until: AtomicI64,
}

/// What outlives a reload, for an endpoint that stays in the configuration.
#[derive(Debug)]
struct Shared {
    in_flight: AtomicUsize,
    /// What `checks` say.
    up: AtomicBool,
    checks: Mutex<Checks>,
    /// What a healthy endpoint says of itself that people should know; said once.
    note: Mutex<Option<&'static str>>,
    /// Whether `ejection` remembers anything: the path of a success at a healthy endpoint takes no lock.
    troubled: AtomicBool,
    /// Until when it is ejected, in milliseconds.
    ejected_until: AtomicI64,
    ejection: Mutex<Ejection>,
    /// The last good answer of the resolver.
    addresses: Mutex<Vec<IpAddr>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            up: AtomicBool::new(true),
            checks: Mutex::default(),
            note: Mutex::default(),
            troubled: AtomicBool::new(false),
            ejected_until: AtomicI64::new(0),
            ejection: Mutex::default(),
            addresses: Mutex::default(),
        }
    }
}

impl Member {
    fn new(
        id: EndpointId,
        upstream: &Upstream,
        endpoint: &Endpoint,
        template: PeerTemplate,
        shared: Arc<Shared>,
        deps: &Deps,
    ) -> Result<Self, UpstreamError> {
        let host = match dns::literal(&endpoint.host) {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            Some(IpAddr::V4(_)) | None => endpoint.host.clone(),
        };
        let (scheme, default_port) = if endpoint.tls { ("https", 443) } else { ("http", 80) };
        let authority = match (&upstream.host, endpoint.port) {
            (Some(host), _) => host.clone(),
            (None, port) if port == default_port => host.clone(),
            (None, port) => format!("{host}:{port}"),
        };
        let probe = upstream
            .health
            .as_ref()
            .map(|check| Probe::new(check, endpoint.tls, &authority))
            .transpose()
            .map_err(|error| UpstreamError::HealthCheck {
                upstream: Arc::clone(&upstream.name),
                problem: error.to_string(),
            })?;
        let member = Self {
            id,
            app: Arc::clone(&upstream.name),
            label: format!("{scheme}://{host}:{}", endpoint.port),
            endpoint: endpoint.clone(),
            template,
            shared,
            reaches: ArcSwap::default(),
            turn: AtomicUsize::new(0),
            unresolvable: AtomicBool::new(false),
            check: upstream.health.clone(),
            probe,
            metrics: Arc::clone(&deps.metrics),
            clock: Arc::clone(&deps.clock),
        };
        let known = || lock(&member.shared.addresses).clone();
        let addresses = dns::literal(&endpoint.host).map_or_else(known, |address| vec![address]);
        member.reach_at(&addresses);
        member.tell();
        Ok(member)
    }

    /// The name to resolve, unless it is an address.
    pub(super) fn name(&self) -> Option<&str> {
        dns::literal(&self.endpoint.host).is_none().then_some(self.endpoint.host.as_str())
    }

    pub(super) fn is_resolved(&self) -> bool {
        !self.reaches.load().is_empty()
    }

    /// Resolves the name once. What was known before stays when that fails.
    pub(super) async fn resolve(&self) {
        let Some(name) = self.name() else {
            return;
        };
        match dns::resolve(name).await {
            Ok(addresses) => {
                self.unresolvable.store(false, Ordering::Relaxed);
                self.reach_at(&addresses);
                *lock(&self.shared.addresses) = addresses;
            }
            Err(error) if !self.unresolvable.swap(true, Ordering::Relaxed) => tracing::warn!(
                upstream = &*self.app,
                endpoint = self.label,
                %error,
                usable = self.is_resolved(),
                "cannot resolve the name of an endpoint"
            ),
            Err(_) => {}
        }
    }

    /// Makes peers for `addresses`, keeping those that are there.
    fn reach_at(&self, addresses: &[IpAddr]) {
        let known = self.reaches.load();
        let same = known.len() == addresses.len()
            && known.iter().all(|reach| addresses.contains(&reach.address));
        if same {
            return;
        }
        let reach = |address: &IpAddr| {
            let kept = known.iter().find(|reach| reach.address == *address);
            kept.map_or_else(
                || {
                    Arc::new(Reach {
                        address: *address,
                        peer: self.template.at(*address),
                        resting_until: AtomicI64::new(0),
                    })
                },
                Arc::clone,
            )
        };
        self.reaches.store(Arc::new(addresses.iter().map(reach).collect()));
    }

    /// Checks the endpoint once: at one address after the other until one is healthy, so that a name with a dead
    /// address (`localhost` as `::1`, say) is not taken for a dead endpoint.
    pub(super) async fn check(&self, connector: &Connector) {
        let (Some(check), Some(probe)) = (&self.check, &self.probe) else {
            return;
        };
        let mut healthy = false;
        for reach in self.reaches.load_full().iter() {
            match probe.ask(connector, &reach.peer).await {
                Ok(note) => {
                    let known = std::mem::replace(&mut *lock(&self.shared.note), note);
                    if known != note {
                        let note = note.unwrap_or("as usual again");
                        tracing::warn!(upstream = &*self.app, endpoint = self.label, note);
                    }
                    reach.resting_until.store(0, Ordering::Relaxed);
                    healthy = true;
                    break;
                }
                Err(error) => {
                    tracing::debug!(endpoint = self.label, %error, "health check failed");
                    self.rest(reach);
                }
            }
        }
        let is_up = lock(&self.shared.checks).record(healthy, check);
        let was_up = self.shared.up.swap(is_up, Ordering::Relaxed);
        if is_up != was_up {
            tracing::warn!(
                upstream = &*self.app,
                endpoint = self.label,
                up = is_up,
                "the health of an endpoint has changed"
            );
        }
        self.tell();
    }

    pub(super) fn check_interval(&self) -> Option<Duration> {
        self.check.as_ref().map(|check| check.interval)
    }

    fn standing(&self, tried: &[EndpointId]) -> Standing {
        Standing {
            available: self.is_up() && self.is_resolved(),
            tried: tried.contains(&self.id),
            ejected: self.is_ejected(),
            in_flight: self.shared.in_flight.load(Ordering::Relaxed),
        }
    }

    fn is_up(&self) -> bool {
        self.check.is_none() || self.shared.up.load(Ordering::Relaxed)
    }

    fn is_ejected(&self) -> bool {
        let until = self.shared.ejected_until.load(Ordering::Relaxed);
        until != 0 && self.clock.now() < Timestamp::from_millis(until)
    }

    /// The next address by turn, those that failed lately last.
    fn next_reach(&self) -> Option<Arc<Reach>> {
        let reaches = self.reaches.load();
        if let [only] = reaches.as_slice() {
            return Some(Arc::clone(only));
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now().as_millis();
        let rested =
            || reaches.iter().filter(|reach| reach.resting_until.load(Ordering::Relaxed) <= now);
        let place = turn.checked_rem(rested().count()).and_then(|place| rested().nth(place));
        let any = || turn.checked_rem(reaches.len()).and_then(|place| reaches.get(place));
        place.or_else(any).map(Arc::clone)
    }

    fn rest(&self, reach: &Reach) {
        let until = self.clock.now() + REST;
        reach.resting_until.store(until.as_millis(), Ordering::Relaxed);
    }

    fn failed(&self, reach: &Reach) {
        self.rest(reach);
        let ejected = {
            let mut ejection = lock(&self.shared.ejection);
            self.shared.troubled.store(true, Ordering::Release);
            let ejected = ejection.failed(self.clock.now());
            if let Some(until) = ejected {
                self.shared.ejected_until.store(until.as_millis(), Ordering::Relaxed);
            }
            ejected
        };
        if let Some(until) = ejected {
            tracing::warn!(
                upstream = &*self.app,
                endpoint = self.label,
                %until,
                "an endpoint keeps failing and is used only if no other is left"
            );
            self.tell();
        }
    }

    fn succeeded(&self, reach: &Reach) {
        if reach.resting_until.load(Ordering::Relaxed) != 0 {
            reach.resting_until.store(0, Ordering::Relaxed);
        }
        if !self.shared.troubled.load(Ordering::Acquire) {
            return;
        }
        let was_ejected = {
            let mut ejection = lock(&self.shared.ejection);
            ejection.succeeded();
            self.shared.troubled.store(false, Ordering::Release);
            self.shared.ejected_until.swap(0, Ordering::Relaxed) != 0
        };
        if was_ejected {
            self.tell();
        }
    }

    /// Shows in the metrics whether it is in use.
    fn tell(&self) {
        self.metrics.upstream_up(&self.app, &self.label, self.is_up() && !self.is_ejected());
    }
}

/// The mutexes here guard plain values that are whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request in flight at an endpoint: counted until this is dropped.
///
/// Say how it went with [`succeeded`](Self::succeeded) or [`failed`](Self::failed); dropping it without either says nothing about
/// the endpoint, as when the client went away.
pub struct EndpointGuard {
    member: Arc<Member>,
    reach: Arc<Reach>,
}

impl EndpointGuard {
    fn new(member: Arc<Member>, reach: Arc<Reach>) -> Self {
        member.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { member, reach }
    }

    /// Which endpoint, to pass as `tried` for the next attempt.
    pub fn id(&self) -> EndpointId {
        self.member.id
    }

    /// The endpoint as configured, `https://app.example.org:8443`: for metrics and logs.
    pub fn label(&self) -> &str {
        &self.member.label
    }

    /// The address in use.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.reach.address, self.member.endpoint.port)
    }

    /// It answered, with anything but 502, 503 and 504.
    pub fn succeeded(&self) {
        self.member.succeeded(&self.reach);
    }

    /// It could not be reached, gave no valid answer in time, or answered 502, 503 or 504.
    ///
    /// Five of these in a row eject it: for 10 s, then 20 s and so on to 5 minutes. While all others of its upstream are
    /// ejected or down, it is used nevertheless.
    pub fn failed(&self) {
        self.member.failed(&self.reach);
    }
}

impl Drop for EndpointGuard {
    fn drop(&mut self) {
        self.member.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for EndpointGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointGuard")
            .field("endpoint", &self.member.label)
            .field("address", &self.reach.address)
            .finish_non_exhaustive()
    }
}
