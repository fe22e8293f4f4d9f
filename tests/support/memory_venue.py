"""A venue that answers at once, from memory, and fails as it is told: complete against the seam."""

import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from schemas import MarginMode, MarketType, Operation, Position
from schemas.base import Milliseconds, utc_text
from schemas.outcomes import Scope
from schemas.replies import (
    CrossMarginBalance,
    FuturesBalance,
    LedgerEntry,
    LeverageTier,
    MarketTiers,
    PmAssetBalance,
    PmUmAccount,
    PositionModePart,
)
from schemas.requests import PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.messages.wire import Delivery, NotPublished, Outgoing, Reply
from worker.venues.port import check_results as findings
from worker.venues.port.adapter import (
    ChangeCost,
    Echo,
    History,
    HistoryQuery,
    IsolatedMargin,
    MarginMovement,
    MarginRead,
    MarginSettings,
    Market,
    MeteredUse,
    ModeAddress,
    OpenPositions,
    Part,
    PmAccountRead,
    PositionModesRead,
    SymbolState,
    TermsOfMany,
    TiersRead,
)
from worker.venues.port.check_results import ACCOUNT_CHECKS, CheckResult
from worker.venues.port.door import Door
from worker.venues.port.errors import (
    AlreadySo,
    LimitReached,
    NotSupported,
    PreconditionFailed,
    UnknownSymbol,
    ValueRefused,
    VenueError,
)
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched
from worker.venues.reading.margin import PoolFigures, cross_pool
from worker.venues.reading.past_markets import past_market

BTC = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
MAX_LEVERAGE = Decimal(125)
MOST_MOVED = Decimal(1_000_000)
THEN = 1_706_745_600_000

TIERS = (
    LeverageTier(
        notional_floor=Decimal(0),
        notional_cap=Decimal(300_000),
        max_leverage=MAX_LEVERAGE,
        maintenance_margin_rate=Decimal("0.004"),
    ),
    LeverageTier(
        notional_floor=Decimal(300_000),
        notional_cap=Decimal(3_000_000),
        max_leverage=Decimal(50),
        maintenance_margin_rate=Decimal("0.01"),
    ),
)

ACCOUNT = Account(
    id="memory-perp-001",
    exchange="binance",
    portfolio_margin=True,
    api_key=SecretStr("key"),
    secret=SecretStr("secret"),
)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """The next change is carried out, or not, and then this is raised."""

    error: BaseException
    applied: bool


