"""Asking a worker over the bus and waiting for its answer."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """A worker's reply: the HTTP status, the envelope as JSON bytes, and headers such as `Outcome`."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class BusError(Exception):
    """Base of what can go wrong between a caller and a worker."""


class NoWorker(BusError):
    """Nothing was published: no worker takes this operation."""


class NoAnswer(BusError):
    """It was published, and no answer came in time."""


class BrokerAway(BusError):
    """The broker can't be reached; whether it took the message is not known if `published` was under way."""
