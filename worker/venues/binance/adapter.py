"""One Binance account behind the venue seam."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from schemas.base import Milliseconds
from schemas.margin import MarginPool
from schemas.outcomes import Scope
from schemas.replies import LedgerEntry, Position
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.venues.binance.endpoints import PORTFOLIO, STANDARD, BinanceEndpoints, spoken
from worker.venues.binance.history import Income, entry_of
from worker.venues.binance.hosts import stream_url
from worker.venues.binance.instruments import BinanceMarkets, id_of, is_inverse, kind_of_id
from worker.venues.binance.margin import isolated
from worker.venues.binance.margin.health import PORTFOLIO_PART, BinanceMargin, FamilyHeld
from worker.venues.binance.open_rows import OpenRows, OpenRowsReader
from worker.venues.binance.portfolio_margin import BinancePortfolioMargin
from worker.venues.binance.positions import amount_of, position_of, state_of, terms_of
from worker.venues.binance.preflight import preflight
from worker.venues.binance.streams.feed import BinanceFeed
from worker.venues.binance.terms import settings
from worker.venues.binance.terms.brackets import Brackets, check_leverage, currency_of
from worker.venues.binance.terms.position_mode import BinancePositionModes, orders_by_id
from worker.venues.client.transport import AccountCalls
from worker.venues.parsing import blockers as in_the_way
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
from worker.venues.port.errors import (
    Ambiguous,
    PreconditionFailed,
)
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched
from worker.venues.reading.history import walked
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.position_mode import reaching
from worker.venues.reading.records import Notion
from worker.venues.reading.tiers import of_all, of_market

HAS_ORDERS, HOLDS_POSITION = "-4047", "-4048"
"""Binance's codes for a margin mode that can't be switched because of open orders, or of an open position."""


class BinanceAdapter:
    """A standard account (fapi and dapi) or a Portfolio Margin account (papi only)."""

    exchange = "binance"

    def __init__(self, account: Account, transport: AccountCalls, markets: BinanceMarkets) -> None:
        self._account_id = account.id
        self._registered = account
        self._transport = transport
        self._markets = markets
        self.market, self.listed = markets.find, markets.listed  # symbols are looked up in the list itself
        self._brackets = Brackets(transport)
        self._open_rows = OpenRowsReader(transport)
        self._margin = BinanceMargin(transport)
        self._reader = PartReader(self.exchange, account.id)
        self._all = PORTFOLIO if account.portfolio_margin else STANDARD
        self._endpoints: Mapping[bool, BinanceEndpoints] = {endpoints.inverse: endpoints for endpoints in self._all}
        kept = {endpoints.coverage: endpoints.modes for endpoints in self._all if endpoints.modes}
        self._modes = BinancePositionModes(transport, account.id, kept)
        self.expected_position_mode = account.position_mode
        self.capabilities = capabilities_of(account)
        self.portfolio_margin: PortfolioMargin | None = (
            BinancePortfolioMargin(transport, markets.linear_settles) if account.portfolio_margin else None
        )

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have. Changes nothing."""
        await check_leverage(self._brackets, self._endpoints[market.inverse], market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        """Set the leverage of a market and nothing else."""
        asked, params = self._endpoints[market.inverse].set_leverage, {"symbol": market.id, "leverage": int(leverage)}
        return settings.leverage_in(await self._transport.change(door, asked, params), asked, market)

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        """Switch the margin mode of a market and nothing else.

        Raises NotSupported for a Portfolio Margin account before any call, and PreconditionFailed that says which
        position to close or that orders are open.
        """
        try:
            return await settings.set_margin_mode(self._transport, door, self._endpoints[market.inverse], market, mode)
        except PreconditionFailed as refusal:
            if refusal.venue_code == HAS_ORDERS:
                raise in_the_way.orders(refusal, market, mode) from None
            if refusal.venue_code == HOLDS_POSITION:
                raise await in_the_way.position(refusal, market, mode, self._amounts(market)) from None
            raise

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        """The position mode of the account, whatever is named: of Portfolio Margin that of both kinds of markets."""
        return await self._modes.read()

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Switch the position mode of the whole account, whatever is named.

        Raises PreconditionFailed that names the positions and orders that are in the way.
        """
        try:
            return await reaching(Scope.ACCOUNT, self._modes.set(mode, door))
        except PreconditionFailed as refusal:
            if "done" in refusal.details:
                raise
            whole = ModeAddress()
            raise await in_the_way.of_position_mode(refusal, whole, mode, self.positions(), self._orders()) from None

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        """The brackets of a market, or of all of a type."""
        if market is not None:
            kept = await self._brackets.of(self._endpoints[market.inverse], market, anew=anew)
            return of_market("Binance", kept, market, currency_of)
        reads = {endpoints.coverage: partial(self._brackets.of_all, endpoints, anew=anew) for endpoints in self._all}
        kinds = {endpoints.coverage: endpoints.inverse for endpoints in self._all}
        listed = {name: self._markets.of_type(market_type, inverse=inverse) for name, inverse in kinds.items()}
        return self._reader.tiers(of_all(await self._reader.read(reads), listed, currency_of))

    async def _orders(self) -> dict[str, int]:
        """How many orders are open, by symbol, or by the venue's id where that is not listed."""
        found = await orders_by_id(self._transport, self._all)
        listed = {(market_id, inverse): self._markets.by_id(market_id, inverse=inverse) for market_id, inverse in found}
        return {(market.symbol if market else key[0]): found[key] for key, market in listed.items()}

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return await settings.read_terms(self._transport, self._endpoints[market.inverse], market)

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        """Leverage and margin mode now of many markets: one request for each family that has some of them."""
        asked = {
            endpoints: [one for one in markets if self._endpoints[one.inverse] is endpoints] for endpoints in self._all
        }
        reads = (settings.terms_of_family(self._transport, family, some) for family, some in asked.items() if some)
        told: TermsOfMany = {}
        for found in await asyncio.gather(*reads):
            told |= found
        return told

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        """What setting the leverage or the margin mode of a market takes."""
        endpoints = self._endpoints[market.inverse]
        if change is Capability.LEVERAGE or endpoints.set_margin_mode is None:
            return self._transport.cost_of(endpoints.set_leverage)
        return self._transport.cost_of(endpoints.set_margin_mode)

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market; both legs of a hedged one are summed."""
        endpoints = self._endpoints[market.inverse]
        asked = spoken(endpoints.positions)
        if endpoints.symbol_config is None:
            rows = await settings.read_positions(self._transport, endpoints, market)
            if not rows:
                raise Ambiguous(f"Binance's answer to {asked} has no row for {market.id}")
            with shape.ReadFrom(asked, market.id):
                terms = terms_of(rows[0], all_cross=endpoints.all_cross)
        else:
            terms, rows = await asyncio.gather(
                self.terms(market), settings.read_positions(self._transport, endpoints, market)
            )
        with shape.ReadFrom(asked, market.id):
            return state_of([row for row in rows if amount_of(row)], market, terms)

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of a market type, or those of one market."""
        asked = self._all if market is None else (self._endpoints[market.inverse],)
        reads = {endpoints.coverage: partial(self._open_in, endpoints, market_type, market) for endpoints in asked}
        return await self._reader.positions(reads)

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        """All open positions, and how near their margin is to liquidation.

        A Portfolio Margin account is one pool. It is asked for even when it holds nothing: it may have loans.
        """
        seen: dict[str, FamilyHeld] = {}
        found = await self._reader.positions(
            {endpoints.coverage: partial(self._held_in, endpoints, seen) for endpoints in self._all}
        )
        if self.portfolio_margin is not None:
            return await self._portfolio_health(found)
        reads = {
            endpoints.coverage: partial(
                self._margin.of_family, endpoints, seen[endpoints.coverage], held_only=held_only
            )
            for endpoints in self._all
            if endpoints.coverage in found.coverage
        }
        return await self._reader.margin(found, reads)

    async def _portfolio_health(self, found: OpenPositions) -> MarginRead:
        async def read() -> tuple[MarginPool, ...]:
            return (await self._margin.of_portfolio(found.positions),)

        return await self._reader.margin(found, {PORTFOLIO_PART: read})

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        """The margin of an isolated position. Raises PreconditionFailed where there is none that can be meant."""
        return await isolated.read_margin(self._transport, self._endpoints[market.inverse], market, side)

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        """Any amount can be sent."""

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        """Add margin to a position, or take some out where the amount is negative."""
        return await isolated.move_margin(
            self._transport, door, self._endpoints[market.inverse], market, (held.row, amount)
        )

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        """What was moved in a market from then on, by Binance's own record."""
        return await isolated.read_movements(self._transport, self._endpoints[market.inverse], market, since)

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""
        return await self._history("get_funding_history", Notion.FUNDING, query)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        return await self._history("get_realized_pnl", Notion.REALIZED_PNL, query)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """USDⓈ-M and COIN-M each, or Portfolio Margin; none of a family whose contracts are not listed to us."""
        names = ("pm",) if self._registered.portfolio_margin else self._families()
        network, base_url = self._registered.network, self._registered.base_url
        urls = {name: stream_url(network, name, base_url) for name in names}
        return tuple(BinanceFeed(name, url, self._transport, self._symbol_of) for name, url in urls.items() if url)

    def _families(self) -> tuple[str, ...]:
        return tuple(
            name for name, family in (("um", "linear"), ("cm", "inverse")) if family not in self._markets.refused
        )

    def _symbol_of(self, market_id: str) -> str | None:
        market = self._markets.by_id(market_id, inverse=is_inverse(market_id))
        return None if market is None else market.symbol

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered)

    async def _open_in(
        self, endpoints: BinanceEndpoints, market_type: MarketType | None, only: Market | None
    ) -> RowsRead[Position]:
        """The open positions of a family. What of its questions can't be read is told with those that can."""
        return self._understood(await self._open_rows.read(endpoints, only), endpoints, market_type)

    async def _held_in(self, endpoints: BinanceEndpoints, seen: dict[str, FamilyHeld]) -> RowsRead[Position]:
        """The same of all, with the rows that they were made of noted in `seen`."""
        rows = await self._open_rows.read(endpoints, None)
        read = self._understood(rows, endpoints, None)
        seen[endpoints.coverage] = FamilyHeld(read.found, rows)
        return read

    def _understood(
        self, read: OpenRows, endpoints: BinanceEndpoints, market_type: MarketType | None
    ) -> RowsRead[Position]:
        asked = spoken(endpoints.positions)

        def position(row: Row) -> Position | None:
            with shape.ReadFrom(asked, str(row.get("symbol"))):
                return self._position(row, endpoints, market_type, read.settings)

        found, problem = understood(read.rows, position)
        return RowsRead(found, problem or read.problem)

    def _position(
        self,
        row: Row,
        endpoints: BinanceEndpoints,
        market_type: MarketType | None,
        settings_of: Mapping[object, Row],
    ) -> Position | None:
        market = self._listed(row, endpoints)
        if market_type not in (None, market.type):
            return None
        told = settings_of.get(market.id, row)
        return position_of(row, market, told, self._account_id, all_cross=endpoints.all_cross)

    def _listed(self, row: Row, endpoints: BinanceEndpoints) -> Market:
        market_id = shape.text(row, "symbol")
        if market := self._markets.by_id(market_id, inverse=endpoints.inverse):
            return market
        raise self._markets.unlisted("Binance", market_id, row)

    async def _amounts(self, market: Market) -> list[Decimal]:
        """Contracts held, negative for a short position."""
        rows = await settings.read_positions(self._transport, self._endpoints[market.inverse], market)
        return [amount_of(row) for row in rows]

    async def _history(self, operation: str, notion: Notion, query: HistoryQuery) -> History:
        asked = self._all if query.market is None else (self._endpoints[query.market.inverse],)
        records = [self._income(notion, endpoints, query).records() for endpoints in asked]
        return await walked(records, query, self._transport.now(), self._reader, operation)

    def _income(self, notion: Notion, endpoints: BinanceEndpoints, query: HistoryQuery) -> Income:
        def entry(row: Row) -> LedgerEntry | None:
            market_id = str(row.get("symbol") or "")
            market = self._markets.by_id(market_id, inverse=endpoints.inverse)
            if market is None and query.market and query.market.id == market_id:
                market = query.market
            wanted = (market.type if market else kind_of_id(market_id)) is query.market_type
            return entry_of(row, market.symbol if market else market_id or None) if wanted else None

        market_id = query.market.id if query.market else None
        return Income(self._transport, endpoints, notion, market_id, entry)
