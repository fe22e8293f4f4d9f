"""The seam between our handlers and a venue: one small protocol, implemented once per venue.

An adapter speaks for one account. It raises only what `worker.venues.port.errors` draws.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from schemas.base import Milliseconds
from schemas.events import Scope
from schemas.replies import LedgerEntry, PmAssetBalance, PmUmAccount, Position
from schemas.requests import MarginMode, MarketType
from worker.accounts.account import Account
from worker.venues.port.check_results import CheckResult


class Capability(StrEnum):
    """What an adapter can do for its account; what is not declared is refused before any call."""

    LEVERAGE = "leverage"
    MARGIN_MODE = "margin_mode"
    POSITIONS = "positions"
    FUNDING_HISTORY = "funding_history"
    REALIZED_PNL = "realized_pnl"
    PORTFOLIO_MARGIN = "portfolio_margin"


@dataclass(frozen=True, slots=True)
class Market:
    """A market as we need it. `contract_size` is in base currency, or in quote currency when inverse."""

    symbol: str
    id: str
    type: MarketType
    inverse: bool
    base: str
    quote: str
    settle: str
    contract_size: Decimal


@dataclass(frozen=True, slots=True)
class Echo:
    """A venue's success answer to a change.

    `leverage` and `margin_mode` hold what the answer itself states about the new setting, and None where it states
    nothing; then only a read-back can confirm the change. `accepted` means that the answer is the
    venue's documented success for an operation which has no state to read back, such as a collection. `note` tells what
    the change means on this venue, where that is not what one would expect.
    """

    raw: dict[str, Any]
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    accepted: bool = False
    scope: Scope = Scope.SYMBOL
    note: str | None = None


@dataclass(frozen=True, slots=True)
class MarginSettings:
    """Leverage and margin mode of a market, with or without an open position.

    `sides` holds the leverage of each side where the venue keeps one per side; `leverage` is then the higher one.
    """

    leverage: Decimal
    margin_mode: MarginMode
    raw: Any = field(repr=False, default=None)
    sides: tuple[Decimal, ...] = ()

    def all_at(self, leverage: Decimal) -> bool:
        """Whether every side has this leverage."""
        return all(side == leverage for side in self.sides or (self.leverage,))


@dataclass(frozen=True, slots=True)
class SymbolState:
    """Terms of a market and the position in it, as get_leverage reports them; `size` in contracts."""

    terms: MarginSettings
    side: str | None
    size: Decimal
    notional: Decimal
    unrealized_pnl: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an account that was asked: a family, a settle currency, a dex, a kind of records, one instrument.

    `unread` says what of it could not be read and why, with field, market and endpoint as the venue writes them.
    """

    name: str
    unread: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A stretch of history: the first `limit` records from `since` on, or without it the newest `limit`.

    With a `cursor`, which the answer before has given, the stretch that follows that answer's; `since` is then done.
    """

    market: Market | None
    market_type: MarketType
    since: Milliseconds | None
    limit: int | None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Records in ascending order, each once, as many of them as the venue has.

    From `complete_from` to `complete_to`, both included, nothing is missing that the venue gives: neither by a cut nor
    by what it no longer keeps. Where `complete_to` is the earlier of the two, nothing is claimed. `next_cursor` asks
    for what follows in the direction of the question; None where there is nothing more. What a part says is `unread`
    is missing, wherever it belongs.
    """

    entries: tuple[LedgerEntry, ...]
    complete_from: Milliseconds
    complete_to: Milliseconds
    next_cursor: str | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenPositions:
    """Open positions, and the parts of the account that were asked for them.

    Of a part that says `unread`, positions may be missing, and nothing is known of those.
    """

    positions: tuple[Position, ...]
    parts: tuple[Part, ...]

    @property
    def coverage(self) -> tuple[str, ...]:
        """The parts that were read whole."""
        return tuple(part.name for part in self.parts if part.unread is None)


@dataclass(frozen=True, slots=True)
class PmAccountRead:
    """A Portfolio Margin account: the venue's raw balance rows, and the totals of the USDⓈ-M side.

    `untold` says of each total that is null why it is.
    """

    balances: tuple[dict[str, Any], ...]
    totals: PmUmAccount
    untold: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class PortfolioMargin(Protocol):
    """The four operations of a Portfolio Margin account (Binance PAPI)."""

    async def balance(self) -> dict[str, PmAssetBalance]:
        """Balances by asset."""

    async def account(self) -> PmAccountRead:
        """The venue's raw balance rows, and the totals of the USDⓈ-M side."""

    def room_to_collect(self, asset: str | None) -> AbstractAsyncContextManager[None]:
        """Wait for the room that a collection of one asset, or of all, needs at the venue, and keep it for this task.

        Enter it before anything that others wait for: it can take a minute. Raises LimitReached, and NotSupported for
        an asset that can't be swept.
        """

    async def auto_collect(self) -> Echo:
        """Sweep every futures balance but BNB into margin. Moves money: never sent twice."""

    def refuse_asset(self, asset: str) -> None:
        """Raise NotSupported for an asset that can't be swept."""

    async def asset_collect(self, asset: str) -> Echo:
        """Sweep one asset into margin. Moves money: never sent twice."""


class Adapter(Protocol):
    """One account of one venue."""

    @property
    def exchange(self) -> str:
        """The venue, as the API names it."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do for its account."""

    @property
    def portfolio_margin(self) -> PortfolioMargin | None:
        """The Portfolio Margin side of the account, if it has one."""

    def market(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol. Raises UnknownSymbol, with what was probably meant."""

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it; None where there can have been none."""

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have. Changes nothing."""

    async def set_leverage(self, market: Market, leverage: Decimal) -> Echo:
        """Set the leverage of a market and nothing else."""

    async def set_margin_mode(self, market: Market, mode: MarginMode) -> Echo:
        """Switch the margin mode of a market and nothing else."""

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market."""

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of one market type, or those of one market."""

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands: at least one finding for each of `ACCOUNT_CHECKS`.

        Only reads. Raises nothing that a venue answers: what can't be read is a finding too.
        """


class Venue(Protocol):
    """One exchange at one address: its markets, and adapters for its accounts."""

    async def load(self, unlisted: Callable[[], None] = ...) -> bool:
        """Load or reload the markets; whether they are others than before. Raises VenueError, and those before stay.

        `unlisted` is told when somebody means a market that is not among them.
        """

    def adapter(self, account: Account) -> Adapter:
        """A new adapter of an account of this venue, for the markets as they are now. `load` first."""
