-- Snapshots that are owed: one for each command that moved the terms of positions, recorded with its result. A snapshot
-- that is taken after several commands settles all of them.
CREATE TABLE owed_snapshots (
    command TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    owner TEXT NOT NULL,
    since BIGINT NOT NULL
);
