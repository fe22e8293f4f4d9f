-- Whoever takes an account looks for commands of other workers that are under way there. A SQLite file needs it not: no
-- worker loses an account while it lives.
CREATE INDEX IF NOT EXISTS commands_unfinished_account ON commands (account) WHERE finished IS NULL;
