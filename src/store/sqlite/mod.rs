//! Records in one SQLite file: WAL, `synchronous=FULL`, one writer, several readers.

mod cloud_passwords;
mod devices;
mod events;
mod leadership;
mod letters;
mod mailed_tokens;
mod provisioning;
mod refresh_tokens;
mod row;
mod second_factors;
mod sessions;
mod setup;
mod signing_keys;
mod transfer;
mod upkeep;
mod users;

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteOperation, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite as Driver, Transaction};
use tokio::sync::Notify;

use super::StoreOpenError;
use crate::identity::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/sqlite/migrations");

/// One SQLite file.
pub(super) struct Sqlite {
    /// One connection: SQLite has one writer at a time, and waiting here is fairer than its own retrying.
    writer: SqlitePool,
    readers: SqlitePool,
    /// Told of every letter that is written here, whichever record's transaction writes it.
    letter_written: Arc<Notify>,
    /// Told of every entry of the provisioning journal, likewise.
    provisioning_written: Arc<Notify>,
    /// Something was not written since the last ping: the disk may be full.
    rolled_back: Arc<AtomicBool>,
}

/// How long anybody waits for a connection or a lock. More would only make the queue longer.
const PATIENCE: Duration = Duration::from_secs(5);

const READERS: u32 = 4;

impl Sqlite {
    /// Opens or makes the file at `path`, readable by its owner only, and brings it up to date.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreOpenError> {
        let file = |source| StoreOpenError::File { path: path.to_owned(), source };
        let database = |source: sqlx::Error| StoreOpenError::Database {
            path: path.to_owned(),
            source: source.into(),
        };
        make_private(path).map_err(file)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Links of mails and passwords that were changed are overwritten, not only forgotten.
            .pragma("secure_delete", "ON")
            .busy_timeout(PATIENCE);
        // The file does not go away, so neither do the connections to it.
        let pool = || {
            let pool = SqlitePoolOptions::new().acquire_timeout(PATIENCE);
            pool.test_before_acquire(false).idle_timeout(None).max_lifetime(None)
        };
        let (letter_written, provisioning_written) = <(Arc<Notify>, Arc<Notify>)>::default();
        let rolled_back = Arc::new(AtomicBool::new(false));
        let told = (
            Arc::clone(&letter_written),
            Arc::clone(&provisioning_written),
            Arc::clone(&rolled_back),
        );
        let writer = pool()
            .max_connections(1)
            .after_connect(move |connection, _| {
                let (letters, provisioning) = (Arc::clone(&told.0), Arc::clone(&told.1));
                let rolled_back = Arc::clone(&told.2);
                Box::pin(async move {
                    let tell = move || rolled_back.store(true, Ordering::Relaxed);
                    connection.lock_handle().await?.set_rollback_hook(tell);
                    tell_of_work(connection, letters, provisioning).await
                })
            })
            .after_release(|connection, _| Box::pin(is_as_new(connection)))
            .connect_with(options.clone())
            .await
            .map_err(database)?;
        migrate(&writer)
            .await
            .map_err(|source| StoreOpenError::Migration { path: path.to_owned(), source })?;
        let readers = pool()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(database)?;
        Ok(Self { writer, readers, letter_written, provisioning_written, rolled_back })
    }

    /// Begins a transaction that holds the write lock from its first moment. Dropped without commit, it is
    /// rolled back.
    async fn write(&self) -> Result<Transaction<'static, Driver>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)
    }
}

/// Has SQLite itself say that a letter or an entry of the provisioning journal was written, so that no record can forget
/// to. It does so before the commit; whoever then looks for work waits for the one writing connection, and so for the
/// commit.
async fn tell_of_work(
    connection: &mut SqliteConnection,
    letters: Arc<Notify>,
    provisioning: Arc<Notify>,
) -> Result<(), sqlx::Error> {
    connection.lock_handle().await?.set_update_hook(move |change| {
        match (change.table, change.operation) {
            ("letters", SqliteOperation::Insert) => letters.notify_one(),
            // Entries are written again and again. Who looks wakes itself too, once, and finds nothing.
            ("provisioning", SqliteOperation::Insert | SqliteOperation::Update) => {
                provisioning.notify_one();
            }
            _ => {}
        }
    });
    Ok(())
}

