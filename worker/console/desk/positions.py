"""`perps-dma positions`: what is open, of one account or of all that are known here."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from schemas.requests import MarketType
from worker.config.settings import Settings
from worker.console.kit.ask import Questions, asking, message_of
from worker.console.kit.display import console, figure, show_json, table, tell_missing

COLUMNS = ("account", "symbol", "side", "contracts", "entry", "mark", "liq.", "PnL", "margin")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AccountPositions:
    """What an account holds, as far as it could be read; `missing` says what could not."""

    account: str
    rows: Sequence[Row] | None = None
    missing: str | None = None


async def show_positions(settings: Settings, account: str | None, market_type: MarketType, *, as_json: bool) -> bool:
    """Print the open positions. True where nothing of them is missing. Raises ConfigurationError."""
    accounts = all_accounts(settings) if account is None else [account]
    async with asking(settings, "positions") as questions:
        found = await asyncio.gather(*(_read(questions, one, market_type) for one in accounts))
    rows = [row for one in found for row in one.rows or ()]
    if as_json:
        show_json(rows)
    else:
        _show(rows, [one.account for one in found if one.rows is not None])
    missing = [f"{one.account}: {one.missing}" for one in found if one.missing]
    tell_missing(*missing)
    return not missing


def all_accounts(settings: Settings) -> list[str]:
    """The accounts that are known here. What knows them is brought in for this alone."""
    from worker.config.locations import load_accounts

    return list(load_accounts(settings))


async def _read(questions: Questions, account: str, market_type: MarketType) -> AccountPositions:
    request = {"exchange_account_id": account, "market_type": market_type}
    reply = await questions.reply("get_positions", json.dumps(request).encode())
    envelope = json.loads(reply.body)
    if envelope["isError"]:
        return AccountPositions(account, missing=message_of(envelope))
    return AccountPositions(account, envelope["data"]["positions"], reply.headers.get("Coverage-Unread"))


def _show(rows: Sequence[Row], read: Sequence[str]) -> None:
    if rows:
        console.print(table(COLUMNS, map(cells, rows), folding=("margin",), naming=1))
    if read:
        console.print(Text(f"{len(rows)} open on {read[0] if len(read) == 1 else f'{len(read)} accounts'}"))


def cells(row: Row) -> list[Any]:
    """A position as a row of the columns."""
    margin = row["margin_mode"] if row["leverage"] is None else f"{row['leverage']}x {row['margin_mode']}"
    prices = row["entry_price"], row["mark_price"], row["liquidation_price"]
    about = row["exchange_account_id"], row["symbol"], _side(row["side"]), row["contracts"]
    return [*about, *prices, _profit(row["unrealized_pnl"]), margin]


def distance_of(row: Row) -> str | None:
    """How far the mark price is from the liquidation price, in percent of it; None where either is not told."""
    mark, price = row["mark_price"], row["liquidation_price"]
    if not mark or price is None:
        return None
    way = mark - price if row["side"] == "long" else price - mark
    return f"{way / mark * 100:.1f} %"


def _side(side: str) -> Text:
    return Text(side, style="green" if side == "long" else "red")


def _profit(profit: float) -> Text:
    return Text(figure(profit), style="red" if profit < 0 else "green")
