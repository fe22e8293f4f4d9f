-- What the token of a command's sender allows at most, as JSON: whoever goes on with the command keeps to it.
ALTER TABLE commands ADD COLUMN guardrails TEXT;
