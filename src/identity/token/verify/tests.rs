//! Tokens that are good, and every way in which they are not.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::identity::token::jws::encode;
use crate::identity::token::{AccessTokens, IssuerKeys, KeyRing, SigningKey};
use crate::identity::{AccessGrant, Permission, Role, TokenIssuer, UserId};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const ISSUER: &str = "https://door.example";

fn rules(keys: Arc<dyn IssuerKeys>, algorithm: Algorithm) -> IssuerRules {
    IssuerRules {
        name: ISSUER.into(),
        kind: Issuer::Own,
        audience: vec![ISSUER.into()],
        algorithms: vec![algorithm],
        types: vec!["at+jwt".into()],
        keys,
        leeway: Duration::ZERO,
        roles_claim: vec!["roles".into()],
        default_roles: vec![],
        groups_claim: vec!["groups".into()],
        tier_claim: Some(vec!["tier".into()]),
    }
}

fn roles() -> Roles {
    let permission: Permission = "files:read".parse().expect("a permission");
    Roles::from_iter([Role {
        name: "viewer".into(),
        permissions: vec![permission],
        tier: "free".into(),
        rate_limit: None,
        idle_timeout: Duration::from_secs(1),
        absolute_timeout: Duration::from_secs(1),
        second_factor: false,
    }])
}

fn key(algorithm: Algorithm) -> SigningKey {
    match algorithm {
        Algorithm::Hs256 => {
            SigningKey::from_private(algorithm, vec![7; 32], NOW).expect("a secret")
        }
        _ => SigningKey::generate(algorithm, NOW).expect("a key"),
    }
}

struct Door {
    ring: Arc<KeyRing>,
    verifier: Verifier,
    revocations: Arc<Revocations>,
}

fn door(algorithm: Algorithm) -> Door {
    let ring = Arc::new(KeyRing::new(&[key(algorithm)]).expect("a ring"));
    let revocations = Arc::new(Revocations::default());
    let verifier = Verifier::new([rules(ring.clone(), algorithm)], roles(), revocations.clone());
    Door { ring, verifier, revocations }
}

fn grant() -> AccessGrant {
    AccessGrant {
        user: UserId::from_uuid(uuid::Uuid::from_u128(1)),
        session: SessionId::from_uuid(uuid::Uuid::from_u128(2)),
        username: "ana".into(),
        email: "ana@example.org".into(),
        email_verified: true,
        roles: vec!["viewer".into()],
        permissions: vec!["mail:read".into()],
        until: None,
        tier: "free".into(),
        second_factor_at: None,
    }
}

fn issue(ring: &Arc<KeyRing>) -> String {
    let life = Duration::from_mins(15);
    AccessTokens::new(ring.clone(), ISSUER.into(), ISSUER.into(), life).issue(&grant(), NOW)
}

#[tokio::test]
async fn what_we_issue_we_accept_with_every_algorithm_that_we_make_keys_for() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let door = door(algorithm);
        let token = issue(&door.ring);
        assert!(door.verifier.cached(&token, NOW).is_none(), "nobody verified it yet");
        let principal = door.verifier.verify(&token, NOW).await.expect("our own token");
        assert_eq!(principal.subject.as_str(), grant().user.to_string());
        assert_eq!(principal.session, Some(grant().session));
        assert!(principal.permissions.allow(&"files:read".parse().expect("a permission")));
        assert!(door.verifier.cached(&token, NOW).is_some());
    }
}

#[tokio::test]
async fn a_verified_token_is_still_refused_once_it_expires_or_its_session_ends() {
    let door = door(Algorithm::EdDsa);
    let token = issue(&door.ring);
    door.verifier.verify(&token, NOW).await.expect("our own token");
    let end = NOW + Duration::from_mins(15);
    assert!(door.verifier.cached(&token, end).is_none());
    assert_eq!(door.verifier.verify(&token, end).await.err(), Some(TokenError::Expired));

    door.revocations.end_session(grant().session, end);
    assert!(door.verifier.cached(&token, NOW).is_none());
    assert_eq!(door.verifier.verify(&token, NOW).await.err(), Some(TokenError::Revoked));
}

