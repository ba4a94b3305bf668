//! Ending without cutting anybody off: who is still busy, and when nobody is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// Counts requests in flight and knows whether we are leaving.
#[derive(Debug)]
pub struct Drain {
    leaving: watch::Sender<bool>,
    busy: AtomicUsize,
    idle: Notify,
}

/// One request in flight; a drain waits until it is dropped.
#[derive(Debug)]
pub struct BusyGuard(Arc<Drain>);

impl Drain {
    /// Nobody is busy, and nobody leaves.
    pub fn new() -> Arc<Self> {
        let (leaving, _) = watch::channel(false);
        Arc::new(Self { leaving, busy: AtomicUsize::new(0), idle: Notify::new() })
    }

    /// Counts one request until the guard is dropped.
    pub fn busy(self: &Arc<Self>) -> BusyGuard {
        self.busy.fetch_add(1, Ordering::AcqRel);
        BusyGuard(Arc::clone(self))
    }

    /// Becomes true when [`Drain::begin`] is called. Accept loops and idle connections end by it.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.leaving.subscribe()
    }

    /// Whether we are leaving.
    pub fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// No new connections; idle ones close.
    pub fn begin(&self) {
        self.leaving.send_replace(true);
    }

    /// Waits until nobody is busy: at once when idle, at most `deadline`. Whether it became idle.
    pub async fn finished(&self, deadline: Duration) -> bool {
        let all_done = async {
            loop {
                let idle = self.idle.notified();
                if self.busy.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        tokio::time::timeout(deadline, all_done).await.is_ok()
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_idle_gateway_is_finished_at_once_and_a_busy_one_when_the_last_request_ends() {
        let drain = Drain::new();
        drain.begin();
        assert!(drain.finished(Duration::ZERO).await);

        let request = drain.busy();
        assert!(!drain.finished(Duration::from_millis(5)).await);
        let waiting = tokio::spawn({
            let drain = Arc::clone(&drain);
            async move { drain.finished(Duration::from_mins(1)).await }
        });
        tokio::task::yield_now().await;
        drop(request);
        assert!(waiting.await.expect("the waiting task"));
    }
}
