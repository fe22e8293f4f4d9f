-- Who follows an account's private streams, and what is known of them. Nobody does where `owner` is null.
CREATE TABLE stream_leases (
    account TEXT PRIMARY KEY,
    owner TEXT,
    state TEXT NOT NULL,
    since BIGINT NOT NULL,
    reason TEXT
);
-- The workers that follow accounts, with the time of their last sign of life.
CREATE TABLE stream_workers (
    owner TEXT PRIMARY KEY,
    beat BIGINT NOT NULL
);
-- Terms that a venue pushed and that were told as changed from outside, until a reading shows them: not told twice.
-- `at` is the venue's time of the push, `told` ours.
CREATE TABLE pushed_drifts (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    leverage TEXT,
    margin_mode TEXT,
    at BIGINT NOT NULL,
    told BIGINT NOT NULL,
    PRIMARY KEY (account, symbol, side)
);
