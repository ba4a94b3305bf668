-- Times are milliseconds since 1970-01-01T00:00:00Z. Identifiers are UUIDs as text, lists are JSON as text: as in SQLite, so
-- that records move between the two unchanged. Only `user` is called user_id here, because it is a word of the language.

CREATE TABLE users (
    id                TEXT COLLATE "C" PRIMARY KEY,
    email             TEXT    NOT NULL UNIQUE,
    username          TEXT    NOT NULL UNIQUE,
    full_name         TEXT,
    password_hash     TEXT    NOT NULL,
    roles             TEXT    NOT NULL CHECK (json_typeof(roles::json) = 'array'),
    -- [{"permission": "files:read", "until": 1800000000000 or null}]
    grants            TEXT    NOT NULL DEFAULT '[]' CHECK (json_typeof(grants::json) = 'array'),
    standing          TEXT    NOT NULL DEFAULT 'active',
    email_verified_at BIGINT,
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL,
    last_login_at     BIGINT,
    epoch             BIGINT  NOT NULL DEFAULT 0
);

CREATE TABLE sessions (
    id               TEXT COLLATE "C" PRIMARY KEY,
    user_id          TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind             TEXT    NOT NULL DEFAULT 'tokens' CHECK (kind IN ('browser', 'tokens')),
    created_at       BIGINT  NOT NULL,
    last_seen_at     BIGINT  NOT NULL,
    expires_at       BIGINT  NOT NULL,
    idle_timeout_ms  BIGINT  NOT NULL,
    second_factor_at BIGINT,
    ended_at         BIGINT,
    end_reason       TEXT,
    user_agent       TEXT,
    client_address   TEXT,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_by_use ON sessions (last_seen_at) WHERE ended_at IS NULL;

-- A browser's session has one cookie for each host.
CREATE TABLE session_cookies (
    digest     BYTEA   PRIMARY KEY CHECK (length(digest) = 32),
    session    TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    host       TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);

CREATE INDEX session_cookies_by_session ON session_cookies (session);

-- Revoked wins over redeemed wins over current.
CREATE TABLE refresh_tokens (
    digest      BYTEA   PRIMARY KEY CHECK (length(digest) = 32),
    family      TEXT COLLATE "C" NOT NULL,
    number      BIGINT  NOT NULL,
    session     TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    redeemed_at BIGINT,
    revoked_at  BIGINT,
    expires_at  BIGINT  NOT NULL,
    CONSTRAINT refresh_tokens_number_key UNIQUE (family, number)
);

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

-- One row at most. Once closed_at is set it stays, whatever happens to users.
CREATE TABLE setup (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    code_digest BYTEA,
    offered_at  BIGINT,
    closed_at   BIGINT
);

-- Keys that never leave, by purpose.
CREATE TABLE secrets (
    name  TEXT  PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE signing_keys (
    kid        TEXT COLLATE "C" PRIMARY KEY,
    algorithm  TEXT    NOT NULL,
    private    BYTEA   NOT NULL,
    created_at BIGINT  NOT NULL,
    retired_at BIGINT
);

CREATE TABLE devices (
    id           TEXT COLLATE "C" PRIMARY KEY,
    user_id      TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest       BYTEA   NOT NULL UNIQUE CHECK (length(digest) = 32),
    name         TEXT    NOT NULL,
    -- Null: a device password. Else the permissions of an API token.
    permissions  TEXT    CHECK (permissions IS NULL OR json_typeof(permissions::json) = 'array'),
    created_at   BIGINT  NOT NULL,
    last_used_at BIGINT,
    last_address TEXT,
    expires_at   BIGINT
);

CREATE INDEX devices_by_user ON devices (user_id);

CREATE TABLE totp (
    user_id   TEXT COLLATE "C" PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Sealed with a key that is not in this database.
    secret    BYTEA   NOT NULL,
    confirmed BOOLEAN NOT NULL DEFAULT FALSE,
    last_step BIGINT
);

CREATE TABLE recovery_codes (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest  BYTEA   NOT NULL CHECK (length(digest) = 32),
    used_at BIGINT,
    PRIMARY KEY (user_id, digest)
);

CREATE TABLE passkeys (
    id              TEXT COLLATE "C" PRIMARY KEY,
    user_id         TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name            TEXT    NOT NULL,
    credential      BYTEA   NOT NULL UNIQUE,
    key             BYTEA   NOT NULL,
    counter         BIGINT  NOT NULL,
    transports      TEXT    NOT NULL CHECK (json_typeof(transports::json) = 'array'),
    aaguid          BYTEA   NOT NULL CHECK (length(aaguid) = 16),
    backup_eligible BOOLEAN NOT NULL,
    backed_up       BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    last_used_at    BIGINT
);

CREATE INDEX passkeys_by_user ON passkeys (user_id);

-- Links that were mailed. Used up by the change that they are for.
CREATE TABLE mailed_tokens (
    digest     BYTEA   PRIMARY KEY CHECK (length(digest) = 32),
    user_id    TEXT COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    -- Whom an invitation is for.
    email      TEXT,
    meaning    TEXT    NOT NULL,
    epoch      BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);

CREATE INDEX mailed_tokens_by_user ON mailed_tokens (user_id, kind);
CREATE INDEX mailed_tokens_by_expiry ON mailed_tokens (expires_at);

-- Mails to be sent, written in the transaction of their cause. payload holds links that open accounts, so it is deleted as
-- soon as the letter is sent or given up; the rest of the row stays for a week, to answer "was it sent?".
CREATE TABLE letters (
    id         TEXT COLLATE "C" PRIMARY KEY,
    kind       TEXT    NOT NULL,
    payload    TEXT,
    state      TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'given_up')),
    queued_at  BIGINT  NOT NULL,
    -- When somebody may take it out. Taking it out moves this to the end of the lease.
    due_at     BIGINT  NOT NULL,
    attempts   BIGINT  NOT NULL DEFAULT 0,
    last_error TEXT,
    CHECK ((state = 'waiting') = (payload IS NOT NULL))
);

