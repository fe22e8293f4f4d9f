"""The seam to OpenTelemetry: spans where somebody records them, and the trace context in any case.

Without recording a span is one object that does nothing, and OpenTelemetry is not even imported. The context is passed
on all the same, from HTTP to AMQP to events, so that the lines of all our logs name the trace of their caller.
"""

import os
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self

from worker.telemetry.stages import Stage, StageTimes

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")

_IDS = random.Random()  # noqa: S311 - ids that are told to everybody; they guard nothing
"""Seeded once by the system, in each process of its own, so that an id costs no call of the system."""

os.register_at_fork(after_in_child=_IDS.seed)

LONGEST = 512
"""Characters of a `traceparent` or `tracestate` that are looked at; a longer one is no context of anybody's."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A trace, and the span in it that what follows belongs to. `state` is what tracing systems pass on (tracestate).

    >>> TraceContext.read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").trace_id
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """

    trace_id: str
    span_id: str
    flags: str
    state: str | None = None

    @classmethod
    def read(cls, traceparent: object, tracestate: object = None) -> Self | None:
        """The context that headers name; None where they name none, or none that is valid."""
        if not isinstance(traceparent, str) or len(traceparent) > LONGEST:
            return None
        if (found := _TRACEPARENT.fullmatch(traceparent)) is None:
            return None
        usable = isinstance(tracestate, str) and 0 < len(tracestate) <= LONGEST and tracestate.isprintable()
        return cls(found[1], found[2], found[3], str(tracestate) if usable else None)

    @classmethod
    def new(cls) -> Self:
        """A trace that begins here. Whoever records spans behind us may record it."""
        return cls(f"{_IDS.getrandbits(128) or 1:032x}", f"{_IDS.getrandbits(64) or 1:016x}", "01")

    @property
    def traceparent(self) -> str:
        """The header of this name."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def headers(self) -> dict[str, str]:
        """The headers that carry it on."""
        carried = {"traceparent": self.traceparent}
        return carried if self.state is None else carried | {"tracestate": self.state}


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

    def passed(self, name: str, began: float, ended: float) -> None:
        """A span under the one that is open, of what is over: from when to when, by `time.perf_counter`."""


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

    def passed(self, name: str, began: float, ended: float) -> None:
        pass


OFF: Tracer = _Off()

CURRENT: ContextVar[TraceContext | None] = ContextVar("trace", default=None)
"""The context that the running task works in."""

_ARRIVED: ContextVar[Span] = ContextVar("arrived", default=_Off.span_of_nobody)
"""The span of the request that the running task carries out."""

_tracer = OFF

recorded = False
"""Whether anybody hears what is said of a span."""


def record_with(tracer: Tracer) -> None:
    """From now on spans of this process are recorded by this tracer. OFF ends that."""
    global _tracer, recorded
    _tracer, recorded = tracer, tracer.records


def span(name: str, kind: Kind = Kind.INTERNAL, attributes: Attributes = NOTHING) -> AbstractContextManager[Span]:
    """A piece of work under the one that is open."""
    return _tracer.span(name, kind, attributes)


@contextmanager
def arriving(told: TraceContext | None, name: str, kind: Kind, attributes: Attributes) -> Iterator[Span]:
    """Work that a request from outside begins: in the trace that it names, or in a new one."""
    token = CURRENT.set(told or (None if recorded else TraceContext.new()))
    try:
        if not recorded:
            yield _Off.span_of_nobody
            return
        with _tracer.span(name, kind, attributes) as begun:
            arrived = _ARRIVED.set(begun)
            try:
                yield begun
            finally:
                _ARRIVED.reset(arrived)
    finally:
        CURRENT.reset(token)


WAITS = {Stage.LANE: "wait for the lane", Stage.LIMITER: "wait for the limiter"}
"""The stages that are told as spans of their own, once they are over. Requests and publishings have theirs anyway."""


def waited(times: StageTimes) -> None:
    """Tell what the request that the running task carries out has waited for, each in one span."""
    for stage, name in WAITS.items() if recorded else ():
        if waits := [(began, ended) for waited_for, began, ended in times.intervals if waited_for is stage]:
            _tracer.passed(name, waits[0][0], waits[-1][1])


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
