//! `stormdoor check --online`: whether what the configuration names is there.

use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, KeySource, Servers};
use crate::edge::tls;
use crate::federation;
use crate::geoip;
use crate::identity::token::KeySet;
use crate::observe::Metrics;
use crate::store;

const PATIENCE: Duration = Duration::from_secs(5);

/// Tries everything once: what was tried, and what was wrong with it.
pub async fn probe(config: &Config, data: &Path) -> Vec<(String, Option<String>)> {
    let mut tried = Vec::new();
    let certificates = tls::load(&config.tls, data, SystemClock.now(), &Metrics::new());
    tried.push(("certificates".to_owned(), certificates.err().map(|error| error.to_string())));

    let opened = store::open(&config.store, data).await.map_err(anyhow::Error::from);
    let store = match &opened {
        Ok(stores) => stores.ping().await.err().map(|error| error.to_string()),
        Err(error) => Some(format!("{error:#}")),
    };
    tried.push(("store".to_owned(), store));
    if let Ok(stores) = opened {
        stores.close().await;
    }
    if let Some(file) = &config.geoip_file {
        let error = geoip::open(file).await.err().map(|error| error.to_string());
        tried.push(("geoip".to_owned(), error));
    }
    for upstream in config.upstreams.values() {
        let Servers::Endpoints(endpoints) = &upstream.servers else { continue };
        for endpoint in endpoints {
            let what = format!("upstream {} {}:{}", upstream.name, endpoint.host, endpoint.port);
            let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
            let error = match timeout(PATIENCE, connecting).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_elapsed) => Some("no answer within 5 s".to_owned()),
            };
            tried.push((what, error));
        }
    }
    for issuer in &config.issuers {
        let error = match &issuer.keys {
            KeySource::Secret(_) => continue,
            KeySource::File(path) => std::fs::read(path)
                .map_err(|error| error.to_string())
                .and_then(|text| KeySet::parse(&text).map_err(|error| error.to_string()))
                .err(),
            KeySource::JwksUrl { url, ca_file } => match federation::client(ca_file.as_deref()) {
                Ok(client) => {
                    federation::fetch(&client, url).await.err().map(|error| error.to_string())
                }
                Err(error) => Some(error.to_string()),
            },
        };
        tried.push((format!("keys of issuer {}", issuer.issuer), error));
    }
    tried
}
