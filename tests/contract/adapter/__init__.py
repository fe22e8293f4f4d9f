"""What every adapter promises, tried on each venue's own adapter against its stand-in over HTTP.

A venue is described as data (`tests/support/venues`); what only one venue can promise stands in its own file
(`tests/integration/test_<exchange>_adapter.py`).
"""
