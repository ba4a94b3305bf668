//! Nextcloud's cookies on their way through: renamed, whole, in order, and bound to one session.

use super::bridge::{CLOUD, config, sign_in, world};
use super::session_first::{SESSION, SessionFirst};
use crate::world::World;

fn lines(answer: &reqwest::Response) -> Vec<String> {
    let lines = answer.headers().get_all("set-cookie").iter();
    lines.map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// The same without the tag.
fn untagged(line: &str) -> String {
    let (prefix, rest) = line.split_once("sd-").expect("a tagged cookie");
    format!("{prefix}{}", &rest[17..])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_leaves_under_a_tag_with_its_prefix_and_attributes_in_order() {
    let cloud = SessionFirst::start().await;
    let world = World::with(&config(&cloud, "bridge: oidc")).await;
    let answer = world.client().get(world.url(CLOUD, "/public/page")).send().await.unwrap();
    let lines = lines(&answer);
    assert!(lines[2].starts_with("__Host-sd-"), "{lines:?}");
    let plain: Vec<_> = lines.iter().map(|line| untagged(line)).collect();
    assert_eq!(
        plain,
        [
            format!("{SESSION}=decoy; path=/; Secure; HttpOnly"),
            format!("{SESSION}=session-of-nobody; path=/; Secure; HttpOnly"),
            "__Host-nc_sameSiteCookielax=true; path=/; Secure; HttpOnly; SameSite=Lax".to_owned(),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_keeps_cookies_until_signing_in_and_not_beyond() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, "bridge: oidc").await;
    let mut browser = world.browser();
    browser.open(CLOUD, "/public/page").await;
    browser.open(CLOUD, "/public/page").await;
    let sent = cloud.last().header("cookie").to_owned();
    assert!(sent.contains(&format!("{SESSION}=session-of-nobody")), "{sent}");
    assert!(sent.contains("__Host-nc_sameSiteCookielax=true"), "{sent}");
    let visitors = browser.line(CLOUD);

    sign_in(&mut browser, "ada").await;
    let seen = cloud.last();
    assert_eq!(seen.header("cookie"), "", "what a visitor had is not hers");
    for cookie in visitors.split("; ") {
        assert!(!browser.line(CLOUD).contains(cookie), "{cookie} was expired");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_only_look_like_nextclouds_are_dropped_and_expired() {
    let cloud = SessionFirst::start().await;
    let world = World::with(&config(&cloud, "bridge: oidc")).await;
    let planted = format!(
        "{SESSION}=session-of-ada; nc_session_id=x; __Host-nc_sameSiteCookielax=true; theme=dark; __Host-stormdoor-flow-1=x"
    );
    let url = world.url(CLOUD, "/public/page");
    let get = || world.client().get(&url).header("cookie", &planted);
    let answer = get().send().await.unwrap();
    assert_eq!(cloud.last().header("cookie"), "");
    let expired: Vec<_> = lines(&answer)
        .into_iter()
        .filter(|line| line.contains("Max-Age=0"))
        .map(|line| line.split('=').next().unwrap().to_owned())
        .collect();
    assert_eq!(expired, [SESSION, "nc_session_id", "__Host-nc_sameSiteCookielax"]);

    // A form on another site comes without our cookie: it must not cost anybody theirs.
    let answer = get().header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert!(!lines(&answer).iter().any(|line| line.contains("Max-Age=0")));
    assert_eq!(cloud.last().header("cookie"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_outlive_a_restart_and_a_reload() {
    let cloud = SessionFirst::start().await;
    let world = world(&cloud, "bridge: oidc").await;
    let mut browser = world.browser();
    sign_in(&mut browser, "ada").await;
    let line = browser.line(CLOUD);
    let configuration = config(&cloud, "bridge: oidc");
    world.reload(&configuration).await;
    let world = world.restart(&configuration).await;
    let get = world.client().get(world.url(CLOUD, "/apps/files")).header("cookie", &line);
    assert_eq!(get.send().await.unwrap().status(), 200);
    let seen = cloud.last();
    assert_eq!((seen.user.as_deref(), seen.how), (Some("ada"), "session"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_apps_cookies_are_left_alone() {
    let cloud = SessionFirst::start().await;
    let world = World::with(&format!(
        "apps: {{ api: {{ host: api.localhost, upstream: \"http://{}\", routes: [ {{ path: /**, access: public }} ] }} }}",
        cloud.address
    ))
    .await;
    let url = world.url("api.localhost", "/public/x");
    let answer = world.client().get(url).header("cookie", "theme=dark").send().await.unwrap();
    assert!(lines(&answer)[0].starts_with(&format!("{SESSION}=decoy")));
    assert_eq!(cloud.last().header("cookie"), "theme=dark");
}
