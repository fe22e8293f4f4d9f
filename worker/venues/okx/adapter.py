"""One OKX account behind the venue seam.

OKX keeps no margin mode for a market: an order names it (tdMode), and a position has that of its orders. So the mode of
a market is that of its open position, and a flat market is reported as cross, the mode that its documents set leverage
in by default. Where cross and isolated positions stand side by side, the mode with more contracts counts.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import TypeVar

from schemas.base import Milliseconds
from schemas.outcomes import Scope
from schemas.replies import Position
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.venues.okx.answers import POSITIONS, items, optional, reading
from worker.venues.okx.client import OkxTransport
from worker.venues.okx.configuration import AccountConfiguration, Configuration
from worker.venues.okx.history import KEPT_FOR_CERTAIN, Bills, Borders
from worker.venues.okx.instruments import INSTRUMENT_TYPES, id_of
from worker.venues.okx.margin import isolated
from worker.venues.okx.margin.health import ACCOUNT, read_pools
from worker.venues.okx.positions import (
    amount_of,
    held_in,
    in_the_way_of,
    mode_of,
    other_than,
    position_of,
    state_of,
)
from worker.venues.okx.preflight import preflight
from worker.venues.okx.streams.feed import OkxFeed
from worker.venues.okx.terms import settings
from worker.venues.okx.terms.position_mode import modes_in, orders_by_id, set_position_mode
from worker.venues.okx.terms.tiers import tiers_of, tiers_of_all
from worker.venues.parsing import fields as shape
from worker.venues.parsing.blockers import of_position_mode
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
from worker.venues.port.errors import (
    AlreadySo,
    Ambiguous,
    NotSent,
    NotSupported,
    PreconditionFailed,
    Refused,
    VenueError,
)
from worker.venues.port.streams import Feed, WatchedMarkets, nothing_watched
from worker.venues.reading.history import walked
from worker.venues.reading.many_terms import each, untold
from worker.venues.reading.margin import RowsOfParts, noting
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market
from worker.venues.reading.position_mode import reaching
from worker.venues.reading.records import Notion
from worker.venues.reading.tiers import TierCache

T = TypeVar("T")

WRONG_PARAMETER = "51000"
"""What OKX answers, among others, to a posSide that does not fit the account's position mode."""


