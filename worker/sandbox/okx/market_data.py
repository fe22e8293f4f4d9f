"""Public endpoints: time, instruments ("Get instruments", 2026-07-18), mark prices."""

from typing import Any

from worker.sandbox.okx.errors import OkxRefused
from worker.sandbox.okx.figures import plain
from worker.sandbox.okx.instruments import FUTURES, LISTED, SWAP, OkxExchangeState, OkxInstrument
from worker.sandbox.okx.parameters import OkxParameters

TYPES = (SWAP, FUTURES, "SPOT", "MARGIN", "OPTION")
EMPTY = ("auctionEndTime", "baseCcy", "contTdSwTime", "openType", "optType", "preMktSwTime", "quoteCcy", "stk")
"""Fields of other types of instruments."""


def time(exchange: OkxExchangeState, _parameters: OkxParameters) -> list[dict[str, Any]]:
    """GET /public/time."""
    return [{"ts": str(exchange.clock.now())}]


def instruments(exchange: OkxExchangeState, parameters: OkxParameters) -> list[dict[str, Any]]:
    """GET /public/instruments."""
    return [_row(instrument) for instrument in _asked(exchange, parameters)]


def mark_prices(exchange: OkxExchangeState, parameters: OkxParameters) -> list[dict[str, Any]]:
    """GET /public/mark-price."""
    now = str(exchange.clock.now())
    return [
        {"instId": asked.id, "instType": asked.type, "markPx": plain(asked.mark_price), "ts": now}
        for asked in _asked(exchange, parameters)
        if asked.state != "preopen"
    ]


def _asked(exchange: OkxExchangeState, parameters: OkxParameters) -> list[OkxInstrument]:
    of_type = exchange.of_type(parameters.choice("instType", TYPES))
    index, family = parameters.get("uly"), parameters.get("instFamily")
    found = [
        instrument
        for instrument in of_type
        if index in (None, instrument.underlying) and family in (None, instrument.instrument_family)
    ]
    if "instId" not in parameters:
        return found
    if not (named := [instrument for instrument in found if instrument.id == parameters["instId"]]):
        raise OkxRefused("51001")
    return named


def _row(instrument: OkxInstrument) -> dict[str, Any]:
    row = _told(instrument)
    if instrument.state != "preopen":
        return row
    known = {"instId", "instType", "state"}
    return {name: value if name in known or not isinstance(value, str) else "" for name, value in row.items()}


def _told(instrument: OkxInstrument) -> dict[str, Any]:
    return dict.fromkeys(EMPTY, "") | {
        "alias": instrument.alias,
        "category": "1",
        "ctMult": "1",
        "ctType": "inverse" if instrument.inverse else "linear",
        "ctVal": plain(instrument.contract_value),
        "ctValCcy": instrument.quote if instrument.inverse else instrument.base,
        "expTime": "" if instrument.expiry is None else str(instrument.expiry),
        "futureSettlement": False,
        "groupId": "4",
        "instFamily": instrument.instrument_family,
        "instId": instrument.id,
        "instIdCode": None,
        "instType": instrument.type,
        "lever": str(instrument.max_leverage),
        "listTime": str(LISTED),
        "lotSz": "1",
        "maxIcebergSz": "100000000",
        "maxLmtAmt": "20000000",
        "maxLmtSz": "100000000",
        "maxMktAmt": "",
        "maxMktSz": "12000",
        "maxPlatOILmt": "",
        "maxStopSz": "12000",
        "maxTriggerSz": "100000000",
        "maxTwapSz": "100000000",
        "minSz": "1",
        "posLmtAmt": "250000000",
        "posLmtPct": "30",
        "ruleType": instrument.rule,
        "settleCcy": instrument.settle,
        "state": instrument.state,
        "tickSz": plain(instrument.tick),
        "tradeQuoteCcyList": [],
        "uly": instrument.underlying,
    }
