"""The ledger in PostgreSQL, for workers on several machines."""
