//! Learning within milliseconds what was appended, by whichever node.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Answered;
use crate::identity::StoreError;

/// What the triggers of `audit`, `letters` and `provisioning` call.
const CHANNEL: &str = "stormdoor";

/// So often a quiet connection is asked whether it is still there.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Between two attempts to connect: at first, and at most. What ends at another node as soon as the server is back is to
/// end here within a second.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));

/// How long one attempt tries. The driver pauses up to a fifth of it between two knocks.
const ATTEMPT: Duration = Duration::from_secs(1);

/// A connection of its own that listens, until this is dropped.
pub(super) struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listening {
    /// Tells whoever waits for what is written into a table; and all of them after every new connection, because nobody
    /// listened before.
    pub(super) fn begin(
        options: PgConnectOptions,
        schema: &str,
        waiting: [(&'static str, Arc<Notify>); 3],
    ) -> Self {
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.acquire_timeout(ATTEMPT).connect_lazy_with(options);
        let told = waiting.map(|(table, waiting)| (format!("{schema}.{table}"), waiting));
        Self(tokio::spawn(async move {
            let mut pause = AGAIN_AFTER.0;
            loop {
                if let Err(error) = listen(&pool, &told, &mut pause).await {
                    // Upkeep tells of an outage, and whoever follows looks every few seconds.
                    tracing::debug!(%error, "nobody listens to the store; connecting again");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(AGAIN_AFTER.1);
            }
        }))
    }
}

/// What is written, and who waits for it.
type Told = [(String, Arc<Notify>); 3];

/// Until the connection is lost.
async fn listen(pool: &PgPool, told: &Told, pause: &mut Duration) -> Result<(), StoreError> {
    let mut listener = PgListener::connect_with(pool).answered().await?;
    listener.listen(CHANNEL).answered().await?;
    *pause = AGAIN_AFTER.0;
    for (_, waiting) in told {
        waiting.notify_one();
    }
    loop {
        // Nothing is lost when the time is over: what was read so far is kept by the connection.
        match tokio::time::timeout(ASK_EVERY, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                for (name, waiting) in told {
                    if notification.payload() == name {
                        waiting.notify_one();
                    }
                }
            }
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(StoreError::Unavailable(error.into())),
            // A connection that the network lost looks like a quiet one.
            Err(_) => {
                sqlx::query("SELECT 1").execute(&mut listener).answered().await?;
            }
        }
    }
}
