-- Terms that are being applied to an account: one command at a time, with the plan that it carries out, until it has ended.
-- `owner` is the worker that goes on with it, `progress` how far it had come when that was told last.
CREATE TABLE terms_applies (
    command TEXT PRIMARY KEY,
    account TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    plan TEXT NOT NULL,
    since BIGINT NOT NULL,
    progress TEXT,
    cancelled BIGINT,
    cancelled_by TEXT
);