#[tokio::test]
async fn ending_a_user_ends_older_tokens_and_not_newer_ones() {
    let door = door(Algorithm::EdDsa);
    let token = issue(&door.ring);
    let later = NOW + Duration::from_secs(100);
    door.revocations.end_user_before(grant().user, NOW - Duration::from_secs(5), later);
    assert!(door.verifier.verify(&token, NOW).await.is_ok());
    door.revocations.end_user_before(grant().user, NOW, later);
    assert_eq!(door.verifier.verify(&token, NOW).await.err(), Some(TokenError::Revoked));
    door.revocations.tidy(later);
    assert!(door.verifier.verify(&token, NOW).await.is_ok(), "forgotten once it cannot matter");
}

#[tokio::test]
async fn tokens_that_are_not_good() {
    let door = door(Algorithm::EdDsa);
    let good = json!({
        "iss": ISSUER, "aud": ISSUER, "sub": "a", "iat": NOW.as_secs(), "nbf": NOW.as_secs(),
        "exp": NOW.as_secs() + 60, "sid": grant().session.to_string(),
    });
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(name);
        claims
    };
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").insert(name.into(), value);
        claims
    };
    use TokenError::{Expired, MissingClaim, NotYetValid, UnknownIssuer, WrongAudience, WrongType};
    for (case, typ, claims, verdict) in [
        ("good", "at+jwt", good.clone(), None),
        ("media type", "application/at+jwt", good.clone(), None),
        ("several audiences", "at+jwt", with("aud", json!(["x", ISSUER])), None),
        ("an ID token", "JWT", good.clone(), Some(WrongType)),
        ("for an app", "identity+jwt", good.clone(), Some(WrongType)),
        ("no issuer", "at+jwt", without("iss"), Some(MissingClaim)),
        ("another issuer", "at+jwt", with("iss", json!("https://evil")), Some(UnknownIssuer)),
        ("no audience", "at+jwt", without("aud"), Some(MissingClaim)),
        ("another audience", "at+jwt", with("aud", json!("x")), Some(WrongAudience)),
        ("no expiry", "at+jwt", without("exp"), Some(MissingClaim)),
        ("expiry as text", "at+jwt", with("exp", json!("2099")), Some(MissingClaim)),
        ("expiry beyond reason", "at+jwt", with("exp", json!(1e300)), Some(MissingClaim)),
        ("expired", "at+jwt", with("exp", json!(NOW.as_secs())), Some(Expired)),
        ("not yet", "at+jwt", with("nbf", json!(NOW.as_secs() + 5)), Some(NotYetValid)),
        ("from the future", "at+jwt", with("iat", json!(NOW.as_secs() + 5)), Some(NotYetValid)),
        ("no subject", "at+jwt", without("sub"), Some(MissingClaim)),
        ("an empty subject", "at+jwt", with("sub", json!("")), Some(MissingClaim)),
        ("a subject with a line end", "at+jwt", with("sub", json!("a\nb")), Some(MissingClaim)),
        ("no session", "at+jwt", without("sid"), Some(MissingClaim)),
    ] {
        let token = door.ring.sign(typ, &claims);
        assert_eq!(door.verifier.verify(&token, NOW).await.err(), verdict, "{case}");
    }
}

#[tokio::test]
async fn a_token_does_not_choose_what_proves_it() {
    use ring::hmac;
    let door = door(Algorithm::EdDsa);
    let token = issue(&door.ring);
    let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let jwks: Value = serde_json::from_str(&door.ring.jwks()).expect("our keys");
    let public = jwks["keys"][0]["x"].as_str().expect("a point").to_owned();
    let kid = jwks["keys"][0]["kid"].clone();
    let head = |header: Value| encode(header.to_string());
    let hmac_signed = |secret: &[u8]| {
        let signed =
            format!("{}.{payload}", head(json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid })));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        format!("{signed}.{}", encode(hmac::sign(&secret, signed.as_bytes())))
    };
    use TokenError::{BadSignature, Malformed, UnknownKey, WrongAlgorithm};
    for (case, forged, verdict) in [
        (
            "none",
            format!("{}.{payload}.", head(json!({ "alg": "none", "typ": "at+jwt" }))),
            WrongAlgorithm,
        ),
        (
            "None",
            format!("{}.{payload}.", head(json!({ "alg": "None", "typ": "at+jwt" }))),
            WrongAlgorithm,
        ),
        ("public key as secret", hmac_signed(public.as_bytes()), WrongAlgorithm),
        (
            "another key's name",
            format!(
                "{}.{payload}.{signature}",
                head(json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "x" }))
            ),
            UnknownKey,
        ),
        (
            "a key brought along",
            format!(
                "{}.{payload}.{signature}",
                head(
                    json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid, "jwk": jwks["keys"][0], "jku": "https://evil" })
                )
            ),
            BadSignature,
        ),
        (
            "an extension to understand",
            format!("{}.{payload}.{signature}", head(json!({ "alg": "EdDSA", "crit": ["exp"] }))),
            Malformed,
        ),
        ("five parts", format!("{token}.a.b"), Malformed),
        ("two parts", "a.b".into(), Malformed),
        ("padding", format!("{token}="), Malformed),
        ("a whole lot", "a".repeat(20_000), Malformed),
    ] {
        assert_eq!(door.verifier.verify(&forged, NOW).await.err(), Some(verdict), "{case}");
    }
}

