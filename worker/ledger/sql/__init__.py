"""What the ledger stands on: a database in plain SQL, its locks and its errors."""
