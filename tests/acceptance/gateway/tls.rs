//! Certificates, redirects, and who may use a connection for what.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{World, raw, tls};

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_redirected_to_hosts_of_ours_and_nowhere_else() {
    let world = World::from_yaml(
        r#"
public_url: https://localhost:8443
listeners: { https: { address: "127.0.0.1:0" }, http: { address: "127.0.0.1:0" }, operations: { address: off } }
observe: { access_log: off, level: warn }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /**, access: public } ] } }
"#,
    )
    .await;
    for (host, location) in [
        ("whoami.localhost:8080", Some("https://whoami.localhost:8443/a?b")),
        ("localhost", Some("https://localhost:8443/a?b")),
        ("evil.example", None),
    ] {
        let request = format!("GET /a?b HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer =
            String::from_utf8(raw::exchange(world.http(), request.as_bytes()).await).unwrap();
        let found = answer.lines().find_map(|line| line.strip_prefix("Location: "));
        assert_eq!(found, location, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_and_http_1_are_both_spoken() {
    let world = World::start().await;
    let url = world.url("whoami.localhost", "/public/x");
    let modern = world.client().get(&url).send().await.unwrap();
    assert_eq!(modern.version(), reqwest::Version::HTTP_2);
    let old = world.client_builder().http1_only().build().unwrap().get(&url).send().await.unwrap();
    assert_eq!(old.version(), reqwest::Version::HTTP_11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_for_one_host_is_not_used_for_another() {
    let world = World::start().await;
    // The URL names the server of the handshake; the header names another host of ours.
    let answer = world
        .client_builder()
        .http1_only()
        .build()
        .unwrap()
        .get(world.url("localhost", "/public/x"))
        .header("host", "whoami.localhost")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers_ours_included() {
    let world = World::start().await;
    for (host, path) in
        [("whoami.localhost", "/public/x"), ("whoami.localhost", "/"), ("localhost", "/nowhere")]
    {
        let answer = world.client().get(world.url(host, path)).send().await.unwrap();
        for name in [
            "strict-transport-security",
            "x-content-type-options",
            "x-request-id",
            "x-correlation-id",
        ] {
            assert!(answer.headers().contains_key(name), "{name} at {host}{path}");
        }
        assert!(!answer.headers().contains_key("server"));
    }
}

/// Files of a certificate for `names`, as they stand in a configuration.
fn certificate_files(
    folder: &std::path::Path,
    names: &[&str],
) -> (String, CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names.clone()).unwrap();
    let (chain, key) =
        (folder.join(format!("{}.pem", names[0])), folder.join(format!("{}-key.pem", names[0])));
    std::fs::write(&chain, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let files = format!("{{ cert_file: {}, key_file: {} }}", chain.display(), key.display());
    (files, cert.der().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_gets_its_own_certificate_and_serves_no_other_host() {
    let folder = tempfile::tempdir().unwrap();
    let (first, api) = certificate_files(folder.path(), &["api.localhost"]);
    let (second, dav) = certificate_files(folder.path(), &["dav.localhost", "localhost"]);
    let app = |name: &str| {
        format!(
            "  {name}: {{ host: {name}.localhost, upstream: \"builtin:whoami\", routes: [ {{ path: /**, access: public }} ] }}\n"
        )
    };
    let world = World::from_yaml(&format!(
        r#"
public_url: https://localhost
listeners: {{ https: {{ address: "127.0.0.1:0" }}, http: {{ address: off }}, operations: {{ address: off }} }}
tls: {{ certificates: [ {first}, {second} ] }}
observe: {{ access_log: off, level: warn }}
apps:
{}{}"#,
        app("api"),
        app("dav")
    ))
    .await;
    for (name, own, other) in
        [("api.localhost", &api, &dav), ("dav.localhost", &dav, &api), ("localhost", &dav, &api)]
    {
        let connect = |trusted: &CertificateDer<'static>| {
            let (address, trusted) = (world.https(), [trusted.clone()]);
            async move { tls::connect(address, &trusted, name, b"http/1.1").await }
        };
        let stream = connect(own).await.expect("the certificate of this name");
        let shown = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(shown.first(), Some(own), "{name}");
        assert!(connect(other).await.is_err(), "{name} with the certificate of another");
    }
    for (name, host, status) in [
        ("api.localhost", "api.localhost", 200),
        ("api.localhost", "dav.localhost", 421),
        ("dav.localhost", "api.localhost", 421),
        ("dav.localhost", "dav.localhost", 200),
    ] {
        let trusted = [api.clone(), dav.clone()];
        let mut stream = tls::connect(world.https(), &trusted, name, b"http/1.1").await.unwrap();
        let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _closed = stream.read_to_end(&mut answer).await;
        assert_eq!(raw::status(&answer), status, "{host} over a connection for {name}");
    }
}
