//! Nextcloud takes a token of ours for a name that it knows as that account, whoever made it. So while accounts are
//! provisioned, nobody speaks there for an account that was not found to be theirs.

use super::given::{SERVICE_PASSWORD, section, trusting, until};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::Generation;
use crate::world::World;
use crate::world::api::Api;

/// The status that `api` gets for a page of Nextcloud.
async fn status(world: &World, api: &Api) -> u16 {
    let url = world.url("cloud.localhost", "/ocs/v2.php/cloud/user?format=json");
    api.raw_get(&url).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_account_that_was_there_before_by_being_called_like_it() {
    let nextcloud = NextcloudStandIn::start(Generation::V34, trusting()).await.unwrap();
    nextcloud.add_user("carla", "a secret of her own");
    let yaml = section(&nextcloud.url(), SERVICE_PASSWORD, "mode: on");
    let yaml = yaml.replace("routes: [ {", "identity: nextcloud, routes: [ {");
    let world = World::with(&yaml).await;
    world.add_user("carla@example.org", &["viewer"]).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    let (carla, ada) =
        (Api::of(&world).signed_in("carla").await, Api::of(&world).signed_in("ada").await);

    // Whoever's account is about to be made is told to wait; then the token is shown, which nobody explained to this
    // Nextcloud.
    until("ada's account", async || ![403, 503].contains(&status(&world, &ada).await)).await;
    assert_eq!(status(&world, &ada).await, 401);
    assert!(nextcloud.user("ada").is_some());

    let identity = world.gateway.identity();
    let id = identity.look_up("carla").await.unwrap().unwrap().id;
    until("the refusal", async || {
        let entry = identity.provisioning_of(id).await.unwrap();
        entry.is_some_and(|entry| entry.last_error.is_some())
    })
    .await;
    until("carla's 403", async || status(&world, &carla).await == 403).await;
    let seen = nextcloud.seen();
    let mut tokens = seen.iter().filter_map(|seen| seen.header("authorization"));
    assert!(tokens.any(|value| value.starts_with("Bearer ")), "ada's token arrived");
    let files =
        nextcloud.seen().into_iter().filter(|seen| seen.acted_as.as_deref() == Some("carla"));
    assert_eq!(files.count(), 0);
}
