//! Section 3.2: `user_oidc`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::caller::{ADMIN, Ask, PASSWORD, Said, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::settings::{Generation::V34, OidcProvider, ProviderTrust};
use crate::provider::{CLIENT, Key, Provider, SECRET, hs256};

async fn connected(change: impl FnOnce(&mut OidcProvider)) -> (NextcloudStandIn, Provider, Key) {
    let key = Key::es256("first");
    let provider = Provider::publishing(&[&key]).await;
    let stand_in = started(V34).await;
    let mut settings = provider.settings();
    change(&mut settings);
    stand_in.connect_oidc(settings);
    (stand_in, provider, key)
}

async fn shown(stand_in: &NextcloudStandIn, token: &str) -> Said {
    Ask::new(stand_in, "GET", "/ocs/v2.php/cloud/user?format=json").bearer(token).send().await
}

fn changed(mut claims: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[tokio::test]
async fn tokens_are_judged_as_the_table_says() {
    let (stand_in, provider, key) = connected(|_| ()).await;
    let now = stand_in.now();
    for (name, value, status) in [
        ("sub", json!("alice"), 200),
        ("aud", json!("somebody else"), 401),
        ("aud", json!(["x", CLIENT]), 200),
        ("aud", json!(["x"]), 401),
        ("aud", Value::Null, 200),
        ("iss", json!("https://evil.example.test"), 401),
        ("exp", Value::Null, 401),
        ("exp", json!(now - 30), 401),
        ("iat", json!(now + 300), 401),
        ("iat", json!(now + 50), 200),
        ("nbf", json!(now + 300), 401),
        ("sub", json!("admin"), 200),
        ("sub", json!("who+tag@example.test"), 200),
        ("sub", json!("auth0|a/b:c"), 500),
    ] {
        let claims = changed(provider.claims("alice", now), name, value.clone());
        let said = shown(&stand_in, &key.sign(&claims)).await;
        assert_eq!(said.status, status, "{name} = {value}: {said:?}");
    }
    assert!(stand_in.user("auth0|a/b:c").is_some(), "created, and broken");
    let claims = provider.claims("alice", now);
    assert_eq!(shown(&stand_in, &hs256("first", &claims)).await.both(), (401, 997));
    assert_eq!(shown(&stand_in, &Key::es256("first").sign(&claims)).await.both(), (401, 997));
    assert_eq!(shown(&stand_in, "a.b.c").await.both(), (401, 997));
}

#[tokio::test]
async fn ed25519_is_as_good_as_es256() {
    let (stand_in, provider, _) = connected(|_| ()).await;
    let key = Key::ed_dsa("edwards");
    provider.publish(&[&key]);
    let said = shown(&stand_in, &key.sign(&provider.claims("alice", stand_in.now()))).await;
    assert_eq!((said.status, said.header("x-user-id")), (200, "alice"));
}

#[tokio::test]
async fn a_new_sub_becomes_an_account_with_what_its_claims_say() {
    let (stand_in, provider, key) = connected(|_| ()).await;
    let mut claims = provider.claims("alice", stand_in.now());
    claims["name"] = json!("Alice Example");
    claims["email"] = json!("alice@example.test");
    claims["quota"] = json!("1 GB");
    assert_eq!(shown(&stand_in, &key.sign(&claims)).await.status, 200);
    let alice = stand_in.user("alice").unwrap();
    assert_eq!(alice.display_name, "Alice Example");
    assert_eq!(alice.email.as_deref(), Some("alice@example.test"));
    assert_eq!(alice.quota, "1073741824");
    assert_eq!(alice.backend, "user_oidc");
}

#[tokio::test]
async fn an_unknown_key_is_not_asked_for_until_an_hour_is_over() {
    let (stand_in, provider, first) = connected(|_| ()).await;
    let second = Key::es256("second");
    let token = |key: &Key| key.sign(&provider.claims("alice", stand_in.now()));
    assert_eq!(shown(&stand_in, &token(&first)).await.status, 200);
    provider.publish(&[&first, &second]);
    assert_eq!(shown(&stand_in, &token(&second)).await.status, 401);
    assert_eq!(shown(&stand_in, &token(&first)).await.status, 200);
    assert_eq!(stand_in.key_fetches(), 1);
    stand_in.advance(Duration::from_hours(1));
    assert_eq!(shown(&stand_in, &token(&second)).await.status, 200);
    assert_eq!(stand_in.key_fetches(), 2);
    provider.stop();
    stand_in.advance(Duration::from_mins(30));
    assert_eq!(shown(&stand_in, &token(&first)).await.status, 200, "the provider is down");
}

#[tokio::test]
async fn with_group_provisioning_a_token_without_groups_takes_all_of_them() {
    let (stand_in, provider, key) = connected(|settings| settings.group_provisioning = true).await;
    let mut claims = provider.claims("admin", stand_in.now());
    claims["groups"] = json!(["admin", "staff"]);
    shown(&stand_in, &key.sign(&claims)).await;
    assert_eq!(stand_in.groups_of("admin"), ["admin", "staff"]);
    shown(&stand_in, &key.sign(&provider.claims("admin", stand_in.now()))).await;
    assert_eq!(stand_in.groups_of("admin"), [""; 0]);
}

#[tokio::test]
async fn without_group_provisioning_groups_stay() {
    let (stand_in, provider, key) = connected(|_| ()).await;
    shown(&stand_in, &key.sign(&provider.claims("admin", stand_in.now()))).await;
    assert_eq!(stand_in.groups_of("admin"), ["admin"]);
}

#[tokio::test]
async fn a_bearer_of_an_administrator_writes_users_leaves_no_session_and_fetches_no_app_password() {
    let (stand_in, provider, key) = connected(|_| ()).await;
    let token = key.sign(&provider.claims("admin", stand_in.now()));
    let ask = Ask::api(&stand_in, "POST", "v2.php/cloud/groups").bearer(&token);
    let said = ask.form(&[("groupid", "staff")]).send().await;
    assert_eq!(said.both(), (200, 200));
    let page = Ask::new(&stand_in, "GET", "/index.php/apps/files/").with("Cookie", &said.cookies());
    assert_eq!(page.send().await.status, 401);
    let fetch = Ask::api(&stand_in, "GET", "v2.php/core/getapppassword").bearer(&token);
    assert_eq!(fetch.send().await.status, 403);
    let find = Ask::new(&stand_in, "PROPFIND", "/remote.php/dav/files/admin/").bearer(&token);
    assert_eq!(find.send().await.header("x-user-id"), "admin");
    let wins = Ask::api(&stand_in, "GET", "v2.php/cloud/user").basic(ADMIN, PASSWORD).send().await;
    let other = key.sign(&provider.claims("bob", stand_in.now()));
    let ask = Ask::api(&stand_in, "GET", "v2.php/cloud/user").bearer(&other);
    let said = ask.with("Cookie", &wins.cookies()).send().await;
    assert_eq!(said.header("x-user-id"), "admin", "the cookie of a login wins");
}

#[tokio::test]
async fn without_check_bearer_or_bearer_provisioning_tokens_do_less() {
    let (stand_in, provider, key) = connected(|settings| settings.check_bearer = false).await;
    let token = key.sign(&provider.claims("admin", stand_in.now()));
    assert_eq!(shown(&stand_in, &token).await.status, 401);
    let (stand_in, provider, key) =
        connected(|settings| settings.bearer_provisioning = false).await;
    let token = |sub: &str| key.sign(&provider.claims(sub, stand_in.now()));
    assert_eq!(shown(&stand_in, &token("alice")).await.status, 401);
    assert_eq!(shown(&stand_in, &token("admin")).await.status, 200);
}

#[tokio::test]
async fn a_provider_behind_tls_is_believed_if_its_authority_is_trusted() {
    let key = Key::es256("first");
    let (provider, address, authority) = Provider::behind_tls(&[&key]).await;
    let other = rcgen::generate_simple_self_signed(["door.example.test".to_owned()]).unwrap();
    let other = other.cert.pem().into_bytes();
    for (trust, status) in [
        (ProviderTrust::Authority(authority), 200),
        (ProviderTrust::Authority(other), 401),
        (ProviderTrust::Anybody, 200),
    ] {
        let stand_in = started(V34).await;
        let mut settings = provider.settings();
        settings.resolve = Some(("door.example.test".to_owned(), address));
        settings.trust = trust.clone();
        stand_in.connect_oidc(settings);
        let token = key.sign(&provider.claims("admin", stand_in.now()));
        assert_eq!(shown(&stand_in, &token).await.status, status, "{trust:?}");
    }
}

#[tokio::test]
async fn wrong_bearers_do_not_count_as_failed_logins() {
    let (stand_in, _, _) = connected(|_| ()).await;
    for _ in 0..12 {
        assert_eq!(shown(&stand_in, "garbage").await.status, 401);
    }
    assert_eq!(Ask::ocs(&stand_in, "GET", "v2.php/cloud/user").send().await.status, 200);
}

#[tokio::test]
async fn accounts_can_be_made_before_their_first_sign_in_again_and_again() {
    let (stand_in, provider, key) = connected(|_| ()).await;
    stand_in.add_user("plain", "a long enough word");
    let token = stand_in.add_app_password(ADMIN, "gateway");
    let path = "v2.php/apps/user_oidc/api/v1/user";
    let fields =
        [("providerId", "1"), ("userId", "alice"), ("displayName", "Alice"), ("quota", "1 GB")];
    for _ in 0..2 {
        let said =
            Ask::api(&stand_in, "POST", path).basic(ADMIN, &token).form(&fields).send().await;
        assert_eq!((said.status, said.data()), (200, json!({"user_id": "alice"})));
    }
    let plain =
        Ask::api(&stand_in, "POST", path).basic("plain", "a long enough word").form(&fields);
    assert_eq!(plain.send().await.status, 403);
    let said = shown(&stand_in, &key.sign(&provider.claims("alice", stand_in.now()))).await;
    assert_eq!(said.data()["displayname"], "Alice");
    let delete = Ask::api(&stand_in, "DELETE", &format!("{path}/alice")).basic(ADMIN, &token);
    assert_eq!(delete.send().await.status, 200);
    assert!(stand_in.user("alice").is_none());
}

fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').unwrap().1;
    let named = |pair: &&str| pair.starts_with(&format!("{name}="));
    query
        .split('&')
        .find(named)
        .map_or(String::new(), |pair| pair.split_once('=').unwrap().1.to_owned())
}

