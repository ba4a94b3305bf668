-- Times are milliseconds since 1970-01-01T00:00:00Z. Identifiers are UUIDs as text, so that sqlite3 shows them.

CREATE TABLE users (
    id            TEXT    PRIMARY KEY,
    email         TEXT    NOT NULL UNIQUE,
    username      TEXT    NOT NULL UNIQUE,
    full_name     TEXT,
    password_hash TEXT    NOT NULL,
    roles         TEXT    NOT NULL CHECK (json_type(roles) = 'array'),
    is_active     INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    last_login_at INTEGER,
    epoch         INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE sessions (
    id              TEXT    PRIMARY KEY,
    user            TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at      INTEGER NOT NULL,
    last_seen_at    INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    idle_timeout_ms INTEGER NOT NULL,
    ended_at        INTEGER,
    end_reason      TEXT,
    user_agent      TEXT,
    client_address  TEXT,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- Revoked wins over redeemed wins over current.
CREATE TABLE refresh_tokens (
    digest      BLOB    PRIMARY KEY CHECK (length(digest) = 32),
    family      TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    session     TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    redeemed_at INTEGER,
    revoked_at  INTEGER,
    expires_at  INTEGER NOT NULL,
    UNIQUE (family, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- One row at most. Once closed_at is set it stays, whatever happens to users.
CREATE TABLE setup (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    code_digest BLOB,
    offered_at  INTEGER,
    closed_at   INTEGER
) STRICT;

-- Keys that never leave, by purpose.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE signing_keys (
    kid        TEXT    PRIMARY KEY,
    algorithm  TEXT    NOT NULL,
    private    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;

-- No foreign keys: what happened stays when records go.
CREATE TABLE audit (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    subject    TEXT,
    session    TEXT,
    client     TEXT,
    user_agent TEXT,
    request_id TEXT,
    details    TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_by_subject ON audit (subject, seq);
