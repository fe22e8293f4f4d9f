"""Trace context (W3C): which trace a piece of work belongs to, as it stands in headers of HTTP and AMQP."""

import os
import random
import re
from dataclasses import dataclass
from typing import Self

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
