-- App passwords of Nextcloud, each sealed with a key that is not in this database.

CREATE TABLE cloud_passwords (
    user_id TEXT COLLATE "C" PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed  BYTEA  NOT NULL,
    set_at  BIGINT NOT NULL
);
