"""The stand-in for Newvenue: it speaks the venue's own wire protocol, so that everything runs without a key.

It is product, and as true as the venue's documents allow: `make up` serves it, and the venue's official client must
work against it (a contract test runs it, as `tests/contract/test_sandbox_okx_clients.py`). What no document says is a
guess, and is called one where it stands. It knows nothing of `worker.venues`: what both believed would prove nothing.
"""
