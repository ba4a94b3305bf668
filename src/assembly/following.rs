//! Keeps a running gateway in step with the command line and other gateways, which change the same records.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::signing::Signing;
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
    signing: Arc<Signing>,
    seen: i64,
    /// A signing key was made that was not read yet.
    key_made: bool,
}

impl Following {
    /// From now on. What ended credentials shortly before is remembered first.
    pub(super) async fn begin(
        identity: Arc<Identity>,
        signing: Arc<Signing>,
    ) -> Result<Self, StoreError> {
        let seen = identity.remember_ends().await?;
        // The keys were read before that: one may have been made in between.
        Ok(Self { identity, signing, seen, key_made: true })
    }

    pub(super) async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.others_acted() => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
            pause = match self.look().await {
                Ok(()) => LOOK_EVERY,
                // Upkeep tells of an outage; the next look makes up for this one.
                Err(error) => {
                    tracing::debug!(
                        error = format!("{error:#}"),
                        "changes by others were not read"
                    );
                    LOOK_AGAIN
                }
            };
        }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let followed = self.identity.follow(self.seen).await?;
        self.seen = followed.seen;
        self.key_made |= followed.key_made;
        if self.key_made {
            self.signing.read_again().await?;
            self.key_made = false;
        }
        Ok(())
    }

    async fn others_acted(&self) {
        self.identity.others_may_have_acted().await;
        tokio::time::sleep(GATHER).await;
    }
}
