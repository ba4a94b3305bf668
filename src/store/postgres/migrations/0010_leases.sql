-- Who does what for all nodes, until when by the clock of this server. Nothing here is worth a backup.
CREATE TABLE leases (
    work   TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    until  TIMESTAMPTZ NOT NULL
);
