//! A JWKS over HTTPS (RFC 7517 §5): fetched in the background, kept when the issuer is away.
//!
//! | what happens | what we do |
//! |---|---|
//! | nothing | fetch every ten minutes |
//! | a token names a key that we do not have | fetch once, however many tokens do, and then not again for 30 s |
//! | the issuer is slow, down, or sends something else | keep the last good keys, for a day |
//! | a day has passed | no keys: its tokens are answered with 503 |

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::identity::token::{IssuerKeys, KeySet, ParseKeysError};
use crate::observe::Metrics;

const EVERY: Duration = Duration::from_mins(10);

/// After a fetch that failed.
const AGAIN: Duration = Duration::from_secs(30);

/// Between two fetches for unknown keys.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(30);

/// How long keys are good without news from their issuer.
const MAX_AGE: Duration = Duration::from_hours(24);

/// Largest document that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The keys of one issuer.
pub struct Jwks {
    issuer: Arc<str>,
    url: String,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    known: ArcSwapOption<Known>,
    /// When somebody last asked the issuer. Whoever holds it asks; the others wait for that answer.
    asking: Mutex<Option<Timestamp>>,
}

struct Known {
    keys: Arc<KeySet>,
    fetched_at: Timestamp,
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a JWKS with a key for us.
    #[error(transparent)]
    Keys(#[from] ParseKeysError),
    /// Another status than 200.
    #[error("status {0}")]
    Status(u16),
    /// Larger than 256 KiB.
    #[error("the document is too large")]
    TooLarge,
    /// The issuer did not answer, or not properly.
    #[error(transparent)]
    Transport(#[from] reqwest::Error),
}

/// Fetches a JWKS once.
///
/// # Errors
///
/// [`FetchError`] says what was wrong with the answer.
pub async fn fetch(client: &reqwest::Client, url: &str) -> Result<KeySet, FetchError> {
    let mut answer = client.get(url).send().await?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if text.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        text.extend_from_slice(&chunk);
    }
    Ok(KeySet::parse(&text)?)
}

impl Jwks {
    /// Begins to keep the keys at `url`. The background work ends when the last handle is dropped.
    pub fn start(
        issuer: Arc<str>,
        url: String,
        client: reqwest::Client,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let (known, asking) = (ArcSwapOption::empty(), Mutex::new(None));
        let jwks = Arc::new(Self { issuer, url, client, clock, metrics, known, asking });
        tokio::spawn(keep(Arc::downgrade(&jwks)));
        jwks
    }

    /// Asks the issuer, unless somebody did within `pause`. Only one asks at a time.
    async fn ask(&self, pause: Duration) -> bool {
        let mut asked = self.asking.lock().await;
        let now = self.clock.now();
        if asked.is_some_and(|at| now.since(at) < pause) {
            return false;
        }
        *asked = Some(now);
        match fetch(&self.client, &self.url).await {
            Ok(keys) => {
                self.known.store(Some(Arc::new(Known { keys: Arc::new(keys), fetched_at: now })));
                self.metrics.jwks_fetch(&self.issuer, "ok");
                self.metrics.jwks_fetched(&self.issuer, now.as_secs());
                true
            }
            Err(error) => {
                self.metrics.jwks_fetch(&self.issuer, "failed");
                tracing::warn!(issuer = &*self.issuer, %error, "the issuer's keys cannot be fetched");
                false
            }
        }
    }
}

async fn keep(jwks: Weak<Jwks>) {
    loop {
        let Some(alive) = jwks.upgrade() else { return };
        let fetched = alive.ask(Duration::ZERO).await;
        drop(alive);
        tokio::time::sleep(if fetched { EVERY } else { AGAIN }).await;
    }
}

#[async_trait]
impl IssuerKeys for Jwks {
    fn current(&self) -> Option<Arc<KeySet>> {
        let known = self.known.load();
        let known = known.as_ref()?;
        let fresh = self.clock.now().since(known.fetched_at) <= MAX_AGE;
        fresh.then(|| Arc::clone(&known.keys))
    }

    async fn refresh(&self, kid: &str) -> Option<Arc<KeySet>> {
        // Somebody else may have fetched it while we waited for our turn.
        let here = |keys: &Option<Arc<KeySet>>| keys.as_ref().is_some_and(|keys| keys.has(kid));
        let present = self.current();
        if !here(&present) {
            self.ask(UNKNOWN_KEY_PAUSE).await;
        }
        self.current()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::clock::ManualClock;

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    async fn issuer(body: &'static str) -> (String, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/jwks", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 1024];
                let _read = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _written = stream.write_all(answer.as_bytes()).await;
            }
        });
        (url, asked)
    }

    fn jwks(url: String, clock: &ManualClock) -> Arc<Jwks> {
        crate::edge::install_crypto();
        let client = crate::federation::client(None).expect("a client");
        Jwks::start("issuer".into(), url, client, Arc::new(clock.clone()), Metrics::new())
    }

    #[tokio::test]
    async fn a_storm_of_unknown_keys_asks_the_issuer_once_more() {
        let clock = ManualClock::at(Timestamp::from_secs(1_800_000_000));
        let (url, asked) = issuer(KEYS).await;
        let jwks = jwks(url, &clock);
        let keys = jwks.refresh("one").await.expect("keys");
        assert!(keys.has("one"));
        clock.advance(Duration::from_mins(1));
        futures::future::join_all((0..50).map(|_| jwks.refresh("unknown"))).await;
        assert!(asked.load(Ordering::SeqCst) <= 2, "{asked:?}");
    }

    #[tokio::test]
    async fn old_keys_are_kept_for_a_day_and_no_longer() {
        let clock = ManualClock::at(Timestamp::from_secs(1_800_000_000));
        let (url, _) = issuer(KEYS).await;
        let jwks = jwks(url, &clock);
        jwks.refresh("one").await.expect("keys");
        clock.advance(MAX_AGE);
        assert!(jwks.current().is_some());
        clock.advance(Duration::from_secs(1));
        assert!(jwks.current().is_none());
    }

    #[tokio::test]
    async fn what_is_no_key_set_is_no_key_set() {
        crate::edge::install_crypto();
        let client = crate::federation::client(None).expect("a client");
        for body in ["", "<html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#]
        {
            let (url, _) = issuer(body).await;
            assert!(fetch(&client, &url).await.is_err(), "{body}");
        }
    }
}
