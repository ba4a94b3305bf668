//! Nextcloud's `user_oidc` signs people in at our door: the whole flow, with a stand-in for Nextcloud behind the gateway.

use std::net::TcpListener;

use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::{Generation, OidcProvider, ProviderTrust, Settings};
use crate::world::{PASSWORD, World};

const SECRET: &str = "a-secret-of-more-than-32-bytes-for-nextcloud";

/// A gateway whose public URL has its real port, so that Nextcloud reaches it, and Nextcloud behind it.
async fn worlds() -> (World, NextcloudStandIn) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings {
        trusted_domains: vec!["whoami.localhost".to_owned()],
        overwrite_protocol: Some("https".to_owned()),
        overwrite_host: Some(format!("whoami.localhost:{port}")),
        ..Settings::default()
    };
    let cloud = NextcloudStandIn::start(Generation::V34, settings).await.unwrap();
    let world = World::from_yaml(&format!(
        r#"
public_url: https://localhost:{port}
listeners:
  https: {{ address: "127.0.0.1:{port}" }}
  http: {{ address: "127.0.0.1:0", redirect: false }}
  operations: {{ address: "127.0.0.1:0" }}
  drain: 5s
observe: {{ access_log: off, level: warn }}
accounts: {{ password: {{ argon2: {{ memory_kib: 64, passes: 1 }} }} }}
rate_limits: {{ default: unlimited, auth: {{ login: unlimited }} }}
apps:
  cloud: {{ host: whoami.localhost, upstream: "{}", identity: none, paths: dav, routes: [ {{ path: /**, access: public }} ] }}
nextcloud: {{ app: cloud, oidc: {{ client_secret: {SECRET} }} }}
"#,
        cloud.url()
    ))
    .await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let discovery = format!("https://localhost:{port}/.well-known/openid-configuration");
    cloud.connect_oidc(OidcProvider {
        resolve: Some(("localhost".to_owned(), world.https())),
        trust: ProviderTrust::Anybody,
        ..OidcProvider::at(&discovery, "stormdoor", SECRET)
    });
    (world, cloud)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_to_nextcloud_at_our_door_and_out_again() {
    let (world, cloud) = worlds().await;
    let mut browser = world.browser();
    let login = "/index.php/apps/user_oidc/login/1";

    let page = browser.open("whoami.localhost", login).await;
    assert!(page.path().starts_with("/auth/sign-in?openid="), "{page:?}");
    let page = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;

    assert_eq!((page.url.host_str(), page.status), (Some("whoami.localhost"), 200), "{page:?}");
    let account = cloud.user("ada").expect("an account was made");
    assert_eq!(account.email.as_deref(), Some("ada@example.org"));
    let last = cloud.seen().pop().expect("requests");
    assert_eq!((last.acted_as.as_deref(), last.by_cookie), (Some("ada"), true));

    // Nextcloud leads here without a hint: the question is asked, and leads back.
    let back = format!("{}/", world.url("whoami.localhost", "").trim_end_matches('/'));
    let path =
        format!("/auth/openid/end-session?post_logout_redirect_uri={back}&client_id=stormdoor");
    let page = browser.open("localhost", &path).await;
    assert_eq!(page.url.path(), "/auth/sign-out");
    let page = browser.submit(&page, &[]).await;
    assert_eq!(page.url.host_str(), Some("whoami.localhost"), "{page:?}");
    let page = browser.open("localhost", "/auth/account").await;
    assert!(page.path().starts_with("/auth/sign-in"), "{}", page.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_in_nextcloud_signs_nobody_in() {
    let (world, cloud) = worlds().await;
    let discovery = format!("{}/.well-known/openid-configuration", world.url("localhost", ""));
    cloud.connect_oidc(OidcProvider {
        resolve: Some(("localhost".to_owned(), world.https())),
        ..OidcProvider::at(&discovery, "stormdoor", "another secret")
    });
    let mut browser = world.browser();
    let page = browser.open("whoami.localhost", "/index.php/apps/user_oidc/login/1").await;
    let page = browser.submit(&page, &[("username", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(cloud.user("ada").is_none());
}
