"""Misbehaviour to order: which requests meet it, how often, and what happens to them.

delay           the answer comes `delay_ms` late
reset           the connection is cut before any answer
reset_mid_body  the connection is cut half way through the answer's body
status          `status` is answered, with `body`, or with `{"code": …, "msg": …}`, `headers`, and `Retry-After`
html            a web page is answered, with `status` 200 unless told otherwise
empty           nothing is answered, with `status` 200 unless told otherwise
too_large       400 kB are answered that are 400 MB once they are unpacked, with `status` 200 unless told otherwise
"""

import zlib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from worker.messages.wire import encode
from worker.sandbox.server.http import JSON, HttpResponse

Kind = Literal["delay", "reset", "reset_mid_body", "status", "html", "empty", "too_large"]

PAGE = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"


MIB, GZIP = 2**20, 16 + zlib.MAX_WBITS


@cache
def packed_blanks(mib: int = 400) -> bytes:
    """So many MiB of blanks, packed as gzip to a thousandth of that. The check at their end is left out."""
    packer = zlib.compressobj(wbits=GZIP)
    first, other = (packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + other * (mib - 1)


class FaultRequest(NamedTuple):
    """A request as faults see it."""

    method: str
    path: str
    account: str | None
    params: Mapping[str, str]


class Fault(BaseModel):
    """A misbehaviour and the requests it is meant for; what is left out matches every request.

    `params` are fields that the query or the body must have, with their values as text, such as {"symbol": "BTCUSDT"}.

    With `apply` the request is carried out first and the venue misbehaves then: the client can't tell. Otherwise it is
    never carried out, except by `delay`, which carries it out after waiting. `delay_ms` may go with any fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: Kind
    method: str | None = None
    path: str | None = None
    account: str | None = None
    params: dict[str, str] = Field(default_factory=dict)
    times: Annotated[int | None, Field(ge=1, description="None for always, until it is cancelled")] = 1
    apply: bool = False
    delay_ms: Annotated[int, Field(ge=0)] = 0
    status: Annotated[int, Field(ge=200, le=599)] = 200
    body: Any = None
    code: int | None = None
    msg: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    retry_after: Annotated[int | None, Field(ge=0, description="Seconds, as in the header")] = None

    def meets(self, asked: FaultRequest) -> bool:
        """Whether a request is one of those the fault is meant for."""
        wanted = ((self.method, asked.method), (self.path, asked.path), (self.account, asked.account))
        return all(expected is None or expected == actual for expected, actual in wanted) and all(
            asked.params.get(name) == value for name, value in self.params.items()
        )

    def answer(self) -> HttpResponse:
        """The wrong answer of a fault that answers at all."""
        headers = self.headers | ({} if self.retry_after is None else {"Retry-After": str(self.retry_after)})
        if self.fault == "html":
            return HttpResponse(self.status, PAGE, "text/html", headers)
        if self.fault == "empty":
            return HttpResponse(self.status, b"", JSON, headers)
        if self.fault == "too_large":
            return HttpResponse(self.status, packed_blanks(), JSON, headers | {"Content-Encoding": "gzip"})
        return HttpResponse(self.status, self._body(), JSON, headers)

    def _body(self) -> bytes:
        if isinstance(self.body, str):
            return self.body.encode()
        if self.body is None:
            return encode({"code": self.code, "msg": self.msg})
        return encode(self.body)


class FaultPlan:
    """The faults that are still to come, first come, first served."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int | None]] = []

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults to come, each with the number of times that is left."""
        return tuple(fault.model_copy(update={"times": times}) for fault, times in self._left)

    def add(self, fault: Fault) -> None:
        """Plan a fault for the next `times` requests that it is meant for."""
        self._left.append((fault, fault.times))

    def take(self, asked: FaultRequest) -> Fault | None:
        """Use up one occurrence of the first fault meant for this request."""
        for position, (fault, times) in enumerate(self._left):
            if fault.meets(asked):
                if times is not None:
                    self._left[position : position + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        return None

    def clear(self) -> None:
        """Cancel all faults."""
        self._left.clear()