class OkxAdapter:
    """One account, in net or in long/short mode. `maxima` holds the highest leverage by instrument id."""

    exchange = "okx"

    def __init__(
        self,
        account: Account,
        transport: OkxTransport,
        markets: Markets,
        maxima: Mapping[str, Decimal],
        tiers: TierCache | None = None,
    ) -> None:
        """`tiers` are those that all accounts of the venue share."""
        self._account_id = account.id
        self._registered = account
        self._transport = transport
        self._markets = markets
        self.market, self.listed = markets.find, markets.listed  # symbols are looked up in the list itself
        self._maxima = maxima
        self._tiers = tiers or TierCache()
        self.expected_position_mode = account.position_mode
        self._configuration = AccountConfiguration(self._transport)
        self._reader = PartReader(self.exchange, account.id)
        self._borders = Borders()
        self.capabilities = capabilities_of(account)
        self.portfolio_margin: PortfolioMargin | None = None

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have. Asks before it refuses."""
        await settings.check_leverage(self._transport, self._maxima, market, leverage)

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door) -> Echo:
        """Set the leverage of the market's present margin mode, on both sides, and nothing else.

        Raises NotSupported, before anything is sent, for cross positions of a portfolio margin account.
        """
        rows, account = await _ahead(self._held_and_configured(market))
        mode = mode_of(rows)
        if mode is MarginMode.CROSS and await self._is_portfolio_margin(account):
            raise NotSupported("an OKX portfolio margin account has no leverage for cross positions")
        return await self._set(settings.LeverageSetting(market, mode, leverage), account, _beside(rows, mode), door)

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door) -> Echo:
        """Give this mode the leverage the market has now: all that can be set, for each order names its own mode.

        Raises AlreadySo where the open position has the mode, or where a flat market has that leverage in it already;
        PreconditionFailed, naming the position to close, where one has the other mode; NotSupported for a flat market
        of a portfolio margin account.
        """
        rows, account = await _ahead(self._held_and_configured(market))
        note = f"OKX takes the margin mode from each order (tdMode); this is about the leverage of {mode} positions"
        _refuse_if_held(rows, market, mode, note)
        if await self._is_portfolio_margin(account):
            raise NotSupported("on OKX each order names its margin mode; a portfolio margin account has nothing to set")
        current = await _ahead(settings.read_terms(self._transport, market, MarginMode.CROSS))
        present = current
        if mode is MarginMode.ISOLATED:
            present = await _ahead(settings.read_terms(self._transport, market, mode))
        if present.all_at(current.leverage):
            raise AlreadySo(
                f"{market.symbol} is flat, and its {mode} leverage is {settings.figure(current.leverage)}x already",
                raw={"data": present.raw},
                note=note,
            )
        return await self._set(settings.LeverageSetting(market, mode, current.leverage), account, note, door)

    async def position_modes(self, address: ModeAddress) -> PositionModesRead:
        """The position mode of the account, whatever is named."""
        return modes_in(await self._configuration.anew(), self._account_id)

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Switch the position mode of the whole account, whatever is named.

        Raises PreconditionFailed that names the positions and orders that are in the way.
        """
        try:
            switching = set_position_mode(self._transport, door, self._configuration, mode)
            return await reaching(Scope.ACCOUNT, switching)
        except PreconditionFailed as refusal:
            raise await of_position_mode(refusal, ModeAddress(), mode, self.positions(), self._orders()) from None

    async def _orders(self) -> dict[str, int]:
        return {self._symbol(name): count for name, count in (await orders_by_id(self._transport)).items()}

    async def leverage_tiers(self, market: Market | None, market_type: MarketType, *, anew: bool = False) -> TiersRead:
        """The tiers of a market, or of all of a type."""
        if market is not None:
            return await tiers_of(self._transport, self._tiers, market, anew=anew)
        listed = (self._markets.of_type(market_type, inverse=inverse) for inverse in (False, True))
        read = await tiers_of_all(self._transport, self._tiers, chain(*listed), market_type, anew=anew)
        return self._reader.tiers(read)

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now: of the open position, and of cross margin when the market is flat."""
        return await self._terms(market, await self._held(market))

    async def terms_of_all(self, markets: Sequence[Market]) -> TermsOfMany:
        """Leverage and margin mode now of many markets: the open positions, and twenty leverages in a request."""
        try:
            rows = await self._rows({})
        except VenueError as error:
            return untold(markets, error)
        held = {str(row.get("instId")) for row in rows}
        flat = [market for market in markets if market.id not in held]

        async def read(market: Market) -> MarginSettings:
            own = [row for row in rows if row.get("instId") == market.id]
            return replace(await self._terms(market, own), mode_kept=in_the_way_of(own, market))

        open_ones = await each((market for market in markets if market.id in held), read)
        return open_ones | await settings.terms_of_flat(self._transport, flat)

    def cost_of(self, change: Capability, market: Market) -> ChangeCost:
        """What setting the leverage or the margin mode of a market takes."""
        reads: tuple[str, ...] = ("privateGetAccountPositions",)
        if change is Capability.MARGIN_MODE:
            reads += ("privateGetAccountLeverageInfo", "privateGetAccountLeverageInfo")
        return self._transport.cost_of("privatePostAccountSetLeverage", *reads)

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market; both legs of a hedged one are summed."""
        rows = await self._held(market)
        return state_of(rows, market, await self._terms(market, rows))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions, those of a market type, or those of one market."""
        if market:
            return await self._reader.positions({market.type.value: partial(self._open_at, market)})
        asked = tuple(MarketType) if market_type is None else (market_type,)
        return await self._reader.positions({kind.value: partial(self._open_in, kind) for kind in asked})

    async def margin_health(self, *, held_only: bool = False) -> MarginRead:
        """All open positions, and how near their margin is to liquidation.

        Swaps and futures share it: where either can't be read, the counts of a pool's positions are short.
        """
        seen = RowsOfParts()
        found = await self._reader.positions(
            {kind.value: partial(self._open_in, kind, partial(seen.anew, kind.value)) for kind in MarketType}
        )
        pairs = seen.of(kind.value for kind in MarketType)
        read = partial(read_pools, self._transport, pairs, held_only=held_only)
        return await self._reader.margin(found, {ACCOUNT: read})

    async def isolated_margin(self, market: Market, side: str | None) -> IsolatedMargin:
        """The margin of an isolated position. Raises PreconditionFailed where there is none that can be meant."""
        return await self._isolated(market, side)

    def check_margin_move(self, market: Market, amount: Decimal) -> None:
        """Any amount can be sent."""

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        """Add margin to a position, or take some out where the amount is negative."""
        return await isolated.move_margin(self._transport, door, market, held.row, amount)

    async def margin_movements(self, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...] | None:
        """What was moved in a market, by the bills."""
        return await isolated.read_movements(self._transport, market, since)

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive. Expiry futures are asked for too: X-Perps are funded."""
        return await self._history("get_funding_history", Notion.FUNDING, query)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        return await self._history("get_realized_pnl", Notion.REALIZED_PNL, query)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        """One connection, which tells of all that is asked for here."""
        return (OkxFeed(self._registered, self._transport, self._market_of),)

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered)

    async def _isolated(self, market: Market, side: str | None) -> IsolatedMargin:
        return isolated.margin_in(await self._held(market), market, side)

    async def _held_and_configured(self, market: Market) -> tuple[list[Row], Configuration]:
        return await self._held(market), await self._configuration.recent()

    async def _is_portfolio_margin(self, account: Configuration) -> bool:
        """Whether it is a portfolio margin account still: that refuses, so what was read before is not enough."""
        return account.portfolio_margin and (await _ahead(self._configuration.anew())).portfolio_margin

    async def _set(
        self, setting: settings.LeverageSetting, account: Configuration, note: str | None, door: Door
    ) -> Echo:
        try:
            return await self._sent(setting, account, note, door)
        except Refused as refusal:
            if refusal.venue_code != WRONG_PARAMETER or "done" in refusal.details:
                raise
            switched = await self._switched(account, refusal)
        return await self._sent(setting, switched, note, door)

    async def _switched(self, before: Configuration, refusal: Refused) -> Configuration:
        """The configuration, where the position mode is another than it was; else raise the refusal: it is about the
        rest of the request. Nothing was changed by what was refused, so it may be sent again.
        """
        try:
            account = await self._configuration.anew()
        except VenueError:
            raise refusal from None
        if account.two_sided is before.two_sided:
            raise refusal
        return account

    async def _sent(
        self, setting: settings.LeverageSetting, account: Configuration, note: str | None, door: Door
    ) -> Echo:
        by_side = account.two_sided and setting.mode is MarginMode.ISOLATED
        setting = replace(setting, sides=settings.BOTH_SIDES if by_side else settings.ONE_WAY)
        return await settings.set_leverage(self._transport, door, setting, note)

    async def _terms(self, market: Market, rows: list[Row]) -> MarginSettings:
        mode = mode_of(rows)
        held = held_in(rows, mode)
        if not held or (mode is MarginMode.ISOLATED and held[0].get("posSide") != "net"):
            # a row tells the leverage of its own side only
            return await settings.read_terms(self._transport, market, mode)
        if (leverage := optional(held[0], "lever")) is None:
            raise NotSupported("OKX keeps no leverage for cross positions of a portfolio margin account")
        return MarginSettings(leverage, mode, raw=held[0])

    async def _held(self, market: Market) -> list[Row]:
        """The open positions of a market. OKX also lists positions that were closed not long ago."""
        return [row for row in await self._rows({"instId": market.id}) if row.get("instId") == market.id]

    async def _open_at(self, market: Market) -> RowsRead[Position]:
        return understood(await self._held(market), self._position)

    async def _open_in(
        self, kind: MarketType, note: Callable[[], list[tuple[Position, Row]]] = list
    ) -> RowsRead[Position]:
        asked = INSTRUMENT_TYPES[kind]
        rows = await self._rows({"instType": asked})
        wanted = (row for row in rows if row.get("instType") in (None, "", asked))
        return understood(wanted, noting(self._position, note()))

    def _position(self, row: Row) -> Position:
        with reading(POSITIONS, row):
            return position_of(row, self._listed(row), self._account_id)

    async def _rows(self, narrowed: dict[str, str]) -> list[Row]:
        found = items(await self._transport.call("privateGetAccountPositions", narrowed), POSITIONS)
        return [row for row in found if amount_of(row)]

    def _listed(self, row: Row) -> Market:
        market_id = shape.text(row, "instId")
        if market := self._market_of(market_id):
            return market
        raise self._markets.unlisted("OKX", market_id, row)

    def _market_of(self, market_id: str) -> Market | None:
        linear = self._markets.by_id(market_id, inverse=False)
        return linear or self._markets.by_id(market_id, inverse=True)

    def _symbol(self, market_id: str) -> str:
        """The unified symbol; OKX's own id for what is no longer listed."""
        market = self._market_of(market_id)
        return market.symbol if market else market_id

    async def _history(self, operation: str, notion: Notion, query: HistoryQuery) -> History:
        now = self._transport.now()
        bills = Bills(self._transport, notion, self._symbol, query, self._borders)
        history = await walked([bills.records()], query, now, self._reader, operation)
        return replace(history, complete_from=max(history.complete_from, now - KEPT_FOR_CERTAIN))


async def _ahead(read: Awaitable[T]) -> T:
    """What has to be known before a change. If it can't be, then nothing was sent, and it may be tried again."""
    try:
        return await read
    except Ambiguous as doubt:
        raise NotSent(f"{doubt.message}; so nothing was changed", venue_code=doubt.venue_code, raw=doubt.raw) from doubt


def _beside(rows: list[Row], mode: MarginMode) -> str | None:
    """What a change of leverage does not reach: positions of the other mode."""
    others = [row for row in rows if row not in held_in(rows, mode)]
    return f"this is the leverage of the {mode} positions; others are open beside them" if others else None


def _refuse_if_held(rows: list[Row], market: Market, mode: MarginMode, note: str) -> None:
    """Raise AlreadySo if all that is open has the mode, PreconditionFailed if something has another."""
    if not rows:
        return
    if not held_in(rows, other_than(mode)):
        raise AlreadySo(f"the open position in {market.symbol} is {mode} already", raw={"data": rows}, note=note)
    raise in_the_way_of(rows, market, mode)
