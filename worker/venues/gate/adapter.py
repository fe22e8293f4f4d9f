"""One Gate account behind the venue seam."""

from decimal import Decimal
from functools import partial

from schemas.replies import LedgerEntry, Position
from schemas.requests import MarginMode, MarketType
from worker.accounts.account import Account
from worker.venues.client.transport import ClockedCalls
from worker.venues.gate import instruments, settings
from worker.venues.gate.endpoints import GatePart, parts_of, parts_on, reading
from worker.venues.gate.errors import HAS_ORDERS, HOLDS_POSITION
from worker.venues.gate.history import AccountBook, contract_of, entry_of
from worker.venues.gate.instruments import Lists, id_of
from worker.venues.gate.positions import amount_of, position_of, read_holding, read_open, state_of, terms_in
from worker.venues.gate.preflight import preflight
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
from worker.venues.port.errors import NotSent, PreconditionFailed, UnknownSymbol
from worker.venues.reading.history import walked
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.records import Notion


class GateAdapter:
    """An account with its perpetuals in USDT and in BTC and its delivery futures in USDT."""

    exchange = "gate"
    portfolio_margin: PortfolioMargin | None = None

    def __init__(self, account: Account, transport: ClockedCalls, markets: Markets, lists: Lists) -> None:
        self._account_id = account.id
        self._registered = account
        self._transport = transport
        self._markets = markets
        self._lists = lists
        self._parts = parts_on(account.network)
        self._reader = PartReader(self.exchange, account.id)
        self.capabilities = capabilities_of(account)

    def market(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol, also of a delivery that was delivered. Raises UnknownSymbol.

        Raises NotSent where the list that would have it could not be read: then nobody knows whether it is there.
        """
        if market_type is MarketType.FUTURE and (former := self._lists.former(symbol, self._transport.now())):
            return former
        try:
            return self._markets.find(symbol, market_type)
        except UnknownSymbol:
            if (reason := self._lists.reason_for(symbol)) is None:
                raise
        raise NotSent(f"{symbol} is not known yet, for its list could not be read ({reason}); nothing was sent")

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have; it is read anew before."""
        await instruments.check(self._transport, self._lists.ranges, market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal) -> Echo:
        """Set the leverage of a market, on both sides in hedge mode, and nothing else."""
        return await settings.set_leverage(self._transport, market, leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode) -> Echo:
        """Switch the margin mode of a market, on both sides in hedge mode, and nothing else.

        Raises PreconditionFailed that says which position to close or that orders are open.
        """
        try:
            return await settings.set_margin_mode(self._transport, market, mode)
        except PreconditionFailed as refusal:
            if refusal.venue_code == HAS_ORDERS:
                raise in_the_way.orders(refusal, market, mode) from None
            if refusal.venue_code == HOLDS_POSITION:
                raise await in_the_way.position(refusal, market, mode, self._amounts(market)) from None
            raise

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return await terms_in(self._transport, await read_holding(self._transport, market), market)

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market; both legs of a hedged one are summed."""
        holding = await read_holding(self._transport, market)
        return state_of(holding.rows, market, await terms_in(self._transport, holding, market))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of a market type, or those of one market."""
        asked = parts_of(market_type, market, self._parts)
        return await self._reader.positions({part.coverage: partial(self._open_in, part, market) for part in asked})

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""
        return await self._history("get_funding_history", query, Notion.FUNDING)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        return await self._history("get_realized_pnl", query, Notion.REALIZED_PNL)

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered)

    async def _open_in(self, part: GatePart, only: Market | None) -> RowsRead[Position]:
        def position(row: Row) -> Position | None:
            if only is not None and row.get("contract") != only.id:
                return None
            with reading(f"{row.get('contract')}, GET {part.path}/positions"):
                held = amount_of(row)
                return position_of(row, self._listed(row, part), self._account_id) if held else None

        return understood(await read_open(self._transport, part), position)

    def _listed(self, row: Row, part: GatePart) -> Market:
        market_id = shape.text(row, "contract")
        if market := self._lists.market(part, market_id):
            return market
        raise self._markets.unlisted("Gate", market_id, row)

    async def _amounts(self, market: Market) -> list[Decimal]:
        """Contracts held, negative for a short position."""
        return [amount_of(row) for row in (await read_holding(self._transport, market)).rows]

    async def _history(self, operation: str, query: HistoryQuery, notion: Notion) -> History:
        asked = parts_of(query.market_type, query.market, self._parts)
        books = [self._account_book(part, notion, query.market).records() for part in asked]
        return await walked(books, query, self._transport.now(), self._reader, operation)

    def _account_book(self, part: GatePart, notion: Notion, only: Market | None) -> AccountBook:
        def entry(row: Row) -> LedgerEntry | None:
            contract = contract_of(row)
            if only is not None and contract != only.id:
                return None
            return entry_of(row, part, contract and self._lists.symbol(part, contract))

        return AccountBook(self._transport, part, notion, only, entry)
