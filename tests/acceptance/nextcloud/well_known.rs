//! Where clients look first, and addresses that a server behind TLS gets wrong.

use std::time::Duration;

use super::path_classes::cloud;
use crate::world::World;
use crate::world::upstream::Recorder;

#[tokio::test(flavor = "multi_thread")]
async fn calendars_and_contacts_are_found_by_any_method() {
    let upstream = Recorder::start().await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let dav = world.url("dav.localhost", "/remote.php/dav/");
    for path in ["/.well-known/caldav", "/.well-known/carddav", "/.well-known/caldav/"] {
        for method in ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "POST", "PUT"] {
            let url = world.url("dav.localhost", path);
            let request = world.client().request(method.parse().unwrap(), url).body("<x/>");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 301, "{method} {path}");
            assert_eq!(answer.headers()["location"].to_str().unwrap(), dav);
        }
    }
    assert!(upstream.heads().is_empty(), "Nextcloud was not asked");
    for path in ["/.well-known/webfinger", "/.well-known/nodeinfo", "/.well-known/change-password"]
    {
        let answer = world.client().get(world.url("dav.localhost", path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        upstream.only_head();
    }
    // Ours is on our own host, where nothing of this is.
    let keys = world.client().get(world.url("localhost", "/.well-known/jwks.json")).send().await;
    assert_eq!(keys.unwrap().status(), 200);
    let none = world.client().get(world.url("localhost", "/.well-known/caldav")).send().await;
    assert_eq!(none.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_the_own_host_without_tls_is_mended() {
    let moved = b"HTTP/1.1 301 Moved Permanently\r\nLocation: http://dav.localhost/x?y\r\nContent-Length: 0\r\n\r\n";
    let upstream = Recorder::answering(moved.to_vec(), Duration::ZERO).await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let answer =
        world.client().get(world.url("dav.localhost", "/status.php")).send().await.unwrap();
    assert_eq!(answer.headers()["location"].to_str().unwrap(), world.url("dav.localhost", "/x?y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_nextcloud_stand_and_only_what_lacks_is_added() {
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Security-Policy: default-src 'none'\r\nX-Frame-Options: SAMEORIGIN\r\nReferrer-Policy: same-origin\r\nSet-Cookie: a=1\r\nSet-Cookie: a=2\r\nContent-Length: 0\r\n\r\n";
    let upstream = Recorder::answering(page.to_vec(), Duration::ZERO).await;
    let world = World::with(&cloud(upstream.address, "")).await;
    let answer = world.client().get(world.url("dav.localhost", "/s/AbCdEf")).send().await.unwrap();
    let all = |name: &str| -> Vec<String> {
        let values = answer.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(all("content-security-policy"), ["default-src 'none'"]);
    assert_eq!(all("x-frame-options"), ["SAMEORIGIN"]);
    assert_eq!(all("referrer-policy"), ["same-origin"]);
    assert_eq!(all("x-robots-tag"), ["noindex, nofollow"]);
    let hsts = all("strict-transport-security");
    let age = hsts[0].strip_prefix("max-age=").unwrap().split(';').next().unwrap();
    assert!(hsts.len() == 1 && age.parse::<u64>().unwrap() >= 15_552_000, "{hsts:?}");
}
