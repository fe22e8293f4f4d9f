"""What an account can set: leverage and position mode; and how it is set up.

Sources: "Set leverage" and "Get account configuration" (2026-07-20), "Get leverage" (2026-07-07), "Set position mode"
(2026-07-12). In portfolio margin the page says that cross leverage can't be enquired, and the code's text (59111) that
none can; isolated leverage is told here.
"""

from decimal import Decimal
from typing import Any

from worker.sandbox.okx import risk
from worker.sandbox.okx.account import (
    BOTH_SIDES,
    AccountLevel,
    LeverageKey,
    OkxAccountState,
    OkxMarginMode,
    OkxOpenPosition,
    OkxPositionSide,
    PositionKey,
)
from worker.sandbox.okx.bill import MARGIN_ADDED, MARGIN_REDUCED, MARGIN_TRANSFER, Bill
from worker.sandbox.okx.errors import OkxRefused
from worker.sandbox.okx.figures import plain
from worker.sandbox.okx.instruments import OkxExchangeState, OkxInstrument
from worker.sandbox.okx.parameters import OkxParameters

LOWEST, STEP = Decimal(1), Decimal("0.01")
MODES = tuple(OkxMarginMode)
MOST_IDS = 20
LONG_SHORT, NET = "long_short_mode", "net_mode"


def leverage_info(
    exchange: OkxExchangeState, parameters: OkxParameters, account: OkxAccountState
) -> list[dict[str, Any]]:
    """GET /account/leverage-info: in long/short mode a row for each side, whether both share their leverage or not."""
    mode = OkxMarginMode(parameters.choice("mgnMode", MODES))
    parameters.text("instId")
    if account.level is AccountLevel.PORTFOLIO_MARGIN and mode is OkxMarginMode.CROSS:
        raise OkxRefused("59111")
    sides = BOTH_SIDES if account.two_sided else (OkxPositionSide.NET,)
    asked = [_listed(exchange, named) for named in parameters.several("instId", MOST_IDS)]
    return [
        _echo(instrument, mode, side, account.leverage_of(instrument, mode, side)) | {"ccy": ""}
        for instrument in asked
        for side in sides
    ]


def set_leverage(
    exchange: OkxExchangeState, parameters: OkxParameters, account: OkxAccountState
) -> list[dict[str, Any]]:
    """POST /account/set-leverage."""
    instrument = _listed(exchange, parameters.text("instId"))
    mode = OkxMarginMode(parameters.choice("mgnMode", MODES))
    leverage = parameters.number("lever")
    side = _side(parameters, account, mode)
    _check_leverage(instrument, leverage)
    _check_account(account, instrument, mode)
    _apply(account, instrument, mode, side, leverage)
    return [_echo(instrument, mode, side, leverage)]


def _side(parameters: OkxParameters, account: OkxAccountState, mode: OkxMarginMode) -> OkxPositionSide:
    """Which side is meant: long or short in long/short mode if isolated, net otherwise."""
    asked = parameters.get("posSide")
    if account.two_sided and mode is OkxMarginMode.CROSS:
        return OkxPositionSide.NET
    sides = account.sides_of(mode)
    if asked is None and OkxPositionSide.NET in sides:
        return OkxPositionSide.NET
    if asked not in sides:
        raise OkxRefused("51000", "posSide")
    return OkxPositionSide(asked)


def _check_leverage(instrument: OkxInstrument, leverage: Decimal) -> None:
    if leverage % STEP:
        raise OkxRefused("51000", "lever")
    if leverage < LOWEST:
        raise OkxRefused("59105", LOWEST)
    if leverage > instrument.max_leverage:
        raise OkxRefused("59102")


def _check_account(account: OkxAccountState, instrument: OkxInstrument, mode: OkxMarginMode) -> None:
    if account.level is AccountLevel.SPOT:
        raise OkxRefused("51010")
    if account.level is AccountLevel.PORTFOLIO_MARGIN and mode is OkxMarginMode.CROSS:
        raise OkxRefused("51039")
    if account.has_orders_in(instrument):
        raise OkxRefused("59107" if mode is OkxMarginMode.CROSS else "59101")
    if account.has_waiting_orders_in(instrument):
        raise OkxRefused("59669" if mode is OkxMarginMode.CROSS else "59668")


