//! The way to Redis: verified TLS, a password, a database, sentinels.

use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::PrivateKeyDer;
use stormdoor::config::{HostAndPort, LimitsMode, RedisServer as Where, RedisSettings};
use stormdoor::secret::Secret;
use stormdoor::store::SharedState;
use stormdoor::throttle::{Key, Who};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::backends;
use crate::flaky::Flaky;
use crate::given::NOW;
use crate::redis_server::RedisServer;

async fn is_reached(settings: &RedisSettings) -> bool {
    let shared = backends::a_node(settings).await;
    counts(&shared).await
}

async fn counts(shared: &SharedState) -> bool {
    let key = Key { policy: "default".into(), who: Who::Subject("ada".into()) };
    shared.counters.spend(&key, "10/h".parse().unwrap(), 1, NOW).await.is_ok()
}

fn at(host: &str, port: u16) -> Where {
    Where::Single(HostAndPort { host: host.to_owned(), port })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_and_so_is_its_name() {
    let redis = RedisServer::start();
    let certificate = |name: &str| {
        let made = generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        (made.cert.pem(), vec![made.cert.der().clone()], key)
    };
    let folder = tempfile::tempdir().unwrap();
    let (pem, chain, key) = certificate("localhost");
    let (own, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    std::fs::write(&own, pem).unwrap();
    std::fs::write(&other, certificate("localhost").0).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let tls = Flaky::with_tls(redis.address(), config).await;

    for (host, ca, reached) in [
        ("localhost", Some(&own), true),
        ("127.0.0.1", Some(&own), false),
        ("localhost", Some(&other), false),
        ("localhost", None, false),
    ] {
        let settings = RedisSettings {
            server: at(host, tls.address.port()),
            tls: true,
            ca_file: ca.cloned(),
            ..backends::redis_settings(LimitsMode::Exact)
        };
        assert_eq!(is_reached(&settings).await, reached, "{host} {ca:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_given_and_a_wrong_one_is_an_outage() {
    let redis = RedisServer::start_with(&["--requirepass", "canary-password"]);
    for (user, password, reached) in [
        (None, Some("canary-password"), true),
        (Some("default"), Some("canary-password"), true),
        (None, Some("wrong"), false),
        (None, None, false),
    ] {
        let settings = RedisSettings {
            server: at("127.0.0.1", redis.port()),
            user: user.map(str::to_owned),
            password: password.map(|password| Secret::new(password.to_owned())),
            database: 3,
            ..backends::redis_settings(LimitsMode::Exact)
        };
        assert!(!format!("{settings:?}").contains("canary"));
        assert_eq!(is_reached(&settings).await, reached, "{user:?} {password:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_is_the_one_that_a_sentinel_names() {
    let (master, replica) = (RedisServer::start(), RedisServer::start());
    replica.command(&format!("REPLICAOF 127.0.0.1 {}", master.port()));
    let silent = crate::redis_server::free_port();
    for (named, reached) in [(master.port(), true), (replica.port(), false)] {
        let sentinel = sentinel_naming(named).await;
        let sentinels = [silent, sentinel]
            .map(|port| HostAndPort { host: "127.0.0.1".to_owned(), port })
            .to_vec();
        let settings = RedisSettings {
            server: Where::Sentinels { sentinels, master: "door".to_owned() },
            ..backends::redis_settings(LimitsMode::Exact)
        };
        assert_eq!(is_reached(&settings).await, reached, "{named}");
    }
}

/// A sentinel that knows one master, and has one answer.
async fn sentinel_naming(master: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    let text = master.to_string();
                    let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{text}\r\n", text.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}
