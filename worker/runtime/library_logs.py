"""The libraries whose log lines stay out, and silence from them for whoever talks to a person."""

import logging

QUIET = ("ccxt", "aiormq", "aio_pika", "asyncio", "uvicorn", "httpx", "httpcore", "urllib3")
"""Libraries whose chatter stays out. ccxt's debug lines hold signed headers and must never reach a sink."""


def silence_libraries() -> None:
    """For commands that talk to a person: what went wrong is told by us, in one line."""
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
