"""GET /account/balance: what an account holds, and how far its margin reaches (Get balance, 2026-07).

In futures mode each currency has its own ratio, and the account none; elsewhere the account has one in USD, and the
currencies none. Coins count in full at their mark price: that is ours.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from worker.sandbox.okx import risk
from worker.sandbox.okx.account import AccountLevel, OkxAccountState, OkxMarginMode, OkxOpenPosition
from worker.sandbox.okx.figures import or_empty, plain
from worker.sandbox.okx.instruments import OkxExchangeState
from worker.sandbox.okx.parameters import OkxParameters
from worker.sandbox.okx.risk import ZERO

STABLE = ("USDT", "USDC", "USD")
EMPTY = ("adjEq", "availEq", "borrowFroz", "imr", "mgnRatio", "mmr", "notionalUsd", "ordFroz", "upl")
OF_ACCOUNT = {AccountLevel.MULTI_CURRENCY, AccountLevel.PORTFOLIO_MARGIN}


def balance(exchange: OkxExchangeState, _parameters: OkxParameters, account: OkxAccountState) -> list[dict[str, Any]]:
    """The account, and each currency that it holds."""
    currencies = list(account.balances)
    equity = sum((_equity(account, currency) * _price(exchange, currency) for currency in currencies), ZERO)
    shared = _shared(exchange, account) if account.level in OF_ACCOUNT else dict.fromkeys(EMPTY, "")
    isolated = sum((_isolated(account, currency) * _price(exchange, currency) for currency in currencies), ZERO)
    return [
        {
            **shared,
            "details": [_detail(exchange, account, currency) for currency in currencies],
            "isoEq": plain(isolated),
            "totalEq": plain(equity),
            "uTime": str(exchange.clock.now()),
        }
    ]


def _detail(exchange: OkxExchangeState, account: OkxAccountState, currency: str) -> dict[str, Any]:
    own = account.level not in OF_ACCOUNT
    cross = risk.in_cross(account, currency)
    maintenance = sum(map(risk.maintenance, cross), ZERO)
    equity, isolated = _equity(account, currency), _isolated(account, currency)
    return {
        "ccy": currency,
        "availBal": plain(max(risk.free(account, currency), ZERO)),
        "availEq": plain(max(risk.free(account, currency), ZERO)),
        "cashBal": plain(account.balances[currency]),
        "eq": plain(equity),
        "eqUsd": plain(equity * _price(exchange, currency)),
        "frozenBal": "0",
        "imr": plain(sum((risk.initial(account, row) for row in cross), ZERO)) if own else "",
        "isoEq": plain(isolated),
        "isoUpl": plain(sum(map(risk.profit, _own(account, currency)), ZERO)),
        "mgnRatio": or_empty((equity - isolated) / maintenance if own and maintenance else None),
        "mmr": plain(maintenance) if own else "",
        "notionalLever": "0",
        "ordFrozen": "0",
        "uTime": str(exchange.clock.now()),
        "upl": plain(sum(map(risk.profit, (*cross, *_own(account, currency))), ZERO)),
    }


def _shared(exchange: OkxExchangeState, account: OkxAccountState) -> dict[str, str]:
    """What all cross positions share, in USD."""
    currencies = list(account.balances)
    worth = {currency: _price(exchange, currency) for currency in currencies}
    free = sum(((_equity(account, name) - _isolated(account, name)) * worth[name] for name in currencies), ZERO)
    cross = [(row, worth[name]) for name in currencies for row in risk.in_cross(account, name)]
    maintenance = sum((risk.maintenance(row) * price for row, price in cross), ZERO)
    initial = sum((risk.initial(account, row) * price for row, price in cross), ZERO)
    return {
        "adjEq": plain(free),
        "availEq": plain(max(free - initial, ZERO)),
        "borrowFroz": "0",
        "imr": plain(initial),
        "mgnRatio": or_empty(free / maintenance if maintenance else None),
        "mmr": plain(maintenance),
        "notionalUsd": plain(sum((risk.notional(row) * price for row, price in cross), ZERO)),
        "ordFroz": "0",
        "upl": plain(sum((risk.profit(row) * price for row, price in cross), ZERO)),
    }


def _own(account: OkxAccountState, currency: str) -> list[OkxOpenPosition]:
    rows: Iterable[OkxOpenPosition] = account.open()
    return [row for row in rows if row.mode is OkxMarginMode.ISOLATED and row.instrument.settle == currency]


def _isolated(account: OkxAccountState, currency: str) -> Decimal:
    return sum((row.margin + risk.profit(row) for row in _own(account, currency)), ZERO)


def _equity(account: OkxAccountState, currency: str) -> Decimal:
    held = (*risk.in_cross(account, currency), *_own(account, currency))
    return account.balances[currency] + sum(map(risk.profit, held), ZERO)


def _price(exchange: OkxExchangeState, currency: str) -> Decimal:
    instrument = exchange.instruments.get(f"{currency}-USDT-SWAP")
    return Decimal(1) if currency in STABLE or instrument is None else instrument.mark_price
