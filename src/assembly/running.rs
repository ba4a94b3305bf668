//! A running gateway: started, reloaded, stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use arc_swap::{ArcSwap, ArcSwapOption};
use pingora_core::protocols::http::v2::server::default_h2_options;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::following::Following;
use super::handover::Inherited;
use super::leading::Leading;
use super::snapshot::Lasting;
use super::{places, records};
use crate::clock::Clock;
use crate::config;
use crate::config::{Config, EdgeLimits};
use crate::edge::tls::{self, Certificates};
use crate::edge::{self, Bound, Drain, Edge, Redirect, Service, Settings};
use crate::identity::setup::SetupCode;
use crate::identity::{Identity, Letters};
use crate::mail::{Mailer, Worker};
use crate::nextcloud;
use crate::nextcloud::Nextcloud;
use crate::observe::{AccessLog, Destination, Health, Metrics, Status, endpoint};
use crate::proxy::{Gateway, Parts, Snapshot};
use crate::store::{SharedState, Time};
use crate::upstream::whoami;

/// Between two looks at keys, revocations and old records.
const UPKEEP: Duration = Duration::from_secs(30);

/// What one of several gateways does for all.
const FOR_ALL: &str = "upkeep";

/// Between two looks whether the store answers: so long a node counts as ready that is not.
const LOOK_AT_STORE: Duration = Duration::from_secs(2);

/// How long a start waits for a store that does not answer yet: a database that starts beside us, or fails over.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// Unused upstream connections that are kept, over all upstreams.
const UPSTREAM_POOL: usize = 512;

/// How long a stop waits for letters in hand. What is cut off is sent again later, and may then arrive twice.
const LAST_LETTERS: Duration = Duration::from_secs(3);

/// How long a stop waits until the other nodes know. What is cut off they find out by themselves.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The same for whoever is in hand in Nextcloud. What is cut off is looked at again when its lease is over.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// What a gateway is started with.
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// The data folder, made when it is not there.
    pub data: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A gateway that accepts connections. Dropping it does not stop it; [`Running::stop`] does.
pub struct Running {
    lasting: Arc<Lasting>,
    data: PathBuf,
    snapshot: Arc<ArcSwap<Snapshot>>,
    edge: Arc<Edge>,
    certificates: Arc<Certificates>,
    drain: Arc<Drain>,
    health: Arc<Health>,
    access_log: Arc<AccessLog>,
    mailer: Arc<ArcSwapOption<Mailer>>,
    nextcloud: Arc<ArcSwapOption<Nextcloud>>,
    config: Arc<Mutex<Config>>,
    sockets: Sockets,
    setup_code: Option<SetupCode>,
    ended: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// The task that sends letters.
    letters: Mutex<Option<JoinHandle<()>>>,
    /// The task that keeps the shared state.
    sharing: Mutex<Option<JoinHandle<()>>>,
    /// The task that keeps people in Nextcloud.
    provisioning: Mutex<Option<JoinHandle<()>>>,
}

struct Sockets<S = TcpListener> {
    https: Option<S>,
    http: Option<S>,
    operations: Option<S>,
}

/// Where will be listened.
enum Place {
    Bound(Bound),
    Inherited(TcpListener),
}

impl Sockets<Place> {
    fn listen(self) -> anyhow::Result<Sockets> {
        let listen = |place: Option<Place>| -> anyhow::Result<Option<TcpListener>> {
            let Some(place) = place else { return Ok(None) };
            let socket = match place {
                Place::Bound(bound) => bound.listen()?,
                Place::Inherited(socket) => socket,
            };
            socket.set_nonblocking(true)?;
            Ok(Some(socket))
        };
        let Self { https, http, operations } = self;
        Ok(Sockets { https: listen(https)?, http: listen(http)?, operations: listen(operations)? })
    }
}

