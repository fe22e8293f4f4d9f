"""One Hyperliquid account behind the venue seam."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from schemas.base import Milliseconds
from schemas.margin import MarginPool
from schemas.replies import Position
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.venues.client.transport import AccountCalls
from worker.venues.hyperliquid.credentials import credentials_of
from worker.venues.hyperliquid.history import Funding, RealizedPnl
from worker.venues.hyperliquid.instruments import Instrument, Universe, coverage_of, id_of
from worker.venues.hyperliquid.limits import EXCHANGE, READ_BACK
from worker.venues.hyperliquid.margin import isolated
from worker.venues.hyperliquid.margin.health import pools_of
from worker.venues.hyperliquid.positions import (
    held_rows,
    open_in,
    position_in,
    position_of,
    size_of,
    state_of,
    terms_of,
)
from worker.venues.hyperliquid.preflight import preflight
from worker.venues.hyperliquid.streams.feed import HyperliquidFeed
from worker.venues.hyperliquid.terms import settings
from worker.venues.hyperliquid.terms.tiers import currency_of, read_tiers
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
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
    ModeAddress,
    OpenPositions,
    PortfolioMargin,
    PositionModesRead,
    SymbolState,
    TermsOfMany,
    TiersRead,
)
from worker.venues.port.capabilities import capabilities_of
from worker.venues.port.check_results import CheckResult
from worker.venues.port.door import Door
from worker.venues.port.errors import NotSupported, VenueError
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched
from worker.venues.reading.many_terms import each, untold
from worker.venues.reading.margin import RowsOfParts, noting
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.preflight import attempted
from worker.venues.reading.tiers import TierCache, of_all, of_market

ABREAST = 20
"""Dexes that an account is asked for at once. There may be some two hundred."""


class HyperliquidAdapter:
    """One account, or a vault or sub-account that it acts for. Raises AccessDenied for malformed credentials."""

    exchange = "hyperliquid"
    portfolio_margin: PortfolioMargin | None = None

    def __init__(
        self, account: Account, transport: AccountCalls, universe: Universe, tiers: TierCache | None = None
    ) -> None:
        """`tiers` are those that all accounts of the venue share."""
        self._account_id = account.id
        self._registered = account
        self._who = credentials_of(account)
        self._transport = transport
        self._universe = universe
        self._reader = PartReader(self.exchange, account.id)
        self._tiers = tiers or TierCache()
        self.expected_position_mode = account.position_mode
        self._abreast = asyncio.Semaphore(ABREAST)
        self.capabilities = capabilities_of(account)

    def market(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol. Raises UnknownSymbol, with what was probably meant, or NotSupported."""
        _refuse_futures(market_type)
        return self._universe.markets.find(symbol, market_type)

    def listed(self, market_type: MarketType) -> tuple[Market, ...]:
        """All markets of a type that are loaded, by symbol."""
        return self._universe.markets.listed(market_type)

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have."""
        await settings.check_leverage(self._transport, self._universe.of_market(market), leverage)

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        """Set the leverage of a market and nothing else: the present margin mode is sent along."""
        return await settings.set_leverage(self._transport, door, self._who, self._universe.of_market(market), leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        """Raise NotSupported: the venue has no action for it but one that also sets the leverage."""
        raise NotSupported("the margin mode of a Hyperliquid market can't be switched here")

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        """Raise NotSupported: a position there is always one-way, and nothing tells or sets it."""
        raise NotSupported("Hyperliquid has no position mode: a market's positions are netted")

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Raise NotSupported, in the same way."""
        raise NotSupported("Hyperliquid has no position mode: a market's positions are netted")

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        """The margin tiers of a market, or of all of all dexes."""
        _refuse_futures(market_type)
        kept = await read_tiers(self._transport, self._tiers, anew=anew)
        if market is not None:
            return of_market("Hyperliquid", kept, market, currency_of)
        listed = self._universe.markets.of_type(MarketType.SWAP, inverse=False)
        return self._reader.tiers(of_all({"perpetuals": kept}, {"perpetuals": listed}, currency_of))

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return await settings.read_terms(self._transport, self._who.owner, self._universe.of_market(market))

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        """Leverage and margin mode now of many markets: what is open, one question a dex; flat ones one by one."""
        asked: dict[str, list[Market]] = defaultdict(list)
        for market in markets:
            asked[self._universe.of_market(market).dex].append(market)
        told: TermsOfMany = {}
        for found in await asyncio.gather(*(self._terms_on(dex, some) for dex, some in asked.items())):
            told |= found
        return told

    async def _terms_on(self, dex: str, markets: Sequence[Market]) -> TermsOfMany:
        body = await attempted(settings.read_dex(self._transport, self._who.owner, dex))
        if isinstance(body, VenueError):
            return untold(markets, body)

        async def read(market: Market) -> MarginSettings:
            if rows := open_in(body, market.id):
                return terms_of(rows[0])
            return await settings.read_flat_terms(self._transport, self._who.owner, self._universe.of_market(market))

        return await each(markets, read)

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        """What setting the leverage or the margin mode of a market takes."""
        return self._transport.cost_of(EXCHANGE, *READ_BACK)

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market."""
        instrument = self._universe.of_market(market)
        rows = await settings.read_positions(self._transport, self._who.owner, instrument)
        if rows:
            return state_of(rows, terms_of(rows[0]))
        return state_of(rows, await settings.read_flat_terms(self._transport, self._who.owner, instrument))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions or those of one market; coverage names the dexes that were read."""
        _refuse_futures(market_type)
        dexes = self._universe.dexes if market is None else (self._universe.of_market(market).dex,)
        return await self._reader.positions({coverage_of(dex): partial(self._open_in, dex, market) for dex in dexes})

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        """All open positions, and how near their margin is to liquidation: both are in the same answers."""
        seen, states = RowsOfParts(), dict[str, Any]()
        found = await self._reader.positions(
            {coverage_of(dex): partial(self._open_in, dex, None, seen, states) for dex in self._universe.dexes}
        )

        async def pools(dex: str) -> tuple[MarginPool, ...]:
            name = coverage_of(dex)
            collateral = self._universe.collateral_of_dex(dex)
            return pools_of(states[name], name, collateral, seen.of((name,)), held_only=held_only)

        whole = (dex for dex in self._universe.dexes if coverage_of(dex) in found.coverage)
        return await self._reader.margin(found, {coverage_of(dex): partial(pools, dex) for dex in whole})

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        """The margin of an isolated position. Raises PreconditionFailed where there is none that can be meant."""
        return await isolated.read_margin(self._transport, self._who.owner, self._universe.of_market(market), side)

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        """Raise ValueRefused for more than six decimals."""
        isolated.check_amount(amount)

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        """Add margin to a position, or take some out where the amount is negative."""
        return await isolated.move_margin(self._transport, door, self._who, self._universe.of_market(market), amount)

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        """None: there is no record of them that could be read."""
        return None

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""
        _refuse_futures(query.market_type)
        return await Funding(self._transport, self._who.owner, self._universe).history(query, self._reader)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        _refuse_futures(query.market_type)
        return await RealizedPnl(self._transport, self._who.owner, self._universe).history(query, self._reader)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """One connection, on which the address that owns the positions is subscribed to."""

        def coins() -> tuple[str, ...]:
            found = self._universe.markets.by_symbol
            return tuple(market.id for symbol in watched() if (market := found(symbol)) is not None)

        return (HyperliquidFeed(self._registered, self._who.owner, self._transport, self._market_of, coins=coins),)

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered, self._who)

    async def _open_in(
        self, dex: str, only: Market | None, seen: RowsOfParts | None = None, states: dict[str, Any] | None = None
    ) -> RowsRead[Position]:
        """The open positions on a dex; `seen` notes the row of each, and `states` what the venue answered."""
        async with self._abreast:
            body = await settings.read_dex(self._transport, self._who.owner, dex)
        if states is not None:
            states[coverage_of(dex)] = body

        def position(held: Any) -> Position | None:
            row = position_in(held)
            if only and row.get("coin") != only.id:
                return None
            return position_of(row, self._listed(row), self._account_id) if size_of(row) else None

        pairs = [] if seen is None else seen.anew(coverage_of(dex))
        return understood(held_rows(body), noting(position, pairs))

    def _market_of(self, coin: str) -> Market | None:
        instrument = self._universe.of_coin(coin)
        return None if instrument is None else instrument.market

    def _listed(self, row: Row) -> Instrument:
        coin = shape.text(row, "coin")
        if instrument := self._universe.of_coin(coin):
            return instrument
        raise self._universe.markets.unlisted("Hyperliquid", coin, row)


def _refuse_futures(market_type: MarketType | None) -> None:
    if market_type is MarketType.FUTURE:
        raise NotSupported("Hyperliquid has perpetuals only; leave market_type out or pass swap")
