-- Mails to be sent, written in the transaction of their cause. payload holds links that open accounts, so it is deleted as
-- soon as the letter is sent or given up; the rest of the row stays for a week, to answer "was it sent?".
CREATE TABLE letters (
    id         TEXT    PRIMARY KEY,
    kind       TEXT    NOT NULL,
    payload    TEXT,
    state      TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'given_up')),
    queued_at  INTEGER NOT NULL,
    -- When somebody may take it out. Taking it out moves this to the end of the lease.
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    CHECK ((state = 'waiting') = (payload IS NOT NULL))
) STRICT;

CREATE INDEX letters_by_due ON letters (due_at) WHERE state = 'waiting';
CREATE INDEX letters_by_age ON letters (queued_at);
