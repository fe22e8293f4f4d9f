"""What a table of limits is made of: scopes that a venue meters, and what each request uses of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.runtime.errors import ConfigurationError, Defect
from worker.venues.port.response import VenueResponse

UNCOUNTED = 2**63 - 1
"""The limit of a scope of which no figure is known: it is closed when the venue says so, and open otherwise."""


class Per(Enum):
    """Whose requests are counted together: those of our network address, or those of one user of the venue."""

    ADDRESS = "address"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Scope:
    """Something that a venue meters: weight, at most `limit` of it in a window of so many ms.

    Windows `on_the_clock` begin at whole multiples of their length since 1970; others are any stretch of that length.
    Take the latter where a venue does not say: who keeps to those keeps to both.
    """

    name: str
    limit: int
    window: Milliseconds
    per: Per
    on_the_clock: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request uses, as far as is known before its answer; the most where that depends on the answer.

    `settled` then reads the weight from the answer. A `heavy` request gives way to all others. One that `changes`
    something at the venue is guarded (`send_guard`); where its answer does not state what is in force, `confirmed_by`
    names the endpoints that are read after it, and it is let go together with them.
    """

    weights: tuple[tuple[Scope, int], ...]
    heavy: bool = False
    settled: Callable[[Any], int] | None = None
    changes: bool = False
    confirmed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """Whom a venue counts requests for. Accounts with one key are one user, by the `name` of either of them.

    Where a venue counts by its own user id, the key stands for it until that is known.
    """

    name: str = field(compare=False)
    key: str = field(repr=False)


class UsageReading(NamedTuple):
    """What an answer tells of a scope: how much of it is used, by us and by others, and how much it holds."""

    used: int | None = None
    limit: int | None = None
    per: Per | None = None
    """Which of the request's scopes it is about; None for all of them."""
    of_everybody: bool = False
    """Whether the limit is told as everybody's, so that it says nothing of what one was granted."""


class Penalty(NamedTuple):
    """A venue wants no more requests for a while.

    `wait` is in ms, None for a window. `per` says which of the request's scopes are closed, None all of them. A `ban`
    is for our address, whatever it asks for.
    """

    wait: Milliseconds | None
    per: Per | None = None
    ban: bool = False


class UnknownLimit(ConfigurationError):
    """A limit is said to be granted that the venue does not have; the message names those it has."""


class Unmetered(Defect):
    """An endpoint is in no table: nobody knows what a request to it costs, so it is not made."""


def user_by_id(name: str, user_id: str) -> User:
    """The user of an account whose id at the venue is known: whatever its key."""
    return User(name, f"id {user_id}")


def nobody_of(name: str, body: Any) -> str | None:
    """Most answers tell no user id, and most venues do not count by it."""
    return None


def by_name(name: str, params: Mapping[str, Any]) -> str:
    """Most endpoints cost the same whatever they are asked."""
    return name


@dataclass(frozen=True, slots=True)
class VenueLimits:
    """The limits of a venue: what each endpoint costs, by ccxt's name for it, and what answers tell.

    `endpoint` names one more closely where the cost depends on what it is asked. A ban closes the scopes in `banned`.
    `user_of` finds the user id in an answer, where the venue counts by it: keys of one user share its limits.
    """

    costs: Mapping[str, Cost]
    penalty: Callable[[VenueResponse], Penalty | None]
    reading: Callable[[VenueResponse], UsageReading | None] = lambda _: None
    banned: tuple[Scope, ...] = ()
    endpoint: Callable[[str, Mapping[str, Any]], str] = by_name
    user_of: Callable[[str, Any], str | None] = nobody_of

    @property
    def scopes(self) -> frozenset[Scope]:
        """All that the venue meters."""
        return frozenset(scope for cost in self.costs.values() for scope, _ in cost.weights)

    def cost(self, name: str, params: Mapping[str, Any]) -> Cost:
        """What a request costs. Raises Unmetered for an endpoint that is in no table."""
        endpoint = self.endpoint(name, params)
        if (found := self.costs.get(endpoint)) is None:
            raise Unmetered(f"{endpoint} is in no table of limits")
        return found

    def confirmations(self, cost: Cost) -> tuple[Cost, ...]:
        """What the reads that confirm a change cost."""
        return tuple(self.costs[endpoint] for endpoint in cost.confirmed_by)
