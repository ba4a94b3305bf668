-- Who must be looked at in Nextcloud, written in the transaction of what changed them. No foreign key: an erased user must
-- still be removed there.
CREATE TABLE provisioning (
    user_id      TEXT COLLATE "C" PRIMARY KEY,
    -- What the user is called there, once settled. Nobody else may ever be called so while the account may exist.
    cloud_id     TEXT COLLATE "C" UNIQUE,
    generation   BIGINT NOT NULL DEFAULT 1,
    reason       TEXT   NOT NULL,
    state        TEXT   NOT NULL DEFAULT 'waiting' CHECK (state IN ('done', 'failed', 'waiting')),
    stage        TEXT   NOT NULL DEFAULT 'absent' CHECK (stage IN ('absent', 'creating', 'enabled', 'disabled')),
    attempts     BIGINT NOT NULL DEFAULT 0,
    since        BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    -- Whoever took it out last has it until then; turn tells the takers apart.
    leased_until BIGINT,
    turn         BIGINT NOT NULL DEFAULT 0,
    -- When an operator last asked for another try.
    asked_at     BIGINT,
    last_error   TEXT
);

CREATE INDEX provisioning_by_due ON provisioning (since, due_at) WHERE state = 'waiting';
CREATE INDEX provisioning_by_state ON provisioning (state, since);

-- Everybody who is here already is looked at once provisioning is on.
INSERT INTO provisioning (user_id, reason, since, due_at) SELECT id, 'registered', created_at, created_at FROM users;

CREATE FUNCTION provisioning_is_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('stormdoor', TG_TABLE_SCHEMA || '.provisioning');
    RETURN NULL;
END
$$;

CREATE TRIGGER provisioning_is_written AFTER INSERT OR UPDATE ON provisioning
    FOR EACH STATEMENT EXECUTE FUNCTION provisioning_is_written();
