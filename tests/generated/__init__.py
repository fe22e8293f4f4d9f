"""Clients that generators make of our documents, each tried against a running `up`; `make generators` runs them."""
