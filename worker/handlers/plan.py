"""What a handler makes of a request: a plan. It sends nothing and waits for nothing; execution carries it out.

command ─▶ check ─▶ send ─▶ echoed, or read back and shown ─▶ present
query   ─▶ read  ─▶ present
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from schemas import Outcome
from schemas.base import WireModel
from schemas.events import ConfirmedBy
from schemas.outcomes import Scope
from worker.accounts.venues import Capability
from worker.venues.limits import Urgency
from worker.venues.port.adapter import Adapter, Echo, SettingRead
from worker.venues.port.door import Door

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A change that is in force, and how we know. `raw` is the venue's answer that says so."""

    outcome: Outcome
    confirmed_by: ConfirmedBy
    scope: Scope
    raw: Any
    note: str | None = None
    venue_code: str | None = None

    @property
    def answer(self) -> dict[str, Any]:
        """The venue's answer, where it is an object, and what there is to say about it."""
        answer = dict(self.raw) if isinstance(self.raw, dict) else {}
        return answer | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True)
class Applied:
    """A command that succeeded, or one about many symbols that did in part. `applied` is what the venue confirmed."""

    message: str
    data: WireModel
    applied: dict[str, Any]
    confirmed: Confirmed
    status: int = 200


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query's answer, and what there is to say beside the documented data."""

    data: WireModel
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "Success"


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """A change: how to send it, what in an echo or a read-back shows that it is in force, and what is told then.

    What can't be read back is never sent again once it may have been sent, and neither is what is to be sent `once`:
    that moves money, so that a read-back may prove it and never refute it. The `check` comes before anything is sent
    and raises what the venue would refuse; the `guard` before each sending, and raises what we refuse ourselves.
    `look_after` reads what there is to tell of a change that was echoed; that it can't be read changes nothing.
    """

    send: Callable[[Door], Awaitable[Echo]]
    echoed: Callable[[Echo], bool]
    present: Callable[[Confirmed], Applied]
    check: Callable[[], Awaitable[None]] | None = None
    read_back: Callable[[], Awaitable[SettingRead]] | None = None
    shown: Callable[[Any], bool] = lambda _: False
    guard: Callable[[], Awaitable[None]] | None = None
    once: bool = False
    look_after: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class QueryPlan(Generic[T]):
    """A question to the venue, which may be repeated, and its answer in documented form."""

    read: Callable[[], Awaitable[T]]
    present: Callable[[T], QueryResult]


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """The plan of a command, and what a venue must be capable of for it.

    When it `moves_terms` of positions, a snapshot follows. One that `moves_money` is never sent again once it may have
    been sent, not even after a power failure. What may take long and need not be done in the account's turn is waited
    for before it: the `room` at the venue.
    """

    plan: Callable[[Any, Adapter], CommandPlan]
    needs: Capability
    moves_terms: bool = False
    moves_money: bool = False
    room: Callable[[Any, Adapter], AbstractAsyncContextManager[None]] | None = None


@dataclass(frozen=True, slots=True)
class QueryHandler:
    """The plan of a query, and what a venue must be capable of for it.

    One that `is_guarded` tells what guardrails forbid, and is given what knows that, behind request and adapter.
    """

    plan: Callable[..., QueryPlan[Any]]
    needs: Capability
    is_guarded: bool = False
    urgency: Urgency = Urgency.QUERY
