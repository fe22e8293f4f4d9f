"""The pages of the reference, written out of the code that they are about.

`make schemas` writes them into `deploy/docs/reference/` (`deploy/write_reference.py`); a test holds them fresh.
"""
