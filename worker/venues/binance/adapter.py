"""One Binance account behind the venue seam."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from types import MappingProxyType

from schemas.replies import LedgerEntry, Position
from schemas.requests import MarginMode, MarketType
from worker.accounts.account import Account
from worker.venues.binance import settings
from worker.venues.binance.endpoints import PORTFOLIO, STANDARD, BinanceEndpoints, spoken
from worker.venues.binance.history import Income, entry_of
from worker.venues.binance.instruments import id_of, is_inverse, kind_of_id
from worker.venues.binance.portfolio_margin import BinancePortfolioMargin
from worker.venues.binance.positions import amount_of, position_of, state_of, terms_of
from worker.venues.binance.preflight import preflight
from worker.venues.binance.settings import Brackets, PositionsRead
from worker.venues.client.transport import AccountCalls
from worker.venues.parsing import blockers as in_the_way
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets
from worker.venues.port.adapter import (
    Echo,
    History,
    HistoryQuery,
    MarginSettings,
    Market,
    OpenPositions,
    PortfolioMargin,
    SymbolState,
)
from worker.venues.port.capabilities import capabilities_of
from worker.venues.port.check_results import CheckResult
from worker.venues.port.errors import (
    Ambiguous,
    LimitReached,
    NotSupported,
    PreconditionFailed,
    UnknownSymbol,
    VenueError,
)
from worker.venues.reading.history import walked
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.preflight import attempted
from worker.venues.reading.records import Notion

HAS_ORDERS, HOLDS_POSITION = "-4047", "-4048"
"""Binance's codes for a margin mode that can't be switched because of open orders, or of an open position."""


class BinanceAdapter:
    """A standard account (fapi and dapi) or a Portfolio Margin account (papi only)."""

    exchange = "binance"

    def __init__(
        self,
        account: Account,
        transport: AccountCalls,
        markets: Markets,
        refused: Mapping[str, VenueError] = MappingProxyType({}),
    ) -> None:
        """`refused` are the families of whose contracts there is no list, and why."""
        self._account_id = account.id
        self._registered = account
        self._transport = transport
        self._markets = markets
        self._refused = refused
        self._brackets = Brackets(transport)
        self._reader = PartReader(self.exchange, account.id)
        self._all = PORTFOLIO if account.portfolio_margin else STANDARD
        self.capabilities = capabilities_of(account)
        self.portfolio_margin: PortfolioMargin | None = (
            BinancePortfolioMargin(transport, markets.linear_settles) if account.portfolio_margin else None
        )

    def market(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol.

        Raises UnknownSymbol, with what was probably meant, and NotSupported for one of a family without a list.
        """
        try:
            return self._markets.find(symbol, market_type)
        except UnknownSymbol as unknown:
            why = self._refused.get("inverse" if is_inverse(symbol) else "linear")
            if why is None:
                raise
            refused = f"{symbol} can't be looked up, for its contracts are not listed to us: {why.message}"
            raise NotSupported(refused, details=unknown.details) from unknown

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have. Changes nothing."""
        await settings.check_leverage(self._brackets, self._endpoints(market), market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal) -> Echo:
        """Set the leverage of a market and nothing else."""
        return await settings.set_leverage(self._transport, self._endpoints(market), market, leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode) -> Echo:
        """Switch the margin mode of a market and nothing else.

        Raises NotSupported for a Portfolio Margin account before any call, and PreconditionFailed that says which
        position to close or that orders are open.
        """
        try:
            return await settings.set_margin_mode(self._transport, self._endpoints(market), market, mode)
        except PreconditionFailed as refusal:
            if refusal.venue_code == HAS_ORDERS:
                raise in_the_way.orders(refusal, market, mode) from None
            if refusal.venue_code == HOLDS_POSITION:
                raise await in_the_way.position(refusal, market, mode, self._amounts(market)) from None
            raise

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return await settings.read_terms(self._transport, self._endpoints(market), market)

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market; both legs of a hedged one are summed."""
        endpoints = self._endpoints(market)
        asked = spoken(endpoints.positions)
        if endpoints.symbol_config is None:
            rows = await settings.read_positions(self._transport, endpoints, market)
            if not rows:
                raise Ambiguous(f"Binance's answer to {asked} has no row for {market.id}")
            with shape.read_from(asked, market.id):
                terms = terms_of(rows[0], all_cross=endpoints.all_cross)
        else:
            terms, rows = await asyncio.gather(
                self.terms(market), settings.read_positions(self._transport, endpoints, market)
            )
        with shape.read_from(asked, market.id):
            return state_of([row for row in rows if amount_of(row)], market, terms)

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of a market type, or those of one market."""
        asked = self._all if market is None else (self._endpoints(market),)
        reads = {endpoints.coverage: partial(self._open_in, endpoints, market_type, market) for endpoints in asked}
        return await self._reader.positions(reads)

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""
        return await self._history("get_funding_history", Notion.FUNDING, query)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        return await self._history("get_realized_pnl", Notion.REALIZED_PNL, query)

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered)

    def _endpoints(self, market: Market) -> BinanceEndpoints:
        return next(endpoints for endpoints in self._all if endpoints.inverse is market.inverse)

    async def _open_in(
        self, endpoints: BinanceEndpoints, market_type: MarketType | None, only: Market | None
    ) -> RowsRead[Position]:
        """The open positions of a family. What of its questions can't be read is told with those that can."""
        terms, read = await asyncio.gather(
            attempted(settings.read_all_terms(self._transport, endpoints, only)), self._rows_of(endpoints, only)
        )
        if isinstance(terms, LimitReached):
            raise terms
        settings_of = {} if isinstance(terms, VenueError) else {row.get("symbol"): row for row in terms}

        def position(row: Row) -> Position | None:
            with shape.read_from(spoken(endpoints.positions), str(row.get("symbol"))):
                return self._position(row, endpoints, market_type, settings_of)

        found, problem = understood(read.rows, position)
        return RowsRead(found, problem or read.problem or (terms if isinstance(terms, VenueError) else None))

    async def _rows_of(self, endpoints: BinanceEndpoints, only: Market | None) -> PositionsRead:
        if only is None:
            return await settings.read_all_positions(self._transport, endpoints)
        return PositionsRead(await settings.read_positions(self._transport, endpoints, only))

    def _position(
        self,
        row: Row,
        endpoints: BinanceEndpoints,
        market_type: MarketType | None,
        settings_of: Mapping[object, Row],
    ) -> Position | None:
        if not amount_of(row):
            return None
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
        rows = await settings.read_positions(self._transport, self._endpoints(market), market)
        return [amount_of(row) for row in rows]

    async def _history(self, operation: str, notion: Notion, query: HistoryQuery) -> History:
        asked = self._all if query.market is None else (self._endpoints(query.market),)
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