/// Starts a gateway with sockets of its own. Its tasks run on the present runtime.
///
/// # Errors
///
/// When a socket is taken, the store does not open, or a certificate is unusable.
pub async fn start(setup: Setup) -> anyhow::Result<Running> {
    start_with(setup, Inherited::default()).await
}

/// Starts a gateway that takes over what sockets it inherited.
///
/// # Errors
///
/// As for [`start`].
pub async fn start_with(setup: Setup, mut inherited: Inherited) -> anyhow::Result<Running> {
    let Setup { config, data, clock } = setup;
    edge::install_crypto();
    make_folder(&data)?;
    let metrics = Metrics::new();
    let health = Health::new(Arc::clone(&clock));
    // A taken address is said before anything is changed; connections are refused until there is somebody to serve them.
    let sockets = bind(&config, &mut inherited)?;
    let mailer = Arc::new(ArcSwapOption::new(mailer(&config)?));
    let nextcloud = Arc::new(ArcSwapOption::new(nextcloud(&config, &metrics)?));

    let certificates = Arc::new(Certificates::default());
    certificates.replace(tls::load(&config.tls, &data, clock.now(), &metrics)?);
    let shared = open_shared_state(&config, &clock, &metrics).await?;
    if let Some(check) = shared.check() {
        health.watch(check);
    }
    let (at, counts) = (Arc::clone(&clock), Arc::clone(&metrics));
    let rooms = records::open(&config, &data, &shared, at, counts, START_PATIENCE).await?;
    places::look_up(&config, &rooms.identity, &health).await;
    let setup_code = rooms.identity.ensure_setup_code().await?;
    let following =
        Following::begin(Arc::clone(&rooms.identity), Arc::clone(&rooms.signing)).await?;
    let whoami_socket = whoami::bind().context("cannot listen for the built-in app")?;
    let lasting = Arc::new(Lasting {
        rooms,
        counters: Arc::clone(&shared.counters),
        clock,
        metrics: Arc::clone(&metrics),
        whoami: whoami_socket.local_addr()?,
    });
    let first = lasting.compile(&config, None)?;
    first.upstreams.resolve().await;
    first.upstreams.start();
    let sockets = sockets.listen()?;
    let snapshot = Arc::new(ArcSwap::from_pointee(first));

    let drain = Drain::new();
    let access_log = Arc::new(AccessLog::open(destination(&config), Arc::clone(&metrics))?);
    let gateway = Gateway::new(Parts {
        snapshot: Arc::clone(&snapshot),
        clock: Arc::clone(&lasting.clock),
        metrics: Arc::clone(&metrics),
        access_log: Arc::clone(&access_log),
        drain: Arc::clone(&drain),
        live: Arc::clone(&lasting.rooms.live),
    });
    let proxy = Arc::new(proxy(&config, &data, gateway));
    let settings = edge_settings(&config, &certificates);
    let edge = Edge::new(settings, Arc::clone(&drain), Arc::clone(&metrics));

    let (ended, watching) = watch::channel(false);
    let mut running = Running {
        lasting,
        data,
        snapshot,
        edge,
        certificates,
        drain,
        health,
        access_log,
        mailer,
        nextcloud,
        config: Arc::new(Mutex::new(config)),
        sockets,
        setup_code,
        ended,
        tasks: Vec::new(),
        letters: Mutex::new(None),
        sharing: Mutex::new(None),
        provisioning: Mutex::new(None),
    };
    running.spawn(proxy, whoami_socket, watching.clone())?;
    running.tasks.push(tokio::spawn(following.run(watching.clone())));
    running.sharing = Mutex::new(Some(tokio::spawn(shared.keep(watching))));
    Ok(running)
}

