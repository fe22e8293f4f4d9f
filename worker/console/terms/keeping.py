"""`perps-dma terms keep`, `show` and `drop`: documents from which drift is mended."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.text import Text

from schemas.base import utc_text
from worker.config.settings import Settings
from worker.console.kit.ask import asking, succeeded
from worker.console.kit.display import cell, console, legible, show_json, table
from worker.console.terms.files import TermsFile
from worker.console.terms.planning import planned
from worker.console.terms.showing import show_plan
from worker.messages.wire import encode

COLUMNS = ("account", "state", "version", "by", "since", "looked at", "mends", "why")
MENDS = ("time", "symbol", "set", "reversal", "command")


async def keep_terms(settings: Settings, file: TermsFile, agreed: Callable[[], bool] | None, actor: str) -> int:
    """Show what would be mended at once, have it agreed to, and have the document kept. The exit code."""
    async with asking(settings, "terms", actor) as questions:
        show_plan(await planned(questions, file), file.path, everything=False)
        if agreed is not None and not agreed():
            console.print("Nothing is kept that was not.")
            return 1
        told = succeeded(await questions.reply("keep_terms", encode(file.body)))
    console.print(Text(told["message"], style="green"))
    return 0


async def drop_terms(settings: Settings, account: str, actor: str) -> None:
    """Keep a document no more."""
    async with asking(settings, "terms", actor) as questions:
        told = await questions.ask("drop_terms", {"exchange_account_id": account})
    console.print(Text(told["message"]))


async def show_kept(settings: Settings, account: str | None, *, as_json: bool) -> None:
    """Print which documents are kept, and what was mended of them."""
    async with asking(settings, "terms") as questions:
        request = {} if account is None else {"exchange_account_id": account}
        kept = (await questions.ask("get_terms", request))["data"]["terms"]
    if as_json:
        show_json(kept)
    elif not kept:
        console.print("no terms are kept")
    else:
        console.print(table(COLUMNS, map(_row, kept), folding=("why",)))
        mended = [(row["exchange_account_id"], mend) for row in kept for mend in row["mended"]]
        if mended:
            console.print()
            console.print(table(("account", *MENDS), (_mend(*one) for one in mended)))


def _row(row: Mapping[str, Any]) -> list[Any]:
    state = Text(row["state"], style="green" if row["state"] == "kept" else "red")
    looked = None if row["looked"] is None else utc_text(row["looked"])
    why = cell(legible(row["reason"] or row["problem"]) or "")
    about = (row["version"], row["actor"], utc_text(row["since"]), looked, row["mends"])
    return [row["exchange_account_id"], state, *about, why]


def _mend(account: str, mend: Mapping[str, Any]) -> list[Any]:
    again = "again" if mend["reversal"] else ""
    return [account, utc_text(mend["at"]), mend["symbol"], mend["setting"].replace("_", " "), again, mend["command_id"]]
