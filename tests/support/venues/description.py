"""What the adapter contract and the acceptance cards have to know of a venue, as data.

Of a promise that a venue can't keep, or that nothing at its stand-in shows, it has no case: the table is empty then.
Accounts are named by their kind: `perp` is `<exchange>-perp-001`. A market whose symbol is None is any.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.control import Exchange
from schemas.outcomes import Scope
from schemas.requests import MarginMode, MarketType
from worker.accounts.venues import Capability
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, VenueError

CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
SWAP, FUTURE = MarketType.SWAP, MarketType.FUTURE
FUNDING, PNL = "funding_history", "realized_pnl"
SET_LEVERAGE, SET_MARGIN_MODE, POSITIONS = "set_leverage", "set_margin_mode", "positions"

Fault = Mapping[str, Any]
"""A misbehaviour as the sandbox's control endpoint takes it."""


class LeverageCase(NamedTuple):
    """A leverage that a market takes, and the margin mode that it is in before and after; None: whatever it is."""

    account: str
    symbol: str
    mode: MarginMode | None = None
    leverage: int = 7


class MaximumCase(NamedTuple):
    """The highest leverage of a market, and what a check of it and of one beyond it asks the venue: paths, parameters.

    Of the parameters only those are looked at that are given.
    """

    account: str
    symbol: str
    maximum: int
    asked: tuple[tuple[str, Mapping[str, str | None]], ...]


class SwitchCase(NamedTuple):
    """A flat market in cross margin that can be switched, and the path of the request that does it."""

    account: str
    symbol: str
    path: str


class AlreadyCase(NamedTuple):
    """A change to what is so already. Without a `code` that is found by reading, and nothing is sent."""

    account: str
    operation: str
    symbol: str
    value: Decimal | MarginMode
    code: str | None
    scope: Scope = Scope.SYMBOL
    noted: bool = False


class BlockedCase(NamedTuple):
    """A change that the account's state forbids, after `change` was made to it; what is said, and the venue's code."""

    account: str
    operation: str
    symbol: str
    value: Decimal | MarginMode
    says: str
    code: str | None
    change: Mapping[str, Any] = {}


class ModeCase(NamedTuple):
    """A position mode that can be switched while nothing is open: what names it, how far it reaches, what is sent.

    `part` is what it is called; None: by the account's id. `opened` describes the account.
    """

    paths: tuple[str, ...]
    scope: Scope
    part: str | None = None
    symbol: str | None = None
    settle: str | None = None
    opened: Mapping[str, Any] = {}


class HinderedModeCase(NamedTuple):
    """A position mode that can't be switched: by `change` orders are open, beside what is held; what is said of both.

    Without a `code` that is found by reading, and nothing is sent.
    """

    account: str
    code: str | None
    change: Mapping[str, Any]
    positions: tuple[str, ...]
    orders: Mapping[str, int]
    symbol: str | None = None
    settle: str | None = None


class TierCase(NamedTuple):
    """The tiers of a market: in which currency, the first and the last bound, and the leverage of the first and last.

    `asked` is the path of what tells them, and `alike` is another market of its type.
    """

    account: str
    symbol: str
    currency: str
    first_cap: str
    leverages: tuple[str, str]
    rate: str
    asked: str
    alike: str


class StateCase(NamedTuple):
    """A market with a position; sides of a hedge are summed."""

    account: str
    symbol: str
    side: str
    size: str
    notional: str


class FlatCase(NamedTuple):
    """A market without a position, and its leverage and mode where they are known."""

    account: str
    symbol: str
    leverage: str | None = None
    mode: MarginMode | None = None


class SplitCase(NamedTuple):
    """The swaps that an account holds beside one future; coverage when asked for swaps, for futures, and for both."""

    account: str
    swaps: frozenset[tuple[str, str]]
    coverage: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


class OwnPartCase(NamedTuple):
    """The part of the account that a market is in, and what is asked for its positions."""

    account: str
    symbol: str
    coverage: str
    asked: tuple[str, ...]


class PoolCase(NamedTuple):
    """A pool of margin: the ratio as text, where it comes from, the venue's own by name, and how many it stands for.

    `nearest` is the position nearest to liquidation; None: the venue names no price. `change` is made before.
    """

    account: str
    pool: str
    currency: str
    ratio: str | None
    source: str | None = "derived"
    own: str | None = None
    positions: int = 1
    nearest: str | None = None
    change: Mapping[str, Any] = {}


class MarginCase(NamedTuple):
    """An isolated position whose margin can be moved: what it has, in which currency, and the path that moves it.

    `side` is to be named where both are open.
    """

    account: str
    symbol: str
    margin: str
    currency: str
    path: str
    side: str | None = None


class UnmovedCase(NamedTuple):
    """A position whose margin can't be moved, the side that is named, and what is said."""

    account: str
    symbol: str
    side: str | None
    says: str


class UnlistedCase(NamedTuple):
    """A position in a market that nobody knows: the answer that has it, what is left, the part, and what is said."""

    account: str
    market_type: MarketType | None
    path: str
    body: Any
    left: frozenset[str]
    part: str
    says: str
    params: Mapping[str, str] = {}


