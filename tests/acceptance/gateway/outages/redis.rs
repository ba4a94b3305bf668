//! Redis, as configured when nothing is said about outages.

use super::{ALL_WELL, APPS, Ada};
use crate::flaky::{Flaky, Mood};
use crate::redis_server::RedisServer;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_of_no_use_in_any_way_every_kind_of_request_goes_on() {
    let redis = RedisServer::start();
    let flaky = Flaky::before(redis.address()).await;
    flaky.be(Mood::Dead);
    let section = format!(
        "shared_state: {{ kind: redis, url: \"redis://{}\", timeout: 200ms }}\n",
        flaky.address
    );
    let world = World::with(&format!("{section}{APPS}")).await;
    let mut ada = Ada::at(&world).await;
    ada.until(200, "shared_state", "warn").await;
    assert_eq!(ada.ask().await, ALL_WELL, "down at start");
    let load = ada.load();
    for mood in [Mood::Dead, Mood::Slow, Mood::Nonsense] {
        flaky.be(Mood::Well);
        ada.until(200, "shared_state", "ok").await;
        flaky.be(mood);
        assert_eq!(ada.ask().await, ALL_WELL, "{mood:?}");
        ada.until(200, "shared_state", "warn").await;
        assert_eq!(ada.ask().await, ALL_WELL, "{mood:?}");
    }
    load.was_served().await;
}
