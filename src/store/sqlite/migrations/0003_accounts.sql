-- Standing takes the place of is_active; the other tables are what accounts need beside a password.

ALTER TABLE users ADD COLUMN standing TEXT NOT NULL DEFAULT 'active';
UPDATE users SET standing = 'disabled' WHERE is_active = 0;
ALTER TABLE users DROP COLUMN is_active;
ALTER TABLE users ADD COLUMN email_verified_at INTEGER;
-- [{"permission": "files:read", "until": 1800000000000 or null}]
ALTER TABLE users ADD COLUMN grants TEXT NOT NULL DEFAULT '[]' CHECK (json_type(grants) = 'array');

ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'tokens' CHECK (kind IN ('browser', 'tokens'));
ALTER TABLE sessions ADD COLUMN second_factor_at INTEGER;
CREATE INDEX sessions_by_use ON sessions (last_seen_at) WHERE ended_at IS NULL;

-- A browser's session has one cookie for each host.
CREATE TABLE session_cookies (
    digest     BLOB    PRIMARY KEY CHECK (length(digest) = 32),
    session    TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    host       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_cookies_by_session ON session_cookies (session);

CREATE TABLE devices (
    id           TEXT    PRIMARY KEY,
    user         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest       BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    name         TEXT    NOT NULL,
    -- Null: a device password. Else the permissions of an API token.
    permissions  TEXT    CHECK (permissions IS NULL OR json_type(permissions) = 'array'),
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    last_address TEXT,
    expires_at   INTEGER
) STRICT;

CREATE INDEX devices_by_user ON devices (user);

CREATE TABLE totp (
    user      TEXT    PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Sealed with a key that is not in this file.
    secret    BLOB    NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1)),
    last_step INTEGER
) STRICT;

CREATE TABLE recovery_codes (
    user    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    used_at INTEGER,
    PRIMARY KEY (user, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
    id              TEXT    PRIMARY KEY,
    user            TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name            TEXT    NOT NULL,
    credential      BLOB    NOT NULL UNIQUE,
    key             BLOB    NOT NULL,
    counter         INTEGER NOT NULL,
    transports      TEXT    NOT NULL CHECK (json_type(transports) = 'array'),
    aaguid          BLOB    NOT NULL CHECK (length(aaguid) = 16),
    backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    backed_up       INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER
) STRICT;

CREATE INDEX passkeys_by_user ON passkeys (user);

-- Links that were mailed. Used up by the change that they are for.
CREATE TABLE mailed_tokens (
    digest     BLOB    PRIMARY KEY CHECK (length(digest) = 32),
    user       TEXT    REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    -- Whom an invitation is for.
    email      TEXT,
    meaning    TEXT    NOT NULL,
    epoch      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX mailed_tokens_by_user ON mailed_tokens (user, kind);
CREATE INDEX mailed_tokens_by_expiry ON mailed_tokens (expires_at);

ALTER TABLE audit ADD COLUMN actor TEXT;
CREATE INDEX audit_by_actor ON audit (actor, seq) WHERE actor IS NOT NULL;
