"""A venue that answers at once, from memory, and fails as it is told: complete against the seam."""

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from pydantic import SecretStr

from schemas import MarginMode, MarketType, Position
from schemas.base import utc_text
from schemas.replies import CrossMarginBalance, FuturesBalance, LedgerEntry, PmAssetBalance, PmUmAccount
from worker.accounts.account import Account
from worker.messages.wire import Delivery, Outgoing, Reply
from worker.venues.client.door import Hold, door_for
from worker.venues.limits.permits import Permit
from worker.venues.port import check_results as findings
from worker.venues.port.adapter import (
    Capability,
    Echo,
    History,
    HistoryQuery,
    MarginSettings,
    Market,
    OpenPositions,
    Part,
    PmAccountRead,
    SymbolState,
)
from worker.venues.port.check_results import ACCOUNT_CHECKS, CheckResult
from worker.venues.port.errors import LimitReached, NotSupported, UnknownSymbol, ValueRefused, VenueError
from worker.venues.reading.past_markets import past_market

BTC = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
MAX_LEVERAGE = Decimal(125)
THEN = 1_706_745_600_000

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


@dataclass(frozen=True, slots=True)
class MemoryRequest:
    """A request that no limit meters, and which does its work when it is sent."""

    usual_ms: int
    work: Callable[[], Awaitable[None]]

    def permit(self, hold: Hold) -> AbstractAsyncContextManager[Permit]:
        return nullcontext(cast("Permit", None))

    async def send(self, permit: Permit) -> None:
        await self.work()


@dataclass(slots=True)
class MemoryVenue:
    """One account with one market, where it is flat without contracts. `log` lists what was asked of it, in order."""

    exchange: str = "binance"
    capabilities: frozenset[Capability] = frozenset(Capability)
    leverage: Decimal = Decimal(5)
    margin_mode: MarginMode = MarginMode.CROSS
    contracts: Decimal = Decimal("0.05")
    mark_price: Decimal = Decimal("98505.00")
    echoes: bool = True
    log: list[str] = field(default_factory=list)
    misbehaviours: deque[Misbehaviour | None] = field(default_factory=deque)
    unreadable: deque[VenueError] = field(default_factory=deque)
    crowded: deque[VenueError] = field(default_factory=deque)
    usual_ms: int = 0

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

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        return past_market(symbol, market_type, lambda past: past.base + past.quote)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        if leverage > MAX_LEVERAGE:
            raise ValueRefused(f"{market.symbol} takes 1x to {MAX_LEVERAGE}x, not {leverage}x")

    async def set_leverage(self, market: Market, leverage: Decimal) -> Echo:
        def apply() -> None:
            self.leverage = leverage

        await self._change(f"leverage {leverage}", apply)
        raw = {"leverage": int(leverage), "symbol": market.id}
        return Echo(raw, leverage=leverage) if self.echoes else Echo({})

    async def set_margin_mode(self, market: Market, mode: MarginMode) -> Echo:
        def apply() -> None:
            self.margin_mode = mode

        await self._change(f"margin mode {mode}", apply)
        return Echo({"code": 200}, margin_mode=mode if self.echoes else None)

    async def under_way(self) -> None:
        """What happens while a change that has left is on its way to the venue."""

    async def _change(self, what: str, apply: Any) -> None:
        wrong = self.misbehaviours.popleft() if self.misbehaviours else None
        if wrong is not None and isinstance(wrong.error, LimitReached):
            self.log.append(what)
            raise wrong.error

        async def work() -> None:
            await self.under_way()
            self.log.append(what)
            if wrong is None or wrong.applied:
                apply()
            if wrong is not None:
                raise wrong.error

        await door_for(what).send(MemoryRequest(self.usual_ms, work))

    def _read(self, what: str) -> None:
        self.log.append(what)
        if self.unreadable:
            raise self.unreadable.popleft()

    async def terms(self, market: Market) -> MarginSettings:
        self._read("terms")
        return MarginSettings(self.leverage, self.margin_mode, raw={"leverage": str(self.leverage)})

    async def symbol_state(self, market: Market) -> SymbolState:
        self._read("symbol state")
        terms = MarginSettings(self.leverage, self.margin_mode)
        return SymbolState(terms, "long", Decimal("0.05"), Decimal("4925.25"), Decimal("25.25"))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        self._read("positions")
        return OpenPositions((self._position(),) if self.contracts else (), (Part("linear"),))

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

    async def auto_collect(self) -> Echo:
        await self.venue._change("auto collect", lambda: None)
        return Echo({"msg": "success"}, accepted=True)

    def refuse_asset(self, asset: str) -> None:
        if asset == "BNB":
            raise NotSupported("BNB can't be collected")

    async def asset_collect(self, asset: str) -> Echo:
        await self.venue._change(f"collect {asset}", lambda: None)
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