def _apply(
    account: OkxAccountState, instrument: OkxInstrument, mode: OkxMarginMode, side: OkxPositionSide, leverage: Decimal
) -> None:
    key = account.leverage_key(instrument, mode, side)
    reached = [position for position in account.open() if _reached(account, position, key)]
    needed = sum((_further_margin(account, position, leverage) for position in reached), Decimal(0))
    if needed > max(risk.free(account, instrument.settle), Decimal(0)):
        raise OkxRefused("59108")
    account.leverages[key] = leverage
    for position in reached:
        if position.mode is OkxMarginMode.ISOLATED:
            position.margin = risk.notional(position) / leverage


def _reached(account: OkxAccountState, position: OkxOpenPosition, key: LeverageKey) -> bool:
    return account.leverage_key(position.instrument, position.mode, position.side) == key


def _further_margin(account: OkxAccountState, position: OkxOpenPosition, leverage: Decimal) -> Decimal:
    held = position.margin if position.mode is OkxMarginMode.ISOLATED else risk.initial(account, position)
    return risk.notional(position) / leverage - held


def _echo(instrument: OkxInstrument, mode: OkxMarginMode, side: OkxPositionSide, leverage: Decimal) -> dict[str, Any]:
    return {"instId": instrument.id, "lever": plain(leverage), "mgnMode": mode.value, "posSide": side.value}


def _listed(exchange: OkxExchangeState, instrument_id: str) -> OkxInstrument:
    if instrument_id not in exchange.instruments:
        raise OkxRefused("51001")
    return exchange.instruments[instrument_id]


def set_position_mode(
    _exchange: OkxExchangeState, parameters: OkxParameters, account: OkxAccountState
) -> list[dict[str, Any]]:
    """POST /account/set-position-mode."""
    wanted = parameters.choice("posMode", (LONG_SHORT, NET))
    two_sided = wanted == LONG_SHORT
    if two_sided and account.level is AccountLevel.PORTFOLIO_MARGIN:
        raise OkxRefused("51041")
    if two_sided is not account.two_sided and (any(account.open()) or any(account.open_orders.values())):
        raise OkxRefused("59000")
    account.two_sided = two_sided
    return [{"posMode": wanted}]


def configuration(
    _exchange: OkxExchangeState, _parameters: OkxParameters, account: OkxAccountState
) -> list[dict[str, Any]]:
    """GET /account/config."""
    return [
        {
            "acctLv": str(account.level.value),
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "feeType": "0",
            "greeksType": "PA",
            "ip": ",".join(account.key.ip),
            "kycLv": "3",
            "label": account.id,
            "level": "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": account.uid,
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": ",".join(account.key.perm),
            "posMode": LONG_SHORT if account.two_sided else NET,
            "roleType": "0",
            "settleCcy": "USD",
            "settleCcyList": ["USD", "USDC"],
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "stgyType": "0",
            "traderInsts": [],
            "type": "0",
            "uid": account.uid,
        }
    ]


def _bill_of_margin(
    exchange: OkxExchangeState, account: OkxAccountState, instrument: OkxInstrument, amount: Decimal
) -> Bill:
    """What "Get bills details" tells of margin that was moved; the sign of what was taken out is a guess."""
    kind = MARGIN_ADDED if amount > 0 else MARGIN_REDUCED
    last = account.bills[-1].id if account.bills else 0
    return Bill(
        exchange.clock.now(), MARGIN_TRANSFER, kind, instrument.type, instrument.id, instrument.settle, "isolated",
        -amount, amount, id=last + 1,
    )  # fmt: skip


def move_margin(
    exchange: OkxExchangeState, parameters: OkxParameters, account: OkxAccountState
) -> list[dict[str, Any]]:
    """POST /account/position/margin-balance. What may be taken out is ours: all beyond the initial margin, less a loss.

    That the leverage stays what it was set to is ours as well: OKX works it out anew.
    """
    instrument, side = _listed(exchange, parameters.text("instId")), OkxPositionSide(parameters.text("posSide"))
    kind, amount = parameters.choice("type", ("add", "reduce")), parameters.number("amt")
    position = account.positions.get(PositionKey(instrument.id, OkxMarginMode.ISOLATED, side))
    if position is None or not position.amount:
        raise OkxRefused("51023")
    spare = position.margin + min(risk.profit(position), Decimal(0)) - risk.initial(account, position)
    if amount > (risk.free(account, instrument.settle) if kind == "add" else spare):
        raise OkxRefused("59301" if kind == "reduce" else "51008")
    moved = amount if kind == "add" else -amount
    position.margin += moved
    account.bills = (*account.bills, _bill_of_margin(exchange, account, instrument, moved))
    return [
        {
            "amt": plain(amount),
            "ccy": instrument.settle,
            "instId": instrument.id,
            "leverage": plain(risk.leverage(account, position)),
            "posSide": side.value,
            "type": kind,
        }
    ]