class WholeCase(NamedTuple):
    """All that the venue has kept: how many records, of which symbols in which currencies; None: nobody counted them.

    `per_instant` says how many of them have the same time, but for those of some symbols.
    """

    account: str
    operation: str
    symbol: str | None
    size: int
    kinds: frozenset[tuple[str, str]] | None = None
    per_instant: tuple[frozenset[str], int] | None = None


class OfSymbolCase(NamedTuple):
    """A symbol whose records are among those of all, from so many days ago on; 0: from the beginning."""

    account: str
    operation: str
    symbol: str
    days: int
    least: int


class StretchCase(NamedTuple):
    """Where in all records a stretch begins, counted from the newest, and how many it has."""

    operation: str
    back: int
    limit: int
    days: int = 0


class NewestCase(NamedTuple):
    """The newest records: how many are asked for, and the amounts of the last one of each symbol, as text."""

    operation: str
    symbol: str | None
    limit: int
    amounts: Mapping[str, str]


class WeekCase(NamedTuple):
    """How many records a question has that names neither start nor number."""

    operation: str
    symbol: str | None
    size: int


class ForgetsCase(NamedTuple):
    """How many days a venue is sure to keep its records; None: all of them."""

    operation: str
    symbol: str | None
    days: int | None


class UnreadableCase(NamedTuple):
    """Records that can't be read: the part that is named for them, or None where there is no other to be told."""

    operation: str
    path: str
    part: str | None


class CredentialCase(NamedTuple):
    """Credentials that are not the account's, and the venue's code for them."""

    change: Mapping[str, str]
    operation: str
    code: str


class ClockCase(NamedTuple):
    """How far the venue's clock is from ours, and the paths and statuses that a change then takes; None: many."""

    offset_ms: int
    journal: tuple[tuple[str, int], ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedVenue:
    """A venue: the path that sets the leverage of its `held` symbol, the faults that hide its list of markets.

    `limits` puts its limits out of the way. `echoes` is what the answer to a change of leverage states, `echo` what
    else it has; `read_ahead` are faults that hide what has to be known before one is sent. `lacks` says what accounts
    can't do, `secrets` what must never be told beside keys. A `position` is what the seeded one has of its own; all
    venues' have the rest in common. `opened` describes an account of very many. `mode_read` is the path that tells a
    position mode. `unread_margin` is a path that tells of margin alone, and the part that can't be read without it.
    `too_precise` is an amount of margin with more decimals than the venue takes.
    """

    exchange: Exchange
    set_leverage: str
    listing: tuple[Fault, ...]
    misspelt: str
    refused_code: str
    wrong_credentials: tuple[CredentialCase, ...]
    clock: tuple[ClockCase, ...]
    leverages: tuple[LeverageCase, ...]
    maxima: tuple[MaximumCase, ...]
    states: tuple[StateCase, ...]
    flats: tuple[FlatCase, ...]
    own_parts: tuple[OwnPartCase, ...]
    unlisted: UnlistedCase
    position: Mapping[str, Any]
    misbehaviours: tuple[tuple[Fault, type[VenueError]], ...]
    lacks: Mapping[str, frozenset[Capability]]
    stretches: tuple[StretchCase, ...]
    newest: tuple[NewestCase, ...]
    weeks: tuple[WeekCase, ...]
    unreadable: tuple[UnreadableCase, ...]
    limits: Mapping[str, int] = field(default_factory=dict)
    granted: Mapping[str, int] = field(default_factory=dict)
    takes_fractions: bool = False
    echoes: frozenset[str] = frozenset()
    echo: Callable[[Market], Mapping[str, Any]] = lambda _: {}
    no_confirmations: tuple[tuple[Fault, str | None], ...] = ()
    read_ahead: tuple[Fault, ...] = ()
    mode_is_echoed: bool = False
    switches: tuple[SwitchCase, ...] = ()
    already: tuple[AlreadyCase, ...] = ()
    blocked: tuple[BlockedCase, ...] = ()
    modes: tuple[ModeCase, ...] = ()
    mode_read: str = ""
    hindered_modes: tuple[HinderedModeCase, ...] = ()
    tiers: tuple[TierCase, ...] = ()
    future_of: str | None = None
    split: SplitCase | None = None
    isolated: tuple[tuple[str, str, str], ...] = ()
    pools: tuple[PoolCase, ...] = ()
    margins: tuple[MarginCase, ...] = ()
    unmoved: tuple[UnmovedCase, ...] = ()
    too_precise: str | None = None
    unread_margin: tuple[str, str] | None = None
    mark_is_derived: bool = False
    opened: Mapping[str, Any] = field(default_factory=lambda: {"open_positions": 100})
    whole: tuple[WholeCase, ...] = ()
    of_symbol: tuple[OfSymbolCase, ...] = ()
    forgets: tuple[ForgetsCase, ...] = ()
    secrets: tuple[str, ...] = ()

    def account(self, kind: str) -> str:
        """The id of an account of a kind."""
        return f"{self.exchange}-{kind}-001"


def refused(status: int, body: Any, error: type[VenueError] = Ambiguous, **more: Any) -> tuple[Fault, type[VenueError]]:
    """An answer of the venue's, and what it means."""
    return {"fault": "status", "status": status, "body": body, **more}, error


ALL_BUT_PORTFOLIO_MARGIN = frozenset({Capability.PORTFOLIO_MARGIN})
"""What accounts lack that can do everything else."""
