"""How a doubt ended: what the venue showed afterwards, or what a later command has set."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from schemas.base import Milliseconds, utc_text
from schemas.events import ConfirmedBy, DoubtEvent, DoubtResolution, InForce, event_id
from schemas.requests import PositionMode
from worker.ledger.unresolved import Doubt, Ended
from worker.venues.port.adapter import IsolatedMargin, MarginMovement, MarginSettings, PositionModesRead

MODE_OF_EACH_ORDER = frozenset({"okx"})
"""Venues that keep no margin mode for a market: one that is not shown may yet be what was set."""

IN_FORCE = ("leverage", "margin_mode", "position_mode")
"""What a command may have set, by the names of the API."""

_SWEPT = "whether {} was swept can't be known, and it is never tried again; these are the balances afterwards"
_UNTOLD = "; there each order names its margin mode, so that this tells nothing of what was set"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a venue showed when it was asked: terms of a market, a position mode, margin of a position, or balances.

    `gone` says why there is no such position any more, `moves` what the venue's own record of moved margin shows; None
    where it keeps none.
    """

    as_of: Milliseconds
    setting: MarginSettings | PositionModesRead | None = None
    margin: IsolatedMargin | None = None
    gone: str | None = None
    moves: tuple[MarginMovement, ...] | None = None
    balances: Mapping[str, dict[str, Any]] | None = None


def is_as_wanted(doubt: Doubt, terms: MarginSettings | PositionModesRead) -> bool | None:
    """Whether what is in force is what was wanted; None where that can't be told."""
    if isinstance(terms, PositionModesRead):
        return terms.all_in(PositionMode(doubt.wanted["position_mode"]))
    if doubt.operation == "set_leverage":
        return terms.all_at(Decimal(str(doubt.wanted["leverage"])))
    shown = terms.margin_mode == doubt.wanted["margin_mode"]
    return shown or (None if doubt.exchange in MODE_OF_EACH_ORDER else False)


def read_back(doubt: Doubt, reading: Reading, now: Milliseconds) -> DoubtResolution:
    """A doubt that the venue has ended, as far as it could."""
    told = {"confirmed_by": ConfirmedBy.READ_BACK, "settled_by": None, "as_of": reading.as_of, "resolved": now}
    if doubt.is_margin_move:
        return _ended(doubt, told | _moved(doubt, reading))
    if (setting := reading.setting) is None:
        return _ended(doubt, told | _swept(doubt, reading.balances or {}))
    as_wanted = is_as_wanted(doubt, setting)
    words = {None: _UNTOLD, True: ", as was wanted", False: ", and not as was wanted"}[as_wanted]
    shown = {
        "in_force": _in_force(setting),
        "as_wanted": as_wanted,
        "balances": None,
        "message": f"{_described(doubt, setting)}{words}",
    }
    return _ended(doubt, told | shown)


def _in_force(setting: MarginSettings | PositionModesRead) -> InForce:
    if isinstance(setting, PositionModesRead):
        return InForce(leverage=None, margin_mode=None, position_mode=setting.mode)
    return InForce(leverage=setting.leverage, margin_mode=setting.margin_mode, sides=setting.sides)


def _described(doubt: Doubt, setting: MarginSettings | PositionModesRead) -> str:
    if isinstance(setting, PositionModesRead):
        return str(setting)
    return f"{doubt.subject} is at {setting.leverage.normalize():f}x {setting.margin_mode}"


def _swept(doubt: Doubt, balances: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "in_force": None,
        "as_wanted": None,
        "balances": {name: row for name, row in balances.items() if doubt.asset in (None, name)},
        "message": _SWEPT.format(doubt.wanted["collected"]),
    }


def _moved(doubt: Doubt, reading: Reading) -> dict[str, Any]:
    found = reading.margin
    if found is None:
        balances: dict[str, dict[str, Any]] = {}
        shown = f"there is no such position any more: {reading.gone}"
    else:
        row = {"side": found.side, "isolated_margin": found.margin, "currency": found.currency}
        balances, shown = {doubt.subject: row}, f"its margin is {found.margin.normalize():f} {found.currency} now"
    ((what, amount),) = doubt.wanted.items()
    balances, shown = _with_moves(balances, shown, reading.moves)
    return {
        "in_force": None,
        "as_wanted": None,
        "balances": balances,
        "message": f"whether {amount} was {what} can't be known, and it is never tried again; {shown}",
    }


def _with_moves(
    balances: dict[str, dict[str, Any]], shown: str, moves: tuple[MarginMovement, ...] | None
) -> tuple[dict[str, dict[str, Any]], str]:
    """With what the venue has recorded. Whose moves they are it does not say: they are shown, and prove nothing."""
    if moves is None:
        return balances, shown
    rows = [{"at": one.at, "side": one.side, "amount": one.amount} for one in moves]
    told = ", ".join(f"{one.amount.normalize():+f} at {utc_text(one.at)}" for one in moves)
    recorded = f"{shown}; the venue's record of moves around that time: {told or 'none'}"
    return {name: {**row, "moves": rows} for name, row in balances.items()}, recorded


def settled(ended: Ended, now: Milliseconds) -> DoubtResolution:
    """A doubt that a later command has ended: in force is what that one's event says."""
    doubt, result = ended.doubt, orjson.loads(ended.result)["data"]
    applied = {name: result["applied"].get(name) for name in IN_FORCE}
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
