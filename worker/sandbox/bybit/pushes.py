"""What Bybit pushes of a change: rows of the topics `position`, `wallet` and `execution`.

Source: V5 "Websocket Stream", pages "Position", "Wallet" and "Execution", read on 2026-11-29. A position is pushed
after each order, changed or not, a wallet when its balance changes. A bare change of leverage is pushed where the
account has `pushes_leverage` alone, for no document speaks of it; of a margin mode nothing is ever pushed. A row has
its `entryPrice` where the list of positions has an `avgPrice`. Which coins a push of the wallet has is a guess: those
whose balance has changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from worker.sandbox.bybit.account import (
    CLASSIC,
    BybitAccountState,
    BybitMarginMode,
    BybitOpenPosition,
    BybitTerms,
    Index,
)
from worker.sandbox.bybit.contracts import BybitExchangeState
from worker.sandbox.bybit.figures import plain
from worker.sandbox.bybit.positions import position_row
from worker.sandbox.bybit.records import SETTLEMENT, BybitFill, FundingPayment
from worker.sandbox.bybit.reports import fill_execution, funding_execution
from worker.sandbox.bybit.wallets import maintenance_of, price_of

POSITION, WALLET, EXECUTION = "position", "wallet", "execution"

PositionKey = tuple[str, Index]


class BybitTold(NamedTuple):
    """What the streams have told of an account, or found when the first one was opened."""

    positions: Mapping[PositionKey, BybitOpenPosition]
    terms: Mapping[str, BybitTerms]
    wallet: Mapping[str, Decimal]
    funding: tuple[FundingPayment, ...]
    fills: tuple[BybitFill, ...]


def told_of(account: BybitAccountState) -> BybitTold:
    """The account as it is now."""
    return BybitTold(dict(account.positions), dict(account.terms), dict(account.wallet), account.funding, account.fills)


def changes(before: BybitTold, account: BybitAccountState, exchange: BybitExchangeState) -> dict[str, list[Any]]:
    """The rows to push by topic, executions first; no topic whose rows are none."""
    coins = [coin for coin, amount in account.wallet.items() if before.wallet.get(coin, Decimal(0)) != amount]
    rows = {
        EXECUTION: list(_executions(before, account, exchange)),
        POSITION: list(position_rows(account, exchange, _changed(before, account, exchange))),
        WALLET: [_wallet(account, exchange, coins)] if coins else [],
    }
    return {topic: pushed for topic, pushed in rows.items() if pushed}


def _executions(before: BybitTold, account: BybitAccountState, exchange: BybitExchangeState) -> Iterator[Any]:
    for fill in account.fills[len(before.fills) :]:
        yield {"category": fill.category} | fill_execution(exchange, fill)
    if account.funding is not before.funding:
        known = frozenset(before.funding)
        for payment in account.funding:
            if payment not in known and payment.type == SETTLEMENT:
                yield {"category": payment.category} | funding_execution(exchange, payment)


def _changed(before: BybitTold, account: BybitAccountState, exchange: BybitExchangeState) -> list[PositionKey]:
    """The rows that were traded, or whose leverage was set where that is pushed."""
    keys = dict.fromkeys((*before.positions, *account.positions))
    traded = [key for key in keys if before.positions.get(key) != account.positions.get(key)]
    if not account.pushes_leverage:
        return traded
    set_anew = [symbol for symbol, terms in account.terms.items() if before.terms.get(symbol, BybitTerms()) != terms]
    sides = [(symbol, index) for symbol in set_anew for index in account.indexes(exchange.contracts[symbol])]
    return list(dict.fromkeys((*traded, *sides)))


def position_rows(
    account: BybitAccountState, exchange: BybitExchangeState, keys: Iterable[PositionKey]
) -> Iterator[dict[str, Any]]:
    """Rows as they are pushed, of open positions and of flat ones."""
    now = exchange.clock.now()
    for symbol, index in keys:
        contract, position = exchange.contracts[symbol], account.positions.get((symbol, index))
        row = position_row(account, contract, index, position, account.terms_of(contract))
        row["entryPrice"] = row.pop("avgPrice")
        # a cross sequence, that is all a document says of it
        yield {"category": contract.category} | row | {"seq": now, "updatedTime": str(now)}


def _wallet(account: BybitAccountState, exchange: BybitExchangeState, coins: Iterable[str]) -> dict[str, Any]:
    worth = {coin: amount * price_of(coin, exchange) for coin, amount in account.wallet.items()}
    total = plain(sum(worth.values(), Decimal(0)))
    figures = {
        "totalEquity": total,
        "totalWalletBalance": total,
        "totalMarginBalance": total,
        "totalAvailableBalance": total,
        "totalPerpUPL": "0",
    }
    return {
        "accountType": "CONTRACT" if account.status == CLASSIC else "UNIFIED",
        **_rates(account, exchange, sum(worth.values(), Decimal(0))),
        **figures,
        "coin": [_coin(coin, account.wallet[coin], worth[coin]) for coin in coins],
    }


def _rates(account: BybitAccountState, exchange: BybitExchangeState, equity: Decimal) -> dict[str, str]:
    """The account's rates, which are empty in isolated margin."""
    if account.margin_mode is BybitMarginMode.ISOLATED or not equity:
        return {"accountIMRate": "", "accountMMRate": "", "totalInitialMargin": "", "totalMaintenanceMargin": ""}
    open_now = account.positions.values()
    priced = [(row, price_of(row.contract.settle, exchange)) for row in open_now]
    initial = sum((account.initial_margin(row) * price for row, price in priced), Decimal(0))
    maintenance = sum((maintenance_of(row) * price for row, price in priced), Decimal(0))
    return {
        "accountIMRate": plain(initial / equity),
        "accountMMRate": plain(maintenance / equity),
        "totalInitialMargin": plain(initial),
        "totalMaintenanceMargin": plain(maintenance),
    }


def _coin(coin: str, amount: Decimal, worth: Decimal) -> dict[str, Any]:
    return {
        "coin": coin,
        "equity": plain(amount),
        "usdValue": plain(worth),
        "walletBalance": plain(amount),
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": "0",
        "totalPositionIM": "0",
        "totalPositionMM": "0",
        "unrealisedPnl": "0",
        "cumRealisedPnl": "0",
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
        "locked": "0",
        "spotHedgingQty": "0",
    }
