"""An event of the bus on one line, for people; and whether it is about an account."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rich.text import Text

from schemas.base import utc_text
from schemas.control import EVERYTHING
from worker.console.display import outcome_text, printable

Data = Mapping[str, Any]


def event_line(event: Data, routing_key: str) -> Text:
    """Time, routing key, and what happened."""
    tell = LINES.get(event["type"], _as_json)
    return Text.assemble(f"{event['time']}  {routing_key}  ", tell(event["data"]))


def is_about(event: Data, account: str, exchange: str | None) -> bool:
    """Whether an event concerns an account: its own, and those of its venue or of everything.

    Where the account's venue is not known, those of all venues.
    """
    data = event["data"]
    if event["type"] == "perps-dma.freeze.v1":
        return data["scope"] in (EVERYTHING, f"account:{account}") or _is_of(data["scope"], exchange)
    if event["type"] == "perps-dma.venue.v1":
        return exchange in (None, data["exchange"])
    if event["type"] == "perps-dma.epoch.v1":
        return True
    if event["type"] == "perps-dma.denial.v1":
        return bool(data["account"] == account)
    return bool(event["subject"] == account)


def _is_of(scope: str, exchange: str | None) -> bool:
    kind, _, name = scope.partition(":")
    return kind == "exchange" and exchange in (None, name)


def _result(data: Data) -> Text:
    line = Text.assemble(outcome_text(data["outcome"]), f"  {data['envelope']['message']}")
    if "wanted" in (about := data["envelope"].get("error", {}).get("details", {})):
        line.append(f"; in doubt: {in_doubt(about)}")
    return line


def in_doubt(doubt: Data) -> str:
    """Which market or asset is in doubt, what was wanted, and since when."""
    about = doubt.get("symbol") or doubt.get("asset") or "all assets"
    return f"{about}, wanted {wanted_text(doubt['wanted'])}, since {utc_text(doubt['since'])}"


def wanted_text(wanted: Data) -> str:
    """What was wanted, in short.

    >>> wanted_text({"leverage": 10}), wanted_text({"collected": "all but BNB"})
    ('leverage 10', 'collected all but BNB')
    """
    return ", ".join(f"{name} {value}" for name, value in wanted.items())


def _doubt(data: Data) -> Text:
    style = {True: "green", False: "red", None: "yellow"}[data["as_wanted"]]
    told = f"  {printable(data['message'])}; command {data['command_id']}, {data['operation']}: {in_doubt(data)}"
    return Text.assemble(("doubt ended", style), told, _balances(data["balances"] or {}))


def _balances(balances: Data) -> str:
    totals = ((asset, row["total_wallet_balance"]) for asset, row in balances.items())
    told = ", ".join(f"{asset} {total}" for asset, total in totals if total)
    return f"; balances: {told}" if told else ""


def _positions(data: Data) -> Text:
    held = ", ".join(f"{row['symbol']} {row['side']} {row['contracts']}{_at(row)}" for row in data["positions"])
    return Text.assemble(f"seq {data['seq']}", (" (stale)" if data["stale"] else "", "red"), f": {held or 'flat'}")


def _at(row: Data) -> str:
    """Some venues keep no leverage for positions in portfolio margin."""
    return "" if row["leverage"] is None else f" at {row['leverage']}x"


def _drift(data: Data) -> Text:
    changed = ", ".join(
        f"{row['symbol']} {row['side']} {_terms(row, '_before')} -> {_terms(row)}" for row in data["positions"]
    )
    return Text.assemble(f"seq {data['seq']}: ", ("changed outside", "red"), f": {changed}")


def _terms(row: Data, when: str = "") -> str:
    leverage = row[f"leverage{when}"]
    return f"{'no leverage' if leverage is None else f'{leverage}x'} {row[f'margin_mode{when}']}"


def _freeze(data: Data) -> Text:
    actor = f" by {data['actor']}" if data["actor"] else ""
    if data["frozen"]:
        return Text.assemble(data["scope"], (" frozen", "red"), f"{actor}: {data['reason']}")
    return Text.assemble(data["scope"], (" unfrozen", "green"), actor)


def _venue(data: Data) -> Text:
    reason = f": {data['reason']}" if data["reason"] else ""
    return Text.assemble((data["health"], "green" if data["health"] == "up" else "red"), reason)


def _epoch(data: Data) -> Text:
    return Text.assemble(("a new epoch of the ledger", "red"), f", it replaces what was told before: {data['reason']}")


def _dead_letters(data: Data) -> Text:
    letters = data["letters"]
    return Text(f"{len(letters)} {data['action']} by {data['actor']}: {', '.join(letters)}")


def _denial(data: Data) -> Text:
    who = " ".join(filter(None, (data["actor"], data["address"] and f"from {data['address']}"))) or "many"
    account = f" for {data['account']}" if data["account"] else ""
    told = f" {data['operation']}{account} to {who}: {data['reason']}, {data['count']} times"
    return Text.assemble((f"{data['status']} denied", "red"), printable(told) or "")


def _as_json(data: Data) -> Text:
    return Text(json.dumps(data, separators=(",", ":")))


LINES: Mapping[str, Callable[[Data], Text]] = MappingProxyType(
    {
        "perps-dma.result.v1": _result,
        "perps-dma.positions.v1": _positions,
        "perps-dma.drift.v1": _drift,
        "perps-dma.doubt.v1": _doubt,
        "perps-dma.freeze.v1": _freeze,
        "perps-dma.venue.v1": _venue,
        "perps-dma.epoch.v1": _epoch,
        "perps-dma.dead-letters.v1": _dead_letters,
        "perps-dma.denial.v1": _denial,
    }
)
"""How each type of event is told; one that is not listed is shown as it is."""
