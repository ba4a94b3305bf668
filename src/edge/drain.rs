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
    open: AtomicUsize,
    /// One of the two counts came to zero.
    idle: Notify,
}

/// One request in flight; a drain waits until it is dropped.
#[derive(Debug)]
pub struct BusyGuard(Arc<Drain>);

/// One open connection; a drain gives it a moment to say what it was opened for.
#[derive(Debug)]
pub struct OpenGuard(Arc<Drain>);

/// How long a connection that was just accepted may still bring its first request, when we leave.
pub(super) const LAST_CALL: Duration = Duration::from_secs(1);

impl Drain {
    /// Nobody is busy, and nobody leaves.
    pub fn new() -> Arc<Self> {
        let (leaving, _) = watch::channel(false);
        let (busy, open) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { leaving, busy, open, idle: Notify::new() })
    }

    /// Counts one request until the guard is dropped.
    pub fn busy(self: &Arc<Self>) -> BusyGuard {
        self.busy.fetch_add(1, Ordering::AcqRel);
        BusyGuard(Arc::clone(self))
    }

    /// Counts one connection until the guard is dropped.
    pub fn open(self: &Arc<Self>) -> OpenGuard {
        self.open.fetch_add(1, Ordering::AcqRel);
        OpenGuard(Arc::clone(self))
    }

    /// Becomes true when [`Drain::begin`] is called. Accept loops and idle connections end by it.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.leaving.subscribe()
    }

    /// The same, for those who wait for a change only: who begins to watch when we are leaving already, sees one at once.
    pub fn watch_for_change(&self) -> watch::Receiver<bool> {
        let mut watch = self.watch();
        // What changes between the two lines is seen either way.
        if *watch.borrow_and_update() {
            watch.mark_changed();
        }
        watch
    }

    /// Whether we are leaving.
    pub fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// No new connections; idle ones close.
    pub fn begin(&self) {
        self.leaving.send_replace(true);
    }

    /// Waits until nobody is busy: at once when no connection is open, at most `deadline`. Whether it became idle.
    pub async fn finished(&self, deadline: Duration) -> bool {
        // Connections without a request close by themselves, but one may be bringing its first.
        let last_call = deadline.min(LAST_CALL * 2);
        let _still_open = tokio::time::timeout(last_call, self.until_zero(&self.open)).await;
        tokio::time::timeout(deadline, self.until_zero(&self.busy)).await.is_ok()
    }

    async fn until_zero(&self, count: &AtomicUsize) {
        loop {
            let idle = self.idle.notified();
            if count.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
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

    #[tokio::test]
    async fn whoever_begins_to_watch_too_late_still_sees_the_change() {
        let drain = Drain::new();
        let mut early = drain.watch_for_change();
        assert!(!early.has_changed().expect("the drain is there"));
        drain.begin();
        early.changed().await.expect("the drain is there");
        // Pingora watches clones.
        let mut late = drain.watch_for_change().clone();
        let seen = tokio::time::timeout(Duration::from_secs(5), late.changed()).await;
        seen.expect("the change is seen").expect("the drain is there");
    }
}
