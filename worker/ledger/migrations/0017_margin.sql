-- The newest margin event of each account: the next one is counted from it, and thresholds are crossed from its levels.
CREATE TABLE margin_readings (
    account TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    event TEXT NOT NULL
);
