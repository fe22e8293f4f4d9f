"""Get bills details: the last seven days, or the last three months; and the types there are (documents of 2026-07).

That `begin` and `end` are themselves included is a guess: no document says it.
"""

from collections.abc import Callable
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import DAY
from worker.sandbox.okx.account import OkxAccountState
from worker.sandbox.okx.bill import TYPES, Bill
from worker.sandbox.okx.errors import OkxRefused
from worker.sandbox.okx.instruments import OkxExchangeState
from worker.sandbox.okx.parameters import OkxParameters

Handler = Callable[[OkxExchangeState, OkxParameters, OkxAccountState], list[dict[str, Any]]]

PAGE = 100
RECENT: Milliseconds = 7 * DAY
ARCHIVED: Milliseconds = 90 * DAY

FILTERS: dict[str, Callable[[Bill], str]] = {
    "instType": lambda bill: bill.instrument_type,
    "instId": lambda bill: bill.instrument_id,
    "ccy": lambda bill: bill.currency,
    "mgnMode": lambda bill: bill.margin_mode,
    "type": lambda bill: bill.type,
    "subType": lambda bill: bill.sub_type,
    "ctType": lambda bill: "inverse" if "-USD-" in bill.instrument_id else "linear",
}


def bills(kept: Milliseconds) -> Handler:
    """GET /account/bills or /account/bills-archive: newest first, a page at a time."""

    def find(exchange: OkxExchangeState, parameters: OkxParameters, account: OkxAccountState) -> list[dict[str, Any]]:
        limit = parameters.integer("limit", PAGE)
        if not 1 <= limit <= PAGE:
            raise OkxRefused("51000", "limit")
        found = _found(account.bills, parameters, exchange.clock.now() - kept)
        # `before` alone asks for the page that follows, not for the newest one
        page = found[-limit:] if "before" in parameters and "after" not in parameters else found[:limit]
        return [bill.row() for bill in page]

    return find


def bill_types(
    _exchange: OkxExchangeState, parameters: OkxParameters, _account: OkxAccountState
) -> list[dict[str, Any]]:
    """GET /account/subtypes."""
    wanted = parameters.several("type", len(TYPES)) or tuple(TYPES)
    return [{"type": kind, "typeDesc": TYPES[kind], "subTypeDetails": []} for kind in wanted if kind in TYPES]


def _found(kept: tuple[Bill, ...], parameters: OkxParameters, oldest: Milliseconds) -> list[Bill]:
    begin, end = parameters.instant("begin", 0), parameters.instant("end", kept[-1].time if kept else 0)
    older, newer = parameters.integer("after", kept[-1].id + 1 if kept else 1), parameters.integer("before", -1)
    return [
        bill
        for bill in reversed(kept)
        if max(begin, oldest) <= bill.time <= end
        and newer < bill.id < older
        and all(parameters.get(name, value := of(bill)) == value for name, of in FILTERS.items())
    ]
