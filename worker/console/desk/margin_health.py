"""`perps-dma margin-health`: how near accounts are to liquidation, pool by pool, the nearest first."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text

from worker.config.settings import Settings
from worker.console.desk.positions import all_accounts
from worker.console.kit.ask import Questions, asking, message_of
from worker.console.kit.display import console, figure, show_json, table, tell_missing

COLUMNS = ("account", "pool", "ratio", "equity", "maint.", "in", "venue's own", "status", "nearest", "distance")

CRITICAL, WARN = 0.8, 0.5
"""From which ratio on it is shown in red and in yellow. Only colours: thresholds that alert are in the registry."""

Row = Mapping[str, Any]


class AccountHealth(NamedTuple):
    """What an account answered; `missing` says what of it could not be read."""

    account: str
    health: Row | None = None
    missing: tuple[str, ...] = ()


async def show_margin_health(settings: Settings, account: str | None, *, as_json: bool) -> bool:
    """Print how near to liquidation. True where nothing is missing. Raises ConfigurationError."""
    accounts = all_accounts(settings) if account is None else [account]
    async with asking(settings, "margin-health") as questions:
        found = await asyncio.gather(*(_read(questions, one) for one in accounts))
    health = [one.health for one in found if one.health is not None]
    if as_json:
        show_json(health)
    elif health:
        _show([(row["exchange_account_id"], pool) for row in health for pool in row["pools"]])
    missing = [f"{one.account}: {reason}" for one in found for reason in one.missing]
    tell_missing(*missing)
    return not missing


async def _read(questions: Questions, account: str) -> AccountHealth:
    reply = await questions.reply("get_margin_health", json.dumps({"exchange_account_id": account}).encode())
    envelope = json.loads(reply.body)
    if envelope["isError"]:
        return AccountHealth(account, missing=(message_of(envelope),))
    health = envelope["data"]
    return AccountHealth(account, health, tuple(f"{row['part']}: {row['reason']}" for row in health["unread"]))


def _show(pools: Sequence[tuple[str, Row]]) -> None:
    if pools:
        rows = [cells(account, pool) for account, pool in sorted(pools, key=_urgency)]
        console.print(table(COLUMNS, rows, folding=("pool", "nearest"), naming=2))
    count = "1 pool" if len(pools) == 1 else f"{len(pools)} pools"
    console.print(Text(f"{count} of margin; ratio 1 is liquidation"))


def _urgency(row: tuple[str, Row]) -> float:
    """The nearest to liquidation first, then what has no ratio."""
    _, pool = row
    if pool["is_liquidatable"]:
        return float("-inf")
    return 1.0 if pool["margin_ratio"] is None else -float(pool["margin_ratio"])


def cells(account: str, pool: Row) -> list[Any]:
    """A pool as a row of the columns."""
    own, near = pool["venue_ratio"], pool["nearest_liquidation"]
    told = None if own is None else f"{own['name']} {own['value']}"
    where = None if near is None else f"{near['symbol']} {near['side']} at {near['liquidation_price']}"
    distance = None if near is None else f"{near['distance_percent']:.2f} %"
    figures = pool["equity"], pool["maintenance_margin"], pool["currency"]
    return [account, pool["pool"], ratio_text([pool]), *figures, told, pool["status"], where, distance]


def ratio_text(pools: Iterable[Row]) -> Text:
    """The highest ratio of some pools in its colour; a dash where none has one."""
    pools = list(pools)
    if any(pool["is_liquidatable"] for pool in pools):
        return Text("liquidatable", style="bold red")
    ratio = max((pool["margin_ratio"] for pool in pools if pool["margin_ratio"] is not None), default=None)
    if ratio is None:
        return Text("-")
    return Text(figure(ratio), style="red" if ratio >= CRITICAL else "yellow" if ratio >= WARN else "green")
