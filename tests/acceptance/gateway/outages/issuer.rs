//! An outside issuer, whose keys (JWKS) are needed for its tokens only.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stormdoor::clock::{Clock as _, ManualClock, SystemClock};

use super::{ALL_WELL, APPS, Ada};
use crate::flaky::{Flaky, Mood};
use crate::gateway::jwt::Issuer;
use crate::world::World;
use crate::world::upstream::Recorder;

/// After which an issuer that did not answer is asked again for the sake of a token.
const AGAIN: Duration = Duration::from_secs(31);

struct Site {
    issuer: Issuer,
    flaky: Flaky,
    clock: ManualClock,
    _world: World,
    ada: Ada,
    _keys: Recorder,
}

impl Site {
    /// A gateway that starts while the issuer is so.
    async fn start(mood: Mood) -> Self {
        let issuer = Issuer::new("one");
        let jwks = issuer.jwks();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{jwks}", jwks.len());
        let keys = Recorder::answering(answer.into_bytes(), Duration::ZERO).await;
        let flaky = Flaky::before(keys.address).await;
        flaky.be(mood);
        let section = format!(
            "issuers: [ {{ issuer: \"https://id.example\", audience: [api], algorithms: [EdDSA], jwks_url: \"http://{}/jwks\" }} ]\n",
            flaky.address
        );
        let clock = ManualClock::at(SystemClock.now());
        let world = World::with_clock(&format!("{section}{APPS}"), clock.clone()).await;
        let ada = Ada::at(&world).await;
        Self { issuer, flaky, clock, _world: world, ada, _keys: keys }
    }

    /// A token that nobody has seen yet.
    fn token_by(&self, issuer: &Issuer) -> String {
        let now = self.clock.now().as_secs();
        let id = uuid::Uuid::new_v4().to_string();
        let claims: Value = json!({ "iss": "https://id.example", "aud": "api", "sub": "ana", "iat": now, "exp": now + 300, "jti": id });
        issuer.token(claims)
    }

    fn token(&self) -> String {
        self.token_by(&self.issuer)
    }

    async fn is_ready(&self) {
        let (status, report) = self.ada.readiness().await;
        assert_eq!((status, &report["status"]), (200, &json!("ready")), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_issuer_down_at_start_its_tokens_get_503_and_all_others_go_on() {
    for mood in [Mood::Dead, Mood::Nonsense] {
        let mut site = Site::start(mood).await;
        assert_eq!(site.ada.whoami(&site.token()).await, 503, "{mood:?}");
        assert_eq!(site.ada.ask().await, ALL_WELL, "{mood:?}");
        site.is_ready().await;
        site.flaky.be(Mood::Well);
        site.clock.advance(AGAIN);
        assert_eq!(site.ada.whoami(&site.token()).await, 200, "back after {mood:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_issuer_gone_or_mad_its_last_good_keys_serve_for_a_day() {
    for mood in [Mood::Dead, Mood::Nonsense] {
        let mut site = Site::start(Mood::Well).await;
        let known = site.token();
        assert_eq!(site.ada.whoami(&known).await, 200);
        let load = site.ada.load();
        site.flaky.be(mood);
        site.clock.advance(AGAIN);
        let unknown = site.token_by(&Issuer::new("two"));
        assert_eq!(site.ada.whoami(&unknown).await, 401, "{mood:?}: asked in vain");
        assert_eq!(site.ada.whoami(&known).await, 200, "{mood:?}: a known one");
        assert_eq!(site.ada.whoami(&site.token()).await, 200, "{mood:?}: a new one");
        assert_eq!(site.ada.ask().await, ALL_WELL, "{mood:?}");
        site.is_ready().await;
        load.was_served().await;
        site.clock.advance(Duration::from_hours(24));
        assert_eq!(site.ada.whoami(&site.token()).await, 503, "{mood:?}: a day later");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_issuer_slow_only_tokens_of_unknown_keys_wait_and_not_for_ever() {
    let mut site = Site::start(Mood::Slow).await;
    let token = site.token();
    assert_eq!(site.ada.whoami(&token).await, 200, "it waits for the first answer");
    let (known, new) = (token, site.token());
    site.clock.advance(AGAIN);
    let unknown = site.token_by(&Issuer::new("two"));
    let began = Instant::now();
    let (waiting, got) = tokio::join!(site.ada.whoami(&unknown), async {
        let got = (site.ada.whoami(&known).await, site.ada.whoami(&new).await);
        assert!(began.elapsed() < super::AT_ONCE, "{:?}", began.elapsed());
        got
    });
    assert_eq!((waiting, got), (401, (200, 200)));
    let took = began.elapsed();
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(6), "{took:?}");
    assert_eq!(site.ada.ask().await, ALL_WELL);
    site.is_ready().await;
}