@dataclass(slots=True)
class MemoryVenue:
    """One account with one market, where it is flat without contracts. `log` lists what was asked of it, in order."""

    exchange: str = "binance"
    capabilities: frozenset[Capability] = frozenset(Capability)
    leverage: Decimal = Decimal(5)
    margin_mode: MarginMode = MarginMode.CROSS
    mode_scope: Scope = Scope.SYMBOL
    mode_kept: VenueError | None = None
    position_mode: PositionMode = PositionMode.ONE_WAY
    expected_position_mode: PositionMode | None = None
    contracts: Decimal = Decimal("0.05")
    mark_price: Decimal = Decimal("98505.00")
    equity: Decimal = Decimal(1_000)
    maintenance: Decimal = Decimal(20)
    margin: Decimal = Decimal(100)
    movements: tuple[MarginMovement, ...] | None = None
    echoes: bool = True
    log: list[str] = field(default_factory=list)
    misbehaviours: deque[Misbehaviour | None] = field(default_factory=deque)
    unreadable: deque[VenueError] = field(default_factory=deque)
    crowded: deque[VenueError] = field(default_factory=deque)
    usual_ms: int = 0
    room_in: int = 0

    @property
    def portfolio_margin(self) -> "MemoryPortfolioMargin":
        return MemoryPortfolioMargin(self)

    def fail(self, *errors: VenueError, applied: bool) -> None:
        """The next changes fail with these, after being carried out or without."""
        self.misbehaviours.extend(Misbehaviour(error, applied) for error in errors)

    def market(self, symbol: str, market_type: MarketType) -> Market:
        if (symbol, market_type) != (BTC.symbol, BTC.type):
            raise UnknownSymbol(f"there is no {market_type} market {symbol!r}; did you mean {BTC.symbol}?")
        return BTC

    def listed(self, market_type: MarketType) -> tuple[Market, ...]:
        return (BTC,) if market_type is BTC.type else ()

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        return past_market(symbol, market_type, lambda past: past.base + past.quote)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        if leverage > MAX_LEVERAGE:
            raise ValueRefused(f"{market.symbol} takes 1x to {MAX_LEVERAGE}x, not {leverage}x")

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        def apply() -> None:
            self.leverage = leverage

        await self._change(door, f"leverage {leverage}", apply)
        raw = {"leverage": int(leverage), "symbol": market.id}
        return Echo(raw, leverage=leverage) if self.echoes else Echo({})

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        def apply() -> None:
            self.margin_mode = mode

        await self._change(door, f"margin mode {mode}", apply)
        return Echo({"code": 200}, margin_mode=mode if self.echoes else None)

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        if self.position_mode is mode:
            raise AlreadySo(f"the account is in {mode} mode already", scope=Scope.ACCOUNT)

        def apply() -> None:
            self.position_mode = mode

        await self._change(door, f"position mode {mode}", apply)
        return Echo({"code": 200}, position_mode=mode if self.echoes else None, scope=Scope.ACCOUNT)

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        self._read("position modes")
        part = PositionModePart(scope=Scope.ACCOUNT, part=ACCOUNT.id, position_mode=self.position_mode)
        return PositionModesRead(
            (part,), Scope.ACCOUNT, raw={"dualSidePosition": self.position_mode is PositionMode.HEDGE}
        )

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        self._read("leverage tiers anew" if anew else "leverage tiers")
        return TiersRead((MarketTiers(symbol=BTC.symbol, currency="USDT", tiers=TIERS),), THEN)

    async def under_way(self) -> None:
        """What happens while a change that has left is on its way to the venue."""

    async def _change(self, door: Door, what: str, apply: Any) -> None:
        wrong = self.misbehaviours.popleft() if self.misbehaviours else None
        if wrong is not None and isinstance(wrong.error, LimitReached):
            self.log.append(what)
            raise wrong.error
        async with door.sending(self.usual_ms):
            await self.under_way()
            self.log.append(what)
            if wrong is None or wrong.applied:
                apply()
            if wrong is not None:
                raise wrong.error

    def _read(self, what: str) -> None:
        self.log.append(what)
        if self.unreadable:
            raise self.unreadable.popleft()

    async def terms(self, market: Market) -> MarginSettings:
        self._read("terms")
        return MarginSettings(self.leverage, self.margin_mode, raw={"leverage": str(self.leverage)})

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        self._read("terms of all")
        told = MarginSettings(self.leverage, self.margin_mode, mode_scope=self.mode_scope, mode_kept=self.mode_kept)
        return {market.symbol: told for market in markets}

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        return ChangeCost(1, (MeteredUse("weight", 1, 2_400, 60_000),), self.room_in)

    async def symbol_state(self, market: Market) -> SymbolState:
        self._read("symbol state")
        terms = MarginSettings(self.leverage, self.margin_mode)
        if not self.contracts:
            return SymbolState(terms, None, Decimal(0), Decimal(0), Decimal(0))
        return SymbolState(terms, "long", Decimal("0.05"), Decimal("4925.25"), Decimal("25.25"))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        self._read("positions")
        return OpenPositions((self._position(),) if self.contracts else (), (Part("linear"),))

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        found = await self.positions()
        figures = PoolFigures("USDT", self.equity, self.maintenance)
        return MarginRead(found, (cross_pool("USDT", "linear", figures, found.positions),), found.parts)

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        self._read("isolated margin")
        if self.margin_mode is not MarginMode.ISOLATED or not self.contracts:
            raise PreconditionFailed(f"{market.symbol} has no isolated position")
        return IsolatedMargin("long", self.margin, "USDT", self.margin, {"positionSide": "BOTH"})

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        if amount > MOST_MOVED:
            raise ValueRefused(f"{amount} is too much")

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        def apply() -> None:
            self.margin += amount

        await self._change(door, f"margin {amount}", apply)
        return Echo({"code": 200}, accepted=self.echoes)

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        return self.movements

    def _position(self) -> Position:
        return Position(
            symbol=BTC.symbol,
            side="long",
            contracts=self.contracts,
            contract_size=BTC.contract_size,
            entry_price=Decimal("98000.00"),
            mark_price=self.mark_price,
            notional=Decimal("4925.25"),
            leverage=self.leverage,
            unrealized_pnl=Decimal("25.25"),
            percentage=Decimal("0.51"),
            margin_mode=self.margin_mode,
            liquidation_price=Decimal("88200.00"),
            collateral=Decimal("492.52"),
            timestamp=THEN,
            datetime=utc_text(THEN),
            exchange=self.exchange,
            exchange_account_id=ACCOUNT.id,
        )

    async def funding_history(self, query: HistoryQuery) -> History:
        self._read("funding history")
        if query.market and query.market.id == "GONEUSDT":
            return History((), THEN, THEN)
        return History((_entry("123456789", "-0.15"),), THEN, THEN)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        self._read("realized pnl")
        return History((_entry("987654321", "125.50"),), THEN, THEN)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """None yet."""
        return ()

    async def preflight(self) -> tuple[CheckResult, ...]:
        self.log.append("preflight")
        if self.unreadable:
            error = self.unreadable.popleft()
            return tuple(findings.problem(check, error.message, "see the venue") for check in ACCOUNT_CHECKS)
        return tuple(findings.ok(check, "as it should be") for check in ACCOUNT_CHECKS)


