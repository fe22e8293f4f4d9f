"""What the client library raises when a connection to the broker goes, brought to a few classes."""

import asyncio
import ssl
from contextlib import AbstractContextManager
from types import TracebackType

import aiormq

HEARTBEAT_S = 5

CONNECTION_TROUBLE: tuple[type[Exception], ...] = (
    aiormq.exceptions.AMQPError,
    aiormq.exceptions.ChannelInvalidStateError,
    ConnectionError,
    asyncio.TimeoutError,
    OSError,
    ssl.SSLError,
)
"""What the client library raises when the broker is away, closing, or too busy to answer; see `as_trouble`."""


class _AsTrouble:
    __slots__ = ("_stops",)

    def __enter__(self) -> None:
        """Whatever is raised from here on is looked at."""
        self._stops = _stops()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _stops() > self._stops and (kind is None or issubclass(kind, Exception)):
            raise asyncio.CancelledError from error
        if kind in {Exception, RuntimeError}:
            raise ConnectionError(str(error) or "the connection closed") from error
        if kind is asyncio.CancelledError and not _stops():
            raise ConnectionError("the connection froze") from error


def _stops() -> int:
    """How often the running task was cancelled: a stop of ours, or a time limit around it."""
    return task.cancelling() if (task := asyncio.current_task()) else 0


def as_trouble() -> AbstractContextManager[None]:
    """Raises ConnectionError for what else the client library raises when a connection goes.

    That is a bare Exception for whoever waits for a confirm, a RuntimeError for whoever opens a channel, and, when the
    broker froze, a cancellation from inside. A stop of ours is one also where the library raises something else over
    it, or loses it, as `asyncio.wait_for` does in Python 3.11: whoever goes on would never end.
    """
    return _AsTrouble()
