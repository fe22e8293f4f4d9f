"""What a worker must not forget: commands and how they ended, events still to be published, freezes, and who did what.

`ledger.py` is the seam that the rest of the program knows. `database.py` is the narrower one below it, implemented for
SQLite and for PostgreSQL; both run the same SQL.
"""