async fn open_shared_state(
    config: &Config,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<SharedState> {
    let (clock, metrics) = (Arc::clone(clock), Arc::clone(metrics));
    let opened = SharedState::open(&config.shared_state, Time::OfServer, clock, metrics).await;
    opened.context("the shared state cannot be used as configured")
}

impl Running {
    fn spawn(
        &mut self,
        proxy: Arc<HttpProxy<Gateway>>,
        whoami_socket: TcpListener,
        watching: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let config = self.config();
        let mut tasks = Vec::new();
        let mut accept = |socket: &Option<TcpListener>, service| -> anyhow::Result<()> {
            let Some(socket) = socket else { return Ok(()) };
            let (edge, socket) = (Arc::clone(&self.edge), socket.try_clone()?);
            tasks.push(tokio::spawn(async move {
                if let Err(error) = edge.serve(socket, service).await {
                    tracing::error!(%error, "a listener ended");
                }
            }));
            Ok(())
        };
        accept(&self.sockets.https, Service::Https(Arc::clone(&proxy)))?;
        let redirect = config.listeners.http.as_ref().is_some_and(|http| http.redirect);
        let plain = if redirect {
            let snapshot = Arc::clone(&self.snapshot);
            let knows_host = move |host: &str| snapshot.load().gate.table().knows_host(host);
            Service::Redirect(Redirect::new(Arc::new(knows_host), config.public_url.port))
        } else {
            Service::Http(proxy)
        };
        accept(&self.sockets.http, plain)?;
        if let Some(socket) = &self.sockets.operations {
            let (metrics, health) = (Arc::clone(&self.lasting.metrics), Arc::clone(&self.health));
            let (socket, watching) = (socket.try_clone()?, watching.clone());
            tasks.push(tokio::spawn(async move {
                if let Err(error) = endpoint::serve(socket, metrics, health, watching).await {
                    tracing::error!(%error, "the operations listener ended");
                }
            }));
        }
        let ended = watching.clone();
        tasks.push(tokio::spawn(async move {
            if let Err(error) = whoami::serve(whoami_socket, ended).await {
                tracing::error!(%error, "the built-in app ended");
            }
        }));
        let upkeep = Upkeep {
            lasting: Arc::clone(&self.lasting),
            health: Arc::clone(&self.health),
            snapshot: Arc::clone(&self.snapshot),
            store: match config.store {
                config::Store::Sqlite { .. } => "sqlite",
                config::Store::Postgres(_) => "postgres",
            },
            config: Arc::clone(&self.config),
            leading: Leading::new(
                Arc::clone(&self.lasting.rooms.stores.leadership),
                FOR_ALL,
                Arc::clone(&self.lasting.metrics),
            ),
            in_trouble: false,
        };
        tasks.push(tokio::spawn(upkeep.run(watching.clone())));
        self.tasks = tasks;
        let worker = Worker {
            letters: Arc::clone(self.letters()),
            mailer: Arc::clone(&self.mailer),
            clock: Arc::clone(&self.lasting.clock),
            metrics: Arc::clone(&self.lasting.metrics),
        };
        self.letters = Mutex::new(Some(tokio::spawn(worker.run(watching.clone()))));
        let worker = self.provisioner();
        self.provisioning = Mutex::new(Some(tokio::spawn(worker.run(watching))));
        Ok(())
    }

    /// One more worker that keeps people in Nextcloud, beside the one that runs.
    pub fn provisioner(&self) -> nextcloud::Worker {
        let stores = &self.lasting.rooms.stores;
        nextcloud::Worker {
            journal: Arc::clone(&stores.provisioning),
            users: Arc::clone(&stores.users),
            events: Arc::clone(&stores.events),
            nextcloud: Arc::clone(&self.nextcloud),
            clock: Arc::clone(&self.lasting.clock),
            metrics: Arc::clone(&self.lasting.metrics),
            health: Arc::clone(&self.health),
        }
    }

    /// Puts `config` in force: certificates, limits, routes, upstreams, keys. When anything is wrong with it, nothing
    /// changes. What only a new process can change is said in the log.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub async fn reload(&self, config: Config) -> anyhow::Result<()> {
        let lasting = &self.lasting;
        let now = lasting.clock.now();
        let set = tls::load(&config.tls, &self.data, now, &lasting.metrics)?;
        let keys = lasting.rooms.signing.prepare(&config.tokens).await?;
        let mailer = mailer(&config)?;
        let nextcloud = nextcloud(&config, &lasting.metrics)?;
        let previous = self.snapshot.load_full();
        let next = lasting.compile(&config, Some(&previous))?;
        next.upstreams.resolve().await;
        lasting.rooms.identity.reconfigure(crate::portal::settings(&config))?;
        keys.put_in_force()?;

        // From here on nothing can fail.
        next.upstreams.start();
        self.certificates.replace(set);
        self.edge.replace(edge_settings(&config, &self.certificates));
        self.snapshot.store(Arc::new(next));
        previous.upstreams.stop();
        self.mailer.store(mailer);
        if let (Some(present), Some(next)) = (self.nextcloud.load_full(), &nextcloud) {
            present.hand_over_to(next);
        }
        self.nextcloud.store(nextcloud);
        places::look_up(&config, &lasting.rooms.identity, &self.health).await;
        self.access_log.reopen();
        let mut present = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        for what in only_by_restart(&present, &config) {
            tracing::warn!(what, "takes effect with the next start (or SIGQUIT) only");
        }
        *present = config;
        Ok(())
    }

    /// Counts a reload.
    pub fn reloaded(&self, successful: bool) {
        self.lasting.metrics.reloaded(successful, self.lasting.clock.now().as_secs());
    }

    /// Stops accepting, waits for requests in flight, and ends. At once when idle; whether all of them were finished
    /// within `deadline`.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.health.drain();
        self.drain.begin();
        let finished = self.drain.finished(deadline).await;
        self.snapshot.load().upstreams.stop();
        self.ended.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut letters) = letters
            && tokio::time::timeout(LAST_LETTERS, &mut letters).await.is_err()
        {
            letters.abort();
        }
        let sharing = self.sharing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut sharing) = sharing
            && tokio::time::timeout(LAST_WORDS, &mut sharing).await.is_err()
        {
            sharing.abort();
        }
        let look = self.provisioning.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut look) = look
            && tokio::time::timeout(LAST_LOOK, &mut look).await.is_err()
        {
            look.abort();
        }
        self.access_log.flush();
        // Nobody is served any more, so this is the last that is to be known of them.
        if let Err(error) = self.lasting.rooms.identity.write_uses().await {
            tracing::warn!(%error, "when sessions and devices were last used was not written");
        }
        if let Err(error) = self.lasting.rooms.stores.leadership.resign(FOR_ALL).await {
            tracing::debug!(%error, "whoever leads next waits for the end of a lease");
        }
        self.lasting.rooms.stores.close().await;
        finished
    }

    /// Where TLS is spoken.
    pub fn https(&self) -> Option<SocketAddr> {
        self.sockets.https.as_ref()?.local_addr().ok()
    }

    /// Where it is not.
    pub fn http(&self) -> Option<SocketAddr> {
        self.sockets.http.as_ref()?.local_addr().ok()
    }

    /// Metrics and health.
    pub fn operations(&self) -> Option<SocketAddr> {
        self.sockets.operations.as_ref()?.local_addr().ok()
    }

    /// The code with which the first administrator is made, while there is none.
    pub fn setup_code(&self) -> Option<&SetupCode> {
        self.setup_code.as_ref()
    }

    /// The accounts.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.lasting.rooms.identity
    }

    /// Mails to be sent.
    pub fn letters(&self) -> &Arc<dyn Letters> {
        &self.lasting.rooms.stores.letters
    }

    /// The listening sockets, to be passed on.
    pub(super) fn sockets(&self) -> anyhow::Result<Vec<TcpListener>> {
        let Sockets { https, http, operations } = &self.sockets;
        let all = [https, http, operations];
        all.into_iter().flatten().map(|socket| Ok(socket.try_clone()?)).collect()
    }

    fn config(&self) -> Config {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Work that is nobody's request.
struct Upkeep {
    lasting: Arc<Lasting>,
    health: Arc<Health>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// What kind it is.
    store: &'static str,
    /// The present configuration.
    config: Arc<Mutex<Config>>,
    leading: Leading,
    /// Whether the store did not answer when it was last looked at.
    in_trouble: bool,
}

impl Upkeep {
    async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut due = Instant::now();
        loop {
            let answers = self.look_at_store().await;
            self.leading.campaign().await;
            if answers && Instant::now() >= due {
                self.once().await;
                due = Instant::now() + UPKEEP;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_AT_STORE) => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
        }
    }

    /// What the present configuration says.
    fn present<T>(&self, read: impl FnOnce(&Config) -> T) -> T {
        read(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the store answers; says so to whoever asks about this node.
    async fn look_at_store(&mut self) -> bool {
        let Lasting { rooms, metrics, .. } = &*self.lasting;
        // A request asks several questions within the timeout; where one takes half of it, requests fail.
        let patience = self.present(|config| config.store.timeout()) / 2;
        let trouble = match tokio::time::timeout(patience, rooms.stores.ping()).await {
            Ok(answer) => answer.err().map(|error| format!("{:#}", anyhow::Error::from(error))),
            Err(_elapsed) => Some("the store answers too slowly".to_owned()),
        };
        metrics.store_up(self.store, trouble.is_none());
        match (&trouble, self.in_trouble) {
            (Some(error), false) => tracing::error!(error, "the store cannot be used"),
            (None, true) => tracing::info!("the store can be used again"),
            _ => {}
        }
        self.in_trouble = trouble.is_some();
        let status = if trouble.is_none() { Status::Ok } else { Status::Fail };
        self.health.set("store", status, trouble.as_deref().unwrap_or_default());
        trouble.is_none()
    }

    async fn once(&self) {
        let Lasting { rooms, clock, .. } = &*self.lasting;
        let now = clock.now();
        let keep = self.present(|config| config.audit.keep);
        rooms.revocations.tidy(now);
        if let Err(error) = rooms.identity.write_uses().await {
            tracing::warn!(%error, "when sessions and devices were last used was not written");
        }
        if let Some(Err(error)) = self.leading.lead(rooms.stores.tidy(now, keep)).await {
            tracing::warn!(%error, "old records were not removed");
        }
        // Should the log of what happened not have told of one.
        if let Err(error) = rooms.signing.read_again().await {
            tracing::warn!(error = format!("{error:#}"), "the signing keys were not read again");
        }
        for (name, up) in self.snapshot.load().upstreams.readiness() {
            let (status, detail) =
                if up { (Status::Ok, "") } else { (Status::Warn, "no endpoint is up") };
            self.health.set(&format!("upstream:{name}"), status, detail);
        }
    }
}

fn make_folder(data: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))
}

