//! Tokens of outside issuers.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::world::World;
use crate::world::upstream::Recorder;

/// An issuer that signs and publishes its key.
pub(super) struct Issuer {
    pair: Ed25519KeyPair,
    kid: &'static str,
}

impl Issuer {
    pub(super) fn new(kid: &'static str) -> Self {
        let random = ring::rand::SystemRandom::new();
        let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self { pair: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap(), kid }
    }

    pub(super) fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x }] }).to_string()
    }

    pub(super) fn token(&self, claims: Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.kid, "typ": "JWT" });
        let signed =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes())))
    }
}

#[expect(clippy::disallowed_methods, reason = "an issuer has a clock of its own")]
fn claims(subject: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": "https://id.example", "aud": "api", "sub": subject, "iat": now, "exp": now + 300,
        "realm_access": { "roles": ["editor"] }, "scope": "read", "plan": "gold",
    })
}

async fn world(issuer: &Issuer) -> World {
    let jwks = issuer.jwks();
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{jwks}", jwks.len());
    let keys = Recorder::answering(response.into_bytes(), std::time::Duration::ZERO).await;
    World::with(&format!(
        r#"
issuers:
  - {{ issuer: "https://id.example", audience: [api], algorithms: [EdDSA], jwks_url: "http://{}/jwks",
      roles_claim: realm_access.roles, tier_claim: plan }}
roles: {{ editor: {{ permissions: ["wiki:write"] }} }}
rate_limits: {{ tiers: {{ gold: 1000/min }} }}
apps:
  wiki:
    host: whoami.localhost
    upstream: builtin:whoami
    routes:
      - {{ path: /write/**, allow: ["wiki:write"], scopes: [read] }}
      - {{ path: /admin/**, allow: ["wiki:write"], scopes: [admin] }}
      - {{ path: /**, allow: ["wiki:delete"] }}
"#,
        keys.address
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outside_issuers_token_opens_what_its_roles_and_scopes_allow() {
    let issuer = Issuer::new("one");
    let world = world(&issuer).await;
    let token = issuer.token(claims("ana"));
    for (path, status) in [("/write/x", 200), ("/admin/x", 403), ("/other", 403)] {
        let url = world.url("whoami.localhost", path);
        let answer = world.client().get(url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        if status == 200 {
            let seen: Value = answer.json().await.unwrap();
            assert_eq!(seen["headers"]["x-auth-subject"], "ana");
            assert_eq!(seen["headers"]["x-auth-tier"], "gold");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_the_issuer_did_not_sign_for_us_open_nothing() {
    let issuer = Issuer::new("one");
    let world = world(&issuer).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims("ana");
        claims[name] = value;
        claims
    };
    let another = Issuer::new("one");
    let unknown = Issuer::new("two");
    for (case, token) in [
        ("another audience", issuer.token(with("aud", json!("other")))),
        ("another issuer", issuer.token(with("iss", json!("https://evil.example")))),
        ("expired", issuer.token(with("exp", json!(1_000_000)))),
        ("another key of the same name", another.token(claims("ana"))),
        ("an unknown key", unknown.token(claims("ana"))),
    ] {
        let url = world.url("whoami.localhost", "/write/x");
        let answer = world.client().get(url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{case}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
}
