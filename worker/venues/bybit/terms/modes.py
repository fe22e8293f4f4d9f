"""Switching position modes of a Bybit account: one market's, or those of all perpetuals in USDT at once."""

from collections.abc import Awaitable, Callable

from schemas.outcomes import Scope
from schemas.replies import PositionModePart
from schemas.requests import MarketType, PositionMode
from worker.venues.bybit.terms.position_mode import (
    HEDGEABLE,
    may_have_hedge_mode,
    mode_of,
    orders_by_id,
    parts_of,
    read_market_mode,
    read_modes,
    read_orders,
    switch_all,
    switch_market,
)
from worker.venues.bybit.terms.settings import category_of
from worker.venues.client.transport import ChangingCalls
from worker.venues.parsing.blockers import of_position_mode
from worker.venues.port.adapter import Echo, Market, ModeAddress, OpenPositions, PositionModesRead
from worker.venues.port.door import Door
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSent, NotSupported, PreconditionFailed, ValueRefused
from worker.venues.reading.position_mode import now_or_not_sent, reaching

LINEAR = {"category": "linear", "settleCoin": HEDGEABLE}


class BybitPositionModes:
    """The position modes of one account.

    `symbol_of` names linear markets, which settle in `settles`; `positions` reads what is open.
    """

    def __init__(
        self,
        transport: ChangingCalls,
        symbol_of: Callable[[str], str],
        settles: frozenset[str],
        positions: Callable[[MarketType | None, Market | None], Awaitable[OpenPositions]],
    ) -> None:
        self._transport = transport
        self._symbol_of = symbol_of
        self._settles = settles
        self._positions = positions

    async def read(self, address: ModeAddress) -> PositionModesRead:
        """What is in force, as far as it is asked for. Raises VenueError."""
        if address.market is not None:
            mode = await read_market_mode(self._transport, address.market)
            return PositionModesRead(parts_of({address.market.symbol: mode}), Scope.SYMBOL)
        if address.settle not in (None, HEDGEABLE):
            self._require_listed(address.settle)
            part = PositionModePart(scope=Scope.SETTLE, part=address.settle, position_mode=PositionMode.ONE_WAY)
            return PositionModesRead((part,), Scope.SETTLE)
        modes = await read_modes(self._transport)
        return PositionModesRead(parts_of({self._symbol_of(name): mode for name, mode in modes.items()}), Scope.SETTLE)

    async def set(self, address: ModeAddress, mode: PositionMode, door: Door) -> Echo:
        """Switch what is meant. Raises ValueRefused where nothing is named."""
        if address.market is not None:
            return await self._set_market(address.market, mode, door)
        if address.settle is None:
            raise ValueRefused(
                f"Bybit keeps a position mode for each market: name a symbol, or {HEDGEABLE} as settle for all "
                f"perpetuals in {HEDGEABLE}"
            )
        if address.settle != HEDGEABLE:
            self._require_listed(address.settle)
            self._refuse_hedge(f"what settles in {address.settle}", mode, Scope.SETTLE)
        return await self._set_all(mode, door)

    def _require_listed(self, settle: str) -> None:
        if settle not in self._settles:
            known = ", ".join(sorted(self._settles))
            raise ValueRefused(f"Bybit has no linear markets that settle in {settle}, only in {known}")

    def _refuse_hedge(self, what: str, mode: PositionMode, scope: Scope) -> None:
        if mode is PositionMode.HEDGE:
            raise NotSupported(f"Bybit has a hedge mode for perpetuals in {HEDGEABLE} only, not for {what}")
        raise AlreadySo(f"{what} is in {mode} mode always", scope=scope)

    async def _set_market(self, market: Market, mode: PositionMode, door: Door) -> Echo:
        if not may_have_hedge_mode(market):
            self._refuse_hedge(market.symbol, mode, Scope.SYMBOL)
        if (await now_or_not_sent(self.read(ModeAddress(market)))).all_in(mode):
            raise AlreadySo(f"{market.symbol} is in {mode} mode already")
        try:
            return await switch_market(self._transport, door, market, mode)
        except PreconditionFailed as refusal:
            params = {"category": category_of(market), "symbol": market.id}
            found = self._positions(None, market), self._orders(params, None)
            raise await of_position_mode(refusal, ModeAddress(market), mode, *found) from None

    async def _set_all(self, mode: PositionMode, door: Door) -> Echo:
        """Switch all at once, where nothing is open that Bybit would pass over in silence."""
        try:
            held = [name for name, now in (await read_modes(self._transport, LINEAR)).items() if now is not mode]
            ordered = await self._orders(LINEAR, mode)
        except Ambiguous as doubt:
            raise NotSent(f"what is open can't be read, so nothing was changed: {doubt.message}") from doubt
        if held or ordered:
            symbols = frozenset(map(self._symbol_of, held))
            refusal = PreconditionFailed("Bybit switches only markets in which nothing is open")
            address, found = ModeAddress(settle=HEDGEABLE), (self._held(symbols), _as_read(ordered))
            raise await of_position_mode(refusal, address, mode, *found)
        return await reaching(Scope.SETTLE, switch_all(self._transport, door, mode))

    async def _held(self, symbols: frozenset[str]) -> OpenPositions:
        found = await self._positions(MarketType.SWAP, None)
        return OpenPositions(tuple(row for row in found.positions if row.symbol in symbols), found.parts)

    async def _orders(self, params: dict[str, str], other_than: PositionMode | None) -> dict[str, int]:
        """Open orders by symbol: all, or those of another mode than this."""
        rows = await read_orders(self._transport, params)
        meant = (row for row in rows if other_than is None or mode_of(row) is not other_than)
        return {self._symbol_of(name): count for name, count in orders_by_id(meant).items()}


async def _as_read(orders: dict[str, int]) -> dict[str, int]:
    return orders
