-- Up to which slot the scheduled sweeps of an account are done, or told as missed.
CREATE TABLE sweep_slots (
    account TEXT NOT NULL,
    schedule TEXT NOT NULL,
    slot BIGINT NOT NULL,
    PRIMARY KEY (account, schedule)
);
