"""Leverage and margin mode of Bybit markets: changing them, and reading them back."""

import asyncio
from decimal import Decimal

from schemas.outcomes import Scope
from schemas.requests import MarginMode
from worker.venues.bybit.account import PORTFOLIO, AccountInfo, AccountReader
from worker.venues.bybit.listing import Listing
from worker.venues.bybit.positions import leverage_of
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSupported, PreconditionFailed

SET_LEVERAGE = "privatePostV5PositionSetLeverage"
SET_MARGIN_MODE = "privatePostV5AccountSetMarginMode"
SWITCH_ISOLATED = "privatePostV5PositionSwitchIsolated"
POSITIONS = Listing("/v5/position/list", 200)

ACCOUNT_MODES = {MarginMode.CROSS: "REGULAR_MARGIN", MarginMode.ISOLATED: "ISOLATED_MARGIN"}
TRADE_MODES = {MarginMode.CROSS: 0, MarginMode.ISOLATED: 1}


def category_of(market: Market) -> str:
    """Bybit's word for the kind of contract."""
    return "inverse" if market.inverse else "linear"


async def read_positions(transport: Calls, params: Row) -> list[Row]:
    """The position rows that a question asks for. A symbol has one, or two in hedge mode: its first page has them."""
    if "symbol" in params:
        return (await POSITIONS.one_page(transport, params))[0]
    return await POSITIONS.rows(transport, params)


async def read_market(transport: Calls, market: Market) -> list[Row]:
    """The rows of a market, flat or not."""
    rows = await read_positions(transport, {"category": category_of(market), "symbol": market.id})
    return [row for row in rows if row.get("symbol") == market.id]


async def read_both(transport: Calls, account: AccountReader, market: Market) -> tuple[list[Row], AccountInfo]:
    """The rows of a market and the account they belong to."""
    rows, info = await asyncio.gather(read_market(transport, market), account.now())
    return rows, info


async def set_leverage(transport: ChangingCalls, door: Door, market: Market, leverage: Decimal) -> Echo:
    """Set a leverage for both sides. The answer states nothing."""
    wanted = f"{leverage.normalize():f}"
    params = {"category": category_of(market), "symbol": market.id, "buyLeverage": wanted, "sellLeverage": wanted}
    return Echo(raw=shape.mapping(await transport.change(door, SET_LEVERAGE, params), "set-leverage"))


async def set_account_mode(transport: ChangingCalls, door: Door, info: AccountInfo, mode: MarginMode) -> Echo:
    """Switch a unified account, with all its markets. Raises AlreadySo before any call that would change something."""
    if info.margin_mode is mode:
        note = "it is portfolio margin, one pool for all positions" if info.raw["marginMode"] == PORTFOLIO else None
        raise AlreadySo(f"the whole account is in {mode} margin already", scope=Scope.ACCOUNT, note=note, raw=info.raw)
    body = await transport.change(door, SET_MARGIN_MODE, {"setMarginMode": ACCOUNT_MODES[mode]})
    return Echo(raw=shape.mapping(body, "set-margin-mode"), scope=Scope.ACCOUNT)


async def switch_market(transport: ChangingCalls, door: Door, market: Market, mode: MarginMode) -> Echo:
    """Switch one market of a classic account. The leverage has to be sent along, so it is read and stays as it is.

    Raises PreconditionFailed where the sides have one each: Bybit takes only one for both, and would change a side's.
    """
    if market.settle == "USDC":
        raise NotSupported(f"{market.symbol} is cross margin throughout on a classic account; upgrade the account")
    leverage = _one_leverage(await read_market(transport, market), market, mode)
    params = {
        "category": category_of(market),
        "symbol": market.id,
        "tradeMode": TRADE_MODES[mode],
        "buyLeverage": leverage,
        "sellLeverage": leverage,
    }
    return Echo(raw=shape.mapping(await transport.change(door, SWITCH_ISOLATED, params), "switch-isolated"))


def _one_leverage(rows: list[Row], market: Market, mode: MarginMode) -> str:
    """The leverage of all rows of a market, as Bybit is told it."""
    if not rows:
        raise Ambiguous(f"Bybit's answer has no row for {market.id}")
    leverages = sorted({leverage_of(row) for row in rows}, reverse=True)
    if len(leverages) == 1:
        return f"{leverages[0].normalize():f}"
    if {row.get("tradeMode") for row in rows} == {TRADE_MODES[mode]}:
        raise AlreadySo(f"{market.symbol} is in {mode} margin already", raw={"positions": rows})
    told = " and ".join(f"{leverage.normalize():f}x" for leverage in leverages)
    raise PreconditionFailed(
        f"Bybit switches the margin mode of {market.symbol} with one leverage for both sides only; they have {told}; "
        "set one leverage first",
        details={"symbol": market.symbol},
    )
