-- The newest position snapshot of each account: what the next one is counted from and compared with.
CREATE TABLE snapshots (
    account TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    event TEXT NOT NULL
);
