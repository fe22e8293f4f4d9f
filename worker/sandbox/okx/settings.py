"""What an account can set: leverage and position mode; and how it is set up."""

from decimal import Decimal
from typing import Any

from worker.sandbox.okx import risk
from worker.sandbox.okx.account import (
    BOTH_SIDES,
    AccountLevel,
    AccountState,
    LeverageKey,
    MarginMode,
    OpenPosition,
    PositionSide,
)
from worker.sandbox.okx.errors import Refused
from worker.sandbox.okx.figures import plain
from worker.sandbox.okx.instruments import Exchange, Instrument
from worker.sandbox.okx.parameters import Parameters

LOWEST, STEP = Decimal(1), Decimal("0.01")
MODES = tuple(MarginMode)
MOST_IDS = 20
LONG_SHORT, NET = "long_short_mode", "net_mode"


def leverage_info(exchange: Exchange, parameters: Parameters, account: AccountState) -> list[dict[str, Any]]:
    """GET /account/leverage-info: in long/short mode a row for each side, whether both share their leverage or not."""
    mode = MarginMode(parameters.choice("mgnMode", MODES))
    parameters.text("instId")
    if account.level is AccountLevel.PORTFOLIO_MARGIN:
        raise Refused("59111")
    sides = BOTH_SIDES if account.two_sided else (PositionSide.NET,)
    asked = [_listed(exchange, named) for named in parameters.several("instId", MOST_IDS)]
    return [
        _echo(instrument, mode, side, account.leverage_of(instrument, mode, side)) | {"ccy": ""}
        for instrument in asked
        for side in sides
    ]


def set_leverage(exchange: Exchange, parameters: Parameters, account: AccountState) -> list[dict[str, Any]]:
    """POST /account/set-leverage."""
    instrument = _listed(exchange, parameters.text("instId"))
    mode = MarginMode(parameters.choice("mgnMode", MODES))
    leverage = parameters.number("lever")
    side = _side(parameters, account, mode)
    _check_leverage(instrument, leverage)
    _check_account(account, instrument, mode)
    _apply(account, instrument, mode, side, leverage)
    return [_echo(instrument, mode, side, leverage)]


def _side(parameters: Parameters, account: AccountState, mode: MarginMode) -> PositionSide:
    """Which side is meant: long or short in long/short mode if isolated, net otherwise."""
    asked = parameters.get("posSide")
    if account.two_sided and mode is MarginMode.CROSS:
        return PositionSide.NET
    sides = account.sides_of(mode)
    if asked is None and PositionSide.NET in sides:
        return PositionSide.NET
    if asked not in sides:
        raise Refused("51000", "posSide")
    return PositionSide(asked)


def _check_leverage(instrument: Instrument, leverage: Decimal) -> None:
    if leverage % STEP:
        raise Refused("51000", "lever")
    if leverage < LOWEST:
        raise Refused("59105", LOWEST)
    if leverage > instrument.max_leverage:
        raise Refused("59102")


def _check_account(account: AccountState, instrument: Instrument, mode: MarginMode) -> None:
    if account.level is AccountLevel.SPOT:
        raise Refused("51010")
    if account.level is AccountLevel.PORTFOLIO_MARGIN and mode is MarginMode.CROSS:
        raise Refused("51039")
    if account.has_orders_in(instrument):
        raise Refused("59107" if mode is MarginMode.CROSS else "59101")


def _apply(
    account: AccountState, instrument: Instrument, mode: MarginMode, side: PositionSide, leverage: Decimal
) -> None:
    key = account.leverage_key(instrument, mode, side)
    reached = [position for position in account.open() if _reached(account, position, key)]
    needed = sum((_further_margin(account, position, leverage) for position in reached), Decimal(0))
    if needed > max(risk.free(account, instrument.settle), Decimal(0)):
        raise Refused("59108")
    account.leverages[key] = leverage
    for position in reached:
        if position.mode is MarginMode.ISOLATED:
            position.margin = risk.notional(position) / leverage


def _reached(account: AccountState, position: OpenPosition, key: LeverageKey) -> bool:
    return account.leverage_key(position.instrument, position.mode, position.side) == key


def _further_margin(account: AccountState, position: OpenPosition, leverage: Decimal) -> Decimal:
    held = position.margin if position.mode is MarginMode.ISOLATED else risk.initial(account, position)
    return risk.notional(position) / leverage - held


def _echo(instrument: Instrument, mode: MarginMode, side: PositionSide, leverage: Decimal) -> dict[str, Any]:
    return {"instId": instrument.id, "lever": plain(leverage), "mgnMode": mode.value, "posSide": side.value}


def _listed(exchange: Exchange, instrument_id: str) -> Instrument:
    if instrument_id not in exchange.instruments:
        raise Refused("51001")
    return exchange.instruments[instrument_id]


def set_position_mode(_exchange: Exchange, parameters: Parameters, account: AccountState) -> list[dict[str, Any]]:
    """POST /account/set-position-mode."""
    wanted = parameters.choice("posMode", (LONG_SHORT, NET))
    two_sided = wanted == LONG_SHORT
    if two_sided and account.level is AccountLevel.PORTFOLIO_MARGIN:
        raise Refused("51041")
    if two_sided is not account.two_sided and (any(account.open()) or any(account.open_orders.values())):
        raise Refused("59000")
    account.two_sided = two_sided
    return [{"posMode": wanted}]


def configuration(_exchange: Exchange, _parameters: Parameters, account: AccountState) -> list[dict[str, Any]]:
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
