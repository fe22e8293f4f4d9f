"""`perps-dma status`: whether a worker is ready, what is in doubt, what is frozen, and how the venues fare."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from schemas.base import utc_text
from schemas.control import StreamHealth, VenueHealth
from worker.accounts.networks import venue_label
from worker.config.settings import Settings
from worker.console.kit.ask import Questions, WorkerRefused, asking
from worker.console.kit.display import console, show_json, table
from worker.console.service.doubts import doubts_table, read_doubts
from worker.console.service.freezes import freezes_table

NOT_WRITTEN = "can't be written, so that commands wait; "
SEE_TO_IT = "see that it can be reached and its disk has room"

COLOURS: Mapping[str, str] = {VenueHealth.UP: "green", VenueHealth.FAILING: "yellow", VenueHealth.DOWN: "red"}


STREAM_COLOURS: Mapping[str, str] = {StreamHealth.LIVE: "green", StreamHealth.BLIND: "red", StreamHealth.NONE: "yellow"}


async def show_status(settings: Settings, *, as_json: bool) -> bool:
    """Print how the worker that answers fares. True when it is ready."""
    async with asking(settings, "status") as questions:
        status = (await questions.ask("get_status", {}))["data"]
        doubts, frozen = await _doubts(questions), await _frozen(questions)
    if as_json:
        show_json({**status, "doubts": doubts, "freezes": frozen})
    else:
        _show(status, doubts, frozen)
    return bool(status["ready"])


async def _doubts(questions: Questions) -> list[dict[str, Any]] | None:
    """What is in doubt; while the ledger can't be read, nobody knows."""
    try:
        return await read_doubts(questions)
    except WorkerRefused:
        return None


async def _frozen(questions: Questions) -> list[dict[str, Any]] | None:
    """What is frozen; while the ledger can't be read, nobody knows."""
    try:
        freezes: list[dict[str, Any]] = (await questions.ask("get_freezes", {}))["data"]["freezes"]
    except WorkerRefused:
        return None
    return freezes


def _show(status: Mapping[str, Any], doubts: list[dict[str, Any]] | None, frozen: list[dict[str, Any]] | None) -> None:
    console.print("worker  ", status["worker"], "  ", _yes("ready", "not ready", status["ready"]), sep="")
    console.print("ledger  ", _yes("writes", _not_written(status), status["ledger_writes"]), sep="")
    console.print(f"outbox  {status['outbox']} events wait for the broker")
    console.print(f"audit   {_head(status)}", soft_wrap=True)
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
    _show_streams(status["streams"])
    rows = ([venue_label(row["exchange"], row["network"]), _health(row), *_details(row)] for row in status["venues"])
    console.print(table(["venue", "health", "markets", "since", "reason"], rows, folding=["reason"]))


def _show_streams(streams: list[dict[str, Any]]) -> None:
    """Each account that is not live, and how many are."""
    counts = Counter(row["state"] for row in streams)
    told = (f"{counts[state]} {state}" for state in StreamHealth)
    console.print(f"streams {', '.join(told)}")
    if others := [row for row in streams if row["state"] != StreamHealth.LIVE]:
        columns = ["account", "venue", "stream", "since", "polled each", "reason"]
        console.print(table(columns, map(_stream, others), folding=["reason"]))


def _stream(row: Mapping[str, Any]) -> list[Text | str | None]:
    state = Text(row["state"], style=STREAM_COLOURS[row["state"]])
    polled = f"{row['poll_interval_ms'] / 1000:g} s"
    return [row["exchange_account_id"], row["exchange"], state, utc_text(row["since"]), polled, row["reason"]]


def _head(status: Mapping[str, Any]) -> str:
    """The anchor that `perps-dma audit verify --anchor` takes."""
    head = status["audit_head"]
    return f"{head['position']}:{head['hash']}" if head else "a place that can't be read now"


def _not_written(status: Mapping[str, Any]) -> str:
    return NOT_WRITTEN + (status["ledger_problem"] or SEE_TO_IT)


def _yes(good: str, bad: str, is_good: bool) -> Text:
    return Text(good, style="green") if is_good else Text(bad, style="red")


def _health(venue: Mapping[str, Any]) -> Text:
    return Text(venue["health"], style=COLOURS[venue["health"]])


def _details(venue: Mapping[str, Any]) -> list[str | None]:
    return ["loaded" if venue["markets_loaded"] else "none", utc_text(venue["since"]), venue["reason"]]
