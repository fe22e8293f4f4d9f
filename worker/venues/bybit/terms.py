"""Leverage and margin mode of Bybit markets: changing them, and reading them back."""

import asyncio
from decimal import Decimal

from schemas.events import Scope
from schemas.requests import MarginMode
from worker.venues.bybit.account import PORTFOLIO, AccountInfo, AccountReader
from worker.venues.bybit.listing import Listing
from worker.venues.bybit.positions import leverage_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, Market
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSupported

SET_LEVERAGE = "privatePostV5PositionSetLeverage"
SET_MARGIN_MODE = "privatePostV5AccountSetMarginMode"
SWITCH_ISOLATED = "privatePostV5PositionSwitchIsolated"
POSITIONS = Listing("privateGetV5PositionList", 200, short_is_last=True)

ACCOUNT_MODES = {MarginMode.CROSS: "REGULAR_MARGIN", MarginMode.ISOLATED: "ISOLATED_MARGIN"}
TRADE_MODES = {MarginMode.CROSS: 0, MarginMode.ISOLATED: 1}


def category_of(market: Market) -> str:
    """Bybit's word for the kind of contract."""
    return "inverse" if market.inverse else "linear"


async def read_market(transport: Calls, market: Market) -> list[Row]:
    """The rows of a market, flat or not: one, or two in hedge mode."""
    rows = await POSITIONS.rows(transport, {"category": category_of(market), "symbol": market.id})
    return [row for row in rows if row.get("symbol") == market.id]


async def read_both(transport: Calls, account: AccountReader, market: Market) -> tuple[list[Row], AccountInfo]:
    """The rows of a market and the account they belong to."""
    rows, info = await asyncio.gather(read_market(transport, market), account.now())
    return rows, info


async def set_leverage(transport: Calls, market: Market, leverage: Decimal) -> Echo:
    """Set a leverage for both sides. The answer states nothing."""
    wanted = f"{leverage.normalize():f}"
    params = {"category": category_of(market), "symbol": market.id, "buyLeverage": wanted, "sellLeverage": wanted}
    return Echo(raw=shape.mapping(await transport.call(SET_LEVERAGE, params), "set-leverage"))


async def set_account_mode(transport: Calls, info: AccountInfo, mode: MarginMode) -> Echo:
    """Switch a unified account, with all its markets. Raises AlreadySo before any call that would change something."""
    if info.margin_mode is mode:
        note = "it is portfolio margin, one pool for all positions" if info.raw["marginMode"] == PORTFOLIO else None
        raise AlreadySo(f"the whole account is in {mode} margin already", scope=Scope.ACCOUNT, note=note, raw=info.raw)
    body = await transport.call(SET_MARGIN_MODE, {"setMarginMode": ACCOUNT_MODES[mode]})
    return Echo(raw=shape.mapping(body, "set-margin-mode"), scope=Scope.ACCOUNT)


async def switch_market(transport: Calls, market: Market, mode: MarginMode) -> Echo:
    """Switch one market of a classic account. The leverage has to be sent along, so it is read and stays as it is."""
    if market.settle == "USDC":
        raise NotSupported(f"{market.symbol} is cross margin throughout on a classic account; upgrade the account")
    rows = await read_market(transport, market)
    if not rows:
        raise Ambiguous(f"Bybit's answer has no row for {market.id}")
    # in hedge mode the buy side comes first (positionIdx 1), the sell side last (2)
    in_order = sorted(rows, key=lambda row: str(row.get("positionIdx")))
    buy, sell = (f"{leverage_of(row).normalize():f}" for row in (in_order[0], in_order[-1]))
    params = {
        "category": category_of(market),
        "symbol": market.id,
        "tradeMode": TRADE_MODES[mode],
        "buyLeverage": buy,
        "sellLeverage": sell,
    }
    return Echo(raw=shape.mapping(await transport.call(SWITCH_ISOLATED, params), "switch-isolated"))
