-- What an account was told to be is looked up whenever its positions show other terms than before. Without this index that
-- look would pass over all that was finished since, whoever it was about.
CREATE INDEX commands_of_account ON commands (account, finished) WHERE finished IS NOT NULL AND intended IS NOT NULL;
