//! Nextcloud: an app like any other to requests, and nobody waits until it knows who is who.

use std::time::{Duration, Instant};

use serde_json::json;
use stormdoor::clock::{Clock as _, ManualClock, SystemClock};

use super::{ALL_WELL, Ada, status};
use crate::flaky::{Flaky, Mood};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::{Generation, Settings};
use crate::world::World;

/// Longer than any between two attempts; so long do tokens live.
const PAUSE: Duration = Duration::from_mins(7);

fn section(url: &str) -> String {
    let apps = super::APPS;
    format!(
        r#"tokens: {{ access: 1h }}
{apps}  cloud:
    host: cloud.localhost
    upstream: "{url}"
    routes: [ {{ path: /**, access: signed_in }} ]
nextcloud: {{ app: cloud, admin_user: admin, admin_password: "correct horse battery", provisioning: {{ mode: on }} }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nextcloud_of_no_use_in_any_way_only_its_own_requests_fail_and_changes_are_made_later()
{
    let trusted_domains = vec!["cloud.localhost".to_owned()];
    let settings = Settings { trusted_domains, ..Settings::default() };
    let nextcloud = NextcloudStandIn::start(Generation::V34, settings).await.unwrap();
    let flaky = Flaky::before(nextcloud.address()).await;
    flaky.be(Mood::Dead);
    let clock = ManualClock::at(SystemClock.now());
    let url = format!("http://{}", flaky.address);
    let world = World::with_clock(&section(&url), clock.clone()).await;
    let mut ada = Ada::at(&world).await;
    let load = ada.load();
    let cloud = world.url("cloud.localhost", "/status.php");
    for (mood, wanted) in [(Mood::Dead, 502), (Mood::Nonsense, 502), (Mood::Slow, 200)] {
        flaky.be(mood);
        clock.advance(PAUSE);
        assert_eq!(ada.ask().await, ALL_WELL, "{mood:?}");
        let began = Instant::now();
        let got = status(ada.client.get(&cloud).bearer_auth(&ada.fresh_token().await)).await;
        assert_eq!(got, wanted, "{mood:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{mood:?}: {:?}", began.elapsed());
        if mood != Mood::Slow {
            ada.until(200, "nextcloud", "warn").await;
        }
    }
    let (_, report) = ada.readiness().await;
    assert_ne!(report["status"], json!("not_ready"), "{report}");
    assert!(nextcloud.user("ada").is_none(), "it cannot know her yet");
    load.was_served().await;

    flaky.be(Mood::Well);
    clock.advance(PAUSE);
    // What is written wakes whoever carries it over.
    assert_eq!(status(ada.change("Ada at last")).await, 200);
    ada.until(200, "nextcloud", "ok").await;
    let began = Instant::now();
    while nextcloud.user("ada").is_none_or(|ada| ada.display_name != "Ada at last") {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", nextcloud.user_ids());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