@dataclass(slots=True)
class MemoryPortfolioMargin:
    """The Portfolio Margin side of the same account."""

    venue: MemoryVenue

    async def balance(self) -> dict[str, PmAssetBalance]:
        self.venue._read("balance")
        nothing = FuturesBalance(wallet=Decimal(0), unrealized_pnl=Decimal(0))
        cross = CrossMarginBalance(
            total=Decimal(10), free=Decimal(10), locked=Decimal(0), borrowed=Decimal(0), interest=Decimal(0)
        )
        return {
            "USDT": PmAssetBalance(
                cross_margin=cross,
                um_futures=nothing,
                cm_futures=nothing,
                total_wallet_balance=Decimal(10),
                negative_balance=Decimal(0),
            )
        }

    async def account(self) -> PmAccountRead:
        self.venue._read("account")
        totals = PmUmAccount(
            totalInitialMargin="0",
            totalMaintMargin="0",
            totalWalletBalance="10",
            totalUnrealizedProfit="0",
            totalMarginBalance="10",
            availableBalance="10",
            maxWithdrawAmount="10",
        )
        return PmAccountRead(({"asset": "USDT", "totalWalletBalance": "10"},), totals)

    @asynccontextmanager
    async def room_to_collect(self, asset: str | None) -> AsyncIterator[None]:
        if self.venue.crowded:
            raise self.venue.crowded.popleft()
        if asset is not None:
            self.refuse_asset(asset)
        yield

    async def auto_collect(self, door: Door) -> Echo:
        await self.venue._change(door, "auto collect", lambda: None)
        return Echo({"msg": "success"}, accepted=True)

    def refuse_asset(self, asset: str) -> None:
        if asset == "BNB":
            raise NotSupported("BNB can't be collected")

    async def asset_collect(self, asset: str, door: Door) -> Echo:
        await self.venue._change(door, f"collect {asset}", lambda: None)
        return Echo({"msg": "success"}, accepted=True)


def _entry(entry_id: str, amount: str) -> LedgerEntry:
    return LedgerEntry(
        id=entry_id,
        symbol=BTC.symbol,
        amount=Decimal(amount),
        code="USDT",
        timestamp=THEN,
        datetime=utc_text(THEN),
        info={},
    )


@dataclass(slots=True)
class MemoryBus:
    """Keeps what would have been published."""

    events: list[Outgoing] = field(default_factory=list)
    replies: list[tuple[Delivery, Reply]] = field(default_factory=list)
    commands: list[Delivery] = field(default_factory=list)
    unpublished: int = 0
    """So many commands more are not confirmed."""

    async def command(
        self, operation: Operation, body: bytes, *, command_id: str, deadline: Milliseconds, actor: str
    ) -> None:
        self.commands.append(Delivery(operation.name, body, command_id, deadline=deadline, actor=actor))
        if self.unpublished:
            self.unpublished -= 1
            raise NotPublished("no confirm from the broker")

    async def event(self, event: Outgoing) -> None:
        self.events.append(event)

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        if delivery.reply_to is not None:
            self.replies.append((delivery, reply))

    async def refuse(self, delivery: Delivery, reply: Reply) -> bool:
        await self.reply(delivery, reply)
        return delivery.reply_to is not None

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The data of all events of a kind: `result`, `positions`, `drift`, …"""
        return [json.loads(event.body)["data"] for event in self.events if event.type == f"perps-dma.{kind}.v1"]
