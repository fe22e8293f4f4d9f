"""Every endpoint that is served: what it takes, what it changes, what it answers. Name each one's page beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.newvenue.account import (
    INSTRUMENTS,
    OPENED,
    NewvenueAccountState,
    NewvenueInstrument,
    NewvenuePosition,
    NewvenueRecord,
)
from worker.sandbox.newvenue.auth import NewvenueRefused

Parameters = Mapping[str, str]

MOST_RECORDS = 100


@dataclass(frozen=True, slots=True)
class NewvenuePublicEndpoint:
    """An endpoint that anybody may ask."""

    answer: Callable[[Milliseconds, Parameters], Any]


@dataclass(frozen=True, slots=True)
class NewvenueSignedEndpoint:
    """An endpoint that wants a signed request, and speaks for its account."""

    answer: Callable[[NewvenueAccountState, Parameters], Any]


def _time(now: Milliseconds, _: Parameters) -> Any:
    return {"time": now}


def _instruments(_: Milliseconds, asked: Parameters) -> Any:
    listed = [_instrument(asked)] if "instrument" in asked else INSTRUMENTS.values()
    return {
        "instruments": [
            {
                "id": row.id,
                "base": row.base,
                "quote": "USDT",
                "settle": "USDT",
                "contract_size": "1",
                "max_leverage": str(row.max_leverage),
                "state": "live",
            }
            for row in listed
        ]
    }


def _key(_: NewvenueAccountState, __: Parameters) -> Any:
    return {"permissions": ["read", "trade"], "position_mode": "net"}


def _settings(account: NewvenueAccountState, asked: Parameters) -> Any:
    instrument = _instrument(asked)
    leverage = account.leverage(instrument.id)
    return {"instrument": instrument.id, "leverage": f"{leverage:f}", "margin_mode": "cross"}


def _set_leverage(account: NewvenueAccountState, asked: Parameters) -> Any:
    instrument, leverage = _instrument(asked), _number(asked, "leverage")
    if leverage != leverage.to_integral_value() or not 1 <= leverage <= instrument.max_leverage:
        raise NewvenueRefused("INVALID_LEVERAGE")
    if instrument.id in account.positions and account.free_after(instrument.id, leverage) < 0:
        raise NewvenueRefused("INSUFFICIENT_MARGIN")
    account.leverages[instrument.id] = leverage
    return {"instrument": instrument.id, "leverage": f"{leverage:f}"}


def _positions(account: NewvenueAccountState, asked: Parameters) -> Any:
    only = _instrument(asked).id if "instrument" in asked else None
    held = [row for name, row in account.positions.items() if only in (None, name)]
    return {"positions": [_position(account, row) for row in held]}


def _position(account: NewvenueAccountState, held: NewvenuePosition) -> dict[str, Any]:
    leverage = account.leverage(held.instrument.id)
    return {
        "instrument": held.instrument.id,
        "size": f"{held.size:f}",
        "entry_price": f"{held.entry_price:f}",
        "mark_price": f"{held.instrument.mark_price:f}",
        "leverage": f"{leverage:f}",
        "margin_mode": "cross",
        "margin": f"{held.margin(leverage):f}",
        "unrealized_pnl": f"{held.profit:f}",
        "liquidation_price": "",
        "updated": OPENED,
    }


def _records(account: NewvenueAccountState, asked: Parameters) -> Any:
    """Oldest first; `next` is where the next page begins, and null at the end."""
    first, last = (_number(asked, name) for name in ("from", "to"))
    limit = min(int(_number(asked, "limit")), MOST_RECORDS)
    only = _instrument(asked).id if "instrument" in asked else None
    rows = [row for row in account.records if first <= row.time <= last and only in (None, row.instrument)]
    ids = [row.id for row in rows]
    begin = ids.index(asked["after"]) + 1 if asked.get("after") in ids else 0
    page = rows[begin : begin + limit]
    more = begin + len(page) < len(rows)
    return {"records": [_record(row) for row in page], "next": page[-1].id if more else None}


def _record(row: NewvenueRecord) -> dict[str, Any]:
    amount = f"{row.amount:f}"
    about = {"id": row.id, "type": row.kind, "instrument": row.instrument}
    return about | {"amount": amount, "currency": "USDT", "time": row.time}


def _instrument(asked: Parameters) -> NewvenueInstrument:
    if (found := INSTRUMENTS.get(asked.get("instrument", ""))) is None:
        raise NewvenueRefused("UNKNOWN_INSTRUMENT")
    return found


def _number(asked: Parameters, name: str) -> Decimal:
    try:
        number = Decimal(asked.get(name, ""))
    except InvalidOperation:
        raise NewvenueRefused("INVALID_PARAMETER", name) from None
    if not number.is_finite():
        raise NewvenueRefused("INVALID_PARAMETER", name)
    return number


ENDPOINTS: Mapping[tuple[str, str], NewvenuePublicEndpoint | NewvenueSignedEndpoint] = MappingProxyType(
    {
        ("GET", "/v1/time"): NewvenuePublicEndpoint(_time),
        ("GET", "/v1/instruments"): NewvenuePublicEndpoint(_instruments),
        ("GET", "/v1/key"): NewvenueSignedEndpoint(_key),
        ("POST", "/v1/leverage"): NewvenueSignedEndpoint(_set_leverage),
        ("GET", "/v1/positions"): NewvenueSignedEndpoint(_positions),
        ("GET", "/v1/records"): NewvenueSignedEndpoint(_records),
        ("GET", "/v1/settings"): NewvenueSignedEndpoint(_settings),
    }
)
"""The endpoints by method and path."""
