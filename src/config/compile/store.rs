//! Where records are kept.

use std::time::Duration;

use super::mail::is_this_machine;
use super::{Compiler, document};
use crate::config::{PostgresSettings, PostgresTls, Store};
use crate::edge::Authority;
use crate::secret::Secret;

const ONE_NODE: &str = "postgres with `shared_state: memory` is for one node: each would count attempts and rates by itself";

const NO_SEALING_KEY: &str =
    "a second node needs the same sealing key: name its file in store.sealing_key_file";

/// What the parts of a URL mean.
struct Server {
    host: String,
    port: u16,
    user: String,
    password: Option<Secret<String>>,
    database: String,
    tls: PostgresTls,
}

impl Compiler<'_> {
    pub(super) fn store(&mut self, document: &document::Document) -> Store {
        let store = &document.store;
        let path = store.path.as_deref().unwrap_or("stormdoor.db").into();
        match store.kind {
            document::StoreKind::Sqlite => {
                for (key, is_there) in [
                    ("url", store.url.is_some()),
                    ("password", store.password.is_some()),
                    ("password_file", store.password_file.is_some()),
                    ("schema", store.schema.is_some()),
                    ("connections", store.connections.is_some()),
                    ("ca_file", store.ca_file.is_some()),
                    ("timeout", store.timeout.is_some()),
                ] {
                    if is_there {
                        let message = "is for `kind: postgres`, and this is sqlite";
                        self.problems.add_beside(&format!("store.{key}"), &["store.kind"], message);
                    }
                }
                Store::Sqlite { path }
            }
            document::StoreKind::Postgres => {
                match document.shared_state.kind {
                    document::SharedStateKind::Memory => self.warn("store.kind", ONE_NODE),
                    document::SharedStateKind::Redis => {}
                }
                if store.sealing_key_file.is_none() {
                    self.warn("store.kind", NO_SEALING_KEY);
                }
                match self.postgres(store) {
                    Some(settings) => Store::Postgres(Box::new(settings)),
                    // A problem was reported, so nobody sees this.
                    None => Store::Sqlite { path },
                }
            }
        }
    }

    fn postgres(&mut self, store: &document::Store) -> Option<PostgresSettings> {
        if store.path.is_some() {
            let message = "is for `kind: sqlite`, and this is postgres";
            self.problems.add_beside("store.path", &["store.kind"], message);
        }
        let (written, file) = (store.password.as_ref(), store.password_file.as_ref());
        let password = self.secret("store", "password", written, file);
        let password = password.map(|bytes| String::from_utf8(bytes.expose().clone()));
        if let Some(Err(_)) = password {
            self.problems.add("store.password_file", "the password is not UTF-8 text");
        }
        let schema = store.schema.as_deref().unwrap_or("public");
        if !is_schema(schema) {
            self.problems.add(
                "store.schema",
                format!(
                    "{schema:?}: expected small letters, digits and _, up to 63, no digit first"
                ),
            );
        }
        let connections = store.connections.unwrap_or(10);
        if !(2..=100).contains(&connections) {
            self.problems.add("store.connections", "expected from 2 to 100");
        }
        let second = Duration::from_secs(1);
        let timeout = store.timeout.as_ref();
        let timeout = self.duration("store.timeout", timeout, second * 5, second, second * 10);
        let ca_file = store.ca_file.as_deref().map(|file| self.base.join(file));
        if let Some(file) = ca_file.as_deref().filter(|file| !file.is_file()) {
            let name = self.problems.name_of("store.ca_file", file);
            self.problems.add("store.ca_file", format!("{name}: there is no such file"));
        }
        let Some(url) = &store.url else {
            let message = "postgres needs one: postgres://user@host/database";
            self.problems.add_beside("store.url", &["store.kind"], message);
            return None;
        };
        let server = match server_of(url) {
            Ok(server) => server,
            Err(problem) => {
                // What stands there may be a password, so it is not quoted.
                self.problems.add("store.url", problem);
                return None;
            }
        };
        if server.password.is_some() && (written.is_some() || file.is_some()) {
            let others = ["store.password", "store.password_file"];
            self.problems.add_beside(
                "store.url",
                &others,
                "there is a password here and in a key of its own",
            );
        }
        if matches!(server.tls, PostgresTls::Off | PostgresTls::IfOffered | PostgresTls::Unverified)
            && ca_file.is_some()
        {
            let message = "is used with sslmode=verify-full or verify-ca only";
            self.problems.add_beside("store.ca_file", &["store.url"], message);
        }
        Some(PostgresSettings {
            host: server.host,
            port: server.port,
            user: server.user,
            password: password.and_then(Result::ok).map(Secret::new).or(server.password),
            database: server.database,
            tls: server.tls,
            ca_file,
            schema: schema.to_owned(),
            connections,
            timeout,
        })
    }
}

/// Whether it is a name that needs no quotes anywhere. Names of PostgreSQL itself begin with `pg_`.
fn is_schema(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len())
        && name.bytes().all(legal)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("pg_")
}