#[tokio::test]
async fn after_a_rotation_old_tokens_are_good_until_they_expire() {
    let old = key(Algorithm::EdDsa);
    let ring = Arc::new(KeyRing::new(std::slice::from_ref(&old)).expect("a ring"));
    let token = issue(&ring);
    let retired = SigningKey { retired_at: Some(NOW), ..old };
    let new = key(Algorithm::Es256);
    ring.replace(&[new.clone(), retired]).expect("two keys");

    let mut both = rules(ring.clone(), Algorithm::EdDsa);
    both.algorithms.push(Algorithm::Es256);
    let verifier = Verifier::new([both], roles(), Arc::default());
    assert!(verifier.verify(&token, NOW).await.is_ok());
    assert!(verifier.verify(&issue(&ring), NOW).await.is_ok());
    let jwks: Value = serde_json::from_str(&ring.jwks()).expect("our keys");
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(2));
    assert!(!ring.jwks().contains("\"d\""), "no private part is published");
}

#[test]
fn a_secret_is_not_published() {
    let door = door(Algorithm::Hs256);
    assert_eq!(&*door.ring.jwks(), r#"{"keys":[]}"#);
}

#[test]
fn a_token_for_an_app_is_given_out_again_for_a_while() {
    let door = door(Algorithm::EdDsa);
    let tokens =
        AccessTokens::new(door.ring, ISSUER.into(), ISSUER.into(), Duration::from_mins(15));
    let principal = Principal {
        subject: Subject::new("a"),
        issuer: Issuer::Own,
        username: None,
        email: None,
        email_verified: true,
        roles: vec![],
        groups: vec![],
        scopes: None,
        permissions: Permissions::default(),
        tier: "free".into(),
        rate_limit: None,
        kind: crate::identity::CredentialKind::AccessToken,
        session: None,
        token_id: None,
        issued_at: NOW,
        expires_at: NOW,
        second_factor_at: None,
    };
    let (one, other) = (Arc::from("one"), Arc::from("other"));
    let first = tokens.issue_for_upstream(&principal, &one, NOW);
    assert_eq!(first, tokens.issue_for_upstream(&principal, &one, NOW + Duration::from_secs(29)));
    assert_ne!(first, tokens.issue_for_upstream(&principal, &one, NOW + Duration::from_secs(31)));
    assert_ne!(first, tokens.issue_for_upstream(&principal, &other, NOW));
    let another = Principal { subject: Subject::new("b"), ..principal };
    assert_ne!(first, tokens.issue_for_upstream(&another, &one, NOW));
}

use crate::identity::Permissions;

proptest! {
    #[test]
    fn a_changed_token_is_never_good(at in 0usize..400, to in "[A-Za-z0-9_.-]") {
        let door = door(Algorithm::EdDsa);
        let token = issue(&door.ring);
        let at = at % token.len();
        let mut forged = token.clone();
        forged.replace_range(at..=at, &to);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let verdict = runtime.block_on(door.verifier.verify(&forged, NOW));
        prop_assert_eq!(verdict.is_ok(), forged == token);
    }

    #[test]
    fn any_text_is_judged_without_panic(token in "[ -~]{0,80}", key in "\\PC{0,200}") {
        let door = door(Algorithm::EdDsa);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        prop_assert!(runtime.block_on(door.verifier.verify(&token, NOW)).is_err());
        let _keys = KeySet::parse(key.as_bytes());
    }
}
