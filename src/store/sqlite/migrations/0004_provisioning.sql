-- Who must be looked at in Nextcloud, written in the transaction of what changed them. No foreign key: an erased user must
-- still be removed there.
CREATE TABLE provisioning (
    user         TEXT    PRIMARY KEY,
    -- What the user is called there, once settled. Nobody else may ever be called so while the account may exist.
    cloud_id     TEXT    UNIQUE,
    generation   INTEGER NOT NULL DEFAULT 1,
    reason       TEXT    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('done', 'failed', 'waiting')),
    stage        TEXT    NOT NULL DEFAULT 'absent' CHECK (stage IN ('absent', 'creating', 'enabled', 'disabled')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    since        INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    -- Whoever took it out last has it until then; turn tells the takers apart.
    leased_until INTEGER,
    turn         INTEGER NOT NULL DEFAULT 0,
    -- When an operator last asked for another try.
    asked_at     INTEGER,
    last_error   TEXT
) STRICT;

CREATE INDEX provisioning_by_due ON provisioning (since, due_at) WHERE state = 'waiting';
CREATE INDEX provisioning_by_state ON provisioning (state, since);

-- Everybody who is here already is looked at once provisioning is on.
INSERT INTO provisioning (user, reason, since, due_at) SELECT id, 'registered', created_at, created_at FROM users;
