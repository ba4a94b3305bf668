//! Whether this gateway does what one of several does for all.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::identity::Leadership;
use crate::observe::Metrics;

/// So long nobody else leads after a leader was last heard of. Another one does within this and one look more.
const LEASE: Duration = Duration::from_secs(10);

/// A place among those who may lead. Asked every few seconds.
pub(super) struct Leading {
    leadership: Arc<dyn Leadership>,
    work: &'static str,
    metrics: Arc<Metrics>,
    /// Until when nobody else does, by a clock that no one sets.
    until: Option<Instant>,
}

impl Leading {
    pub(super) fn new(
        leadership: Arc<dyn Leadership>,
        work: &'static str,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.leader(work, false);
        Self { leadership, work, metrics, until: None }
    }

    /// Asks for the lease, or for more of it. Without an answer it goes on to its end.
    pub(super) async fn campaign(&mut self) {
        // Counted from before the question: the store counts from when it gets it.
        let asked = Instant::now();
        match self.leadership.lead(self.work, LEASE).await {
            Ok(leads) => self.until = leads.then(|| asked + LEASE),
            Err(error) => tracing::debug!(%error, work = self.work, "nobody said who leads"),
        }
        let leads = self.until.is_some_and(|until| Instant::now() < until);
        self.metrics.leader(self.work, leads);
    }

    /// Does `work` if this gateway leads; drops it in the middle when the lease ends. None unless it was finished.
    pub(super) async fn lead<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let until = self.until.filter(|until| Instant::now() < *until)?;
        tokio::time::timeout_at(until, work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::identity::StoreError;

    /// Says what it was told to.
    struct Told(Mutex<Result<bool, ()>>);

    impl Told {
        fn to_say(&self, answer: Result<bool, ()>) {
            *self.0.lock().unwrap() = answer;
        }
    }

    #[async_trait]
    impl Leadership for Told {
        async fn lead(&self, _: &'static str, _: Duration) -> Result<bool, StoreError> {
            let answer = *self.0.lock().unwrap();
            answer.map_err(|()| StoreError::Unavailable("cut off".into()))
        }

        async fn resign(&self, _: &'static str) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn leading(answer: Result<bool, ()>) -> (Arc<Told>, Leading) {
        let told = Arc::new(Told(Mutex::new(answer)));
        let leading = Leading::new(Arc::<Told>::clone(&told), "upkeep", Metrics::new());
        (told, leading)
    }

    #[tokio::test]
    async fn nobody_works_without_a_lease() {
        let (told, mut leading) = leading(Ok(false));
        assert_eq!(leading.lead(async { 1 }).await, None);
        leading.campaign().await;
        assert_eq!(leading.lead(async { 1 }).await, None);
        told.to_say(Ok(true));
        leading.campaign().await;
        assert_eq!(leading.lead(async { 1 }).await, Some(1));
        told.to_say(Ok(false));
        leading.campaign().await;
        assert_eq!(leading.lead(async { 1 }).await, None);
    }

    #[tokio::test]
    async fn a_leader_that_is_cut_off_stops_in_the_middle_when_its_lease_is_over() {
        let (told, mut leading) = leading(Ok(true));
        leading.campaign().await;
        told.to_say(Err(()));
        leading.campaign().await;
        assert_eq!(leading.lead(async { 1 }).await, Some(1), "the lease goes on");

        leading.until = Some(Instant::now() + Duration::from_millis(30));
        let began = Instant::now();
        assert_eq!(leading.lead(std::future::pending::<u8>()).await, None);
        assert!(began.elapsed() < Duration::from_secs(5));
        leading.campaign().await;
        assert_eq!(leading.lead(async { 1 }).await, None);
    }
}
