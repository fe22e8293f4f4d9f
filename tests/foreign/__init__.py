"""Clients of the bus that are not ours, on the programs of our documentation; `make foreign` runs them."""
