"""`perps-dma tiers`: how much leverage a position of each size may have."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from schemas.base import utc_text
from schemas.requests import MarketType
from worker.config.settings import Settings
from worker.console.kit.ask import asking, succeeded
from worker.console.kit.display import cell, console, show_json, table, tell_missing

COLUMNS = ("symbol", "from", "to", "in", "leverage", "maintenance")


async def show_tiers(
    settings: Settings, account: str, symbol: str | None, market_type: MarketType, *, as_json: bool
) -> bool:
    """Print the tiers of a market or of all. True where nothing of them is missing. Raises WorkerRefused."""
    request = {"exchange_account_id": account, "symbol": symbol, "market_type": market_type}
    async with asking(settings, "tiers") as questions:
        reply = await questions.send("get_leverage_tiers", request)
    data = succeeded(reply)["data"]
    if as_json:
        show_json(data)
    else:
        _show(data)
    missing = reply.headers.get("Coverage-Unread")
    tell_missing(*([missing] if missing else []))
    return missing is None


def _show(data: Mapping[str, Any]) -> None:
    rows = [row for market in data["markets"] for row in _rows(market)]
    if rows:
        console.print(table(COLUMNS, rows, naming=1))
    told = f"{data['count']} markets of {data['exchange_account_id']}, as the venue told them {utc_text(data['as_of'])}"
    console.print(Text(told))


def _rows(market: Mapping[str, Any]) -> Iterator[list[Any]]:
    for tier in market["tiers"]:
        bounds = tier["notional_floor"], "" if tier["notional_cap"] is None else tier["notional_cap"]
        rate = f"{round(tier['maintenance_margin_rate'] * 100, 4):g} %"
        figures = map(cell, bounds)
        yield [market["symbol"], *figures, market["currency"], f"{tier['max_leverage']:g}x", rate]
