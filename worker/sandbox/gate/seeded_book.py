"""Most of a year of account book for a seeded account: funding, realized profits, fees, transfers, a dividend.

What a delivery's settlement pays is an entry of type pnl: the account's total is the sum of its dnw, pnl, fee, refr and
fund (gate-api 7.2.161, `DeliveryAccount.total`).

Funding of all contracts falls due in the same instant, and several fills share one, so pages end among entries of one
instant. The oldest entries are from before Gate noted contracts and ids in them.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.gate.account import AccountBookEntry, Books
from worker.sandbox.gate.contracts import DELIVERY, PERPETUAL
from worker.sandbox.kit.clock import DAY, HOUR, MINUTE

FUNDING_INTERVAL = 8 * HOUR
KEPT_DAYS = 200
BEFORE_CONTRACTS: Milliseconds = 1_690_848_000_000
"""2023-08-01: entries of this time carry neither contract nor id."""

FUNDED = {
    "BTC_USDT": Decimal("-0.15"),
    "ETH_USDT": Decimal("-0.08"),
    "SOL_USDT": Decimal("0.03"),
    "XRP_USDT": Decimal("0.02"),
    "BNB_USDT": Decimal("-0.04"),
}
COIN_FUNDED = {"BTC_USD": Decimal("-0.00000152")}
PROFIT_EVERY = 5 * HOUR
FILLS = ("BTC_USDT", "BTC_USDT", "ETH_USDT")
"""The contracts of the fills that close positions in one instant."""


class BookChange(NamedTuple):
    """What happened to an account, before its balance is struck."""

    time: Milliseconds
    amount: Decimal
    type: str
    contract: str
    old: bool = False


@lru_cache(maxsize=4)
def books(now: Milliseconds, delivery: str) -> Books:
    """The books of all parts of an account. `delivery` is a delivery contract's name."""
    linear = (
        *_old(),
        *_funding(now, FUNDED),
        *_profits(now),
        BookChange(now - 30 * DAY, Decimal(500), "dnw", ""),
        BookChange(now - 20 * DAY, Decimal("3.45"), "dividend", "MU_USDT"),
        *(BookChange(now - age, Decimal("-0.98"), "fee", "BTC_USDT") for age in range(11 * MINUTE, 90 * DAY, DAY)),
    )
    coin = (*_funding(now, COIN_FUNDED), *_coin_profits(now))
    return {
        (PERPETUAL, "usdt"): _struck(linear, Decimal(2_000)),
        (PERPETUAL, "btc"): _struck(coin, Decimal("0.02")),
        (DELIVERY, "usdt"): _struck(_deliveries(now, delivery), Decimal(1_000)),
    }


def _struck(changes: Iterable[BookChange], balance: Decimal) -> tuple[AccountBookEntry, ...]:
    """Entries with the balance after each, the newest first."""
    entries = []
    for number, change in enumerate(sorted(changes, key=lambda row: row.time), 1):
        balance += change.amount
        entries.append(_entry(change, balance, number))
    return tuple(reversed(entries))


def _entry(change: BookChange, balance: Decimal, number: int) -> AccountBookEntry:
    return AccountBookEntry(
        time=change.time * 1_000 + 456,
        change=change.amount,
        balance=balance,
        type=change.type,
        text=f"{change.contract}:{6_000_000 + number}" if change.contract else "",
        contract=None if change.old else change.contract,
        trade_id=str(number) if change.type in ("pnl", "fee") else "",
        id=None if change.old else str(number),
    )


def _old() -> Iterator[BookChange]:
    for number in range(30):
        time = BEFORE_CONTRACTS + number * FUNDING_INTERVAL
        yield BookChange(time, Decimal("-0.10"), "fund", "BTC_USDT", old=True)
        yield BookChange(time, Decimal("-0.05"), "fund", "ETH_USDT", old=True)
        yield BookChange(time + HOUR, Decimal(0), "pnl", "BTC_USDT", old=True)


def _funding(now: Milliseconds, funded: dict[str, Decimal]) -> Iterator[BookChange]:
    newest = now // FUNDING_INTERVAL * FUNDING_INTERVAL
    for step, time in enumerate(range(newest, now - KEPT_DAYS * DAY, -FUNDING_INTERVAL)):
        for contract, amount in funded.items():
            yield BookChange(time, amount * (1 + step % 5), "fund", contract)


def _profits(now: Milliseconds) -> Iterator[BookChange]:
    for number, age in enumerate(range(10 * MINUTE, KEPT_DAYS * DAY, PROFIT_EVERY)):
        for fill, contract in enumerate(FILLS):
            yield BookChange(now - age, Decimal("125.50") - number * Decimal("0.37") - fill, "pnl", contract)


def _coin_profits(now: Milliseconds) -> Iterator[BookChange]:
    for age in range(2 * HOUR, KEPT_DAYS * DAY, 20 * DAY):
        yield BookChange(now - age, Decimal("0.00031"), "pnl", "BTC_USD")


def _deliveries(now: Milliseconds, delivery: str) -> Iterator[BookChange]:
    for age in range(5 * HOUR, KEPT_DAYS * DAY, 21 * DAY):
        yield BookChange(now - age, Decimal("12.34"), "pnl", delivery)
        yield BookChange(now - age, Decimal("-0.40"), "fee", delivery)
    yield BookChange(now - 80 * DAY, Decimal("33.21"), "pnl", "BTC_USDT_20260626")