fn bind(config: &Config, inherited: &mut Inherited) -> anyhow::Result<Sockets<Place>> {
    let mut open = |address: Option<SocketAddr>| -> anyhow::Result<Option<Place>> {
        let Some(address) = address else { return Ok(None) };
        Ok(Some(match inherited.claim(address) {
            Some(socket) => Place::Inherited(socket),
            None => Place::Bound(edge::bind(address)?),
        }))
    };
    let listeners = &config.listeners;
    Ok(Sockets {
        https: open(listeners.https.as_ref().map(|https| https.address))?,
        http: open(listeners.http.as_ref().map(|http| http.address))?,
        operations: open(listeners.operations)?,
    })
}

fn edge_settings(config: &Config, certificates: &Arc<Certificates>) -> Settings {
    let listeners = &config.listeners;
    let tls = listeners.https.as_ref().map(|https| {
        let certificates = Arc::clone(certificates);
        Arc::new(tls::server_config(certificates, config.tls.min_version, https.http2))
    });
    let proxies = |networks: Option<&Vec<ipnet::IpNet>>| networks.cloned().unwrap_or_default();
    Settings {
        limits: listeners.limits,
        tls,
        proxies_https: proxies(listeners.https.as_ref().map(|https| &https.proxy_protocol)),
        proxies_http: proxies(listeners.http.as_ref().map(|http| &http.proxy_protocol)),
    }
}

