"""The seam between our followers and a venue's private streams: what to open, what to say, what a frame means.

A venue knows nothing of sockets: it gives a `Feed` for each connection that an account needs, and a `Conversation` for
each time one is opened. `worker.streams` opens, reads, watches and opens again.

    adapter.feeds() ─▶ Feed ── converse() ─▶ Conversation: url, opening, hear(frame) ─▶ what was heard, waiting_for

What is pushed is a nudge to read the account. REST is the truth; `Evidence` is told as what it is.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from schemas.base import Milliseconds
from schemas.events import RiskKind
from schemas.requests import MarginMode

__all__ = (
    "Conversation",
    "Evidence",
    "Feed",
    "FeedRules",
    "Heard",
    "NotUnderstood",
    "Nudge",
    "Refusal",
    "Reopen",
    "RiskKind",
    "RiskPush",
    "Say",
    "Terms",
    "WatchedMarkets",
    "Why",
    "nothing_watched",
)


class Why(StrEnum):
    """What a push says has changed."""

    SETTINGS = "settings"
    POSITIONS = "positions"
    BALANCE = "balance"
    FUNDING = "funding"
    ORDERS = "orders"
    RISK = "risk"
    NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A setting as a push itself states it, by unified symbol; None where the push says nothing of it.

    `side` is set where a venue keeps a leverage for each side.
    """

    symbol: str
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Nudge:
    """The account has changed: read it now. `at` is the venue's time of it, where the frame tells one."""

    why: Why
    at: Milliseconds | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What is in force, told for the first time: nothing has changed by it, and later ones are compared with it."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class RiskPush:
    """A venue's word on an account in danger; always followed by a read of high priority.

    `level` and `figures` are as the venue writes them. `identity` tells this push from every other of the account and
    is the same whenever and to whomever the venue pushes it again: an id, or its time and what it is about.
    """

    kind: RiskKind
    at: Milliseconds
    identity: str
    level: str | None = None
    symbols: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Say:
    """A frame to be sent, as the answer to one that was heard."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The venue takes no login or subscription of ours, or has taken it back.

    `lasts` where trying again soon is of no use (a key that is wrong, a limit of users): it is tried each few minutes.
    The reason is the venue's, without anything secret.
    """

    reason: str
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Reopen:
    """The venue says that this connection has ended, or will in a moment: open it anew, at once.

    One that `tells` until then is closed by us once another has taken its place.
    """

    reason: str
    tells: bool = False


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A frame that is not as documented. It is counted, and nudges; reading goes on. `what` holds nothing secret."""

    what: str


Heard = Nudge | Terms | RiskPush | Say | Refusal | Reopen | NotUnderstood


WatchedMarkets = Callable[[], Collection[str]]
"""The symbols of markets whose terms commands of ours have changed of late, open or flat."""


def nothing_watched() -> Collection[str]:
    """For venues that tell of all markets by themselves."""
    return ()


class Conversation(Protocol):
    """One connection from its opening to its end. It does nothing by itself and raises nothing but `renew`'s errors."""

    @property
    def url(self) -> str:
        """Where to connect. It may hold a secret and is never logged."""

    @property
    def opening(self) -> Sequence[str]:
        """The frames to be sent once it is open, in their order."""

    @property
    def waiting_for(self) -> frozenset[str]:
        """The acknowledgements that have not come yet, by names fit for a log. The account is followed when none is."""

    def hear(self, frame: str) -> Sequence[Heard]:
        """What a text frame means; nothing where it only acknowledges, answers a ping, or is of no concern."""

    async def renew(self) -> None:
        """Prolong what the connection lives by, each `FeedRules.renew_s`. Raises VenueError; Reopened by the follower
        where it is a Refused one.
        """


@dataclass(frozen=True, slots=True)
class FeedRules:
    """How a venue's connections are kept. Seconds; None where the venue has no such thing.

    `ping` is a text frame sent each `ping_s`; without it protocol pings are sent. When no frame at all (data, pong,
    server's ping) has come for `silent_s` the connection is dead. `longest_s` is when it is opened anew as planned: the
    next one before it is closed, so that it is set for venues alone that let an account have two at a time.
    `dials` connections may be opened in `dials_in_s` by all accounts of a process together; at most `seats` accounts
    of a site can be followed from one address, and at most `connections` be open from it, where an account has several.
    `by_market` where the terms of a flat market are told of those markets alone that are watched.
    `closes` is what the codes of the venue's close frames refuse, as far as they say more than that the connection has
    ended.
    """

    ping: str | None
    ping_s: float
    silent_s: float
    dials: int
    dials_in_s: float
    renew_s: float | None = None
    longest_s: float | None = None
    seats: int | None = None
    connections: int | None = None
    by_market: bool = False
    closes: Mapping[int, Refusal] = field(default_factory=dict, hash=False)


class Feed(Protocol):
    """One private connection that an account needs; several where a venue keeps its families apart."""

    @property
    def name(self) -> str:
        """Which of the account's: `um`, `cm`, `pm`, `usdt`, `delivery-usdt`, or `private` where there is but one."""

    @property
    def rules(self) -> FeedRules:
        """How it is kept."""

    async def converse(self) -> Conversation | None:
        """Begin anew: fetch what is needed (a listenKey, a user's id) by REST. Raises VenueError.

        None where the account has nothing there that could change (Gate: no money was ever paid into that part): there
        is nothing to follow, and whoever follows the account asks again with its slow poll.
        """
