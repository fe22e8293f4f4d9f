-- One doubt for each command that has left one, for each is told how it ended. What was wanted stands with the command.
-- `next_look` is when the venue is asked again, `problem` why it could not tell the last time.
CREATE TABLE doubts_by_command (
    command TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    operation TEXT NOT NULL,
    subject TEXT NOT NULL,
    since BIGINT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    next_look BIGINT NOT NULL DEFAULT 0,
    problem TEXT
);
INSERT INTO doubts_by_command (command, account, operation, subject, since)
    SELECT command, account, operation, subject, since FROM doubts;
DROP TABLE doubts;
ALTER TABLE doubts_by_command RENAME TO doubts;
CREATE INDEX doubts_account ON doubts (account, next_look);
-- The data of the event that told how a command's doubt ended.
ALTER TABLE commands ADD COLUMN resolution TEXT;
