"""The seam to OpenTelemetry: spans where somebody records them, and the trace context in any case.

Without recording a span is one object that does nothing, and OpenTelemetry is not even imported. The context is passed
on all the same, from HTTP to AMQP to events, so that the lines of all our logs name the trace of their caller.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Protocol

from worker.telemetry.trace_context import TraceContext

Attributes = Mapping[str, str | int | bool]
"""What is said of a span, by OpenTelemetry's conventions. Never a query string, a header of a request or a body."""

NOTHING: Attributes = {}


class Kind(Enum):
    """What a span is to the one at its other end."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """A piece of work that is being recorded, or not."""

    def rename(self, name: str) -> None:
        """Call it by a better name, now that more is known. Names are few: no ids."""

    def tell(self, attributes: Attributes) -> None:
        """Say more of it."""

    def fail(self, reason: str) -> None:
        """It failed though nothing was raised. The reason is a short name of the kind of failure."""


class Tracer(Protocol):
    """Makes spans. One that `records` begins traces itself where a caller began none."""

    records: bool

    def span(self, name: str, kind: Kind, attributes: Attributes) -> AbstractContextManager[Span]:
        """A span under the one that is open. What is raised through it has failed."""


class _NoSpan:
    """Work that nobody records."""

    def __enter__(self) -> "_NoSpan":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def tell(self, attributes: Attributes) -> None:
        pass

    def fail(self, reason: str) -> None:
        pass


class _Off:
    """Records nothing."""

    records = False
    span_of_nobody = _NoSpan()

    def span(self, name: str, kind: Kind, attributes: Attributes) -> _NoSpan:
        return self.span_of_nobody


OFF: Tracer = _Off()

CURRENT: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
"""The context that the running task works in."""

_ARRIVED: ContextVar[Span] = ContextVar("arrived", default=_Off.span_of_nobody)
"""The span of the request that the running task carries out."""

_tracer = OFF


def record_with(tracer: Tracer) -> None:
    """From now on spans of this process are recorded by this tracer. OFF ends that."""
    global _tracer  # noqa: PLW0603 - there is one for a process, as there is one log
    _tracer = tracer


def is_recorded() -> bool:
    """Whether anybody hears what is said of a span."""
    return _tracer.records


def span(name: str, kind: Kind = Kind.INTERNAL, attributes: Attributes = NOTHING) -> AbstractContextManager[Span]:
    """A piece of work under the one that is open."""
    return _tracer.span(name, kind, attributes)


@contextmanager
def arriving(told: TraceContext | None, name: str, kind: Kind, attributes: Attributes) -> Iterator[Span]:
    """Work that a request from outside begins: in the trace that it names, or in a new one."""
    token = CURRENT.set(told or (None if _tracer.records else TraceContext.new()))
    try:
        with _tracer.span(name, kind, attributes) as begun:
            arrived = _ARRIVED.set(begun)
            try:
                yield begun
            finally:
                _ARRIVED.reset(arrived)
    finally:
        CURRENT.reset(token)


def tell(**attributes: str) -> None:
    """Say more of the request that the running task carries out, in our own terms: `perps_dma.account`, …"""
    _ARRIVED.get().tell({f"perps_dma.{name}": value for name, value in attributes.items()})


def traceparent() -> str | None:
    """The header of this name for what the running task sends or tells."""
    context = CURRENT.get()
    return context.traceparent if context else None


def trace_id() -> str | None:
    """The id of the trace that the running task works in."""
    context = CURRENT.get()
    return context.trace_id if context else None


def carried() -> dict[str, str]:
    """The headers that carry the context of the running task on; none outside of any trace."""
    context = CURRENT.get()
    return context.headers() if context else {}
