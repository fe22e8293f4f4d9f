-- Settings that a command has left in doubt, until a later one shows what is in force: few, and mostly none.
CREATE TABLE doubts (
    account TEXT NOT NULL,
    operation TEXT NOT NULL,
    subject TEXT NOT NULL,
    command TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (account, operation, subject)
);
-- When the venue last showed these positions; `as_of` also counts what was asked in vain.
ALTER TABLE snapshots ADD COLUMN seen BIGINT;
UPDATE snapshots SET seen = as_of;
