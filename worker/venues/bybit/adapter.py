"""One Bybit account behind the venue seam."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from schemas.replies import Position
from schemas.requests import MarginMode, MarketType
from worker.accounts.account import Account
from worker.venues.bybit import settings
from worker.venues.bybit.account import AccountInfo, AccountReader, Upgrade
from worker.venues.bybit.history import SourceRecords, Sources, funding_sources, profit_sources
from worker.venues.bybit.instruments import Instruments, id_of
from worker.venues.bybit.listing import named
from worker.venues.bybit.positions import position_of, size_of, state_of, terms_of
from worker.venues.bybit.preflight import preflight
from worker.venues.bybit.settings import POSITIONS, category_of, read_both, read_positions
from worker.venues.client.transport import ClockedCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
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
from worker.venues.port.errors import NotSupported, PreconditionFailed, VenueError
from worker.venues.reading.history import walked
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market


class BybitAdapter:
    """A unified or a classic account."""

    exchange = "bybit"

    def __init__(self, account: Account, transport: ClockedCalls, instruments: Instruments) -> None:
        self._account_id = account.id
        self._registered = account
        self._by_symbol_only = account.margin_mode_scope == "symbol"
        self._transport = transport
        self._instruments = instruments
        self._account = AccountReader(transport)
        self._upgrade = Upgrade()
        self._reader = PartReader(self.exchange, account.id)
        self.capabilities = capabilities_of(account)
        self.portfolio_margin: PortfolioMargin | None = None

    def market(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol. Raises UnknownSymbol, with what was probably meant."""
        return self._instruments.markets.find(symbol, market_type)

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have: by what Bybit says now."""
        await self._instruments.check_leverage(self._transport, market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal) -> Echo:
        """Set the leverage of both sides of a market and nothing else."""
        return await settings.set_leverage(self._transport, market, leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode) -> Echo:
        """Switch a market of a classic account, or a unified account as a whole.

        Raises NotSupported for a unified account that may be switched by symbol only, and PreconditionFailed that says
        why, and which positions are open.
        """
        info = await self._account.now()
        unified = info.is_unified(inverse=market.inverse)
        if unified and self._by_symbol_only:
            raise NotSupported(
                f"a unified Bybit account switches margin mode for all markets at once, and {self._account_id} is "
                "registered to refuse that; set margin_mode_scope = account to allow it"
            )
        try:
            if unified:
                return await settings.set_account_mode(self._transport, info, mode)
            return await settings.switch_market(self._transport, market, mode)
        except PreconditionFailed as refusal:
            raise await self._naming(refusal, None if unified else market) from None

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return terms_of(*await read_both(self._transport, self._account, market), market)

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market; both legs of a hedged one are summed."""
        rows, info = await read_both(self._transport, self._account, market)
        return state_of(rows, terms_of(rows, info, market), market)

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of a market type, or those of one market."""
        info = await self._account.now()
        reads = {name: partial(self._open, params, info, market_type, market) for name, params in self._parts(market)}
        return await self._reader.positions(reads)

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive, and the dividends of contracts about shares."""
        return await self._history("get_funding_history", funding_sources, query)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Profits and losses of closed positions, net of trading fees: Bybit gives no others over two years."""
        return await self._history("get_realized_pnl", profit_sources, query)

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered)

    def _parts(self, market: Market | None) -> Iterator[tuple[str, dict[str, str]]]:
        """What to ask for, by the name of the part of the account that it covers."""
        if market:
            part = "inverse" if market.inverse else f"linear {market.settle}"
            yield part, {"category": category_of(market), "symbol": market.id}
            return
        for settle in sorted(self._instruments.markets.linear_settles, reverse=True):
            yield f"linear {settle}", {"category": "linear", "settleCoin": settle}
        yield "inverse", {"category": "inverse"}

    async def _open(
        self, params: dict[str, str], info: AccountInfo, market_type: MarketType | None, only: Market | None
    ) -> RowsRead[Position]:
        """The open positions of a part, and what is wrong with those that can't be understood."""
        inverse = params["category"] == "inverse"

        def position(row: Row) -> Position | None:
            with named(row, POSITIONS.told):
                if not size_of(row):
                    return None
                market = self._listed(row, inverse)
                wanted = market_type in (None, market.type) and only in (None, market)
                return position_of(row, market, info, self._account_id) if wanted else None

        return understood(await read_positions(self._transport, params), position)

    def _listed(self, row: Row, inverse: bool) -> Market:
        market_id = shape.text(row, "symbol")
        if market := self._instruments.markets.by_id(market_id, inverse=inverse):
            return market
        raise self._instruments.markets.unlisted("Bybit", market_id, row)

    async def _naming(self, refusal: PreconditionFailed, market: Market | None) -> PreconditionFailed:
        """The same refusal, with the open positions it is about. What can't be read now is left out."""
        try:
            found = (await self.positions(market=market)).positions
            held = [f"{row.symbol} {row.side} {row.contracts.normalize():f}" for row in found]
        except VenueError:
            held = []
        named = f"; open positions: {', '.join(held)}" if held else ""
        return PreconditionFailed(
            refusal.message + named,
            venue_code=refusal.venue_code,
            raw=refusal.raw,
            details=refusal.details | {"open_positions": held},
        )

    async def _history(self, operation: str, sources: Sources, query: HistoryQuery) -> History:
        info = await self._account.now()
        self._upgrade.told_by(info)
        now = self._transport.now()
        asked = sources(info, query.market, now)
        records = [
            SourceRecords(self._transport, self._instruments, self._upgrade, source, query).records()
            for source in asked
        ]
        return await walked(records, query, now, self._reader, operation)
