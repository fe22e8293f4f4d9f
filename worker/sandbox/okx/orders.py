"""Open orders, as far as they are needed here: to be counted (Get order List, 2026-07). The orders are made up."""

from typing import Any

from worker.sandbox.okx.account import OkxAccountState
from worker.sandbox.okx.figures import plain
from worker.sandbox.okx.instruments import OkxExchangeState, OkxInstrument
from worker.sandbox.okx.parameters import OkxParameters

MOST = 100


def pending(exchange: OkxExchangeState, parameters: OkxParameters, account: OkxAccountState) -> list[dict[str, Any]]:
    """GET /trade/orders-pending."""
    now = exchange.clock.now()
    rows = [
        _row(exchange.instruments[name], account, number, now)
        for name, count in account.open_orders.items()
        for number in range(count)
        if parameters.get("instId") in (None, name)
    ]
    return rows[: min(parameters.integer("limit", MOST), MOST)]


def _row(instrument: OkxInstrument, account: OkxAccountState, number: int, now: int) -> dict[str, Any]:
    return {
        "instType": instrument.type,
        "instId": instrument.id,
        "ordId": str(312_269_865_356_374_016 + number),
        "clOrdId": "",
        "px": plain((instrument.mark_price / 2 // instrument.tick) * instrument.tick),
        "sz": "1",
        "ordType": "limit",
        "side": "buy",
        "posSide": "long" if account.two_sided else "net",
        "tdMode": "cross",
        "state": "live",
        "lever": "3",
        "accFillSz": "0",
        "cTime": str(now),
        "uTime": str(now),
    }
