-- Each record of the audit holds the hash of the one before it (`schemas.audit.chain`). The head is one row, which whoever
-- writes a record moves first. The records that are there already become the beginning of the chain.
ALTER TABLE audit ADD COLUMN previous TEXT;
ALTER TABLE audit ADD COLUMN hash TEXT;
CREATE TABLE audit_chain (
    position BIGINT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
WITH RECURSIVE chain (position, previous, hash) AS (
    SELECT CAST(0 AS BIGINT), CAST('' AS TEXT), CAST('0000000000000000000000000000000000000000000000000000000000000000' AS TEXT)
    UNION ALL
    SELECT audit.position, chain.hash, audit_hash(
        chain.hash || ':' || CAST(audit.position AS TEXT) || ':' || CAST(audit.at AS TEXT) || ':'
        || COALESCE(CAST(LENGTH(audit.actor) AS TEXT) || ':' || audit.actor, '-')
        || CAST(LENGTH(audit.action) AS TEXT) || ':' || audit.action
        || CAST(LENGTH(audit.subject) AS TEXT) || ':' || audit.subject
        || CAST(LENGTH(audit.details) AS TEXT) || ':' || audit.details)
    FROM chain JOIN audit
        ON audit.position = (SELECT MIN(later.position) FROM audit AS later WHERE later.position > chain.position)
)
UPDATE audit SET previous = chain.previous, hash = chain.hash FROM chain WHERE audit.position = chain.position;
INSERT INTO audit_chain (position, previous, hash)
    SELECT position, previous, hash FROM audit ORDER BY position DESC LIMIT 1;
INSERT INTO audit_chain (position, previous, hash)
    SELECT 0, '', '0000000000000000000000000000000000000000000000000000000000000000'
    WHERE NOT EXISTS (SELECT 1 FROM audit_chain);
