//! What was promised while things broke, and whether it was kept.
//!
//! Wrong is: a credential that opens more than a second after its end was confirmed; a refresh token that is taken again
//! after its grace; two successors of one refresh token; an account or an audit entry that is gone although its answer was
//! 2xx. What failed, or was refused with 503, is counted and not wrong.
//!
//! One exception is stated in docs/OPERATIONS.md: when the database dies within the second after an end was confirmed, nodes
//! that had not heard of it let the access token in until a second after the database is back. It is counted apart.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

/// How long an end may take to be felt everywhere.
const FELT_WITHIN: Duration = Duration::from_secs(1);

/// A credential that ended.
#[derive(Clone, Debug)]
pub(super) struct Dead {
    pub(super) credential: Credential,
    /// When its end was confirmed.
    pub(super) since: Instant,
    /// By what.
    pub(super) why: &'static str,
}

#[derive(Clone, Debug)]
pub(super) enum Credential {
    Access(String),
    Refresh(String),
}

/// How requests of one kind ended in one phase.
#[derive(Default)]
struct Tally {
    served: usize,
    unavailable: usize,
    failed: usize,
    otherwise: BTreeMap<u16, usize>,
}

#[derive(Default)]
pub(super) struct Ledger {
    phases: Mutex<Vec<(String, BTreeMap<&'static str, Tally>)>>,
    wrong: Mutex<Vec<String>>,
    dead: Mutex<Vec<Dead>>,
    /// From when to when the store was away.
    outages: Mutex<Vec<(Instant, Option<Instant>)>>,
    /// Kinds of audit entries, and about whom.
    promised: Mutex<Vec<(&'static str, String)>>,
    accounts: Mutex<Vec<String>>,
    asked_with_dead: AtomicUsize,
    excused: AtomicUsize,
}

impl Ledger {
    pub(super) fn phase(&self, name: &str) {
        self.phases.lock().unwrap().push((name.to_owned(), BTreeMap::new()));
    }

    /// Counts an answer, or that there was none.
    pub(super) fn count(&self, kind: &'static str, status: Option<u16>) {
        let mut phases = self.phases.lock().unwrap();
        let tally = phases.last_mut().unwrap().1.entry(kind).or_default();
        match status {
            Some(200..=299) => tally.served += 1,
            Some(503) => tally.unavailable += 1,
            None => tally.failed += 1,
            Some(status) => *tally.otherwise.entry(status).or_default() += 1,
        }
    }

    pub(super) fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    pub(super) fn wrong_answers(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    pub(super) fn ended(&self, credential: Credential, since: Instant, why: &'static str) {
        self.dead.lock().unwrap().push(Dead { credential, since, why });
    }

    pub(super) fn dead(&self) -> Vec<Dead> {
        self.dead.lock().unwrap().clone()
    }

    /// One that ended, chosen by `number`; every other time one of the latest.
    pub(super) fn some_dead(&self, number: usize) -> Option<Dead> {
        let dead = self.dead.lock().unwrap();
        let among = if number.is_multiple_of(2) { dead.len() } else { dead.len().min(8) };
        dead.get((dead.len() - among) + (number / 2).checked_rem(among)?).cloned()
    }

    pub(super) fn store_goes(&self) {
        self.outages.lock().unwrap().push((Instant::now(), None));
    }

    pub(super) fn store_is_back(&self) {
        self.outages.lock().unwrap().last_mut().unwrap().1 = Some(Instant::now());
    }

    pub(super) fn promise(&self, kind: &'static str, about: &str) {
        self.promised.lock().unwrap().push((kind, about.to_owned()));
    }

    pub(super) fn account(&self, id: &str) {
        self.accounts.lock().unwrap().push(id.to_owned());
    }

    /// Judges the answer to a request that was sent at `asked` with a dead credential.
    pub(super) fn judge(&self, dead: &Dead, asked: Instant, node: usize, status: u16) {
        self.asked_with_dead.fetch_add(1, Ordering::Relaxed);
        if status >= 300 {
            return;
        }
        let kind = match dead.credential {
            Credential::Refresh(_) => "refresh token",
            Credential::Access(_) if asked < dead.since + FELT_WITHIN => return,
            Credential::Access(_) if self.died_unheard(dead.since, asked) => {
                self.excused.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Credential::Access(_) => "access token",
        };
        let late = asked.saturating_duration_since(dead.since);
        let after = self.phases.lock().unwrap().last().unwrap().0.clone();
        self.wrong(format!("{kind} good at node {node} {late:?} after {}, {after}", dead.why));
    }

    /// Whether the store died before everybody had to know, and is not back for a second yet.
    fn died_unheard(&self, confirmed: Instant, asked: Instant) -> bool {
        self.outages.lock().unwrap().iter().any(|(gone, back)| {
            (confirmed..confirmed + FELT_WITHIN).contains(gone)
                && back.is_none_or(|back| asked < back + FELT_WITHIN)
        })
    }

    /// Looks for everything that was promised.
    pub(super) async fn check_records(&self, server: &Path) {
        let options = PgConnectOptions::new_without_pgpass().socket(server);
        let options = options.username("stormdoor").database("postgres");
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let sql = "SELECT kind, subject, COUNT(*) FROM door.audit WHERE subject IS NOT NULL GROUP BY 1, 2";
        let found: Vec<(String, String, i64)> =
            sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
        let users: Vec<String> = sqlx::query_scalar("SELECT id FROM door.users")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let mut promised = BTreeMap::<_, i64>::new();
        for promise in &*self.promised.lock().unwrap() {
            *promised.entry(promise.clone()).or_default() += 1;
        }
        for ((kind, about), count) in promised {
            let same = |row: &&(String, String, i64)| row.0 == kind && row.1 == about;
            let recorded = found.iter().find(same).map_or(0, |(_, _, count)| *count);
            if recorded < count {
                self.wrong(format!("{count} times {kind} of {about}, {recorded} recorded"));
            }
        }
        for id in &*self.accounts.lock().unwrap() {
            if !users.contains(id) {
                self.wrong(format!("the account {id} is gone"));
            }
        }
    }

    /// Whether each kind of request was served, and dead credentials were tried.
    pub(super) fn is_about_something(&self) -> bool {
        let phases = self.phases.lock().unwrap();
        let served =
            |kind| phases.iter().filter_map(|(_, tallies)| tallies.get(kind)).any(|t| t.served > 0);
        ["sign-in", "refresh", "known token", "new token", "admin"].into_iter().all(served)
            && self.asked_with_dead.load(Ordering::Relaxed) > 0
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16} {:<12} {:>7} {:>5} {:>9}   served  other statuses",
            "phase", "kind", "2xx", "503", "no answer"
        )?;
        for (phase, tallies) in &*self.phases.lock().unwrap() {
            for (kind, tally) in tallies {
                let Tally { served, unavailable, failed, otherwise } = tally;
                let all = served + unavailable + failed + otherwise.values().sum::<usize>();
                let per_mille = served * 1000 / all.max(1);
                let (whole, part) = (per_mille / 10, per_mille % 10);
                writeln!(
                    f,
                    "{phase:<16} {kind:<12} {served:>7} {unavailable:>5} {failed:>9}  {whole:>3}.{part} %  {otherwise:?}"
                )?;
            }
        }
        let lengths = (self.dead.lock().unwrap().len(), self.accounts.lock().unwrap().len());
        writeln!(
            f,
            "{} credentials ended and were tried {} times; {} accounts, {} audit entries; let in because the store died \
             unheard: {}; wrong: {}",
            lengths.0,
            self.asked_with_dead.load(Ordering::Relaxed),
            lengths.1,
            self.promised.lock().unwrap().len(),
            self.excused.load(Ordering::Relaxed),
            self.wrong.lock().unwrap().len(),
        )
    }
}
