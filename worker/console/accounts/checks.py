"""`perps-dma accounts check`: every problem of every account, in one table."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from worker.accounts.account import Account, Accounts
from worker.config.locations import load_accounts
from worker.config.settings import Settings
from worker.console.kit.display import console, show_json, table
from worker.runtime.errors import ConfigurationError
from worker.venues.lifecycle import account_checks as preflight
from worker.venues.lifecycle.account_checks import Report, Told
from worker.venues.port.check_results import CheckResult, Verdict

COLUMNS = ("account", "exchange", "check", "verdict", "what it says", "what to do")
STYLES: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.OK: "green",
        Verdict.WARNING: "yellow",
        Verdict.PROBLEM: "red",
        Verdict.NOT_TOLD: "dim",
        Verdict.NOT_CHECKED: "dim",
    }
)


async def check_accounts(settings: Settings, names: Sequence[str], *, regions: bool, as_json: bool) -> bool:
    """Check the named accounts, or all, and print what was found. True where no account has a problem."""
    chosen = _chosen(load_accounts(settings), names)
    with _progress(len(chosen)) as told:
        reports = await preflight.check_accounts(chosen, settings.venue_timeout_ms, told, regions=regions)
    if as_json:
        show_json([_document(report) for report in reports])
    else:
        _show(reports)
    return all(report.sound for report in reports)


def _chosen(accounts: Accounts, names: Sequence[str]) -> list[Account]:
    if unknown := [name for name in names if name not in accounts]:
        raise ConfigurationError(f"there is no account {' and no '.join(unknown)}; there are {', '.join(accounts)}")
    return [account for account in accounts.values() if not names or account.id in names]


@contextmanager
def _progress(total: int) -> Iterator[Told]:
    """A bar for people on a terminal, gone once all is known; on standard error, so that it never mixes with output."""
    screen = Console(stderr=True)
    columns = (TextColumn("asking the venues"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda report: bar.update(task, advance=1, description=report.account.id)


def _document(report: Report) -> dict[str, Any]:
    return {
        "id": report.account.id,
        "exchange": report.account.exchange,
        "network": report.account.network,
        "ok": report.sound,
        "findings": [
            {"check": row.check, "verdict": row.verdict, "says": row.says, "remedy": row.remedy}
            for row in report.findings
        ],
    }


def _show(reports: Sequence[Report]) -> None:
    rows = ([report.account.id, report.account.venue, *_cells(row)] for report in reports for row in report.findings)
    console.print(table(COLUMNS, rows, folding=COLUMNS[4:], naming=2))
    console.print(Text(_summary(reports), style="green" if all(report.sound for report in reports) else "red"))


def _cells(row: CheckResult) -> list[Any]:
    return [row.check, Text(row.verdict, STYLES[row.verdict]), row.says, row.remedy or ""]


def _summary(reports: Sequence[Report]) -> str:
    """How it stands with all of them, in one line."""
    verdicts = Counter(row.verdict for report in reports for row in report.findings)
    parts = [counted(len(reports), "account"), counted(verdicts[Verdict.PROBLEM], "problem")]
    if unsound := sum(not report.sound for report in reports):
        parts[-1] += f" in {counted(unsound, 'account')}"
    return ", ".join([*parts, counted(verdicts[Verdict.WARNING], "warning")])


def counted(number: int, noun: str) -> str:
    """A number of things in words.

    >>> counted(0, "problem"), counted(1, "problem"), counted(2, "problem")
    ('no problems', '1 problem', '2 problems')
    """
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
