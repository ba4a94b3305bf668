//! People.

use async_trait::async_trait;
use sqlx::{PgConnection, QueryBuilder};

use super::{Answered, Postgres, events, letters, mailed_tokens, provisioning, sessions, setup};
use crate::clock::Timestamp;
use crate::identity::password::PasswordHash;
use crate::identity::user::{Addition, Update, Updated, UserQuery};
use crate::identity::{Event, SignInName, StoreError, User, UserId, Users};
use crate::store::record::users::{self as record, read};

#[async_trait]
impl Users for Postgres {
    async fn insert(&self, addition: &Addition) -> Result<bool, StoreError> {
        let Addition { user, event, redeem, token, letters } = addition;
        let mut transaction = self.write().await?;
        if let Some(digest) = redeem
            && !mailed_tokens::redeem(&mut transaction, digest, event.at).await?
        {
            return Ok(false);
        }
        insert(&mut transaction, user).await?;
        if user.is_admin() {
            setup::close(&mut transaction, event.at).await?;
        }
        if let Some(token) = token {
            mailed_tokens::insert(&mut transaction, token).await?;
        }
        for letter in letters {
            letters::insert(&mut transaction, letter, event.at).await?;
        }
        provisioning::mark(&mut transaction, user.id, event).await?;
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await?;
        Ok(true)
    }

    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let mut connection = self.pool.acquire().answered().await?;
        find(&mut connection, id).await
    }

    async fn find_by_name(&self, name: &SignInName) -> Result<Option<User>, StoreError> {
        let sql = match name {
            SignInName::Email(_) => {
                concat!("SELECT ", columns!(users), " FROM users WHERE email = $1")
            }
            SignInName::Username(_) => {
                concat!("SELECT ", columns!(users), " FROM users WHERE username = $1")
            }
        };
        let row = sqlx::query(sql).bind(name.as_str()).fetch_optional(&self.pool).answered().await;
        row?.as_ref().map(read).transpose()
    }

    async fn list(&self, query: &UserQuery) -> Result<(Vec<User>, u64), StoreError> {
        let mut count = QueryBuilder::new("SELECT count(*) FROM users WHERE 1 = 1");
        filter(&mut count, query);
        let total: i64 = count.build_query_scalar().fetch_one(&self.pool).answered().await?;
        let mut page =
            QueryBuilder::new(concat!("SELECT ", columns!(users), " FROM users WHERE 1 = 1"));
        filter(&mut page, query);
        page.push(" ORDER BY id LIMIT ").push_bind(i64::from(query.limit));
        page.push(" OFFSET ").push_bind(i64::from(query.skip));
        let rows = page.build().fetch_all(&self.pool).answered().await?;
        let users = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((users, u64::try_from(total).unwrap_or(0)))
    }

    async fn update(&self, id: UserId, update: &Update) -> Result<Updated, StoreError> {
        let event = &update.event;
        let mut transaction = self.write().await?;
        let Some(mut user) = lock(&mut transaction, id).await? else {
            return Ok(Updated::NoUser);
        };
        if update.epoch.is_some_and(|epoch| epoch != user.epoch) {
            return Ok(Updated::Stale);
        }
        if let Some(digest) = &update.redeem {
            if !mailed_tokens::redeem(&mut transaction, digest, event.at).await? {
                return Ok(Updated::TokenSpent);
            }
            mailed_tokens::void_others(&mut transaction, id).await?;
        }
        if !update.change.apply(&mut user, event.at) {
            transaction.commit().answered().await?;
            return Ok(Updated::Done(Box::new(user)));
        }
        write(&mut transaction, &user).await?;
        if let Some(reason) = update.change.ends_sessions() {
            sessions::end_all_but(&mut transaction, id, update.keep, reason, event.at).await?;
        }
        for letter in &update.letters {
            letters::insert(&mut transaction, letter, event.at).await?;
        }
        if update.change.shows_elsewhere() {
            provisioning::mark(&mut transaction, id, event).await?;
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await?;
        Ok(Updated::Done(Box::new(user)))
    }

    async fn rehash(
        &self,
        id: UserId,
        old: &PasswordHash,
        fresh: &PasswordHash,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
            .bind(fresh.expose_for_store())
            .bind(id.to_string())
            .bind(old.expose_for_store())
            .execute(&self.pool)
            .answered()
            .await
            .map(drop)
    }

    async fn erase(&self, id: UserId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let erased = sqlx::query("DELETE FROM users WHERE id = $1")
            .bind(id.to_string())
            .execute(&mut *transaction)
            .answered()
            .await?;
        if erased.rows_affected() > 0 {
            let reason = event.kind.name();
            provisioning::mark_erased(&mut transaction, id, reason, event.at).await?;
            events::insert(&mut transaction, event).await?;
        }
        transaction.commit().answered().await?;
        Ok(erased.rows_affected() > 0)
    }
}

