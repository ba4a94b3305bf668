//! A portal on a store of its own, and who asks it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::edge::RequestId;
use crate::gate::Budget;
use crate::identity::admin::By;
use crate::identity::event::Recorded;
use crate::identity::password::Rules;
use crate::identity::registration::RegistrationMode;
use crate::identity::seal::Sealer;
use crate::identity::service::NewUser;
use crate::identity::setup::SetupCode;
use crate::identity::token::{Algorithm, KeyRing, SigningKey};
use crate::identity::{
    AccessGrant, CredentialKind, EndSessions, Issuer, LockoutRule, Permissions, Principal, Role,
    SessionId, Settings, Subject, TokenIssuer, UserId, password,
};
use crate::store::{self, Stores};

pub(super) const PASSWORD: &str = "correct horse battery staple";
pub(super) const ACCESS: Duration = Duration::from_mins(15);
const REFRESH: Duration = Duration::from_hours(7 * 24);

/// Access tokens that say who they are for in plain text.
pub(super) struct PlainIssuer;

impl TokenIssuer for PlainIssuer {
    fn issue(&self, grant: &AccessGrant, now: Timestamp) -> String {
        format!("{}/{}/{}/{}", grant.user, grant.session, grant.tier, now.as_millis())
    }
}

#[derive(Default)]
pub(super) struct Ended(Mutex<Vec<String>>);

impl Ended {
    pub(super) fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl EndSessions for Ended {
    fn end_session(&self, session: SessionId, _forget_after: Timestamp) {
        self.push(session.to_string());
    }

    fn end_user_before(&self, user: UserId, _at: Timestamp, _forget_after: Timestamp) {
        self.push(user.to_string());
    }
}

/// A portal on an empty store, and a clock to move.
pub(super) struct World {
    pub(super) router: Router,
    pub(super) identity: Arc<Identity>,
    pub(super) stores: Stores,
    pub(super) clock: ManualClock,
    pub(super) ended: Arc<Ended>,
    _folder: TempDir,
}

/// Who asks.
#[derive(Clone)]
pub(super) struct As {
    pub(super) client: [u8; 4],
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) budget: Option<Budget>,
}

pub(super) const ANYBODY: As = As { client: [192, 0, 2, 1], principal: None, budget: None };

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("a JSON body")
    }

    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    pub(super) fn problem(&self) -> String {
        assert_eq!(self.header(header::CONTENT_TYPE), Some("application/problem+json"));
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["request_id"], "test-request");
        let slug = body["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/"));
        slug.expect("a problem type").to_owned()
    }
}

pub(super) fn config_settings(mode: RegistrationMode) -> Settings {
    let role = |name: &str, tier: &str| Role {
        name: name.into(),
        permissions: vec![],
        tier: tier.into(),
        rate_limit: None,
        idle_timeout: Duration::from_mins(30),
        absolute_timeout: Duration::from_hours(12),
        second_factor: false,
    };
    Settings {
        provisioning: None,
        registration: mode,
        default_roles: vec!["viewer".into()],
        roles: [role("viewer", "free"), role("superadmin", "admin")].into_iter().collect(),
        passwords: Rules {
            min_length: 12,
            min_score: 3,
            argon2_memory_kib: 64,
            argon2_passes: 1,
            argon2_lanes: 1,
            argon2_parallel: 2,
        },
        access_life: ACCESS,
        refresh_life: REFRESH,
        public_url: "https://door.example".into(),
        mail: false,
        lockout: LockoutRule::DEFAULT,
        devices_unused: Duration::from_hours(180 * 24),
        proof_of_work: None,
        patience: Duration::from_secs(5),
    }
}

