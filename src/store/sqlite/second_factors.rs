//! Authenticator apps, recovery codes, passkeys.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Sqlite, events, letters, unavailable};
use crate::clock::Timestamp;
use crate::identity::second_factor::recovery::RecoveryDigest;
use crate::identity::second_factor::{Factors, Noted, StoredPasskey};
use crate::identity::{PasskeyId, SecondFactors, StoreError, UserId};
use crate::store::record::second_factors::{read_owned, read_passkey, read_totp};

#[async_trait]
impl SecondFactors for Sqlite {
    async fn of_user(&self, user: UserId) -> Result<Factors, StoreError> {
        // One snapshot for the three.
        let mut transaction = self.readers.begin().await.map_err(unavailable)?;
        let row = sqlx::query("SELECT * FROM totp WHERE user = ?")
            .bind(user.to_string())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let totp = row.as_ref().map(read_totp).transpose()?;
        let sql = "SELECT count(*) FROM recovery_codes WHERE user = ? AND used_at IS NULL";
        let left: i64 = sqlx::query_scalar(sql)
            .bind(user.to_string())
            .fetch_one(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let rows = sqlx::query("SELECT * FROM passkeys WHERE user = ? ORDER BY id")
            .bind(user.to_string())
            .fetch_all(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let passkeys = rows.iter().map(read_passkey).collect::<Result<_, _>>()?;
        let recovery_codes_left = u32::try_from(left).unwrap_or(0);
        Ok(Factors { totp, recovery_codes_left, passkeys })
    }

    async fn offer_totp(&self, user: UserId, sealed: &[u8]) -> Result<bool, StoreError> {
        let sql = "INSERT INTO totp (user, secret) VALUES (?1, ?2) ON CONFLICT (user) \
                   DO UPDATE SET secret = ?2, last_step = NULL WHERE confirmed = 0";
        let offered = sqlx::query(sql)
            .bind(user.to_string())
            .bind(sealed)
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
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
        let sql = "UPDATE totp SET confirmed = 1, last_step = ? WHERE user = ? AND confirmed = 0";
        let confirmed = sqlx::query(sql)
            .bind(i64::try_from(step).unwrap_or(i64::MAX))
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        if confirmed.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(codes) = codes {
            replace_codes(&mut transaction, user, codes).await?;
        }
        note(&mut transaction, noted).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(true)
    }

    async fn accept_step(&self, user: UserId, step: u64) -> Result<bool, StoreError> {
        let sql = "UPDATE totp SET last_step = ?1 WHERE user = ?2 AND confirmed = 1 \
                   AND coalesce(last_step, -1) < ?1";
        let accepted = sqlx::query(sql)
            .bind(i64::try_from(step).unwrap_or(i64::MAX))
            .bind(user.to_string())
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
        Ok(accepted.rows_affected() > 0)
    }

    async fn use_recovery_code(
        &self,
        user: UserId,
        digest: &RecoveryDigest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE recovery_codes SET used_at = ? \
                   WHERE user = ? AND digest = ? AND used_at IS NULL";
        let used = sqlx::query(sql)
            .bind(now.as_millis())
            .bind(user.to_string())
            .bind(digest.as_bytes().as_slice())
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
        Ok(used.rows_affected() > 0)
    }

    async fn renew_recovery_codes(
        &self,
        user: UserId,
        codes: &[RecoveryDigest],
        noted: &Noted,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        replace_codes(&mut transaction, user, codes).await?;
        note(&mut transaction, noted).await?;
        transaction.commit().await.map_err(unavailable)
    }

    async fn remove_totp(&self, user: UserId, noted: &Noted) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let removed = sqlx::query("DELETE FROM totp WHERE user = ? AND confirmed = 1")
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
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
        let sql = "INSERT INTO passkeys (id, user, name, credential, key, counter, transports, aaguid, \
                   backup_eligible, backed_up, created_at, last_used_at) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (credential) DO NOTHING";
        let added = sqlx::query(sql)
            .bind(stored.id.to_string())
            .bind(user.to_string())
            .bind(&stored.name)
            .bind(passkey.id.as_bytes())
            .bind(passkey.key.as_cose())
            .bind(passkey.counter)
            .bind(serde_json::json!(passkey.transports).to_string())
            .bind(passkey.aaguid.as_slice())
            .bind(passkey.backup_eligible)
            .bind(passkey.backed_up)
            .bind(stored.created_at.as_millis())
            .bind(stored.last_used_at.map(Timestamp::as_millis))
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
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
        let row = sqlx::query("SELECT * FROM passkeys WHERE credential = ?")
            .bind(credential)
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)?;
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
        let sql = "UPDATE passkeys SET counter = ?, backed_up = ?, last_used_at = ? \
                   WHERE id = ? AND counter = ?";
        let used = sqlx::query(sql)
            .bind(counter)
            .bind(backed_up)
            .bind(now.as_millis())
            .bind(id.to_string())
            .bind(before)
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
        Ok(used.rows_affected() > 0)
    }

    async fn remove_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        noted: &Noted,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let removed = sqlx::query("DELETE FROM passkeys WHERE id = ? AND user = ?")
            .bind(id.to_string())
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        finish(transaction, removed.rows_affected(), noted).await
    }

    async fn reset(&self, user: UserId, noted: &Noted) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let mut removed = 0;
        for sql in [
            "DELETE FROM totp WHERE user = ?",
            "DELETE FROM passkeys WHERE user = ?",
            "DELETE FROM recovery_codes WHERE user = ?",
        ] {
            let gone = sqlx::query(sql).bind(user.to_string()).execute(&mut *transaction).await;
            removed += gone.map_err(unavailable)?.rows_affected();
        }
        finish(transaction, removed, noted).await
    }
}

/// Commits with what is noted, if any row changed.
async fn finish(
    mut transaction: sqlx::Transaction<'_, sqlx::Sqlite>,
    changed: u64,
    noted: &Noted,
) -> Result<bool, StoreError> {
    if changed == 0 {
        return Ok(false);
    }
    note(&mut transaction, noted).await?;
    transaction.commit().await.map_err(unavailable)?;
    Ok(true)
}

async fn note(connection: &mut SqliteConnection, noted: &Noted) -> Result<(), StoreError> {
    for letter in &noted.letters {
        letters::insert(connection, letter, noted.event.at).await?;
    }
    events::insert(connection, &noted.event).await
}

async fn replace_codes(
    connection: &mut SqliteConnection,
    user: UserId,
    codes: &[RecoveryDigest],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE user = ?")
        .bind(user.to_string())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    for code in codes {
        sqlx::query("INSERT INTO recovery_codes (user, digest) VALUES (?, ?)")
            .bind(user.to_string())
            .bind(code.as_bytes().as_slice())
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
    }
    Ok(())
}
