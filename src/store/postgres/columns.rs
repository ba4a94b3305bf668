//! The columns of each table by name, for every query that reads whole rows.
//!
//! Not `*`: connections keep their statements prepared, and PostgreSQL refuses one whose result has changed since. A later
//! release that adds a column, while nodes of this one run on, would stop them all.

macro_rules! columns {
    (users) => {
        "id, email, username, full_name, password_hash, roles, grants, standing, \
         email_verified_at, created_at, updated_at, last_login_at, epoch"
    };
    (sessions) => {
        "id, user_id, kind, created_at, last_seen_at, expires_at, idle_timeout_ms, \
         second_factor_at, ended_at, end_reason, user_agent, client_address"
    };
    (refresh_tokens) => {
        "digest, family, number, session, redeemed_at, revoked_at, expires_at"
    };
    (signing_keys) => {
        "kid, algorithm, private, created_at, retired_at"
    };
    (devices) => {
        "id, user_id, digest, name, permissions, created_at, last_used_at, last_address, \
         expires_at"
    };
    (totp) => {
        "user_id, secret, confirmed, last_step"
    };
    (passkeys) => {
        "id, user_id, name, credential, key, counter, transports, aaguid, backup_eligible, \
         backed_up, created_at, last_used_at"
    };
    (mailed_tokens) => {
        "digest, user_id, kind, email, meaning, epoch, created_at, expires_at"
    };
    (letters) => {
        "id, kind, payload, state, queued_at, due_at, attempts, last_error"
    };
    (provisioning) => {
        "user_id, cloud_id, generation, reason, state, stage, attempts, since, due_at, \
         leased_until, turn, asked_at, last_error"
    };
    (audit) => {
        "seq, at, kind, subject, session, actor, client, user_agent, request_id, details, node"
    };
}

#[cfg(test)]
mod tests {
    use crate::store::postgres::row::own;
    use crate::store::transfer::TABLES;

    #[test]
    fn every_column_that_is_moved_is_read() {
        for (name, columns) in [
            ("users", columns!(users)),
            ("sessions", columns!(sessions)),
            ("refresh_tokens", columns!(refresh_tokens)),
            ("signing_keys", columns!(signing_keys)),
            ("devices", columns!(devices)),
            ("totp", columns!(totp)),
            ("passkeys", columns!(passkeys)),
            ("mailed_tokens", columns!(mailed_tokens)),
            ("letters", columns!(letters)),
            ("provisioning", columns!(provisioning)),
            // Which process wrote it means nothing elsewhere.
            ("audit", columns!(audit).trim_end_matches(", node")),
        ] {
            let table = TABLES.iter().find(|table| table.name == name).expect("a table");
            let moved = table.columns.iter().map(|(column, _)| own(column)).collect::<Vec<_>>();
            assert_eq!(columns, moved.join(", "), "{name}");
        }
    }

    /// None of our files, this one aside.
    #[test]
    fn no_query_asks_for_whatever_columns_there_are() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/postgres");
        for entry in std::fs::read_dir(folder).expect("our folder") {
            let path = entry.expect("a file").path();
            let text =
                if path.is_file() { std::fs::read_to_string(&path) } else { Ok(String::new()) };
            let text = text.expect("our source");
            let asks = ["SELECT", "RETURNING"].map(|word| format!("{word} *"));
            assert!(!asks.iter().any(|ask| text.contains(ask)), "{}", path.display());
        }
    }
}
