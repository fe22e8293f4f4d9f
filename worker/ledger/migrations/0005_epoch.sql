-- Which life of the ledger this is: begun anew whenever it can't show that it has all that was told out of it. One row.
-- `place` is where it was last known to be the one that the stream of events knows.
CREATE TABLE epoch (
    number BIGINT NOT NULL,
    place TEXT NOT NULL
);
INSERT INTO epoch (number, place) VALUES (0, '');
-- Where it is now: a server that was started again, or another table, is another place.
CREATE VIEW epoch_here AS SELECT {place} AS place;
