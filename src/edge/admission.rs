//! How many connections there may be, in all and from one client network. Asked before anything costs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::observe::Metrics;
use crate::throttle::ClientNetwork;

/// The open connections.
#[derive(Debug)]
pub(super) struct OpenConnections {
    all: AtomicUsize,
    by_client: Mutex<HashMap<ClientNetwork, usize>>,
    metrics: Arc<Metrics>,
}

/// One connection in the count of all; dropping it takes it out.
#[derive(Debug)]
pub(super) struct Counted(Arc<OpenConnections>);

/// One connection in the count of its client; dropping it takes it out.
#[derive(Debug)]
pub(super) struct CountedClient(Arc<OpenConnections>, ClientNetwork);

impl OpenConnections {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        let by_client = Mutex::default();
        Arc::new(Self { all: AtomicUsize::new(0), by_client, metrics })
    }

    /// Counts one connection, unless there are `most` already.
    pub(super) fn count(self: &Arc<Self>, most: usize) -> Option<Counted> {
        let counted = Counted(Arc::clone(self));
        self.metrics.connections_open(1);
        // Dropping `counted` takes back what was added, also when it was one too many.
        (self.all.fetch_add(1, Ordering::AcqRel) < most).then_some(counted)
    }

    /// Counts one connection of `client`, unless it has `most` already.
    pub(super) fn count_client(
        self: &Arc<Self>,
        client: ClientNetwork,
        most: usize,
    ) -> Option<CountedClient> {
        let mut by_client = self.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let open = by_client.entry(client).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(CountedClient(Arc::clone(self), client))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.all.fetch_sub(1, Ordering::AcqRel);
        self.0.metrics.connections_open(-1);
    }
}

impl Drop for CountedClient {
    fn drop(&mut self) {
        let mut by_client = self.0.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = by_client.get_mut(&self.1) {
            *open -= 1;
            if *open == 0 {
                by_client.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn one_client_cannot_take_all_connections() {
        let open = OpenConnections::new(Metrics::new());
        let client = |text: &str| ClientNetwork::from(text.parse::<IpAddr>().expect("an address"));
        let first = open.count_client(client("192.0.2.1"), 1);
        assert!(first.is_some());
        assert!(open.count_client(client("192.0.2.1"), 1).is_none());
        assert!(open.count_client(client("192.0.2.2"), 1).is_some());
        drop(first);
        assert!(open.count_client(client("192.0.2.1"), 1).is_some());
        assert!(open.by_client.lock().expect("no panic").is_empty(), "nobody is left in the list");
    }

    #[test]
    fn a_connection_too_many_is_not_counted() {
        let open = OpenConnections::new(Metrics::new());
        let first = open.count(1);
        assert!(first.is_some());
        assert!(open.count(1).is_none());
        drop(first);
        assert!(open.count(1).is_some());
    }
}
