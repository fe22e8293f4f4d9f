"""What a table of limits is made of: scopes that a venue meters, and what each request uses of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.runtime.errors import ConfigurationError, Defect
from worker.venues.port.adapter import ChangeCost, MeteredUse
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


NOTHING_TOLD = UsageReading()


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


@dataclass(frozen=True, slots=True)
class VenueLimits:
    """The limits of a venue: what each endpoint costs, by ccxt's name for it, and what answers tell.

    `by_params` names those more closely whose cost depends on what they are asked. A ban closes the scopes in `banned`.
    `user_of` finds the user id in an answer that tells it, where the venue counts by it: keys of a user share them.
    """

    costs: Mapping[str, Cost]
    penalty: Callable[[VenueResponse], Penalty | None]
    reading: Callable[[VenueResponse], UsageReading | None] = lambda _: None
    banned: tuple[Scope, ...] = ()
    by_params: Mapping[str, Callable[[Mapping[str, Any]], str]] = field(default_factory=dict)
    user_of: Callable[[str, Any], str | None] | None = None

    @property
    def scopes(self) -> frozenset[Scope]:
        """All that the venue meters."""
        return frozenset(scope for cost in self.costs.values() for scope, _ in cost.weights)

    def cost(self, name: str, params: Mapping[str, Any]) -> Cost:
        """What a request costs. Raises Unmetered for an endpoint that is in no table."""
        named = self.by_params.get(name)
        endpoint = name if named is None else named(params)
        if (found := self.costs.get(endpoint)) is None:
            raise Unmetered(f"{endpoint} is in no table of limits")
        return found


def summed(costs: Iterable[Cost]) -> Mapping[Scope, int]:
    """The weight that requests have together, by what meters it."""
    used = Counter[Scope]()
    for cost in costs:
        for scope, weight in cost.weights:
            used[scope] += weight
    return used


def cost_of_all(costs: Sequence[Cost], room_in: Milliseconds) -> ChangeCost:
    """What requests take together, for which there will be room so soon."""
    uses = (MeteredUse(scope.name, weight, scope.limit, scope.window) for scope, weight in summed(costs).items())
    return ChangeCost(len(costs), tuple(uses), room_in)
