//! People.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::Fields;
use super::{Sqlite, conflict_or_unavailable, events, sessions, setup, unavailable};
use crate::identity::password::PasswordHash;
use crate::identity::{EndReason, Event, SignInName, Standing, StoreError, User, UserId, Users};

#[async_trait]
impl Users for Sqlite {
    async fn insert(&self, user: &User, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        insert(&mut transaction, user).await?;
        if user.is_admin() {
            setup::close(&mut transaction, event.at).await?;
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)
    }

    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        find(&mut connection, id).await
    }

    async fn find_by_name(&self, name: &SignInName) -> Result<Option<User>, StoreError> {
        let sql = match name {
            SignInName::Email(_) => "SELECT * FROM users WHERE email = ?",
            SignInName::Username(_) => "SELECT * FROM users WHERE username = ?",
        };
        let row = sqlx::query(sql).bind(name.as_str()).fetch_optional(&self.readers).await;
        row.map_err(unavailable)?.as_ref().map(read).transpose()
    }

    async fn set_standing(
        &self,
        id: UserId,
        standing: Standing,
        event: &Event,
    ) -> Result<Option<User>, StoreError> {
        let mut transaction = self.write().await?;
        let Some(mut user) = find(&mut transaction, id).await? else {
            return Ok(None);
        };
        if user.standing == standing {
            return Ok(Some(user));
        }
        user.standing = standing;
        user.updated_at = event.at;
        if standing == Standing::Disabled {
            user.epoch += 1;
            sessions::end_all_of(&mut transaction, id, EndReason::UserDisabled, event.at).await?;
        }
        sqlx::query("UPDATE users SET is_active = ?, updated_at = ?, epoch = ? WHERE id = ?")
            .bind(user.is_active())
            .bind(user.updated_at.as_millis())
            .bind(user.epoch)
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(Some(user))
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    user: &User,
) -> Result<(), StoreError> {
    let roles: Vec<&str> = user.roles.iter().map(AsRef::as_ref).collect();
    let sql = "INSERT INTO users (id, email, username, full_name, password_hash, roles, is_active, \
               created_at, updated_at, last_login_at, epoch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(user.id.to_string())
        .bind(user.email.as_str())
        .bind(user.username.as_str())
        .bind(user.full_name.as_deref())
        .bind(user.password_hash.expose_for_store())
        .bind(serde_json::json!(roles).to_string())
        .bind(user.is_active())
        .bind(user.created_at.as_millis())
        .bind(user.updated_at.as_millis())
        .bind(user.last_login_at.map(crate::clock::Timestamp::as_millis))
        .bind(user.epoch)
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| conflict_or_unavailable("user", &["id", "email", "username"], error))
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query("SELECT * FROM users WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await;
    row.map_err(unavailable)?.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<User, StoreError> {
    let fields = Fields { row, record: "user", key: "id" };
    let roles: Vec<String> = serde_json::from_str(fields.get::<&str>("roles")?)
        .map_err(|error| fields.corrupt(error))?;
    Ok(User {
        id: fields.parse("id")?,
        email: fields.parse("email")?,
        username: fields.parse("username")?,
        full_name: fields.get("full_name")?,
        password_hash: PasswordHash::from_text(fields.get("password_hash")?),
        roles: roles.into_iter().map(Arc::from).collect(),
        standing: if fields.get("is_active")? { Standing::Active } else { Standing::Disabled },
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
        last_login_at: fields.time_optional("last_login_at")?,
        epoch: fields.get("epoch")?,
    })
}