fn provider(identity: &Arc<Identity>) -> Arc<Provider> {
    let key = SigningKey::generate(Algorithm::EdDsa, Timestamp::default()).expect("a key");
    let keys = Arc::new(KeyRing::new(&[key]).expect("a ring"));
    Arc::new(Provider::new(Arc::clone(identity), keys, "https://door.example".into(), vec![]))
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(RegistrationMode::Open { domains: vec![] }).await
    }

    pub(super) async fn with(mode: RegistrationMode) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = crate::config::Store::Sqlite { path: PathBuf::from("stormdoor.db") };
        let stores = store::open(&config, folder.path()).await.expect("an empty store");
        let clock = ManualClock::at(Timestamp::from_secs(1_800_000_000));
        let ended = Arc::new(Ended::default());
        let identity = Identity::start(
            stores.records(&store::SharedState::in_memory()),
            Sealer::new(&Sealer::generate_key()),
            Arc::new(PlainIssuer),
            Arc::clone(&ended) as Arc<dyn EndSessions>,
            Arc::new(clock.clone()),
            Arc::new(()),
            config_settings(mode),
        );
        let identity = Arc::new(identity.await.expect("an empty store"));
        let router = router(PortalState {
            identity: Arc::clone(&identity),
            jwks: Arc::new(|| json!({ "keys": [] })),
            openid: provider(&identity),
            metrics: Metrics::new(),
            clock: Arc::new(clock.clone()),
            cloud_ids: Arc::default(),
        });
        Self { router, identity, stores, clock, ended, _folder: folder }
    }

    pub(super) async fn send(
        &self,
        who: &As,
        request: http::request::Builder,
        body: &str,
    ) -> Answer {
        let caller = Caller {
            client: IpAddr::V4(Ipv4Addr::from(who.client)),
            user_agent: Some("curl/8.0".into()),
            request_id: RequestId::accept("test-request").expect("a legal id"),
            principal: who.principal.clone(),
            budget: who.budget.clone(),
            host: "door.example".into(),
            port: None,
            same_origin: true,
        };
        let mut request = request.body(Body::from(body.to_owned())).expect("a request");
        request.extensions_mut().insert(caller);
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn post_as(&self, who: &As, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(who, request, &body.to_string()).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as(&ANYBODY, path, &body).await
    }

    pub(super) async fn get(&self, who: &As, path: &str) -> Answer {
        self.send(who, Request::get(path), "").await
    }

    pub(super) async fn add(&self, name: &str) -> UserId {
        let new = NewUser {
            email: format!("{name}@example.org"),
            username: None,
            full_name: None,
            password: password::Password::new(PASSWORD.to_owned()).expect("a password"),
        };
        self.identity
            .add_user(new, vec!["viewer".into()], &By::Operator)
            .await
            .expect("a free name")
            .id
    }

    pub(super) async fn login(&self, name: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({ "username": name, "password": password })).await
    }

    /// The refresh token and the session of a fresh sign-in.
    pub(super) async fn signed_in(&self, name: &str) -> (String, As) {
        let answer = self.login(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let body = answer.json();
        (text(&body, "refresh_token"), self.bearer(&text(&body, "access_token")))
    }

    pub(super) async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({ "refresh_token": token })).await
    }

    /// The caller that the gate makes of an access token.
    pub(super) fn bearer(&self, access_token: &str) -> As {
        let mut parts = access_token.split('/');
        let mut part = || parts.next().expect("a part");
        let (subject, session) = (part(), part());
        let principal = Principal {
            subject: Subject::new(subject),
            issuer: Issuer::Own,
            username: None,
            email: None,
            email_verified: false,
            roles: vec![],
            groups: vec![],
            scopes: None,
            permissions: Permissions::default(),
            tier: "free".into(),
            rate_limit: None,
            kind: CredentialKind::AccessToken,
            session: session.parse().ok(),
            token_id: None,
            issued_at: Timestamp::default(),
            expires_at: self.clock.now() + ACCESS,
            second_factor_at: None,
        };
        As { principal: Some(Arc::new(principal)), ..ANYBODY }
    }

    pub(super) async fn recorded(&self) -> Vec<Recorded> {
        self.stores.events.latest(100).await.expect("the store answers")
    }

    pub(super) async fn count(&self, kind: &str) -> usize {
        self.recorded().await.iter().filter(|event| event.kind == kind).count()
    }

    pub(super) async fn setup_code(&self) -> Option<SetupCode> {
        self.identity.ensure_setup_code().await.expect("the store answers")
    }
}

pub(super) fn text(body: &Value, member: &str) -> String {
    body[member].as_str().expect(member).to_owned()
}
