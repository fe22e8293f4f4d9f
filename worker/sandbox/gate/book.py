"""Account books: which entries a query gets.

Source: gate-api 7.2.161, Query futures account change history, of perpetuals and of deliveries, checked 2026-11-29.
That both ends of a stretch are included is a guess.
"""

from decimal import Decimal
from typing import Any

from worker.sandbox.gate.account import AccountBookEntry, GateAccountState
from worker.sandbox.gate.contracts import DELIVERY, PERPETUAL
from worker.sandbox.gate.endpoint import GateRequest
from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.gate.positions import figure
from worker.sandbox.kit.clock import SECOND

DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 1_000
MICROSECONDS = 1_000_000

_BOTH = ("dnw", "pnl", "fee", "refr", "fund", "point_dnw", "point_fee", "point_refr")
TYPES = {PERPETUAL: frozenset((*_BOTH, "bonus_offset", "dividend")), DELIVERY: frozenset(_BOTH)}
"""Types to filter by in each family."""


def account_book(question: GateRequest, account: GateAccountState) -> list[dict[str, Any]]:
    """GET account_book: the newest entries of a stretch of seconds, both ends included. Deliveries know no offset."""
    parameters = question.parameters
    now = question.exchange.clock.now() // SECOND
    start, end = parameters.integer("from", 0), parameters.integer("to", now + 1)
    if start > end:
        raise GateRefused("INVALID_PARAM_VALUE", "from", start)
    limit = parameters.integer("limit", DEFAULT_LIMIT, HIGHEST_LIMIT, 1)
    offset = 0 if question.family == DELIVERY else parameters.integer("offset", 0)
    found = [
        entry
        for entry in account.books.get((question.family, question.settle), ())
        if start * MICROSECONDS <= entry.time <= end * MICROSECONDS and _wanted(entry, question)
    ]
    return [_row(entry) for entry in found[offset : offset + limit]]


def _wanted(entry: AccountBookEntry, question: GateRequest) -> bool:
    kind, contract = question.parameters.get("type"), question.parameters.get("contract")
    if kind is not None and kind not in TYPES[question.family]:
        raise GateRefused("INVALID_PARAM_VALUE", "type", kind)
    if question.family == DELIVERY:
        contract = None
    return kind in (None, entry.type) and contract in (None, entry.contract)


def _row(entry: AccountBookEntry) -> dict[str, Any]:
    row = {
        "time": Decimal(entry.time) / MICROSECONDS,
        "change": figure(entry.change),
        "balance": figure(entry.balance),
        "type": entry.type,
        "text": entry.text,
        "trade_id": entry.trade_id,
    }
    newer = {"contract": entry.contract, "id": entry.id}
    return row | {name: value for name, value in newer.items() if value is not None}