/// The conditions of `query`, each behind an `AND`.
fn filter(sql: &mut QueryBuilder<sqlx::Postgres>, query: &UserQuery) {
    if let Some(search) = &query.search {
        let mut pattern = String::from("%");
        // Nothing that is kept holds a NUL, and PostgreSQL takes none.
        for character in search.to_lowercase().chars().filter(|character| *character != '\0') {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        for (join, column) in [(" AND (", "email"), (" OR ", "username"), (" OR ", "full_name")] {
            sql.push(join).push("lower(").push(column).push(") LIKE ");
            sql.push_bind(pattern.clone()).push(" ESCAPE '\\'");
        }
        sql.push(")");
    }
    if let Some(standing) = query.standing {
        sql.push(" AND standing = ").push_bind(standing.name());
    }
    if let Some(role) = &query.role {
        sql.push(" AND EXISTS (SELECT 1 FROM json_array_elements_text(roles::json) AS role WHERE role = ");
        sql.push_bind(role.to_string()).push(")");
    }
}

pub(super) async fn insert(connection: &mut PgConnection, user: &User) -> Result<(), StoreError> {
    let sql = "INSERT INTO users (email, username, full_name, password_hash, roles, grants, standing, \
               email_verified_at, created_at, updated_at, last_login_at, epoch, id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    put(connection, sql, user).await
}

async fn write(connection: &mut PgConnection, user: &User) -> Result<(), StoreError> {
    let sql = "UPDATE users SET email = $1, username = $2, full_name = $3, password_hash = $4, roles = $5, \
               grants = $6, standing = $7, email_verified_at = $8, created_at = $9, updated_at = $10, \
               last_login_at = $11, epoch = $12 WHERE id = $13";
    put(connection, sql, user).await
}

/// Every column in one order, the id last.
async fn put(
    connection: &mut PgConnection,
    sql: &'static str,
    user: &User,
) -> Result<(), StoreError> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    sqlx::query(sql)
        .bind(user.email.as_str())
        .bind(user.username.as_str())
        .bind(user.full_name.as_deref())
        .bind(user.password_hash.expose_for_store())
        .bind(record::roles(user))
        .bind(record::grants(user))
        .bind(user.standing.name())
        .bind(millis(user.email_verified_at))
        .bind(user.created_at.as_millis())
        .bind(user.updated_at.as_millis())
        .bind(millis(user.last_login_at))
        .bind(user.epoch)
        .bind(user.id.to_string())
        .execute(connection)
        .answered_or_conflict("user", &["id", "email", "username"])
        .await
        .map(drop)
}

/// As [`find`], and nobody else changes the user, or begins a session of it, until this transaction is over.
pub(super) async fn lock(
    connection: &mut PgConnection,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row =
        sqlx::query(concat!("SELECT ", columns!(users), " FROM users WHERE id = $1 FOR UPDATE"))
            .bind(id.to_string())
            .fetch_optional(connection)
            .answered()
            .await;
    row?.as_ref().map(read).transpose()
}

pub(super) async fn find(
    connection: &mut PgConnection,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(concat!("SELECT ", columns!(users), " FROM users WHERE id = $1"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .answered()
        .await;
    row?.as_ref().map(read).transpose()
}