fn server_of(url: &str) -> Result<Server, &'static str> {
    const EXPECTED: &str = "expected postgres://user@host:5432/database, with ?sslmode= if needed";
    const NO_DATABASE: &str = "it names no database: /name is missing";
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let (rest, query) =
        rest.map(|rest| rest.split_once('?').unwrap_or((rest, ""))).ok_or(EXPECTED)?;
    let (authority, database) = rest.split_once('/').ok_or(NO_DATABASE)?;
    let database = decoded(database).filter(|name| !name.is_empty()).ok_or(NO_DATABASE)?;
    let (user, host) = authority.rsplit_once('@').ok_or("it names no user: user@ is missing")?;
    let (user, password) = match user.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password).ok_or(EXPECTED)?)),
        None => (user, None),
    };
    let user = decoded(user).filter(|user| !user.is_empty()).ok_or(EXPECTED)?;
    let (mut socket, mut port, mut mode) = (None, None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("host", folder) => {
                let folder = decoded(folder).filter(|folder| folder.starts_with('/'));
                socket = Some(folder.ok_or("?host= is for the folder of a Unix socket")?);
            }
            ("port", number) => port = Some(number.parse().map_err(|_| "?port= is a number")?),
            ("sslmode", name) => {
                mode = Some(match name {
                    "disable" => PostgresTls::Off,
                    "prefer" => PostgresTls::IfOffered,
                    "require" => PostgresTls::Unverified,
                    "verify-ca" => PostgresTls::Authority,
                    "verify-full" => PostgresTls::Verified,
                    _ => {
                        return Err(
                            "sslmode is one of disable, prefer, require, verify-ca, verify-full",
                        );
                    }
                });
            }
            ("sslrootcert", _) => return Err("instead of sslrootcert, set ca_file"),
            ("password", _) => return Err("a password stands in a key of its own"),
            _ => return Err("behind `?` stand sslmode, host and port only"),
        }
    }
    let (host, written_port, is_near) = match socket {
        Some(folder) if host.is_empty() => (folder, None, true),
        Some(_) => return Err("it names a host, and the folder of a socket"),
        None => {
            let authority = Authority::parse(host).map_err(|_| EXPECTED)?;
            let host = authority.host.trim_matches(['[', ']']).to_owned();
            let is_near = is_this_machine(&host);
            (host, authority.port, is_near)
        }
    };
    let default = if is_near { PostgresTls::IfOffered } else { PostgresTls::Verified };
    let port = port.or(written_port).unwrap_or(5432);
    let (password, tls) = (password.map(Secret::new), mode.unwrap_or(default));
    Ok(Server { host, port, user, password, database, tls })
}

/// `text` without its percent-encoding (RFC 3986 §2.1); none when that is broken.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_proves_who_it_is_unless_it_is_near_or_said_otherwise() {
        for (url, tls) in [
            ("postgres://door@db.example.org/door", PostgresTls::Verified),
            ("postgresql://door:secret@10.0.0.5:5433/door", PostgresTls::Verified),
            ("postgres://door@localhost/door", PostgresTls::IfOffered),
            ("postgres://door@127.0.0.1/door", PostgresTls::IfOffered),
            ("postgres://door@/door?host=/run/postgresql", PostgresTls::IfOffered),
            ("postgres://door@/door?host=%2Frun%2Fpg&port=5433", PostgresTls::IfOffered),
            ("postgres://door@localhost/door?sslmode=verify-full", PostgresTls::Verified),
            ("postgres://door@db/door?sslmode=disable", PostgresTls::Off),
            ("postgres://door@db/door?sslmode=require", PostgresTls::Unverified),
            ("postgres://door@db/door?sslmode=verify-ca", PostgresTls::Authority),
        ] {
            let server = server_of(url).expect(url);
            assert_eq!(server.tls, tls, "{url}");
            assert_eq!(server.password.is_some(), url.contains("secret"));
            assert_eq!((&*server.user, &*server.database), ("door", "door"), "{url}");
        }
    }

    #[test]
    fn a_url_says_where_as_whom_and_with_what() {
        let server = server_of("postgres://d%6For:p%40ss@[::1]:5433/x%2Fy").expect("good");
        assert_eq!((&*server.host, server.port, &*server.user), ("::1", 5433, "door"));
        assert_eq!(server.password.expect("one").expose(), "p@ss");
        assert_eq!(server.database, "x/y");
        let server = server_of("postgres://door@/door?host=%2Frun&port=1").expect("good");
        assert_eq!((&*server.host, server.port), ("/run", 1));
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused_without_quoting_it() {
        for url in [
            "mysql://canary@db/door",
            "postgres://db/canary",
            "postgres://canary@db",
            "postgres://canary@db/",
            "postgres://door:canary@d b/door",
            "postgres://door@db/door?sslmode=canary",
            "postgres://door@db/door?password=canary",
            "postgres://door@db/door?canary",
            "postgres://door@canary/door?host=/run",
            "postgres://door:%canary@db/door",
            "postgres://door@db/door?host=canary",
        ] {
            let problem = server_of(url).err().expect(url);
            assert!(!problem.contains("canary"), "{url}: {problem}");
        }
    }

    #[test]
    fn names_of_schemas() {
        for name in ["public", "stormdoor", "door_2", "_x"] {
            assert!(is_schema(name), "{name}");
        }
        for name in ["", "2door", "Door", "a-b", "a b", "pg_temp", "a;b", &"a".repeat(64)] {
            assert!(!is_schema(name), "{name}");
        }
    }
}
