"""How a doubt ended: what the venue showed afterwards, or what a later command has set."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from schemas.base import Milliseconds, utc_text
from schemas.events import ConfirmedBy, DoubtEvent, DoubtResolution, InForce, event_id
from worker.ledger.unresolved import Doubt, Ended
from worker.venues.port.adapter import MarginSettings

MODE_OF_EACH_ORDER = frozenset({"okx"})
"""Venues that keep no margin mode for a market: one that is not shown may yet be what was set."""

_SWEPT = "whether {} was swept can't be known, and it is never tried again; these are the balances afterwards"
_UNTOLD = "; there each order names its margin mode, so that this tells nothing of what was set"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a venue showed when it was asked: the terms of a market, or balances by asset."""

    as_of: Milliseconds
    terms: MarginSettings | None = None
    balances: Mapping[str, dict[str, Any]] | None = None


def is_as_wanted(doubt: Doubt, terms: MarginSettings) -> bool | None:
    """Whether terms are what was wanted; None where they can't tell."""
    if doubt.operation == "set_leverage":
        return terms.all_at(Decimal(str(doubt.wanted["leverage"])))
    shown = terms.margin_mode == doubt.wanted["margin_mode"]
    return shown or (None if doubt.exchange in MODE_OF_EACH_ORDER else False)


def read_back(doubt: Doubt, reading: Reading, now: Milliseconds) -> DoubtResolution:
    """A doubt that the venue has ended, as far as it could."""
    told = {"confirmed_by": ConfirmedBy.READ_BACK, "settled_by": None, "as_of": reading.as_of, "resolved": now}
    if (terms := reading.terms) is None:
        return _ended(doubt, told | _swept(doubt, reading.balances or {}))
    as_wanted = is_as_wanted(doubt, terms)
    words = {None: _UNTOLD, True: ", as was wanted", False: ", and not as was wanted"}[as_wanted]
    shown = {
        "in_force": InForce(leverage=terms.leverage, margin_mode=terms.margin_mode, sides=terms.sides),
        "as_wanted": as_wanted,
        "balances": None,
        "message": f"{doubt.subject} is at {terms.leverage.normalize():f}x {terms.margin_mode}{words}",
    }
    return _ended(doubt, told | shown)


def _swept(doubt: Doubt, balances: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "in_force": None,
        "as_wanted": None,
        "balances": {name: row for name, row in balances.items() if doubt.asset in (None, name)},
        "message": _SWEPT.format(doubt.wanted["collected"]),
    }


def settled(ended: Ended, now: Milliseconds) -> DoubtResolution:
    """A doubt that a later command has ended: in force is what that one's event says."""
    doubt, result = ended.doubt, orjson.loads(ended.result)["data"]
    applied = {name: result["applied"].get(name) for name in ("leverage", "margin_mode")}
    told = {
        "in_force": applied,
        "as_wanted": all(applied[name] == wanted for name, wanted in doubt.wanted.items()),
        "balances": None,
        "confirmed_by": result["confirmed_by"],
        "settled_by": result["command_id"],
        "as_of": result["timings"]["finished"],
        "resolved": now,
        "message": f"a later command has settled it: {result['envelope']['message']}",
    }
    return _ended(doubt, told)


def _ended(doubt: Doubt, told: dict[str, Any]) -> DoubtResolution:
    return DoubtResolution(
        exchange=doubt.exchange,
        exchange_account_id=doubt.account,
        operation=doubt.operation,
        command_id=doubt.command,
        actor=doubt.actor,
        symbol=doubt.symbol,
        asset=doubt.asset,
        wanted=doubt.wanted,
        since=doubt.since,
        **told,
    )


def event_of(resolution: DoubtResolution, epoch: int) -> DoubtEvent:
    """What everybody is told."""
    return DoubtEvent(
        id=event_id("doubt", epoch, resolution.command_id),
        epoch=epoch,
        subject=resolution.exchange_account_id,
        time=utc_text(resolution.resolved),
        data=resolution,
    )
