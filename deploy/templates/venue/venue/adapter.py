"""One Newvenue account behind the venue port.

This module only puts together what the others do. It promises what `worker.venues.port.adapter` says of each method,
and raises only what `worker.venues.port.errors` draws; `tests/contract/adapter` holds it to that.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from schemas.base import Milliseconds
from schemas.replies import Position
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.venues.client.transport import AccountCalls
from worker.venues.newvenue import instruments
from worker.venues.newvenue.history import NewvenueRecords
from worker.venues.newvenue.instruments import NewvenueListing, id_of
from worker.venues.newvenue.positions import POSITIONS, position_of, rows_of, state_of
from worker.venues.newvenue.preflight import preflight
from worker.venues.newvenue.terms import settings
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
from worker.venues.port.errors import NotSupported
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched
from worker.venues.reading.history import walked
from worker.venues.reading.many_terms import each
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.records import Notion


class NewvenueAdapter:
    """One account."""

    exchange = "newvenue"
    portfolio_margin: PortfolioMargin | None = None

    def __init__(self, account: Account, transport: AccountCalls, listing: NewvenueListing) -> None:
        self._account = account
        self._transport = transport
        self._listing = listing
        self._reader = PartReader(self.exchange, account.id)
        self.capabilities = capabilities_of(account)
        self.expected_position_mode = account.position_mode

    def market(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol. Raises UnknownSymbol, with what was probably meant, or NotSupported."""
        _refuse_futures(market_type)
        return self._listing.markets.find(symbol, market_type)

    def listed(self, market_type: MarketType) -> tuple[Market, ...]:
        """All markets of a type that are loaded, by symbol."""
        return self._listing.markets.listed(market_type)

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have."""
        await instruments.check_leverage(self._transport, self._listing.maxima, market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        """Set the leverage of a market and nothing else."""
        return await settings.set_leverage(self._transport, door, market, leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        """Raise NotSupported: it is not declared.

        To declare it, add Capability.MARGIN_MODE to the venue's row in `worker.accounts.venues`, switch the mode here,
        and give `tests/support/venues/newvenue.py` its cases.
        """
        raise NotSupported("the margin mode of a Newvenue market can't be switched here")

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        """Raise NotSupported: it is not declared. To declare it, add Capability.POSITION_MODE in the same way."""
        raise NotSupported("no position mode of a Newvenue account can be read here")

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Raise NotSupported, in the same way."""
        raise NotSupported("no position mode of a Newvenue account can be switched here")

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        """Raise NotSupported: it is not declared. To declare it, add Capability.LEVERAGE_TIERS in the same way."""
        raise NotSupported("the leverage tiers of Newvenue can't be read here")

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return await settings.read_terms(self._transport, market)

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        """The same of many markets, one by one. A venue that tells of all in one answer is asked once here."""
        return await each(markets, self.terms)

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        """What setting the leverage of a market takes: the request itself, and the one that reads it back."""
        return self._transport.cost_of("privatePostLeverage", "privateGetSettings")

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market."""
        rows = await self._rows(market)
        with shape.ReadFrom(POSITIONS, market.id):
            return state_of(rows, market, await self.terms(market))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions or those of one market. A venue that is asked part by part names each part here."""
        _refuse_futures(market_type)
        return await self._reader.positions({"swap": partial(self._open, market)})

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        """Raise NotSupported: it is not declared.

        To declare it, add Capability.MARGIN_HEALTH to the venue's row in `worker.accounts.venues`, and make pools with
        `worker.venues.reading.margin`.
        """
        raise NotSupported("the margin of a Newvenue account is not read here")

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        """Raise NotSupported: Capability.ISOLATED_MARGIN is not declared."""
        raise NotSupported("the margin of a Newvenue position can't be moved here")

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        """Raise NotSupported, for the same reason."""
        raise NotSupported("the margin of a Newvenue position can't be moved here")

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        """Raise NotSupported, for the same reason."""
        raise NotSupported("the margin of a Newvenue position can't be moved here")

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        """None: there is no record of them that could be read."""
        return None

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""
        return await self._history("get_funding_history", Notion.FUNDING, query)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        return await self._history("get_realized_pnl", Notion.REALIZED_PNL, query)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """None: its positions are read on schedule. Private streams get a module of their own, `streams`."""
        return ()

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._account)

    async def _rows(self, market: Market | None) -> list[Row]:
        params = {"instrument": market.id} if market else None
        return rows_of(await self._transport.call("privateGetPositions", params))

    async def _open(self, only: Market | None) -> RowsRead[Position]:
        """The open positions, and what is wrong with those that can't be understood: no row hides another."""

        def position(row: Row) -> Position | None:
            with shape.ReadFrom(POSITIONS, row.get("instrument")):
                market = self._listed(row)
                return position_of(row, market, self._account.id) if only in (None, market) else None

        return understood(await self._rows(only), position)

    def _listed(self, row: Row) -> Market:
        market_id = shape.text(row, "instrument")
        if market := self._listing.markets.by_id(market_id, inverse=False):
            return market
        raise self._listing.markets.unlisted("Newvenue", market_id, row)

    async def _history(self, operation: str, notion: Notion, query: HistoryQuery) -> History:
        _refuse_futures(query.market_type)
        records = NewvenueRecords(self._transport, notion, self._symbol, query).records()
        return await walked([records], query, self._transport.now(), self._reader, operation)

    def _symbol(self, market_id: str) -> str:
        """The symbol of a market; of one that is listed no longer its id."""
        market = self._listing.markets.by_id(market_id, inverse=False)
        return market.symbol if market else market_id


def _refuse_futures(market_type: MarketType | None) -> None:
    if market_type is MarketType.FUTURE:
        raise NotSupported("Newvenue has perpetuals only; leave market_type out or pass swap")