/// Whether nothing is left of a transaction. When something could not be written, SQLite ends a transaction by itself; the
/// driver still believes in it, and would never begin another one on this connection.
async fn is_as_new(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What was asked before has been done by then.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// All or nothing, and only one process at a time.
async fn migrate(writer: &SqlitePool) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let mut migrations =
        Migrator { migrations: MIGRATIONS.migrations.clone(), ..Migrator::DEFAULT };
    // A release only adds: one may go back to the version before.
    migrations.set_ignore_missing(true);
    migrations.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(())
}

/// Makes the folder and the file when missing, for the owner only. SQLite gives its `-wal` and `-shm` files the
/// permissions of the file itself.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// A broken uniqueness is a conflict on that field of `record`; anything else is an outage.
fn conflict_or_unavailable(
    record: &'static str,
    fields: &[&'static str],
    error: sqlx::Error,
) -> StoreError {
    let broken = error
        .as_database_error()
        .filter(|error| error.is_unique_violation())
        .map(sqlx::error::DatabaseError::message);
    // "UNIQUE constraint failed: users.email"
    let field = broken.and_then(|message| {
        fields.iter().find(|field| message.ends_with(&format!(".{field}"))).copied()
    });
    match field {
        Some(field) => StoreError::Conflict { record, field },
        None => unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::token::SigningKeys;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_file_and_its_folder_are_the_owners_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/stormdoor.db");
        let store = Sqlite::open(&path).await.expect("a new store");
        let parent = path.parent().expect("a folder");
        assert_eq!((mode(parent), mode(&path)), (0o700, 0o600));
        assert_eq!(mode(&parent.join("stormdoor.db-wal")), 0o600);
        drop(store);

        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("our file");
        Sqlite::open(&path).await.expect("the same store");
        assert_eq!(mode(&path), 0o600);
    }

    #[tokio::test]
    async fn several_that_open_one_file_together_all_succeed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stormdoor.db");
        let opened = futures::future::join_all((0..4).map(|_| Sqlite::open(&path))).await;
        for store in opened {
            store.expect("a store");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named_in_the_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stormdoor.db");
        std::fs::write(&path, "not a database, but long enough to be looked at").expect("a file");
        let error = Sqlite::open(&path).await.err().expect("no store");
        assert!(error.to_string().contains("stormdoor.db"), "{error}");
    }

    #[tokio::test]
    async fn the_file_of_a_later_release_is_opened_as_well() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stormdoor.db");
        let store = Sqlite::open(&path).await.expect("a new store");
        for sql in [
            "ALTER TABLE signing_keys ADD COLUMN later TEXT",
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of a later release', TRUE, x'00', 0)",
        ] {
            sqlx::query(sql).execute(&store.writer).await.expect("a change of the file");
        }
        assert!(store.all().await.expect("no keys").is_empty(), "whoever has it open goes on");
        let again = Sqlite::open(&path).await.expect("the same store");
        assert!(again.all().await.expect("no keys").is_empty());
    }

    #[tokio::test]
    async fn writes_wait_for_the_disk_and_readers_cannot_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(&folder.path().join("stormdoor.db")).await.expect("a store");
        let pragma = async |pool: &SqlitePool, sql: &'static str| {
            sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await.expect("a number")
        };
        assert_eq!(pragma(&store.writer, "PRAGMA synchronous").await, 2);
        assert_eq!(pragma(&store.writer, "PRAGMA foreign_keys").await, 1);
        let refused = sqlx::query("DELETE FROM users").execute(&store.readers).await;
        assert!(refused.is_err());
    }
}
