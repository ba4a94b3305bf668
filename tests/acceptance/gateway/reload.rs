//! Reload and certificate swap, while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::world::{World, parse};

const BEFORE: &str = r#"
public_url: https://localhost
listeners: { https: { address: "127.0.0.1:0" }, http: { address: off }, operations: { address: off } }
rate_limits: { default: unlimited }
observe: { access_log: off, level: warn }
apps: { whoami: { host: whoami.localhost, upstream: "builtin:whoami", routes: [ { path: /public/**, access: public } ] } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_under_load_fails_no_request_and_is_in_force_at_once() {
    let world = Arc::new(World::from_yaml(BEFORE).await);
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for index in 0..4 {
        let (world, stop, served) = (world.clone(), stop.clone(), served.clone());
        clients.push(tokio::spawn(async move {
            let client = world.client();
            let url = world.url("whoami.localhost", "/public/x");
            let mut failed = 0;
            while !stop.load(Ordering::Relaxed) {
                // Some on kept connections, some on new ones.
                let fresh = (index % 2 == 0).then(|| world.client());
                let answer = fresh.as_ref().unwrap_or(&client).get(&url).send().await;
                match answer {
                    Ok(answer) if answer.status() == 200 => served.fetch_add(1, Ordering::Relaxed),
                    _ => {
                        failed += 1;
                        failed
                    }
                };
            }
            failed
        }));
    }
    for round in 0..10 {
        let path = if round % 2 == 0 { "/new/**" } else { "/newer/**" };
        let more = BEFORE.replace(
            "access: public }",
            &format!("access: public }}, {{ path: {path}, access: public }}"),
        );
        world.gateway.reload(parse(&more, world.data.path())).await.unwrap();
        let url = world.url("whoami.localhost", &path.replace("**", "x"));
        assert_eq!(world.client().get(url).send().await.unwrap().status(), 200);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.unwrap(), 0, "failed requests");
    }
    assert!(served.load(Ordering::Relaxed) > 50, "{served:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_cannot_be_done_changes_nothing() {
    let world = World::from_yaml(BEFORE).await;
    let broken = world.data.path().join("broken.pem");
    std::fs::write(&broken, "not a certificate").unwrap();
    let yaml = BEFORE.replace(
        "apps:",
        "tls: { certificates: [ { cert_file: broken.pem, key_file: broken.pem } ] }\napps:",
    );
    let error = world.gateway.reload(parse(&yaml, world.data.path())).await.unwrap_err();
    assert!(format!("{error:#}").contains("broken.pem"), "{error:#}");
    let url = world.url("whoami.localhost", "/public/x");
    assert_eq!(world.client().get(url).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_serves_the_next_handshake_and_open_connections_go_on() {
    let world = World::from_yaml(BEFORE).await;
    let url = world.url("whoami.localhost", "/public/x");
    let open = world.client();
    assert_eq!(open.get(&url).send().await.unwrap().status(), 200);
    let first = std::fs::read(world.data.path().join("tls/self-made.pem")).unwrap();

    let other_names =
        BEFORE.replace("apps:", "tls: { self_made: [localhost, new.localhost] }\napps:");
    world.gateway.reload(parse(&other_names, world.data.path())).await.unwrap();

    let second = std::fs::read(world.data.path().join("tls/self-made.pem")).unwrap();
    assert_ne!(first, second);
    assert_eq!(open.get(&url).send().await.unwrap().status(), 200, "the open connection goes on");
    assert_eq!(
        world.client().get(&url).send().await.unwrap().status(),
        200,
        "trusting the new one"
    );
    let old = reqwest::Certificate::from_pem(&first).unwrap();
    let old = reqwest::Client::builder()
        .tls_certs_only([old])
        .resolve("whoami.localhost", world.https())
        .build()
        .unwrap();
    assert!(old.get(&url).send().await.is_err(), "the old one is not served any more");
}
