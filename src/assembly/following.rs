//! Keeps a running gateway in step with the command line and other gateways, which change the same records.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::identity::{Identity, StoreError};

/// Between two looks at what happened, where the store does not tell at once: so long may somebody who was locked by command
/// line go on.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// After the store did not answer: until it does, others may be believed who are locked out already.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// After the store told: what happens together is read together.
const GATHER: Duration = Duration::from_millis(10);

/// Reads on in the log of what happened.
pub(super) struct Following {
    identity: Arc<Identity>,
    seen: i64,
}

impl Following {
    /// From now on. What ended credentials shortly before is remembered first.
    pub(super) async fn begin(identity: Arc<Identity>) -> Result<Self, StoreError> {
        let seen = identity.remember_ends().await?;
        Ok(Self { identity, seen })
    }

    pub(super) async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut pause = LOOK_EVERY;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.others_acted() => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
            match self.identity.follow(self.seen).await {
                Ok(seen) => (self.seen, pause) = (seen, LOOK_EVERY),
                // Upkeep tells of an outage; the next look makes up for this one.
                Err(error) => {
                    tracing::debug!(%error, "changes by others were not read");
                    pause = LOOK_AGAIN;
                }
            }
        }
    }

    async fn others_acted(&self) {
        self.identity.others_may_have_acted().await;
        tokio::time::sleep(GATHER).await;
    }
}
