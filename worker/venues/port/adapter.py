"""The seam between our handlers and a venue: one small protocol, implemented once per venue.

An adapter speaks for one account. It raises only what `worker.venues.port.errors` draws.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from schemas.base import Milliseconds
from schemas.margin import MarginPool
from schemas.outcomes import Scope
from schemas.replies import LedgerEntry, MarketTiers, PmAssetBalance, PmUmAccount, Position, PositionModePart
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.venues.port.check_results import CheckResult
from worker.venues.port.door import Door
from worker.venues.port.errors import VenueError
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched


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

    `leverage` and both modes hold what the answer itself states about the new setting, and None where it states
    nothing; then only a read-back can confirm the change. `accepted` means that the answer is the
    venue's documented success for an operation which has no state to read back, such as a collection. `note` tells what
    the change means on this venue, where that is not what one would expect.
    """

    raw: dict[str, Any]
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    position_mode: PositionMode | None = None
    accepted: bool = False
    scope: Scope = Scope.SYMBOL
    note: str | None = None


@dataclass(frozen=True, slots=True)
class MarginSettings:
    """Leverage and margin mode of a market, with or without an open position.

    `sides` holds the leverage of each side where the venue keeps one per side; `leverage` is then the higher one.
    `mode_scope` is how far a switch of the margin mode reaches, and `mode_kept` why there can be none now, where that
    is known of the venue or told by the same answer.
    """

    leverage: Decimal
    margin_mode: MarginMode
    raw: Any = field(repr=False, default=None)
    sides: tuple[Decimal, ...] = ()
    mode_scope: Scope = Scope.SYMBOL
    mode_kept: VenueError | None = field(repr=False, compare=False, default=None)

    @property
    def lowest(self) -> Decimal:
        """The lower leverage of two sides."""
        return min(self.sides or (self.leverage,))

    def all_at(self, leverage: Decimal) -> bool:
        """Whether every side has this leverage."""
        return all(side == leverage for side in self.sides or (self.leverage,))

    @property
    def scope(self) -> Scope:
        """A reading of a market tells nothing of others."""
        return Scope.SYMBOL

    @property
    def seen(self) -> dict[str, Any]:
        """What was read, by the names of the API."""
        return {"leverage": self.leverage, "margin_mode": self.margin_mode}

    def __str__(self) -> str:
        return f"{self.leverage}x {self.margin_mode}"


@dataclass(frozen=True, slots=True)
class ModeAddress:
    """Whose position mode is meant: the account's, or that of a settle currency or a market, of which one is named."""

    market: Market | None = None
    settle: str | None = None

    def __str__(self) -> str:
        """As people name it."""
        return self.market.symbol if self.market else self.settle or "the account"


@dataclass(frozen=True, slots=True)
class PositionModesRead:
    """The position modes of an account, or of what was asked for: one part at least.

    `scope` is how far a change reaches of what was asked for.
    """

    parts: tuple[PositionModePart, ...]
    scope: Scope
    raw: Any = field(repr=False, default=None)

    def all_in(self, mode: PositionMode) -> bool:
        """Whether every part is in this mode."""
        return all(part.position_mode is mode for part in self.parts)

    @property
    def mode(self) -> PositionMode | None:
        """The mode of all parts; None where they differ."""
        first = self.parts[0].position_mode
        return first if self.all_in(first) else None

    @property
    def seen(self) -> dict[str, Any]:
        """What was read, by the name of the API."""
        return {"position_mode": self.mode}

    def __str__(self) -> str:
        return ", ".join(f"{part.part} in {part.position_mode} mode" for part in self.parts)


class SettingRead(Protocol):
    """What a read-back shows of a setting."""

    @property
    def raw(self) -> Any:
        """The venue's answer."""

    @property
    def scope(self) -> Scope:
        """How far the setting reaches."""

    @property
    def seen(self) -> dict[str, Any]:
        """What was read, by the names of the API."""


TermsOfMany = dict[str, MarginSettings | VenueError]
"""The terms of markets by symbol, or why those of one could not be read."""


