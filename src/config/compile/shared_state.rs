//! Where counters and one-time values are kept.

use std::time::Duration;

use super::{Compiler, document};
use crate::config::{
    HostAndPort, LimitsMode, LimitsOnOutage, LockoutOnOutage, RedisServer, RedisSettings,
    SharedState,
};
use crate::edge::Authority;
use crate::secret::Secret;

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(50);

impl Compiler<'_> {
    pub(super) fn shared_state(&mut self, written: &document::SharedState) -> SharedState {
        match written.kind {
            document::SharedStateKind::Memory => {
                self.nothing_for_redis(written);
                SharedState::Memory
            }
            document::SharedStateKind::Redis => match self.redis(written) {
                Some(redis) => SharedState::Redis(Box::new(redis)),
                None => SharedState::Memory,
            },
        }
    }

    /// Whoever sets a key of Redis and forgot `kind` believes that nodes count together.
    fn nothing_for_redis(&mut self, written: &document::SharedState) {
        let set = [
            ("url", written.url.is_some()),
            ("user", written.user.is_some()),
            ("password", written.password.is_some()),
            ("password_file", written.password_file.is_some()),
            ("ca_file", written.ca_file.is_some()),
            ("prefix", written.prefix.is_some()),
            ("limits", written.limits.is_some()),
            ("timeout", written.timeout.is_some()),
            ("on_outage", written.on_outage.is_some()),
        ];
        for (key, _) in set.into_iter().filter(|(_, set)| *set) {
            self.problems.add_beside(
                &format!("shared_state.{key}"),
                &["shared_state.kind"],
                "this is for kind: redis",
            );
        }
    }

    fn redis(&mut self, written: &document::SharedState) -> Option<RedisSettings> {
        let url = self.redis_url(written.url.as_deref());
        let password = self.redis_password(written);
        let millisecond = Duration::from_millis(1);
        let timeout = self.duration(
            "shared_state.timeout",
            written.timeout.as_ref(),
            DEFAULT_TIMEOUT,
            millisecond,
            Duration::from_secs(1),
        );
        let prefix = written.prefix.clone().unwrap_or_else(|| "stormdoor:".to_owned());
        let (limits_on_outage, lockout_on_outage) = on_outage(written.on_outage.as_ref());
        let ca_file = written.ca_file.as_deref().map(|file| self.file(file));
        let url = url?;
        if !url.tls && ca_file.is_some() {
            self.problems.add_beside(
                "shared_state.ca_file",
                &["shared_state.url"],
                "without TLS there is no certificate to verify; use rediss://",
            );
        }
        if !url.tls && password.is_some() && !url.hosts().all(super::mail::is_this_machine) {
            self.warn("shared_state.url", "the password crosses the network in the clear");
        }
        Some(RedisSettings {
            server: url.server,
            tls: url.tls,
            ca_file,
            user: written.user.clone(),
            password,
            database: url.database,
            prefix,
            limits: match written.limits {
                None | Some(document::LimitsMode::Exact) => LimitsMode::Exact,
                Some(document::LimitsMode::LocalShare) => LimitsMode::LocalShare,
            },
            timeout,
            limits_on_outage,
            lockout_on_outage,
        })
    }

    fn redis_url(&mut self, written: Option<&str>) -> Option<RedisUrl> {
        let Some(written) = written else {
            self.problems.add_beside(
                "shared_state.kind",
                &["shared_state.url"],
                "redis needs to know where it is: set url",
            );
            return None;
        };
        let url = parse_url(written);
        if url.is_none() {
            // What stands there may be a password, so it is not quoted.
            self.problems.add(
                "shared_state.url",
                "expected rediss://host:port, redis://host:port, redis+sentinel://host:port,host:port/master, or \
                 redis+cluster://host:port,host:port; user and password have keys of their own",
            );
        }
        url
    }

    fn redis_password(&mut self, written: &document::SharedState) -> Option<Secret<String>> {
        let (password, file) = (written.password.as_ref(), written.password_file.as_ref());
        let bytes = self.secret("shared_state", "password", password, file);
        let password = match bytes.map(|bytes| String::from_utf8(bytes.expose().clone())) {
            Some(Ok(password)) => Some(Secret::new(password)),
            Some(Err(_)) => {
                let message = "the password is not UTF-8 text";
                self.problems.add("shared_state.password_file", message);
                None
            }
            None => None,
        };
        if written.user.is_some() && written.password.is_none() && written.password_file.is_none() {
            self.problems.add_beside(
                "shared_state.user",
                &["shared_state.password", "shared_state.password_file"],
                "signing in needs a password: set password or password_file",
            );
        }
        password
    }
}

