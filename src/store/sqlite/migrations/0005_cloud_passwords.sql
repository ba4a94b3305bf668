-- App passwords of Nextcloud, each sealed with a key that is not in this file.

CREATE TABLE cloud_passwords (
    user   TEXT    PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed BLOB    NOT NULL,
    set_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