@dataclass(frozen=True, slots=True)
class MeteredUse:
    """How much of one of a venue's limits something takes, and how much of it there is in a window."""

    limit: str
    weight: int
    capacity: int
    window: Milliseconds


@dataclass(frozen=True, slots=True)
class ChangeCost:
    """The requests that a change takes, with the reads before and after it, and what they are metered by."""

    requests: int
    uses: tuple[MeteredUse, ...]
    room_in: Milliseconds = 0
    """How long it takes, as far as is known, until the limits have room for it and for what others may ask."""


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
class TiersRead:
    """The tiers of markets as the venue gave them at `as_of`, or of several answers at the oldest one's time.

    The markets of a part that says `unread` may be missing.
    """

    markets: tuple[MarketTiers, ...]
    as_of: Milliseconds
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class IsolatedMargin:
    """The margin that an open isolated position has to itself, in `currency` and without its profit.

    `comparable` is a figure of the venue's that moves with the margin by the same amount, and with no price: what was
    moved shows in it. `row` is the position as the venue tells it.
    """

    side: str
    margin: Decimal
    currency: str
    comparable: Decimal
    row: dict[str, Any] = field(repr=False)

    @property
    def raw(self) -> dict[str, Any]:
        """The venue's answer."""
        return self.row

    @property
    def scope(self) -> Scope:
        """How far it reaches."""
        return Scope.SYMBOL

    @property
    def seen(self) -> dict[str, Any]:
        """What was read, by the names of the API."""
        return {"side": self.side, "isolated_margin": self.margin, "currency": self.currency}


@dataclass(frozen=True, slots=True)
class MarginMovement:
    """Margin that was moved into a position, or out of it where it is negative, by the venue's own record."""

    at: Milliseconds
    side: str | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class MarginRead:
    """The pools of margin of an account, with the positions that were read for them.

    Of a part that says `unread`, pools are missing. `problem` is the first error that one of them was unread for.
    """

    found: OpenPositions
    pools: tuple[MarginPool, ...]
    parts: tuple[Part, ...]
    problem: Exception | None = None


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

    async def auto_collect(self, door: Door) -> Echo:
        """Sweep every futures balance but BNB into margin. Moves money: never sent twice."""

    def refuse_asset(self, asset: str) -> None:
        """Raise NotSupported for an asset that can't be swept."""

    async def asset_collect(self, asset: str, door: Door) -> Echo:
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

    def listed(self, market_type: MarketType) -> tuple[Market, ...]:
        """All markets of a type that are loaded, by symbol."""

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it; None where there can have been none."""

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have. Changes nothing."""

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        """Set the leverage of a market and nothing else. Every request that changes something passes the `door`."""

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        """Switch the margin mode of a market and nothing else, in the same way."""

    @property
    def expected_position_mode(self) -> PositionMode | None:
        """What the registry says the account is meant to be in."""

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        """The position modes of an account, of a settle currency or of a market, as far as the venue keeps them."""

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Switch a position mode and nothing else, in the same way.

        Raises AlreadySo before anything is sent where it is so already, and PreconditionFailed naming the positions
        and orders that are in the way.
        """

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        """The tiers of a market, or of all of a type: as they were within the hour, or `anew` as they are now."""

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        """Leverage and margin mode now of many markets, with as few requests as the venue tells them in."""

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        """What setting the leverage or the margin mode of a market takes."""

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market."""

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of one market type, or those of one market."""

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        """All open positions, and how near their margin is to liquidation, pool by pool.

        `held_only` spares the questions about what holds no position, so that a reading on schedule costs little more
        than that of the positions. Raises VenueError where no position can be read; margin that can't is a part unread.
        """

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        """The margin of an isolated position; `side` says of which, where both are open.

        Raises PreconditionFailed where there is none, where it is in cross margin, and where nobody says which.
        """

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        """Raise ValueRefused for an amount that the venue can't be told, such as one with too many decimals."""

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        """Add margin to a position, or take some out where the amount is negative. Moves money: never sent twice."""

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        """What was moved in a market from then on, the oldest first; None where no record of it can be read."""

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """The private streams that tell of this account, each a connection of its own; none where there are none.

        `watched` are markets of which to be told beside those that are open, where a venue has to be asked for each.
        """

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
