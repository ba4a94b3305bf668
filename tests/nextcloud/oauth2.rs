//! Section 3.5: "log in with Nextcloud".

use std::time::Duration;

use serde_json::Value;

use crate::caller::{ADMIN, Ask, PASSWORD, Said, started};
use crate::nextcloud_stand_in::NextcloudStandIn;
use crate::nextcloud_stand_in::oauth2::OauthClient;
use crate::nextcloud_stand_in::settings::Generation::V34;

const REDIRECT: &str = "https://door.example.test/callback";

async fn with_client() -> NextcloudStandIn {
    let stand_in = started(V34).await;
    stand_in.add_oauth_client(OauthClient {
        id: "door".to_owned(),
        secret: "secret".to_owned(),
        redirect_uri: REDIRECT.to_owned(),
    });
    stand_in
}

async fn token(stand_in: &NextcloudStandIn, fields: &[(&str, &str)]) -> Said {
    let ask = Ask::new(stand_in, "POST", "/index.php/apps/oauth2/api/v1/token");
    ask.form(fields).send().await
}

/// Signs in, grants, and gives the code.
async fn code(stand_in: &NextcloudStandIn) -> String {
    let page =
        Ask::new(stand_in, "GET", "/index.php/apps/files/").basic(ADMIN, PASSWORD).send().await;
    let cookies = page.cookies();
    let browser =
        |method: &str, target: &str| Ask::new(stand_in, method, target).with("Cookie", &cookies);
    let target = "/index.php/apps/oauth2/authorize?response_type=code&client_id=door&state=a%20b&redirect_uri=https%3A%2F%2Fevil.test&scope=x";
    let begun = browser("GET", target).send().await;
    assert_eq!(begun.status, 303);
    let grant = begun.header("location").to_owned();
    let page = browser("GET", &grant).send().await;
    assert!(
        page.header("content-security-policy").contains(&format!("form-action 'self' {REDIRECT}"))
    );
    let token = page.text.split("data-requesttoken=\"").nth(1).unwrap().split('"').next().unwrap();
    let granted = browser("POST", &grant).form(&[("requesttoken", token)]).send().await;
    let location = granted.header("location");
    assert!(location.starts_with(&format!("{REDIRECT}?state=a%20b&code=")), "{location}");
    let code = location.split("code=").nth(1).unwrap();
    assert_eq!(code.len(), 128);
    code.to_owned()
}

#[tokio::test]
async fn a_code_becomes_tokens_once_and_the_answer_names_the_user() {
    let stand_in = with_client().await;
    let code = code(&stand_in).await;
    let wrong = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", "door"),
        ("client_secret", "x"),
    ];
    let said = token(&stand_in, &wrong).await;
    assert_eq!((said.status, said.json()["error"].clone()), (400, Value::from("invalid_client")));
    let right = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", "door"),
        ("client_secret", "secret"),
    ];
    let said = token(&stand_in, &right).await;
    assert_eq!(said.status, 200);
    let tokens = said.json();
    assert_eq!(tokens["user_id"], "admin");
    assert_eq!(tokens["access_token"].as_str().unwrap().len(), 72);
    assert_eq!(tokens["refresh_token"].as_str().unwrap().len(), 128);
    let said = token(&stand_in, &right).await;
    assert_eq!((said.status, said.json()["error"].clone()), (400, Value::from("invalid_request")));
    let access = tokens["access_token"].as_str().unwrap();
    let whoami = Ask::new(&stand_in, "GET", "/ocs/v2.php/cloud/user?format=json").bearer(access);
    assert_eq!(whoami.send().await.data()["id"], "admin");

    let refresh = tokens["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_id", "door"),
        ("client_secret", "secret"),
    ];
    assert_eq!(token(&stand_in, &fields).await.status, 200);
    assert_eq!(token(&stand_in, &fields).await.status, 400, "rotated");
}

#[tokio::test]
async fn an_old_code_and_other_grants_are_refused_with_400() {
    let stand_in = with_client().await;
    let code = code(&stand_in).await;
    stand_in.advance(Duration::from_secs(601));
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", "door"),
        ("client_secret", "secret"),
    ];
    assert_eq!(token(&stand_in, &fields).await.json()["error"], "invalid_request");
    let said = token(&stand_in, &[("grant_type", "password")]).await;
    assert_eq!((said.status, said.json()["error"].clone()), (400, Value::from("invalid_grant")));
    let get = Ask::new(&stand_in, "GET", "/index.php/apps/oauth2/api/v1/token").send().await;
    assert_eq!(get.status, 405);
    let target = "/index.php/apps/oauth2/authorize?response_type=code&client_id=unknown";
    assert_eq!(Ask::new(&stand_in, "GET", target).send().await.status, 200, "an error page");
}
