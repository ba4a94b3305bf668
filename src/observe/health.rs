//! May this node get requests? Answered from memory: components say how they are when that changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::clock::{Clock, Timestamp};

/// How everything is that this node depends on.
#[derive(Debug)]
pub struct Health {
    clock: Arc<dyn Clock>,
    draining: AtomicBool,
    told: Mutex<BTreeMap<String, Told>>,
    checks: Mutex<Vec<Arc<dyn Check>>>,
}

impl Health {
    /// Nothing is known yet, so nothing is wrong.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            draining: AtomicBool::new(false),
            told: Mutex::default(),
            checks: Mutex::default(),
        })
    }

    /// The component `name` says how it is; `detail` is for operators, empty when there is nothing to add, and never
    /// holds a secret. The time of the last change of status is kept.
    pub fn set(&self, name: &str, status: Status, detail: &str) {
        let now = self.clock.now();
        let mut told = held(&self.told);
        if let Some(known) = told.get_mut(name) {
            if known.status != status {
                known.since = now;
            }
            known.status = status;
            detail.clone_into(&mut known.detail);
        } else {
            let detail = detail.to_owned();
            told.insert(name.to_owned(), Told { status, detail, since: now });
        }
    }

    /// The component `name` is no longer there.
    pub fn forget(&self, name: &str) {
        held(&self.told).remove(name);
    }

    /// Asks `check` whenever somebody wants to know.
    pub fn watch(&self, check: Arc<dyn Check>) {
        held(&self.checks).push(check);
    }

    /// From now on this node is not ready: it finishes what it has and takes nothing new.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The sum of it.
    pub fn readiness(&self) -> Readiness {
        self.judge().0
    }

    /// The sum of it, and each part: `{"status":…,"checks":{name:{"status":…,"detail"?,"since"?}}}`.
    pub fn report(&self) -> (Readiness, Value) {
        let (readiness, checks) = self.judge();
        (readiness, json!({ "status": readiness.as_str(), "checks": checks }))
    }

    fn judge(&self) -> (Readiness, Map<String, Value>) {
        let mut worst = Status::Ok;
        let mut shown = Map::new();
        let mut add = |name: &str, status: Status, detail: &str, since: Option<Timestamp>| {
            worst = worst.max(status);
            let mut check = Map::new();
            check.insert("status".to_owned(), status.as_str().into());
            if !detail.is_empty() {
                check.insert("detail".to_owned(), detail.into());
            }
            if let Some(since) = since {
                check.insert("since".to_owned(), since.to_string().into());
            }
            shown.insert(name.to_owned(), check.into());
        };

        for (name, told) in &*held(&self.told) {
            add(name, told.status, &told.detail, Some(told.since));
        }
        // Cloned, so that a check may come back to us.
        let checks = held(&self.checks).clone();
        for check in checks {
            let CheckStatus { status, detail } = check.status();
            add(check.name(), status, detail.as_deref().unwrap_or_default(), None);
        }
        if self.draining.load(Ordering::Relaxed) {
            add("drain", Status::Fail, "this node is shutting down", None);
        }

        let readiness = match worst {
            Status::Ok => Readiness::Ready,
            Status::Warn => Readiness::Degraded,
            Status::Fail => Readiness::NotReady,
        };
        (readiness, shown)
    }
}

/// A component that is asked. It answers at once, from memory.
pub trait Check: fmt::Debug + Send + Sync {
    /// What it is called in the report.
    fn name(&self) -> &'static str;

    /// How it is.
    fn status(&self) -> CheckStatus;
}

/// What a [`Check`] answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckStatus {
    /// How it is.
    pub status: Status,
    /// For operators; never holds a secret.
    pub detail: Option<String>,
}

/// How a component is, from good to bad.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// It works.
    Ok,
    /// It does not, and this node carries on without it, or in a worse way.
    Warn,
    /// It does not, and this node must not get requests.
    Fail,
}

impl Status {
    /// As in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// May this node get requests?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// Yes, but something is not as it should be.
    Degraded,
    /// No.
    NotReady,
}

impl Readiness {
    /// As in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::NotReady => "not_ready",
        }
    }
}

#[derive(Debug)]
struct Told {
    status: Status,
    detail: String,
    since: Timestamp,
}

/// What is under the lock is whole at every step, so a panic elsewhere does not spoil it.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    fn health() -> (ManualClock, Arc<Health>) {
        let clock = ManualClock::at(Timestamp::from_secs(0));
        (clock.clone(), Health::new(Arc::new(clock)))
    }

    #[test]
    fn the_worst_part_decides() {
        let (_, health) = health();
        assert_eq!(health.readiness(), Readiness::Ready);
        for (status, expected) in [
            (Status::Ok, Readiness::Ready),
            (Status::Warn, Readiness::Degraded),
            (Status::Fail, Readiness::NotReady),
        ] {
            health.set("other", Status::Ok, "");
            health.set("store", status, "");
            assert_eq!(health.readiness(), expected, "{status:?}");
        }
    }

    #[test]
    fn since_is_when_the_status_changed_not_when_it_was_told() {
        let (clock, health) = health();
        health.set("store", Status::Fail, "disk full");
        clock.advance(Duration::from_mins(1));
        health.set("store", Status::Fail, "disk still full");
        let (_, report) = health.report();
        let expected = json!({
            "status": "not_ready",
            "checks": { "store": {
                "status": "fail", "detail": "disk still full", "since": "1970-01-01T00:00:00Z",
            } },
        });
        assert_eq!(report, expected);

        health.set("store", Status::Ok, "");
        let expected = json!({ "status": "ok", "since": "1970-01-01T00:01:00Z" });
        assert_eq!(health.report().1["checks"]["store"], expected);
    }

    #[test]
    fn a_node_that_drains_is_not_ready() {
        let (_, health) = health();
        health.drain();
        assert_eq!(health.report().0, Readiness::NotReady);
    }

    #[test]
    fn what_was_forgotten_no_longer_counts() {
        let (_, health) = health();
        health.set("upstream.wiki", Status::Fail, "");
        health.forget("upstream.wiki");
        assert_eq!(health.readiness(), Readiness::Ready);
    }

    #[test]
    fn a_watched_component_is_asked_each_time() {
        #[derive(Debug)]
        struct Switch(AtomicBool);
        impl Check for Switch {
            fn name(&self) -> &'static str {
                "switch"
            }

            fn status(&self) -> CheckStatus {
                let on = self.0.load(Ordering::Relaxed);
                CheckStatus { status: if on { Status::Ok } else { Status::Warn }, detail: None }
            }
        }

        let (_, health) = health();
        let switch = Arc::new(Switch(AtomicBool::new(true)));
        health.watch(switch.clone());
        assert_eq!(health.readiness(), Readiness::Ready);
        switch.0.store(false, Ordering::Relaxed);
        assert_eq!(health.readiness(), Readiness::Degraded);
    }
}