/// Pingora's proxy around our gateway.
fn proxy(config: &Config, data: &Path, gateway: Gateway) -> HttpProxy<Gateway> {
    let mut conf = ServerConf {
        threads: config.listeners.threads,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        ..ServerConf::default()
    };
    // Pingora's connector panics when the system has no certificate authorities, even if no upstream needs one. With
    // our own certificate instead, upstreams with public certificates fail their verification, which is right.
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        tracing::warn!(
            "the system has no certificate authorities; name a ca_file for TLS upstreams"
        );
        let own = data.join("tls/self-made.pem");
        conf.ca_file = own.to_str().map(str::to_owned);
    }
    let mut proxy = http_proxy(&Arc::new(conf), gateway);
    let EdgeLimits { keepalive, h2_streams, head_bytes, .. } = config.listeners.limits;
    let mut options = pingora_core::apps::HttpServerOptions::default();
    options.h2_idle_timeout = Some(keepalive);
    proxy.server_options = Some(options);
    let mut h2 = default_h2_options();
    h2.max_concurrent_streams(h2_streams);
    h2.max_header_list_size(u32::try_from(head_bytes).unwrap_or(32 * 1024));
    proxy.h2_options = Some(h2);
    proxy
}

/// Who sends letters, when somebody is to.
fn mailer(config: &Config) -> anyhow::Result<Option<Arc<Mailer>>> {
    let mailer = |settings| Mailer::new(settings, &config.public_url.host).map(Arc::new);
    config.mail.as_ref().map(mailer).transpose().context("mail cannot be sent as configured")
}

