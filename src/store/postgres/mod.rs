//! Records in one PostgreSQL database, which several gateways may share.
//!
//! SQLite has one writer at a time; here many write together. What must not happen twice is decided by single statements,
//! by unique columns, or under row locks. Rows are locked in one order, so that nobody waits in a circle: a user, its
//! sessions, their tokens, the rest, and the log of what happened last.

#[macro_use]
mod columns;

mod answered;
mod cloud_passwords;
mod devices;
mod events;
mod leadership;
mod letters;
mod listening;
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

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{Connection, Postgres as Driver, Transaction};
use tokio::sync::Notify;

use self::answered::Answered;
use self::listening::Listening;
use super::StoreOpenError;
use crate::config::{PostgresSettings, PostgresTls};
use crate::identity::{StoreError, random};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/postgres/migrations");

/// How long a start waits for the others that start, and for its own migrations.
const MIGRATION_PATIENCE: Duration = Duration::from_mins(5);

/// One schema of one database.
pub(super) struct Postgres {
    pool: PgPool,
    /// What this process is called there.
    node: String,
    happened: Arc<Notify>,
    letter_written: Arc<Notify>,
    provisioning_written: Arc<Notify>,
    _listening: Listening,
}

impl Postgres {
    /// Connects, and brings the schema up to date.
    pub(super) async fn open(settings: &PostgresSettings) -> Result<Self, StoreOpenError> {
        let place = || settings.place();
        let database = |source: sqlx::Error| {
            let may_pass = may_pass(&source);
            StoreOpenError::Server { place: place(), may_pass, source: source.into() }
        };
        let node = format!("stormdoor-{}", uuid::Uuid::from_bytes(random::bytes()).simple());
        let options = connect_options(settings, &node);
        migrate(&options, &settings.schema).await.map_err(|error| match error {
            NotMigrated::NoServer(source) => database(source),
            NotMigrated::Failed(source) => StoreOpenError::Schema { place: place(), source },
        })?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections)
            .acquire_timeout(settings.timeout)
            .connect_with(options.clone())
            .await
            .map_err(database)?;
        let (happened, letter_written, provisioning_written) =
            <(Arc<Notify>, Arc<Notify>, Arc<Notify>)>::default();
        let told = [
            ("audit", Arc::clone(&happened)),
            ("letters", Arc::clone(&letter_written)),
            ("provisioning", Arc::clone(&provisioning_written)),
        ];
        Ok(Self {
            pool,
            node,
            happened,
            letter_written,
            provisioning_written,
            _listening: Listening::begin(options, &settings.schema, told),
        })
    }

    /// Begins a transaction. Dropped without commit, it is rolled back.
    async fn write(&self) -> Result<Transaction<'static, Driver>, StoreError> {
        self.pool.begin().answered().await
    }
}

/// How every connection of this process is made.
fn connect_options(settings: &PostgresSettings, node: &str) -> PgConnectOptions {
    let millis = settings.timeout.as_millis().to_string();
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(settings.port)
        .username(&settings.user)
        .database(&settings.database)
        .application_name(node)
        .ssl_mode(match settings.tls {
            PostgresTls::Off => PgSslMode::Disable,
            PostgresTls::IfOffered => PgSslMode::Prefer,
            PostgresTls::Unverified => PgSslMode::Require,
            PostgresTls::Authority => PgSslMode::VerifyCa,
            PostgresTls::Verified => PgSslMode::VerifyFull,
        })
        .options([
            ("search_path", &*format!("\"{}\"", settings.schema)),
            ("statement_timeout", &millis),
            ("lock_timeout", &millis),
            // A gateway that stops in the middle of a transaction must not hold up the others.
            ("idle_in_transaction_session_timeout", &millis),
            // Nor one that the network lost.
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ]);
    options = match settings.host.as_str() {
        folder if folder.starts_with('/') => options.socket(folder),
        host => options.host(host),
    };
    if let Some(password) = &settings.password {
        options = options.password(password.expose());
    }
    if let Some(file) = &settings.ca_file {
        options = options.ssl_root_cert(file);
    }
    options
}

/// Whether the server was not reached, or does not take anybody right now. A refused password or a missing database does
/// not pass by waiting.
fn may_pass(error: &sqlx::Error) -> bool {
    // cannot_connect_now, too_many_connections, admin_shutdown, crash_shutdown
    const NOT_NOW: [&str; 4] = ["57P03", "53300", "57P01", "57P02"];
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        error => {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
            code.is_some_and(|code| NOT_NOW.contains(&&*code))
        }
    }
}

enum NotMigrated {
    NoServer(sqlx::Error),
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// All or nothing, and only one process at a time.
async fn migrate(options: &PgConnectOptions, schema: &str) -> Result<(), NotMigrated> {
    let mut connection =
        tokio::time::timeout(Duration::from_secs(10), PgConnection::connect_with(options))
            .await
            .unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
            .map_err(NotMigrated::NoServer)?;
    let done = bring_up_to_date(&mut connection, schema).await;
    drop(connection.close().await);
    done.map_err(NotMigrated::Failed)
}

async fn bring_up_to_date(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut transaction = connection.begin().await?;
    let patience = MIGRATION_PATIENCE.as_millis();
    for setting in ["statement_timeout", "lock_timeout"] {
        sqlx::query("SELECT set_config($1, $2, TRUE)")
            .bind(setting)
            .bind(patience.to_string())
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('stormdoor migrations ' || $1, 0))")
        .bind(schema)
        .execute(&mut *transaction)
        .await?;
    let present: bool = sqlx::query_scalar("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL")
        .bind(schema)
        .fetch_one(&mut *transaction)
        .await?;
    if !present {
        // Of small letters, digits and `_`: the configuration allows no other name.
        let sql = format!("CREATE SCHEMA \"{schema}\"");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    let mut migrations =
        Migrator { migrations: MIGRATIONS.migrations.clone(), ..Migrator::DEFAULT };
    // A node of the version before may start again while others are newer already.
    migrations.set_ignore_missing(true).set_locking(false);
    migrations.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(())
}
