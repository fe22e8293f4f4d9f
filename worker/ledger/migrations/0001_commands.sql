-- A command from its receipt to its end. `owner` is the worker that may write to an unfinished row: the fence.
-- `intended` is set before the first request that can change something leaves, `finished` with the result.
CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    exchange TEXT NOT NULL,
    account TEXT NOT NULL,
    actor TEXT,
    fingerprint TEXT NOT NULL,
    request TEXT NOT NULL,
    received BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    owner TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    intended BIGINT,
    finished BIGINT,
    outcome TEXT,
    status BIGINT,
    reply TEXT,
    headers TEXT,
    event TEXT
);
-- Each index is a page more that a write has to write; these two share the rows between them.
CREATE INDEX commands_unfinished ON commands (deadline) WHERE finished IS NULL;
CREATE INDEX commands_finished ON commands (finished) WHERE finished IS NOT NULL;
-- Events that the broker has not confirmed yet, in the order in which they came about.
CREATE TABLE outbox (
    position {identity},
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    body TEXT NOT NULL,
    made BIGINT NOT NULL
);
