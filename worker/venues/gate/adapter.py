"""One Gate account behind the venue seam."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from schemas.base import Milliseconds
from schemas.outcomes import Scope
from schemas.replies import LedgerEntry, Position
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.venues.client.transport import AccountCalls
from worker.venues.gate import instruments
from worker.venues.gate.endpoints import PARTS, GatePart, part_of, parts_of, parts_on, reading
from worker.venues.gate.errors import HAS_ORDERS, HOLDS_POSITION
from worker.venues.gate.history import AccountBook, contract_of, entry_of
from worker.venues.gate.hosts import WITHOUT_DERIVATIVES
from worker.venues.gate.instruments import Lists, id_of
from worker.venues.gate.margin import isolated
from worker.venues.gate.margin.health import read_pools
from worker.venues.gate.positions import (
    amount_of,
    position_of,
    read_holding,
    read_open,
    state_of,
    terms_in,
    terms_in_part,
)
from worker.venues.gate.preflight import preflight
from worker.venues.gate.streams.feed import GateFeed, StreamUser
from worker.venues.gate.terms import settings
from worker.venues.gate.terms.position_mode import orders_by_name, parts_meant, read_modes, set_position_mode
from worker.venues.gate.terms.tiers import GateTiers, currency_of
from worker.venues.parsing import blockers as in_the_way
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets
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
from worker.venues.port.errors import NotSent, PreconditionFailed, UnknownSymbol, ValueRefused
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched
from worker.venues.reading.history import walked
from worker.venues.reading.margin import RowsOfParts, noting
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.position_mode import reaching
from worker.venues.reading.records import Notion
from worker.venues.reading.tiers import TierCache, of_all, of_market


class GateAdapter:
    """An account with its perpetuals in USDT and in BTC and its delivery futures in USDT."""

    exchange = "gate"
    portfolio_margin: PortfolioMargin | None = None

    def __init__(
        self, account: Account, transport: AccountCalls, markets: Markets, lists: Lists, tiers: TierCache | None = None
    ) -> None:
        """`tiers` are those that all accounts of the venue share."""
        self._account_id = account.id
        self._registered = account
        self._transport = transport
        self._markets = markets
        self._lists = lists
        self._tiers = GateTiers(transport, tiers or TierCache())
        self.expected_position_mode = account.position_mode
        self._parts = parts_on(account.network)
        self._reader = PartReader(self.exchange, account.id)
        self.capabilities = capabilities_of(account)
        self._user = StreamUser(account.user_id)

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

    def listed(self, market_type: MarketType) -> tuple[Market, ...]:
        """All markets of a type that are loaded, by symbol."""
        return self._markets.listed(market_type)

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have; it is read anew before."""
        await instruments.check(self._transport, self._lists.ranges, market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        """Set the leverage of a market, on both sides in hedge mode, and nothing else."""
        return await settings.set_leverage(self._transport, door, market, leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        """Switch the margin mode of a market, on both sides in hedge mode, and nothing else.

        Raises PreconditionFailed that says which position to close or that orders are open.
        """
        try:
            return await settings.set_margin_mode(self._transport, door, market, mode)
        except PreconditionFailed as refusal:
            if refusal.venue_code == HAS_ORDERS:
                raise in_the_way.orders(refusal, market, mode) from None
            if refusal.venue_code == HOLDS_POSITION:
                raise await in_the_way.position(refusal, market, mode, self._amounts(market)) from None
            raise

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        """The position mode of each settle currency of perpetuals, or of the one that is meant."""
        return await read_modes(self._transport, parts_meant(address, self._parts))

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Switch the perpetuals of a settle currency.

        Raises ValueRefused where none is named, and PreconditionFailed that names the positions and orders that are in
        the way.
        """
        parts = parts_meant(address, self._parts)
        if len(parts) > 1:
            named = ", ".join(part.settle.upper() for part in parts)
            raise ValueRefused(f"Gate keeps a position mode for each settle currency: name one as settle, of {named}")
        try:
            return await reaching(Scope.SETTLE, set_position_mode(self._transport, door, parts[0], mode))
        except PreconditionFailed as refusal:
            whole = ModeAddress(settle=parts[0].settle.upper())
            found = self._held_in(parts[0]), self._orders(parts[0])
            raise await in_the_way.of_position_mode(refusal, whole, mode, *found) from None

    async def _held_in(self, part: GatePart) -> OpenPositions:
        return await self._reader.positions({part.coverage: partial(self._open_in, part, None)})

    async def _orders(self, part: GatePart) -> dict[str, int]:
        found = await orders_by_name(self._transport, part)
        return {self._lists.symbol(part, name): count for name, count in found.items()}

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        """The tiers of a contract, or of all of a type."""
        if market is not None:
            return of_market("Gate", await self._tiers.of(part_of(market), market, anew=anew), market, currency_of)
        parts = parts_of(market_type, None, self._parts)
        reads = {part.coverage: partial(self._tiers.of_part, part, anew=anew) for part in parts}
        listed = {part.coverage: self._lists.read[part].markets for part in parts if part in self._lists.read}
        return self._reader.tiers(of_all(await self._reader.read(reads), listed, currency_of))

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return await terms_in(self._transport, await read_holding(self._transport, market), market)

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        """Leverage and margin mode now of many markets: a list for each part, and one by one what has no row there."""
        asked = {part: [one for one in markets if part_of(one) is part] for part in PARTS}
        reads = (terms_in_part(self._transport, part, some) for part, some in asked.items() if some)
        told: TermsOfMany = {}
        for found in await asyncio.gather(*reads):
            told |= found
        return told

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        """What setting the leverage or the margin mode of a market takes."""
        endpoints = part_of(market).endpoints
        wanted = endpoints.leverage if change is Capability.LEVERAGE else endpoints.margin_mode or endpoints.leverage
        return self._transport.cost_of(wanted, *filter(None, (endpoints.account, endpoints.position)))

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market; both legs of a hedged one are summed."""
        holding = await read_holding(self._transport, market)
        return state_of(holding.rows, market, await terms_in(self._transport, holding, market))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of a market type, or those of one market."""
        asked = parts_of(market_type, market, self._parts)
        return await self._reader.positions({part.coverage: partial(self._open_in, part, market) for part in asked})

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        """All open positions, and how near their margin is to liquidation, settle currency by settle currency."""
        seen = RowsOfParts()
        found = await self._reader.positions(
            {
                part.coverage: partial(self._open_in, part, None, partial(seen.anew, part.coverage))
                for part in self._parts
            }
        )
        reads = {
            part.coverage: partial(read_pools, self._transport, part, seen.of((part.coverage,)), held_only=held_only)
            for part in self._parts
            if part.coverage in found.coverage
        }
        return await self._reader.margin(found, reads)

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        """The margin of an isolated position. Raises PreconditionFailed where there is none that can be meant."""
        return await isolated.read_margin(self._transport, market, side)

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        """Any amount can be sent."""

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        """Add margin to a position, or take some out where the amount is negative."""
        return await isolated.move_margin(self._transport, door, market, held.row, amount)

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        """None: there is no record of them that could be read."""
        return None

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""
        return await self._history("get_funding_history", query, Notion.FUNDING)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        return await self._history("get_realized_pnl", query, Notion.REALIZED_PNL)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """One for each part of the account: Gate has a stream for each product and settle currency."""
        if self._registered.region in WITHOUT_DERIVATIVES:
            return ()
        return tuple(GateFeed(self._registered, self._transport, part, self._lists, self._user) for part in self._parts)

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered)

    async def _open_in(
        self, part: GatePart, only: Market | None, note: Callable[[], list[tuple[Position, Row]]] = list
    ) -> RowsRead[Position]:
        def position(row: Row) -> Position | None:
            if only is not None and row.get("contract") != only.id:
                return None
            with reading(f"{row.get('contract')}, GET {part.path}/positions"):
                held = amount_of(row)
                return position_of(row, self._listed(row, part), self._account_id) if held else None

        return understood(await read_open(self._transport, part), noting(position, note()))

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