fn on_outage(written: Option<&document::OnOutage>) -> (LimitsOnOutage, LockoutOnOutage) {
    let limits = |word: document::LimitsOnOutage| match word {
        document::LimitsOnOutage::Allow => LimitsOnOutage::Allow,
        document::LimitsOnOutage::Local => LimitsOnOutage::Local,
        document::LimitsOnOutage::Refuse => LimitsOnOutage::Refuse,
    };
    match written {
        None => Default::default(),
        Some(document::OnOutage::All(word)) => {
            let lockout = match word {
                // Nobody may guess without being counted.
                document::LimitsOnOutage::Allow | document::LimitsOnOutage::Local => {
                    LockoutOnOutage::Local
                }
                document::LimitsOnOutage::Refuse => LockoutOnOutage::Refuse,
            };
            (limits(*word), lockout)
        }
        Some(document::OnOutage::Each(each)) => {
            let lockout = match each.lockout {
                None => LockoutOnOutage::default(),
                Some(document::LockoutOnOutage::Local) => LockoutOnOutage::Local,
                Some(document::LockoutOnOutage::Refuse) => LockoutOnOutage::Refuse,
            };
            (each.limits.map(limits).unwrap_or_default(), lockout)
        }
    }
}

#[derive(Debug, Eq, PartialEq)]
struct RedisUrl {
    tls: bool,
    server: RedisServer,
    database: u32,
}

impl RedisUrl {
    fn hosts(&self) -> impl Iterator<Item = &str> {
        let servers = match &self.server {
            RedisServer::Cluster(servers) => servers.as_slice(),
            RedisServer::Sentinels { sentinels, .. } => sentinels.as_slice(),
            RedisServer::Single(server) => std::slice::from_ref(server),
        };
        servers.iter().map(|server| server.host.as_str())
    }
}

fn parse_url(text: &str) -> Option<RedisUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (scheme, kind) = match scheme.split_once('+') {
        Some((scheme, kind)) => (scheme, Some(kind)),
        None => (scheme, None),
    };
    let tls = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return None,
    };
    let several = |default| hosts.split(',').map(|host| host_and_port(host, default)).collect();
    match kind {
        None => {
            let database = if path.is_empty() { 0 } else { path.parse().ok()? };
            let server = RedisServer::Single(host_and_port(hosts, 6379)?);
            return Some(RedisUrl { tls, server, database });
        }
        Some("cluster") if path.is_empty() => {
            let servers: Option<Vec<_>> = several(6379);
            return Some(RedisUrl { tls, server: RedisServer::Cluster(servers?), database: 0 });
        }
        Some("sentinel") => {}
        Some(_) => return None,
    }
    // The name, and perhaps the number of a database.
    let (master, database) = match path.split_once('/') {
        Some((master, database)) => (master, database.parse().ok()?),
        None => (path, 0),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if master.is_empty() || !master.chars().all(legal) {
        return None;
    }
    let sentinels: Option<Vec<_>> = several(26379);
    let server = RedisServer::Sentinels { sentinels: sentinels?, master: master.to_owned() };
    Some(RedisUrl { tls, server, database })
}

fn host_and_port(text: &str, default: u16) -> Option<HostAndPort> {
    let authority = Authority::parse(text).ok()?;
    let host = authority.host.trim_matches(['[', ']']).to_owned();
    Some(HostAndPort { host, port: authority.port.unwrap_or(default) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> HostAndPort {
        HostAndPort { host: host.to_owned(), port }
    }

    #[test]
    fn where_redis_is() {
        for (text, tls, server, database) in [
            ("redis://127.0.0.1", false, at("127.0.0.1", 6379), 0),
            ("redis://redis:7000/", false, at("redis", 7000), 0),
            ("rediss://redis.example.org/3", true, at("redis.example.org", 6379), 3),
            ("rediss://[::1]:7000", true, at("::1", 7000), 0),
        ] {
            let server = RedisServer::Single(server);
            assert_eq!(parse_url(text), Some(RedisUrl { tls, server, database }), "{text}");
        }
        let server = RedisServer::Sentinels {
            sentinels: vec![at("one", 26379), at("two", 7)],
            master: "door".to_owned(),
        };
        let url = RedisUrl { tls: true, server, database: 2 };
        assert_eq!(parse_url("rediss+sentinel://one,two:7/door/2"), Some(url));
        let server = RedisServer::Cluster(vec![at("one", 6379), at("two", 7)]);
        let url = RedisUrl { tls: false, server, database: 0 };
        assert_eq!(parse_url("redis+cluster://one,two:7"), Some(url));
    }

    #[test]
    fn what_is_no_place_of_redis_is_refused() {
        for text in [
            "",
            "redis",
            "http://redis",
            "redis://",
            "redis://user:password@redis",
            "redis://:password@redis",
            "redis://redis/x",
            "redis://redis:0x",
            "redis+sentinel://one,two",
            "redis+sentinel://one,,two/door",
            "redis+sentinel://one/door/x",
            "redis+sentinel://one/do or",
            "redis-cluster://one,two",
            "redis+cluster://one,two/3",
            "redis+cluster://one,,two",
            "redis+cluster://",
            "redis+://one",
            "http+cluster://one",
        ] {
            assert_eq!(parse_url(text), None, "{text}");
        }
    }
}
