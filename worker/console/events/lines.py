"""An event of the bus on one line, for people; and whether it is about an account."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rich.text import Text

from schemas.base import utc_text
from schemas.control import EVERYTHING, StreamHealth
from schemas.events import KnownBy, Trigger
from schemas.terms import KeptState
from worker.console.kit.display import outcome_text, printable

Data = Mapping[str, Any]

STREAM_STYLES: Mapping[str, str] = MappingProxyType(
    {StreamHealth.LIVE: "green", StreamHealth.BLIND: "red", StreamHealth.NONE: "yellow"}
)


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
    """Balances by asset; the margin of a position, by its symbol, is in the message already."""
    totals = ((asset, row.get("total_wallet_balance")) for asset, row in balances.items())
    told = ", ".join(f"{asset} {total}" for asset, total in totals if total)
    return f"; balances: {told}" if told else ""


def _positions(data: Data) -> Text:
    held = ", ".join(f"{row['symbol']} {row['side']} {row['contracts']}{_at(row)}" for row in data["positions"])
    pushed = " (pushed)" if data.get("trigger") == Trigger.STREAM else ""
    return Text.assemble(
        f"seq {data['seq']}{pushed}", (" (stale)" if data["stale"] else "", "red"), f": {held or 'flat'}"
    )


def _at(row: Data) -> str:
    """Some venues keep no leverage for positions in portfolio margin."""
    return "" if row["leverage"] is None else f" at {row['leverage']}x"


def _drift(data: Data) -> Text:
    changed = ", ".join(
        f"{row['symbol']} {row['side']} {_terms(row, '_before')} -> {_terms(row)}" for row in data["positions"]
    )
    pushed = data.get("known_by") == KnownBy.PUSH
    where = "pushed by the venue: " if pushed else f"seq {data['seq']}: "
    return Text.assemble(where, ("changed outside", "red"), f": {changed}")


def _stream(data: Data) -> Text:
    """Whether pushes are heard; what the times mean depends on that."""
    state = (f"stream {data['state']}", STREAM_STYLES[data["state"]])
    reason = f": {data['reason']}" if data["reason"] else ""
    if data["state"] == StreamHealth.BLIND:
        return Text.assemble(state, f" since {utc_text(data['since'])}", printable(reason) or "")
    if (gap := data["gap"]) is not None:
        return Text.assemble(state, f", read after {(gap['end'] - gap['begin']) / 1000:.1f} s")
    return Text.assemble(state, printable(reason) or "")


def _risk(data: Data) -> Text:
    about = (data["level"], " ".join(data["symbols"]), *(f"{name} {value}" for name, value in data["figures"].items()))
    told = ", ".join(filter(None, about))
    return Text.assemble((data["kind"].replace("_", " "), "bold red"), printable(f": {told}" if told else "") or "")


def _applying(data: Data) -> Text:
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in data["counts"].items())
    told = (
        f": {data['done']} of {data['total']} symbols{f' ({counts})' if counts else ''}; command {data['command_id']}"
    )
    return Text.assemble((f"terms {data['stage']}", "cyan"), printable(told) or "")


def _keeping(data: Data) -> Text:
    who, why = (f" by {data['actor']}" if data["actor"] else ""), (f": {data['reason']}" if data["reason"] else "")
    style = "red" if data["state"] == KeptState.SUSPENDED else "green"
    told = f", version {data['version']}{who}{why}"
    return Text.assemble((f"terms {data['state']}", style), printable(told) or "")


def _margin(data: Data) -> Text:
    near, worst = data["nearest_liquidation"], data["worst_ratio"]
    ratio = "no ratio" if worst is None else f"worst ratio {worst}"
    where = "" if near is None else f", nearest {near['symbol']} {near['side']} in {near['distance_percent']} %"
    style = {"ok": "", "warn": "yellow", "critical": "bold red"}.get(data["level"], "")
    return Text.assemble((f"margin {data['level']}", style), printable(f": {ratio}{where}") or "")


def _threshold(data: Data) -> Text:
    ratio = "no equity left" if data["margin_ratio"] is None else f"ratio {data['margin_ratio']}"
    if data["margin_ratio"] is None and data["direction"] == "down":
        ratio = "the pool is gone"
    style = "bold red" if data["direction"] == "up" else "green"
    told = (
        f" {data['pool']}: {data['level_before']} \N{RIGHTWARDS ARROW} {data['level']}, {ratio} at {data['threshold']}"
    )
    return Text.assemble((f"threshold {data['direction']}", style), printable(told) or "")


def _terms(row: Data, when: str = "") -> str:
    """What is known of them; a push may tell one of both, and of a flat market nothing was known before."""
    leverage, mode = row[f"leverage{when}"], row[f"margin_mode{when}"]
    if leverage is None and mode is None:
        return "unknown"
    return " ".join(filter(None, ("no leverage" if leverage is None else f"{leverage}x", mode)))


def _sweeps_missed(data: Data) -> Text:
    count = "a sweep was" if data["count"] == 1 else f"{data['count']} sweeps were"
    return Text.assemble((f"{count} missed", "red"), f", the last at {utc_text(data['last'])}: {data['reason']}")


def _freeze(data: Data) -> Text:
    actor = f" by {data['actor']}" if data["actor"] else ""
    if data["frozen"]:
        return Text.assemble(data["scope"], (" frozen", "red"), f"{actor}: {data['reason']}")
    reason = f": {data['reason']}" if data["reason"] else ""
    return Text.assemble(data["scope"], (" unfrozen", "green"), f"{actor}{reason}")


def _venue(data: Data) -> Text:
    reason = f": {data['reason']}" if data["reason"] else ""
    return Text.assemble((data["health"], "green" if data["health"] == "up" else "red"), reason)


def _epoch(data: Data) -> Text:
    return Text.assemble(("a new epoch of the ledger", "red"), f", it replaces what was told before: {data['reason']}")


def _dead_letters(data: Data) -> Text:
    letters = data["letters"]
    why = f"; {data['why']}" if data.get("why") else ""
    told = f"{len(letters)} {data['action']} by {data['actor'] or 'somebody'}: {', '.join(letters)}{why}"
    return Text(printable(told) or "")


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
        "perps-dma.stream.v1": _stream,
        "perps-dma.risk.v1": _risk,
        "perps-dma.terms.v1": _applying,
        "perps-dma.keep.v1": _keeping,
        "perps-dma.margin.v1": _margin,
        "perps-dma.threshold.v1": _threshold,
        "perps-dma.doubt.v1": _doubt,
        "perps-dma.sweeps-missed.v1": _sweeps_missed,
        "perps-dma.freeze.v1": _freeze,
        "perps-dma.venue.v1": _venue,
        "perps-dma.epoch.v1": _epoch,
        "perps-dma.dead-letters.v1": _dead_letters,
        "perps-dma.denial.v1": _denial,
    }
)
"""How each type of event is told; one that is not listed is shown as it is."""
