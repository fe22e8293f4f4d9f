-- Documents of terms that are kept: drift from them is mended. One for each account; each change of it is a new version.
-- `mends` counts the commands that mended it, `failures` those in a row that changed nothing. Suspended, nothing is mended.
CREATE TABLE kept_terms (
    account TEXT PRIMARY KEY,
    exchange TEXT NOT NULL,
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    actor TEXT,
    since BIGINT NOT NULL,
    next_look BIGINT NOT NULL,
    mends BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    looked BIGINT,
    problem TEXT,
    suspended BIGINT,
    reason TEXT
);
-- What the keeper has set: what is found otherwise soon after was set back by somebody.
CREATE TABLE kept_terms_mends (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    setting TEXT NOT NULL,
    at BIGINT NOT NULL,
    command TEXT NOT NULL,
    reversal BIGINT NOT NULL
);
CREATE INDEX kept_terms_mends_account ON kept_terms_mends (account, at);
