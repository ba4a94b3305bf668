//! People here are people there.

use reqwest::Method;
use stormdoor::identity::Standing;
use stormdoor::identity::admin::By;
use stormdoor::identity::event::EventQuery;
use stormdoor::identity::provisioning::{Stage, State, Step};
use stormdoor::nextcloud::{Kind, Round, survey};

use super::given::{Cloud, RULES, SERVICE_PASSWORD, drain, section, trusting, until};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::Generation;
use crate::world::World;
use crate::world::api::Api;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_added_here_appears_there_and_is_told_so() {
    let nextcloud = NextcloudStandIn::start(Generation::V34, trusting()).await.unwrap();
    let on = format!("mode: on, {RULES}");
    let yaml = section(&nextcloud.url(), SERVICE_PASSWORD, &on);
    let world = World::with(&yaml).await;
    world.add_user("root@example.org", &["superadmin"]).await;
    world.add_user("ada@example.org", &["viewer"]).await;
    until("ada", async || nextcloud.user("ada").is_some()).await;
    let ada = Api::of(&world).signed_in("ada").await;
    until("done", async || {
        let own = ada.get("/auth/me/provisioning").await.expect(200).body;
        own["state"] == "done" && own["stage"] == "enabled" && own["user_id"] == "ada"
    })
    .await;

    let root = Api::of(&world).signed_in("root").await;
    let id = ada.get("/auth/me").await.text_of("id");
    let path = format!("/auth/admin/users/{id}/provisioning");
    let entry = root.get(&path).await.expect(200).body;
    assert_eq!((&entry["state"], &entry["last_error"]), (&"done".into(), &().into()), "{entry}");
    ada.get(&path).await.expect(403);
    root.post(&format!("{path}/retry"), serde_json::json!({})).await.expect(202);
    root.send(Method::POST, &format!("/auth/admin/users/{id}/lock"), None).await.expect(200);
    until("the lock", async || nextcloud.user("ada").is_some_and(|ada| !ada.enabled)).await;
    let failed = root.get("/auth/admin/provisioning").await.expect(200).body;
    assert_eq!(failed["total"], 0);
    root.get("/auth/admin/provisioning?state=never").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_follows_its_person_on_both_generations() {
    for generation in [Generation::V34, Generation::V29] {
        let cloud = Cloud::with(generation, &format!("{RULES}, remove: delete")).await;
        let worker = cloud.worker();
        let ada = cloud.add("ada", "viewer").await;
        assert_eq!(drain(&worker).await, Round::Nothing);
        let gigabytes = |count: u64| (count << 30).to_string();
        let is = |name: &str, quota: u64, standing: &str, groups: &str| {
            format!("{name} <ada@example.org> {} {standing} {groups}", gigabytes(quota))
        };
        assert_eq!(cloud.account("ada"), is("ada", 5, "enabled", r#"["staff"]"#));

        cloud.give(ada, "developer").await;
        cloud
            .world
            .gateway
            .identity()
            .rename_user(ada, Some("Ada L".into()), &By::Operator)
            .await
            .unwrap();
        // Somebody there gave her a group of theirs, and the rights of an administrator.
        cloud.nextcloud.join("ada", "chess");
        cloud.nextcloud.join("ada", "admin");
        drain(&worker).await;
        let groups = r#"["admin", "chess", "dev ops", "staff"]"#;
        assert_eq!(cloud.account("ada"), is("Ada L", 50, "enabled", groups));

        cloud.give(ada, "viewer").await;
        cloud.set(ada, Standing::Disabled).await;
        drain(&worker).await;
        assert_eq!(cloud.account("ada"), is("Ada L", 50, "disabled", groups), "only locked");
        assert_eq!(cloud.entry(ada).await.unwrap().stage, Stage::Disabled);

        cloud.set(ada, Standing::Active).await;
        drain(&worker).await;
        let groups = r#"["admin", "chess", "staff"]"#;
        assert_eq!(cloud.account("ada"), is("Ada L", 5, "enabled", groups));

        cloud.set(ada, Standing::Deleted).await;
        drain(&worker).await;
        assert_eq!(cloud.account("ada"), is("Ada L", 5, "disabled", groups), "can be restored");
        cloud.erase(ada).await;
        drain(&worker).await;
        assert_eq!(cloud.account("ada"), "none");
        assert_eq!(cloud.entry(ada).await, None, "the name is free again");
        let edit = if generation == Generation::V34 { "PATCH" } else { "PUT" };
        assert!(cloud.count(edit, "/cloud/users/ada?") > 0);

        let before = cloud.nextcloud.seen().len();
        assert_eq!(drain(&worker).await, Round::Nothing);
        assert_eq!(cloud.nextcloud.seen().len(), before, "nothing to do is no call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_there_is_audited_with_its_code() {
    let cloud = Cloud::with(Generation::V34, RULES).await;
    let worker = cloud.worker();
    let ada = cloud.add("ada", "viewer").await;
    drain(&worker).await;
    cloud.give(ada, "developer").await;
    drain(&worker).await;
    let query =
        EventQuery { user: Some(ada), kind: Some("provisioned".into()), before: None, limit: 50 };
    let recorded = cloud.world.gateway.identity().recorded(&query).await.unwrap();
    let steps: Vec<_> = recorded
        .iter()
        .rev()
        .map(|event| event.details["step"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps, ["make_group", "create", "edit", "make_group", "join"]);
    assert!(recorded.iter().all(|event| event.details["code"] == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_people_stay_disabled_unless_they_are_to_be_deleted() {
    let cloud = Cloud::with(Generation::V34, RULES).await;
    let worker = cloud.worker();
    let ada = cloud.add("ada", "viewer").await;
    drain(&worker).await;
    cloud.erase(ada).await;
    drain(&worker).await;
    assert!(cloud.account("ada").contains("disabled"));
    // Whoever comes next and is called the same does not get the files.
    let next = cloud.add("ada", "viewer").await;
    drain(&worker).await;
    assert!(cloud.account("ada").contains("disabled"));
    let entry = cloud.entry(next).await.unwrap();
    assert_eq!((entry.state, entry.last_error.as_deref()), (State::Failed, Some("user_id_taken")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_there_before_is_taken_over_only_when_told_to() {
    for (existing, name, state, account) in [
        ("refuse", "bob", State::Failed, "bob <> none enabled []"),
        ("adopt", "bob", State::Done, "bob <bob@example.org> none enabled []"),
        ("adopt", "boss", State::Failed, "boss <> none enabled [\"admin\"]"),
    ] {
        let cloud = Cloud::with(Generation::V34, &format!("existing: {existing}")).await;
        cloud.nextcloud.add_user("bob", "their own password");
        cloud.nextcloud.add_user("boss", "their own password");
        cloud.nextcloud.join("boss", "admin");
        let user = cloud.add(name, "viewer").await;
        drain(&cloud.worker()).await;
        assert_eq!((cloud.state(user).await, cloud.account(name).as_str()), (state, account));
        cloud.erase(user).await;
        drain(&cloud.worker()).await;
        let is_ours = state == State::Done;
        assert_eq!(cloud.account(name).contains("disabled"), is_ours, "{existing} {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_there_before_their_time() {
    for (when, approved_only) in [("active", true), ("registered", false)] {
        let cloud = Cloud::with(Generation::V34, &format!("when: {when}")).await;
        let worker = cloud.worker();
        let ada = cloud.add("ada", "viewer").await;
        cloud.set(ada, Standing::Disabled).await;
        drain(&worker).await;
        assert_eq!(cloud.account("ada"), "none", "a locked account is not made");
        cloud.set(ada, Standing::Active).await;
        drain(&worker).await;
        assert!(cloud.account("ada").contains("enabled"), "{when} {approved_only}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_password_is_told_before_anything_is_tried() {
    let cloud = Cloud::with(Generation::V34, "backend: auto").await;
    let ada = cloud.add("ada", "viewer").await;
    let password = cloud.nextcloud.add_app_password("admin", "gateway");
    let worker = cloud.worker_with(&password);
    let Round::Paused(Some(_)) = drain(&worker).await else { panic!("it goes on") };
    assert_eq!(cloud.state(ada).await, State::Waiting);
    let (_, health) = worker.health.report();
    let detail = health["checks"]["nextcloud"]["detail"].as_str().unwrap();
    assert!(detail.contains("app password"), "{detail}");
    assert_eq!(health["status"], "degraded");

    let cloud = Cloud::with(Generation::V34, "provider_id: 1, quota: { viewer: 5 GB }").await;
    cloud.add("ada", "viewer").await;
    let password = cloud.nextcloud.add_app_password("admin", "gateway");
    assert_eq!(drain(&cloud.worker_with(&password)).await, Round::Nothing);
    let account = cloud.nextcloud.user("ada").expect("ada");
    assert_eq!((account.backend.as_str(), account.quota), ("user_oidc", (5_u64 << 30).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_tells_who_differs_and_changes_nothing() {
    let cloud = Cloud::with(Generation::V34, RULES).await;
    let worker = cloud.worker();
    for name in ["ada", "ben", "cy"] {
        cloud.add(name, "viewer").await;
    }
    drain(&worker).await;
    cloud.nextcloud.change_user("ada", |ada| ada.email = Some("evil@example.org".into()));
    cloud.nextcloud.add_user("stray", "their own password");
    cloud.nextcloud.add_user("dora", "their own password");
    cloud.add("dora", "viewer").await;
    cloud.add("emil", "viewer").await;
    cloud.nextcloud.take_seen();
    let nextcloud = worker.nextcloud.load_full().unwrap();
    let found = survey(&nextcloud, &*worker.users, &*worker.journal, |_, _| {}).await.unwrap();
    let mut told: Vec<_> = found
        .iter()
        .map(|found| {
            let steps: Vec<_> = found.steps.iter().map(Step::name).collect();
            format!("{} {} {steps:?}", found.cloud.as_deref().unwrap_or("-"), found.kind.name())
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            r#"ada different ["edit"]"#,
            "dora conflict []",
            r#"emil missing ["create"]"#,
            "stray extra []"
        ]
    );
    assert_eq!(found.iter().filter(|found| found.kind == Kind::Extra).count(), 1);
    assert!(cloud.nextcloud.take_seen().iter().all(|seen| seen.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_from_before_provisioning_was_on_are_not_forgotten() {
    let cloud = Cloud::with(Generation::V34, RULES).await;
    let (ada, ben) = (cloud.add("ada", "viewer").await, cloud.add("ben", "viewer").await);
    cloud.set(ben, Standing::Disabled).await;
    drain(&cloud.worker()).await;
    assert!(cloud.account("ada").contains("enabled"));
    assert_eq!(cloud.account("ben"), "none");
    assert_eq!((cloud.state(ada).await, cloud.state(ben).await), (State::Done, State::Done));
}
