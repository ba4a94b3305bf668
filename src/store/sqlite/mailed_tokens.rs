//! Links that were mailed.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Sqlite, conflict_or_unavailable, events, letters, unavailable};
use crate::clock::Timestamp;
use crate::identity::mailed_token::{MailedTokenDigest, NewMailedToken};
use crate::identity::{Email, Event, Letter, MailedTokens, StoreError, UserId};
use crate::store::record::mailed_tokens::{invited, meaning, read};

#[async_trait]
impl MailedTokens for Sqlite {
    async fn issue(
        &self,
        token: &NewMailedToken,
        letter: Option<&Letter>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let email = invited(token);
        let sql = "DELETE FROM mailed_tokens WHERE kind = ? AND \
                   (user = ? OR (user IS NULL AND email = ?))";
        sqlx::query(sql)
            .bind(token.meaning.name())
            .bind(token.user.map(|user| user.to_string()))
            .bind(email)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        insert(&mut transaction, token).await?;
        if let Some(letter) = letter {
            letters::insert(&mut transaction, letter, event.at).await?;
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)
    }

    async fn find(
        &self,
        digest: &MailedTokenDigest,
        now: Timestamp,
    ) -> Result<Option<NewMailedToken>, StoreError> {
        let row = sqlx::query("SELECT * FROM mailed_tokens WHERE digest = ? AND expires_at > ?")
            .bind(digest.as_bytes().as_slice())
            .bind(now.as_millis())
            .fetch_optional(&self.readers)
            .await;
        row.map_err(unavailable)?.as_ref().map(read).transpose()
    }

    async fn invitations(&self, now: Timestamp) -> Result<Vec<NewMailedToken>, StoreError> {
        let sql = "SELECT * FROM mailed_tokens WHERE kind = 'invitation' AND expires_at > ? \
                   ORDER BY created_at DESC";
        let rows = sqlx::query(sql).bind(now.as_millis()).fetch_all(&self.readers).await;
        rows.map_err(unavailable)?.iter().map(read).collect()
    }

    async fn revoke_invitation(&self, email: &Email, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "DELETE FROM mailed_tokens WHERE kind = 'invitation' AND email = ?";
        let revoked = sqlx::query(sql)
            .bind(email.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if revoked.rows_affected() == 0 {
            return Ok(false);
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(true)
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    token: &NewMailedToken,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO mailed_tokens (digest, user, kind, email, meaning, epoch, created_at, \
               expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(token.digest.as_bytes().as_slice())
        .bind(token.user.map(|user| user.to_string()))
        .bind(token.meaning.name())
        .bind(invited(token))
        .bind(meaning(token)?)
        .bind(token.epoch)
        .bind(token.created_at.as_millis())
        .bind(token.expires_at.as_millis())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| conflict_or_unavailable("mailed token", &["digest"], error))
}

/// Uses a token up. Of any number of callers one gets true.
pub(super) async fn redeem(
    connection: &mut SqliteConnection,
    digest: &MailedTokenDigest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let gone = sqlx::query("DELETE FROM mailed_tokens WHERE digest = ? AND expires_at > ?")
        .bind(digest.as_bytes().as_slice())
        .bind(now.as_millis())
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(gone.rows_affected() > 0)
}

/// Voids what else was mailed to a user, but for the link that calls a change of address off.
pub(super) async fn void_others(
    connection: &mut SqliteConnection,
    user: UserId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM mailed_tokens WHERE user = ? AND kind <> 'cancel_email'")
        .bind(user.to_string())
        .execute(connection)
        .await
        .map(drop)
        .map_err(unavailable)
}
