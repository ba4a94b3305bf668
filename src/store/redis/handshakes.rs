//! Handshakes in Redis. What is kept begins with when it is over, which the caller's clock decides; Redis only clears up.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use redis::Script;

use super::call::Call;
use super::link::Link;
use super::outage::Outage;
use super::{digest_of, script};
use crate::clock::Timestamp;
use crate::identity::{SecretDigest, StoreError, handshake};

pub(super) static CLAIM: LazyLock<Script> = script!("claim.lua");

/// Handshakes in Redis. While it is away they are refused: one-time values that two nodes know apart are none.
pub(in crate::store) struct Handshakes(Arc<Link>);

impl Handshakes {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self(link)
    }

    fn key(&self, key: &SecretDigest) -> String {
        self.0.key("handshake", &digest_of(&[key.as_bytes()]))
    }

    fn refused(&self, outage: Outage) -> StoreError {
        self.0.degraded("handshakes");
        StoreError::Unavailable(outage.into())
    }

    /// What `command` finds under `key`, unless it is over.
    async fn read(
        &self,
        command: &str,
        key: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let question = Call::command(command, &self.key(key));
        let read = |kept: Option<String>| match kept {
            None => Some(None),
            Some(kept) => {
                let (until, value) = kept.split_once(':')?;
                let until = Timestamp::from_millis(until.parse().ok()?);
                Some((until > now).then(|| value.to_owned()))
            }
        };
        let found = self.0.patient(&question, read).await;
        found.map_err(|outage| self.refused(outage))
    }
}

/// What is kept, and for how long.
fn kept(value: &str, until: Timestamp, now: Timestamp) -> (String, i64) {
    (format!("{}:{value}", until.as_millis()), Link::kept_for(until.since(now)))
}

#[async_trait]
impl handshake::Handshakes for Handshakes {
    async fn put(
        &self,
        key: SecretDigest,
        value: String,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (value, ttl) = kept(&value, until, now);
        let put = Call::command("SET", &self.key(&key)).arg(value).arg("PX").arg(ttl);
        let read = |answer: String| (answer == "OK").then_some(());
        let done = self.0.patient(&put, read).await;
        done.map_err(|outage| self.refused(outage))
    }

    async fn claim(
        &self,
        key: SecretDigest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (value, ttl) = kept("", until, now);
        let call = Call::script(&CLAIM, &self.key(&key));
        let call = call.arg(now.as_millis()).arg(ttl).arg(value);
        let read = |answer: i64| match answer {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        let done = self.0.patient(&call, read).await;
        done.map_err(|outage| self.refused(outage))
    }

    async fn look(&self, key: &SecretDigest, now: Timestamp) -> Result<Option<String>, StoreError> {
        self.read("GET", key, now).await
    }

    async fn take(&self, key: &SecretDigest, now: Timestamp) -> Result<Option<String>, StoreError> {
        self.read("GETDEL", key, now).await
    }
}
