"""`perps-dma status`: whether a worker is ready, what is in doubt, what is frozen, and how the venues fare."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from schemas.base import utc_text
from schemas.control import VenueHealth
from worker.accounts.networks import venue_label
from worker.config.settings import Settings
from worker.console.ask import WorkerRefused, ask
from worker.console.display import console, show_json, table
from worker.console.service.doubts import doubts_table, read_doubts
from worker.console.service.freezes import freezes_table

NOT_WRITTEN = "can't be written, so that commands wait; "
SEE_TO_IT = "see that it can be reached and its disk has room"

COLOURS: Mapping[str, str] = {VenueHealth.UP: "green", VenueHealth.FAILING: "yellow", VenueHealth.DOWN: "red"}


async def show_status(settings: Settings, *, as_json: bool) -> bool:
    """Print how the worker that answers fares. True when it is ready."""
    status = (await ask(settings, "get_status", {}))["data"]
    doubts, frozen = await _doubts(settings), await _frozen(settings)
    if as_json:
        show_json({**status, "doubts": doubts, "freezes": frozen})
    else:
        _show(status, doubts, frozen)
    return bool(status["ready"])


async def _doubts(settings: Settings) -> list[dict[str, Any]] | None:
    """What is in doubt; while the ledger can't be read, nobody knows."""
    try:
        return await read_doubts(settings)
    except WorkerRefused:
        return None


async def _frozen(settings: Settings) -> list[dict[str, Any]] | None:
    """What is frozen; while the ledger can't be read, nobody knows."""
    try:
        freezes: list[dict[str, Any]] = (await ask(settings, "get_freezes", {}))["data"]["freezes"]
    except WorkerRefused:
        return None
    return freezes


def _show(status: Mapping[str, Any], doubts: list[dict[str, Any]] | None, frozen: list[dict[str, Any]] | None) -> None:
    console.print("worker  ", status["worker"], "  ", _yes("ready", "not ready", status["ready"]), sep="")
    console.print("ledger  ", _yes("writes", _not_written(status), status["ledger_writes"]), sep="")
    console.print(f"outbox  {status['outbox']} events wait for the broker")
    console.print(f"serves  {status['accounts']} accounts")
    if status["registry_problem"]:
        console.print(
            Text(f"registry not valid, the one before is in force: {status['registry_problem']}", style="red")
        )
    if doubts:
        console.print("in doubt", doubts_table(doubts), sep="\n")
    else:
        console.print(f"doubts  {'unknown' if doubts is None else 'nothing'}")
    if frozen:
        console.print("frozen", freezes_table(frozen), sep="\n")
    else:
        console.print(f"frozen  {'unknown' if frozen is None else 'nothing'}")
    rows = ([venue_label(row["exchange"], row["network"]), _health(row), *_details(row)] for row in status["venues"])
    console.print(table(["venue", "health", "markets", "since", "reason"], rows, folding=["reason"]))


def _not_written(status: Mapping[str, Any]) -> str:
    return NOT_WRITTEN + (status["ledger_problem"] or SEE_TO_IT)


def _yes(good: str, bad: str, is_good: bool) -> Text:
    return Text(good, style="green") if is_good else Text(bad, style="red")


def _health(venue: Mapping[str, Any]) -> Text:
    return Text(venue["health"], style=COLOURS[venue["health"]])


def _details(venue: Mapping[str, Any]) -> list[str | None]:
    return ["loaded" if venue["markets_loaded"] else "none", utc_text(venue["since"]), venue["reason"]]
