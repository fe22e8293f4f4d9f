"""The rows of OKX's private channels (2026-07-13): what each says of an account at a moment."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from worker.sandbox.okx import risk
from worker.sandbox.okx.account import OkxAccountState, OkxOpenPosition, OkxPositionSide
from worker.sandbox.okx.figures import plain
from worker.sandbox.okx.instruments import FUTURES, SWAP
from worker.sandbox.okx.positions import row_of

Row = dict[str, Any]

BALANCE_AND_POSITION, POSITIONS, ACCOUNT = "balance_and_position", "positions", "account"
LIQUIDATION_WARNING = "liquidation-warning"

TYPES = ("ANY", SWAP, FUTURES, "MARGIN", "OPTION")
"""What `instType` of a channel with positions may be."""

CHANNELS: dict[str, bool] = {BALANCE_AND_POSITION: False, POSITIONS: True, ACCOUNT: False, LIQUIDATION_WARNING: True}
"""The channels that are served, and whether one must say of which type of instruments."""

REGULAR = (POSITIONS, ACCOUNT)
"""Channels that push regularly, too, unless they are told not to."""


def balance_and_position(
    account: OkxAccountState, event: str, currencies: Iterable[str], held: Iterable[OkxOpenPosition], now: int
) -> Row:
    """One event with the balances and positions that it is about. A leverage is not among what it tells."""
    return {
        "pTime": str(now),
        "eventType": event,
        "balData": [
            {"ccy": currency, "cashBal": plain(account.balances.get(currency, Decimal(0))), "uTime": str(now)}
            for currency in currencies
        ],
        "posData": [_brief(position) for position in held],
        "trades": [],
    }


def _brief(position: OkxOpenPosition) -> Row:
    return {
        "posId": str(position.id),
        "tradeId": str(position.id % 1_000_000),
        "instId": position.instrument.id,
        "instType": position.instrument.type,
        "mgnMode": position.mode.value,
        "posSide": position.side.value,
        "pos": _amount(position),
        "ccy": position.instrument.settle,
        "posCcy": "",
        "avgPx": plain(position.entry_price) if position.amount else "",
        "nonSettleAvgPx": "",
        "settledPnl": "",
        "uTime": str(position.updated),
    }


def _amount(position: OkxOpenPosition) -> str:
    return plain(position.amount if position.side is OkxPositionSide.NET else abs(position.amount))


def position_rows(account: OkxAccountState, held: Iterable[OkxOpenPosition], now: int) -> list[Row]:
    """Positions as REST tells them, with the time of the push; a closed one with an amount of 0."""
    return [row_of(account, position) | {"pTime": str(now)} for position in held]


def warnings(account: OkxAccountState, held: Iterable[OkxOpenPosition], now: int) -> list[Row]:
    """Positions in danger. They have the fields of positions, but not all of them."""
    return [
        {name: value for name, value in row.items() if name in _WARNED} for row in position_rows(account, held, now)
    ]


_WARNED = frozenset(
    {"instType", "mgnMode", "posId", "posSide", "pos", "posCcy", "instId", "lever", "markPx", "mgnRatio", "ccy",
     "cTime", "uTime", "pTime"}
)  # fmt: skip


def account_row(account: OkxAccountState, now: int) -> Row:
    """The account and its balances."""
    return dict.fromkeys(_OF_THE_ACCOUNT, "") | {
        "uTime": str(now),
        "details": [
            {"ccy": currency, "cashBal": plain(balance), "eq": plain(balance), "availEq": _free(account, currency)}
            for currency, balance in account.balances.items()
        ],
    }


_OF_THE_ACCOUNT = ("adjEq", "imr", "isoEq", "mgnRatio", "mmr", "notionalUsd", "ordFroz", "totalEq", "upl")
"""Figures in USD, empty for a single-currency account."""


def _free(account: OkxAccountState, currency: str) -> str:
    return plain(max(risk.free(account, currency), Decimal(0)))
