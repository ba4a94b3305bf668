//! Stand-ins for the gate's needs, and short ways to write its inputs. For tests and benches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{VerifyError, VerifyTokens};
use crate::clock::Timestamp;
use crate::config::RateLimits;
use crate::identity::Principal;
use crate::route::CorsPolicy;
use crate::throttle::window::Window;
use crate::throttle::{Allowance, Counters, CountersUnavailable, Key, Quota, Spend};

/// These header lines.
///
/// # Panics
///
/// When one of them is no header.
pub fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        (HeaderName::from_static(name), value)
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        headers.append(name, value);
    }
    headers
}

/// Limits with this `default`, and none beside it.
///
/// # Panics
///
/// When `default` is no allowance.
pub fn rate_limits(default: &str) -> RateLimits {
    RateLimits {
        default: default.parse().expect("an allowance"),
        tiers: [("free".into(), Allowance::Unlimited)].into(),
        login: Allowance::Unlimited,
        register: Allowance::Unlimited,
        refresh: Allowance::Unlimited,
        failures: Allowance::Unlimited,
    }
}

/// A policy that lets these origins in, with credentials.
///
/// # Panics
///
/// When one of `origins` is no header value.
pub fn cors_policy(origins: &[&str]) -> CorsPolicy {
    let origin = |text: &&str| HeaderValue::from_str(text).expect("a header value");
    CorsPolicy {
        origins: origins.iter().map(origin).collect(),
        any_origin: false,
        credentials: true,
        methods: HeaderValue::from_static("GET, PUT"),
        request_headers: HeaderValue::from_static("Authorization, Content-Type"),
        exposed_headers: HeaderValue::from_static("ETag"),
        max_age: HeaderValue::from_static("600"),
    }
}

/// Counters behind one lock.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<Key, Window>>);

#[async_trait]
impl Counters for Tally {
    async fn spend(
        &self,
        key: &Key,
        quota: Quota,
        cost: u32,
        now: Timestamp,
    ) -> Result<Spend, CountersUnavailable> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get_mut(key) {
            return Ok(window.spend(quota, cost, now));
        }
        Ok(windows.entry(key.clone()).or_default().spend(quota, cost, now))
    }
}

/// Counters that never answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounters;

#[async_trait]
impl Counters for NoCounters {
    async fn spend(
        &self,
        _key: &Key,
        _quota: Quota,
        _cost: u32,
        _now: Timestamp,
    ) -> Result<Spend, CountersUnavailable> {
        Err(CountersUnavailable("out of order".into()))
    }
}

/// Tokens that mean what they are said to mean, and nothing is signed.
#[derive(Debug, Default)]
pub struct TokenTable {
    known: HashMap<String, Arc<Principal>>,
    good: HashMap<String, Arc<Principal>>,
    failing: bool,
}

impl TokenTable {
    /// Adds a token that was verified before.
    #[must_use]
    pub fn knowing(mut self, token: &str, principal: Principal) -> Self {
        self.known.insert(token.to_owned(), Arc::new(principal));
        self
    }

    /// Adds a token that is good, and never remembered.
    #[must_use]
    pub fn verifying(mut self, token: &str, principal: Principal) -> Self {
        self.good.insert(token.to_owned(), Arc::new(principal));
        self
    }

    /// Cannot verify anything any more.
    #[must_use]
    pub fn failing(self) -> Self {
        Self { failing: true, ..self }
    }
}

#[async_trait]
impl VerifyTokens for TokenTable {
    fn cached(&self, token: &str, _now: Timestamp) -> Option<Arc<Principal>> {
        self.known.get(token).cloned()
    }

    async fn verify(&self, token: &str, _now: Timestamp) -> Result<Arc<Principal>, VerifyError> {
        if self.failing {
            return Err(VerifyError::Unavailable("keys"));
        }
        self.good.get(token).cloned().ok_or(VerifyError::Invalid("signature"))
    }
}