#[tokio::test]
async fn a_browser_signs_in_by_code_flow_and_the_callback_works_once() {
    let (stand_in, provider, key) = connected(|_| ()).await;
    let https = |method: &str, target: &str| {
        Ask::new(&stand_in, method, target).with("X-Forwarded-Proto", "https")
    };
    let plain = Ask::new(&stand_in, "GET", "/index.php/apps/user_oidc/login/1").send().await;
    assert_eq!(plain.status, 404, "over plain http");

    let begun = https("GET", "/index.php/apps/user_oidc/login/1?redirectUrl=%2Fapps%2Ffiles%2F")
        .send()
        .await;
    assert_eq!(begun.status, 303);
    let location = begun.header("location").to_owned();
    assert!(location.starts_with(&format!("{}/authorize?", provider.issuer)));
    assert_eq!(parameter(&location, "client_id"), CLIENT);
    assert_eq!(parameter(&location, "response_type"), "code");
    assert_eq!(parameter(&location, "scope"), "openid%20email%20profile");
    assert_eq!(parameter(&location, "code_challenge_method"), "S256");
    assert!(
        parameter(&location, "redirect_uri").ends_with("%2Findex.php%2Fapps%2Fuser_oidc%2Fcode")
    );

    let mut claims = provider.claims("alice", stand_in.now());
    claims["nonce"] = json!(parameter(&location, "nonce"));
    provider.issue("code1", key.sign(&claims));
    let callback = format!(
        "/index.php/apps/user_oidc/code?code=code1&state={}",
        parameter(&location, "state")
    );
    let wrong = https("GET", "/index.php/apps/user_oidc/code?code=code1&state=wrong").send().await;
    assert_eq!(wrong.status, 403, "a browser without the session");
    let back = https("GET", &callback).with("Cookie", &begun.cookies()).send().await;
    assert_eq!((back.status, back.header("location")), (303, "/apps/files/"));
    let (client, form) = provider.redeemed().pop().unwrap();
    assert_eq!(client, format!("{CLIENT}:{SECRET}"));
    assert!(form.contains("grant_type=authorization_code") && form.contains("code_verifier="));

    let mut cookies = begun.cookies();
    cookies = cookies
        .split("; ")
        .filter(|pair| !pair.starts_with(stand_in.instance_id()))
        .collect::<Vec<_>>()
        .join("; ");
    cookies = format!("{cookies}; {}", back.cookies());
    let page = https("GET", "/apps/files/").with("Cookie", &cookies).send().await;
    assert_eq!((page.status, page.header("x-user-id")), (200, "alice"));
    let replay = https("GET", &callback).with("Cookie", &cookies).send().await;
    assert_eq!(replay.status, 403);

    let token = page.text.split("data-requesttoken=\"").nth(1).unwrap().split('"').next().unwrap();
    let made = https("POST", "/settings/personal/authtokens")
        .with("Cookie", &cookies)
        .with("requesttoken", token);
    assert_eq!(made.form(&[("name", "phone")]).send().await.status, 200, "no password to confirm");
    let out = https("GET", &format!("/index.php/logout?requesttoken={token}"))
        .with("Cookie", &cookies)
        .send()
        .await;
    assert!(
        out.header("location")
            .starts_with(&format!("{}/end?post_logout_redirect_uri=https%3A", provider.issuer))
    );
}

#[tokio::test]
async fn a_sign_in_asks_for_keys_again_and_a_wrong_nonce_is_refused() {
    let (stand_in, provider, first) = connected(|_| ()).await;
    let second = Key::es256("second");
    shown(&stand_in, &first.sign(&provider.claims("alice", stand_in.now()))).await;
    provider.publish(&[&second]);
    for (nonce_is_right, status) in [(true, 303), (false, 403)] {
        let https =
            |target: &str| Ask::new(&stand_in, "GET", target).with("X-Forwarded-Proto", "https");
        let begun = https("/index.php/apps/user_oidc/login/1").send().await;
        let location = begun.header("location");
        let mut claims = provider.claims("alice", stand_in.now());
        claims["nonce"] =
            if nonce_is_right { json!(parameter(location, "nonce")) } else { json!("x") };
        provider.issue("code", second.sign(&claims));
        let callback = format!(
            "/index.php/apps/user_oidc/code?code=code&state={}",
            parameter(location, "state")
        );
        assert_eq!(https(&callback).with("Cookie", &begun.cookies()).send().await.status, status);
    }
}
