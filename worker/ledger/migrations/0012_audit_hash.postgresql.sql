-- SHA-256 in hexadecimal; SQLite is given the same function by the program.
CREATE OR REPLACE FUNCTION audit_hash(TEXT) RETURNS TEXT LANGUAGE SQL IMMUTABLE AS
    $$ SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex') $$;