CREATE INDEX letters_by_due ON letters (due_at) WHERE state = 'waiting';
CREATE INDEX letters_by_age ON letters (queued_at);

-- No foreign keys: what happened stays when records go.
CREATE TABLE audit (
    -- Given by audit_is_appended.
    seq        BIGINT  PRIMARY KEY,
    at         BIGINT  NOT NULL,
    kind       TEXT    NOT NULL,
    subject    TEXT COLLATE "C",
    session    TEXT,
    actor      TEXT COLLATE "C",
    client     TEXT,
    user_agent TEXT,
    request_id TEXT,
    details    TEXT    NOT NULL,
    -- The process that wrote it, by the name of its connections: it need not be told.
    node       TEXT    NOT NULL DEFAULT current_setting('application_name')
);

CREATE INDEX audit_by_subject ON audit (subject, seq);
CREATE INDEX audit_by_actor ON audit (actor, seq) WHERE actor IS NOT NULL;

-- Whoever reads on from a number must never find a lower one later. So one transaction at a time appends, until its
-- commit, and the number is taken only then. It is the last thing that a transaction does, so nobody waits long, nor
-- for somebody who waits for others.
CREATE FUNCTION audit_is_appended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- An advisory lock, because a lock of the table would wait for pg_dump. It is this table's own: the first number
    -- stands for "audit" in every schema of the database.
    PERFORM pg_advisory_xact_lock(1936876900, TG_RELID::integer);
    EXECUTE format('SELECT coalesce(max(seq), 0) + 1 FROM %I.audit', TG_TABLE_SCHEMA) INTO NEW.seq;
    PERFORM pg_notify('stormdoor', TG_TABLE_SCHEMA || '.audit');
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_is_appended BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_appended();

CREATE FUNCTION letter_is_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stormdoor', TG_TABLE_SCHEMA || '.letters');
    RETURN NULL;
END
$$;

CREATE TRIGGER letter_is_written AFTER INSERT ON letters FOR EACH STATEMENT EXECUTE FUNCTION letter_is_written();
