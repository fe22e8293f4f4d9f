"""One Bybit account behind the venue seam."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from schemas.base import Milliseconds
from schemas.outcomes import Scope
from schemas.replies import Position
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.venues.bybit.account import ACCOUNT_INFO, AccountInfo, AccountReader, Upgrade
from worker.venues.bybit.history import SourceRecords, Sources, funding_sources, profit_sources
from worker.venues.bybit.instruments import CATEGORIES, Instruments, id_of
from worker.venues.bybit.listing import named
from worker.venues.bybit.margin import isolated
from worker.venues.bybit.margin.health import CONTRACT, UNIFIED, read_pools
from worker.venues.bybit.positions import position_of, size_of, state_of, terms_of
from worker.venues.bybit.preflight import preflight
from worker.venues.bybit.streams.feed import BybitFeed
from worker.venues.bybit.terms import settings
from worker.venues.bybit.terms.many import terms_of_many
from worker.venues.bybit.terms.modes import BybitPositionModes
from worker.venues.bybit.terms.settings import POSITIONS, category_of, read_both, read_positions
from worker.venues.bybit.terms.tiers import BybitTiers, currency_of
from worker.venues.client.transport import AccountCalls
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
from worker.venues.port.errors import NotSupported, PreconditionFailed, VenueError
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched
from worker.venues.reading.history import walked
from worker.venues.reading.many_terms import untold
from worker.venues.reading.margin import RowsOfParts, noting
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.tiers import TierCache, of_all, of_market


class BybitAdapter:
    """A unified or a classic account."""

    exchange = "bybit"

    def __init__(
        self, account: Account, transport: AccountCalls, instruments: Instruments, tiers: TierCache | None = None
    ) -> None:
        """`tiers` are those that all accounts of the venue share."""
        self._account_id = account.id
        self._registered = account
        self._by_symbol_only = account.margin_mode_scope == "symbol"
        self._transport = transport
        self._instruments = instruments
        markets = instruments.markets
        self.market, self.listed = markets.find, markets.listed  # symbols are looked up in the list itself
        self._account = AccountReader(transport)
        self._modes = BybitPositionModes(transport, self._symbol, instruments.markets.linear_settles, self.positions)
        self._tiers = BybitTiers(transport, tiers or TierCache())
        self.expected_position_mode = account.position_mode
        self._upgrade = Upgrade()
        self._reader = PartReader(self.exchange, account.id)
        self.capabilities = capabilities_of(account)
        self.portfolio_margin: PortfolioMargin | None = None

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have: by what Bybit says now."""
        await self._instruments.check_leverage(self._transport, market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        """Set the leverage of both sides of a market and nothing else."""
        return await settings.set_leverage(self._transport, door, market, leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        """Switch a market of a classic account, or a unified account as a whole.

        Raises NotSupported for a unified account that may be switched by symbol only, and PreconditionFailed that says
        why, and which positions are open.
        """
        info = await self._account.now()
        unified = info.is_unified(inverse=market.inverse)
        if unified and self._by_symbol_only:
            raise self._refused_as_a_whole()
        try:
            if unified:
                return await settings.set_account_mode(self._transport, door, info, mode)
            return await settings.switch_market(self._transport, door, market, mode)
        except PreconditionFailed as refusal:
            raise await self._naming(refusal, None if unified else market) from None

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        """The position mode of a market, or of those with a position and of one without, for each has its own."""
        return await self._modes.read(address)

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Switch a market, or all perpetuals in USDT.

        Raises ValueRefused where nothing is named, NotSupported for hedge mode where there is none, and
        PreconditionFailed that names the positions and orders that are in the way.
        """
        return await self._modes.set(address, mode, door)

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        """The risk limits of a market, or of all of a type."""
        if market is not None:
            kept = await self._tiers.of(category_of(market), market, anew=anew)
            return of_market("Bybit", kept, market, currency_of)
        reads = {name: partial(self._tiers.of_category, name, anew=anew) for name in CATEGORIES}
        markets = self._instruments.markets
        listed = {name: markets.of_type(market_type, inverse=inverse) for name, inverse in CATEGORIES.items()}
        return self._reader.tiers(of_all(await self._reader.read(reads), listed, currency_of))

    def _symbol(self, market_id: str) -> str:
        """The unified symbol of a linear market; Bybit's own id for what is not listed."""
        market = self._instruments.markets.by_id(market_id, inverse=False)
        return market.symbol if market else market_id

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return terms_of(*await read_both(self._transport, self._account, market), market)

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        """Leverage and margin mode now of many markets: in isolated margin one list, else one by one."""
        try:
            info = await self._account.now()
            told = await terms_of_many(self._transport, info, markets)
        except VenueError as error:
            return untold(markets, error)
        return {symbol: self._as_registered(terms) for symbol, terms in told.items()}

    def _as_registered(self, terms: MarginSettings | VenueError) -> MarginSettings | VenueError:
        if isinstance(terms, VenueError) or terms.mode_scope is Scope.SYMBOL or not self._by_symbol_only:
            return terms
        return replace(terms, mode_kept=self._refused_as_a_whole())

    def _refused_as_a_whole(self) -> NotSupported:
        return NotSupported(
            f"a unified Bybit account switches margin mode for all markets at once, and {self._account_id} is "
            "registered to refuse that; set margin_mode_scope = account to allow it"
        )

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        """What setting the leverage or the margin mode of a market takes."""
        if change is Capability.LEVERAGE:
            return self._transport.cost_of(settings.SET_LEVERAGE)
        return self._transport.cost_of(settings.SET_MARGIN_MODE, ACCOUNT_INFO)

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market; both legs of a hedged one are summed."""
        rows, info = await read_both(self._transport, self._account, market)
        return state_of(rows, terms_of(rows, info, market), market)

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of a market type, or those of one market."""
        info = await self._account.now()
        reads = {name: partial(self._open, params, info, market_type, market) for name, params in self._parts(market)}
        return await self._reader.positions(reads)

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        """All open positions, and how near their margin is to liquidation: of the unified account, and of the rest."""
        info, seen = await self._account.now(), RowsOfParts()
        reads = {
            name: partial(self._open, params, info, None, None, partial(seen.anew, name))
            for name, params in self._parts(None)
        }
        found = await self._reader.positions(reads)
        held = {UNIFIED: seen.of(self._unified(info, True)), CONTRACT: seen.of(self._unified(info, False))}
        return await self._reader.margin(
            found,
            {
                part: partial(read_pools, self._transport, part, pairs, held_only=held_only)
                for part, pairs in held.items()
                if self._unified(info, part == UNIFIED)
            },
        )

    async def _isolated(self, market: Market, side: str | None) -> IsolatedMargin:
        rows, info = await read_both(self._transport, self._account, market)
        return isolated.margin_in(rows, info, market, side)

    def _unified(self, info: AccountInfo, wanted: bool) -> list[str]:
        """The parts of positions that are unified, or those that are not."""
        parts = self._parts(None)
        return [name for name, params in parts if info.is_unified(inverse=params["category"] == "inverse") is wanted]

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        """The margin of an isolated position. Raises PreconditionFailed where there is none that can be meant."""
        return await self._isolated(market, side)

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        """Raise ValueRefused for more than four decimals."""
        isolated.check_amount(amount)

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        """Add margin to a position, or take some out where the amount is negative."""
        return await isolated.move_margin(self._transport, door, market, held.row, amount)

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        """None: there is no record of them that could be read."""
        return None

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive, and the dividends of contracts about shares."""
        return await self._history("get_funding_history", funding_sources, query)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Profits and losses of closed positions, net of trading fees: Bybit gives no others over two years."""
        return await self._history("get_realized_pnl", profit_sources, query)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """The one private stream: positions, the wallet, executions."""
        return (BybitFeed(self._registered, self._transport.now, self._instruments.markets),)

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
        self,
        params: dict[str, str],
        info: AccountInfo,
        market_type: MarketType | None,
        only: Market | None,
        note: Callable[[], list[tuple[Position, Row]]] = list,
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

        return understood(await read_positions(self._transport, params), noting(position, note()))

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