/// Where people are kept, when they are to be.
fn nextcloud(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Option<Arc<Nextcloud>>> {
    let nextcloud = super::records::nextcloud(config, metrics)?;
    Ok(nextcloud.map(Arc::new))
}

fn destination(config: &Config) -> Destination {
    match &config.observe.access_log {
        config::AccessLog::File(path) => Destination::File(path.clone()),
        config::AccessLog::Off => Destination::Off,
        config::AccessLog::Stdout => Destination::Stdout,
    }
}

/// What changed and cannot be changed in a running process.
fn only_by_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let addresses = |config: &Config| {
        let listeners = &config.listeners;
        let https = listeners.https.as_ref().map(|https| https.address);
        let http = listeners.http.as_ref().map(|http| (http.address, http.redirect));
        (https, http, listeners.operations)
    };
    let limits = |config: &Config| {
        let limits = &config.listeners.limits;
        (limits.h2_streams, limits.head_bytes)
    };
    let shared_state = |config: &Config| match &config.shared_state {
        config::SharedState::Memory => None,
        config::SharedState::Redis(redis) => {
            let config::RedisSettings { server, tls, ca_file, user, password, .. } = &**redis;
            let reached = (server.clone(), *tls, ca_file.clone(), user.clone(), redis.database);
            let password = password.as_ref().map(|password| password.expose().clone());
            let on_outage = (redis.limits_on_outage, redis.lockout_on_outage);
            Some((reached, password, redis.prefix.clone(), redis.limits, redis.timeout, on_outage))
        }
    };
    let changed = [
        ("listeners.*.address", addresses(before) != addresses(after)),
        ("listeners.threads", before.listeners.threads != after.listeners.threads),
        ("listeners.limits for HTTP/2", limits(before) != limits(after)),
        ("store", before.store != after.store),
        ("store.sealing_key_file", before.sealing_key_file != after.sealing_key_file),
        ("shared_state", shared_state(before) != shared_state(after)),
        ("observe.access_log", before.observe.access_log != after.observe.access_log),
        ("observe.format", before.observe.json != after.observe.json),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(what, _)| what).collect()
}
