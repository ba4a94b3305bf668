//! Links that were mailed.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{Answered, Postgres, events, letters, users};
use crate::clock::Timestamp;
use crate::identity::mailed_token::{MailedTokenDigest, NewMailedToken};
use crate::identity::{Email, Event, Letter, MailedTokens, StoreError, UserId};
use crate::store::record::mailed_tokens::{invited, meaning, read};

#[async_trait]
impl MailedTokens for Postgres {
    async fn issue(
        &self,
        token: &NewMailedToken,
        letter: Option<&Letter>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let email = invited(token);
        // Of two at a time the later one's is good, and the earlier one's is not.
        if let Some(user) = token.user {
            users::lock(&mut transaction, user).await?;
        }
        if let Some(email) = email {
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || $1, 0))";
            sqlx::query(sql).bind(email).execute(&mut *transaction).answered().await?;
        }
        let sql = "DELETE FROM mailed_tokens WHERE kind = $1 AND \
                   (user_id = $2 OR (user_id IS NULL AND email = $3))";
        sqlx::query(sql)
            .bind(token.meaning.name())
            .bind(token.user.map(|user| user.to_string()))
            .bind(email)
            .execute(&mut *transaction)
            .answered()
            .await?;
        insert(&mut transaction, token).await?;
        if let Some(letter) = letter {
            letters::insert(&mut transaction, letter, event.at).await?;
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await
    }

    async fn find(
        &self,
        digest: &MailedTokenDigest,
        now: Timestamp,
    ) -> Result<Option<NewMailedToken>, StoreError> {
        let row = sqlx::query(concat!(
            "SELECT ",
            columns!(mailed_tokens),
            " FROM mailed_tokens WHERE digest = $1 AND expires_at > $2"
        ))
        .bind(digest.as_bytes().as_slice())
        .bind(now.as_millis())
        .fetch_optional(&self.pool)
        .answered()
        .await;
        row?.as_ref().map(read).transpose()
    }

    async fn invitations(&self, now: Timestamp) -> Result<Vec<NewMailedToken>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(mailed_tokens),
            " FROM mailed_tokens WHERE kind = 'invitation' AND expires_at > $1 \
                   ORDER BY created_at DESC"
        );
        let rows = sqlx::query(sql).bind(now.as_millis()).fetch_all(&self.pool).answered().await;
        rows?.iter().map(read).collect()
    }

    async fn revoke_invitation(&self, email: &Email, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let sql = "DELETE FROM mailed_tokens WHERE kind = 'invitation' AND email = $1";
        let revoked =
            sqlx::query(sql).bind(email.as_str()).execute(&mut *transaction).answered().await?;
        if revoked.rows_affected() == 0 {
            return Ok(false);
        }
        events::insert(&mut transaction, event).await?;
        transaction.commit().answered().await?;
        Ok(true)
    }
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    token: &NewMailedToken,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO mailed_tokens (digest, user_id, kind, email, meaning, epoch, created_at, \
               expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
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
        .answered_or_conflict("mailed token", &["digest"])
        .await
        .map(drop)
}

/// Uses a token up. Of any number of callers one gets true.
pub(super) async fn redeem(
    connection: &mut PgConnection,
    digest: &MailedTokenDigest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let gone = sqlx::query("DELETE FROM mailed_tokens WHERE digest = $1 AND expires_at > $2")
        .bind(digest.as_bytes().as_slice())
        .bind(now.as_millis())
        .execute(connection)
        .answered()
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Voids what else was mailed to a user, but for the link that calls a change of address off.
pub(super) async fn void_others(
    connection: &mut PgConnection,
    user: UserId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM mailed_tokens WHERE user_id = $1 AND kind <> 'cancel_email'")
        .bind(user.to_string())
        .execute(connection)
        .answered()
        .await
        .map(drop)
}
