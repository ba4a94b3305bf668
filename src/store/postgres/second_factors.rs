//! Authenticator apps, recovery codes, passkeys.
//!
//! What replaces the recovery codes of somebody locks the user first, so that two at a time do not leave both sets.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::{Answered, Postgres, events, letters, users};
use crate::clock::Timestamp;
use crate::identity::second_factor::recovery::RecoveryDigest;
use crate::identity::second_factor::{Factors, Noted, StoredPasskey};
use crate::identity::{PasskeyId, SecondFactors, StoreError, UserId};
use crate::store::record::second_factors::{read_owned, read_passkey, read_totp};

#[async_trait]
impl SecondFactors for Postgres {
    async fn of_user(&self, user: UserId) -> Result<Factors, StoreError> {
        // One snapshot for the three.
        let mut transaction = self.pool.begin().answered().await?;
        let row = sqlx::query(concat!("SELECT ", columns!(totp), " FROM totp WHERE user_id = $1"))
            .bind(user.to_string())
            .fetch_optional(&mut *transaction)
            .answered()
            .await?;
        let totp = row.as_ref().map(read_totp).transpose()?;
        let sql = "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL";
        let left: i64 = sqlx::query_scalar(sql)
            .bind(user.to_string())
            .fetch_one(&mut *transaction)
            .answered()
            .await?;
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(passkeys),
            " FROM passkeys WHERE user_id = $1 ORDER BY id"
        ))
        .bind(user.to_string())
        .fetch_all(&mut *transaction)
        .answered()
        .await?;
        let passkeys = rows.iter().map(read_passkey).collect::<Result<_, _>>()?;
        let recovery_codes_left = u32::try_from(left).unwrap_or(0);
        Ok(Factors { totp, recovery_codes_left, passkeys })
    }

    async fn offer_totp(&self, user: UserId, sealed: &[u8]) -> Result<bool, StoreError> {
        let sql = "INSERT INTO totp (user_id, secret) VALUES ($1, $2) ON CONFLICT (user_id) \
                   DO UPDATE SET secret = $2, last_step = NULL WHERE totp.confirmed = FALSE";
        let offered = sqlx::query(sql)
            .bind(user.to_string())
            .bind(sealed)
            .execute(&self.pool)
            .answered()
            .await?;
        Ok(offered.rows_affected() > 0)
    }

    async fn confirm_totp(
        &self,
        user: UserId,
        step: u64,
        codes: Option<&[RecoveryDigest]>,
        noted: &Noted,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        users::lock(&mut transaction, user).await?;
        let sql = "UPDATE totp SET confirmed = TRUE, last_step = $1 WHERE user_id = $2 AND confirmed = FALSE";
        let confirmed = sqlx::query(sql)
            .bind(i64::try_from(step).unwrap_or(i64::MAX))
            .bind(user.to_string())
            .execute(&mut *transaction)
            .answered()
            .await?;
        if confirmed.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(codes) = codes {
            replace_codes(&mut transaction, user, codes).await?;
        }
        note(&mut transaction, noted).await?;
        transaction.commit().answered().await?;
        Ok(true)
    }

    async fn accept_step(&self, user: UserId, step: u64) -> Result<bool, StoreError> {
        let sql = "UPDATE totp SET last_step = $1 WHERE user_id = $2 AND confirmed = TRUE \
                   AND coalesce(last_step, -1) < $1";
        let accepted = sqlx::query(sql)
            .bind(i64::try_from(step).unwrap_or(i64::MAX))
            .bind(user.to_string())
            .execute(&self.pool)
            .answered()
            .await?;
        Ok(accepted.rows_affected() > 0)
    }

    async fn use_recovery_code(
        &self,
        user: UserId,
        digest: &RecoveryDigest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE recovery_codes SET used_at = $1 \
                   WHERE user_id = $2 AND digest = $3 AND used_at IS NULL";
        let used = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(user.to_string())
            .bind(digest.as_bytes().as_slice())
            .execute(&self.pool)
            .answered()
            .await?;
        Ok(used.rows_affected() > 0)
    }

    async fn renew_recovery_codes(
        &self,
        user: UserId,
        codes: &[RecoveryDigest],
        noted: &Noted,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        users::lock(&mut transaction, user).await?;
        replace_codes(&mut transaction, user, codes).await?;
        note(&mut transaction, noted).await?;
        transaction.commit().answered().await
    }

    async fn remove_totp(&self, user: UserId, noted: &Noted) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let removed = sqlx::query("DELETE FROM totp WHERE user_id = $1 AND confirmed = TRUE")
            .bind(user.to_string())
            .execute(&mut *transaction)
            .answered()
            .await?;
        finish(transaction, removed.rows_affected(), noted).await
    }

    async fn add_passkey(
        &self,
        user: UserId,
        stored: &StoredPasskey,
        codes: Option<&[RecoveryDigest]>,
        noted: &Noted,
    ) -> Result<bool, StoreError> {
        let passkey = &stored.passkey;
        let mut transaction = self.write().await?;
        users::lock(&mut transaction, user).await?;
        let sql = "INSERT INTO passkeys (id, user_id, name, credential, key, counter, transports, aaguid, \
                   backup_eligible, backed_up, created_at, last_used_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (credential) DO NOTHING";
        let added = sqlx::query(sql)
            .bind(stored.id.to_string())
            .bind(user.to_string())
            .bind(&stored.name)
            .bind(passkey.id.as_bytes())
            .bind(passkey.key.as_cose())
            .bind(i64::from(passkey.counter))
            .bind(serde_json::json!(passkey.transports).to_string())
            .bind(passkey.aaguid.as_slice())
            .bind(passkey.backup_eligible)
            .bind(passkey.backed_up)
            .bind(stored.created_at.as_millis())
            .bind(stored.last_used_at.map(Timestamp::as_millis))
            .execute(&mut *transaction)
            .answered()
            .await?;
        if added.rows_affected() > 0
            && let Some(codes) = codes
        {
            replace_codes(&mut transaction, user, codes).await?;
        }
        finish(transaction, added.rows_affected(), noted).await
    }

    async fn passkey(
        &self,
        credential: &[u8],
    ) -> Result<Option<(UserId, StoredPasskey)>, StoreError> {
        let row = sqlx::query(concat!(
            "SELECT ",
            columns!(passkeys),
            " FROM passkeys WHERE credential = $1"
        ))
        .bind(credential)
        .fetch_optional(&self.pool)
        .answered()
        .await?;
        row.as_ref().map(read_owned).transpose()
    }

    async fn passkey_used(
        &self,
        id: PasskeyId,
        before: u32,
        counter: u32,
        backed_up: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE passkeys SET counter = $1, backed_up = $2, last_used_at = $3 \
                   WHERE id = $4 AND counter = $5";
        let used = sqlx::query(sql)
            .bind(i64::from(counter))
            .bind(backed_up)
            .bind(now.as_millis())
            .bind(id.to_string())
            .bind(i64::from(before))
            .execute(&self.pool)
            .answered()
            .await?;
        Ok(used.rows_affected() > 0)
    }

    async fn remove_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        noted: &Noted,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let removed = sqlx::query("DELETE FROM passkeys WHERE id = $1 AND user_id = $2")
            .bind(id.to_string())
            .bind(user.to_string())
            .execute(&mut *transaction)
            .answered()
            .await?;
        finish(transaction, removed.rows_affected(), noted).await
    }

    async fn reset(&self, user: UserId, noted: &Noted) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        users::lock(&mut transaction, user).await?;
        let mut removed = 0;
        for sql in [
            "DELETE FROM totp WHERE user_id = $1",
            "DELETE FROM passkeys WHERE user_id = $1",
            "DELETE FROM recovery_codes WHERE user_id = $1",
        ] {
            let gone =
                sqlx::query(sql).bind(user.to_string()).execute(&mut *transaction).answered().await;
            removed += gone?.rows_affected();
        }
        finish(transaction, removed, noted).await
    }
}

/// Commits with what is noted, if any row changed.
async fn finish(
    mut transaction: sqlx::Transaction<'_, sqlx::Postgres>,
    changed: u64,
    noted: &Noted,
) -> Result<bool, StoreError> {
    if changed == 0 {
        return Ok(false);
    }
    note(&mut transaction, noted).await?;
    transaction.commit().answered().await?;
    Ok(true)
}

async fn note(connection: &mut PgConnection, noted: &Noted) -> Result<(), StoreError> {
    for letter in &noted.letters {
        letters::insert(connection, letter, noted.event.at).await?;
    }
    events::insert(connection, &noted.event).await
}

async fn replace_codes(
    connection: &mut PgConnection,
    user: UserId,
    codes: &[RecoveryDigest],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1")
        .bind(user.to_string())
        .execute(&mut *connection)
        .answered()
        .await?;
    for code in codes {
        sqlx::query("INSERT INTO recovery_codes (user_id, digest) VALUES ($1, $2)")
            .bind(user.to_string())
            .bind(code.as_bytes().as_slice())
            .execute(&mut *connection)
            .answered()
            .await?;
    }
    Ok(())
}
