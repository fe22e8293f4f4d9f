"""The commands that read what is held, and under which settings, over the operations of the bus."""

from typing import Annotated

import typer

from worker.console.desk.options import PANEL, Account, AnyAccount, Futures, market_type
from worker.console.examples import example
from worker.console.kit.completion import account_ids
from worker.console.kit.terminal import AsJson, fail, read_settings, run

desk = typer.Typer()

Venue = Annotated[str | None, typer.Option(help="Only accounts of this venue, such as okx.")]
OnlySymbol = Annotated[str | None, typer.Option(help="Only this market, such as BTC/USDT:USDT.")]


@desk.command(rich_help_panel=PANEL, epilog=example("perps-dma positions binance-perp-001"))
def positions(
    account: AnyAccount = None,
    *,
    futures: Futures = False,
    as_json: AsJson = False,
) -> None:
    """Show the open positions of an account, or of all that are registered here, as the venues tell them now.

    What can't be read is named on standard error, and the exit code is then 1.
    """
    from worker.console.desk.positions import show_positions

    if not run(show_positions(read_settings(), account, market_type(futures), as_json=as_json)):
        raise typer.Exit(1)


@desk.command(
    "margin-health",
    rich_help_panel=PANEL,
    epilog=example("perps-dma margin-health binance-pm-001", "perps-dma margin-health --json"),
)
def margin_health(
    account: AnyAccount = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show how near an account is to liquidation, or all that are registered here, as the venues tell them now.

    A ratio of 1 is liquidation, on every venue.

    What can't be read is named on standard error, and the exit code is then 1.
    """
    from worker.console.desk.margin_health import show_margin_health

    if not run(show_margin_health(read_settings(), account, as_json=as_json)):
        raise typer.Exit(1)


@desk.command(
    rich_help_panel=PANEL, epilog=example("perps-dma book", "perps-dma book --venue okx --symbol BTC/USDT:USDT")
)
def book(
    account: AnyAccount = None, *, venue: Venue = None, symbol: OnlySymbol = None, as_json: AsJson = False
) -> None:
    """Show what all accounts hold, as it was last read, with its age, and totals in each currency.

    Nothing is asked of a venue. An account that was never read is named on standard error, and the exit code is then 1.
    """
    from worker.console.desk.book import show_book

    if not run(show_book(read_settings(), _book_filters(account, venue, symbol), as_json=as_json)):
        raise typer.Exit(1)


@desk.command(rich_help_panel=PANEL, epilog=example("perps-dma top"))
def top(account: AnyAccount = None, *, venue: Venue = None, symbol: OnlySymbol = None) -> None:
    """Show the book live, until Ctrl-C."""
    from worker.console.desk.book import watch_book

    run(watch_book(read_settings(), _book_filters(account, venue, symbol)))


@desk.command(
    rich_help_panel=PANEL,
    epilog=example("perps-dma commands", "perps-dma commands --account binance-perp-001 --outcome unknown"),
)
def commands(
    *,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only of this account.", autocompletion=account_ids)
    ] = None,
    venue: Venue = None,
    operation: Annotated[str | None, typer.Option(help="Only of this operation, such as set_leverage.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only those that ended so, such as unknown.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only those that this actor asked for.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many of those that have ended.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """List commands: those under way, then those that have ended, the last of them first."""
    from worker.console.desk.commands_list import show_commands

    about = {"exchange_account_id": account, "exchange": venue, "operation": operation}
    filters = {**about, "outcome": outcome, "actor": actor}
    run(show_commands(read_settings(), filters, count, as_json=as_json))


@desk.command(
    rich_help_panel=PANEL,
    epilog=example("perps-dma tiers binance-perp-001 BTC/USDT:USDT", "perps-dma tiers okx-perp-001 --json"),
)
def tiers(
    account: Account,
    symbol: Annotated[str | None, typer.Argument(metavar="SYMBOL", help="Only this market; all without.")] = None,
    *,
    futures: Futures = False,
    as_json: AsJson = False,
) -> None:
    """Show how much leverage a position of each size may have, and what margin it must keep.

    What can't be read is named on standard error, and the exit code is then 1.
    """
    from worker.console.desk.tiers import show_tiers

    if not run(show_tiers(read_settings(), account, symbol, market_type(futures), as_json=as_json)):
        raise typer.Exit(1)


@desk.command(
    rich_help_panel=PANEL,
    epilog=example(
        "perps-dma history pnl binance-perp-001",
        "perps-dma history funding binance-perp-001 --since 2026-01-01 --csv",
    ),
)
def history(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="funding or pnl.")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account, by its id in the registry.")],
    *,
    symbol: Annotated[str | None, typer.Option(help="Only this market, such as BTC/USDT:USDT.")] = None,
    market_type: Annotated[str, typer.Option(help="swap or future.")] = "swap",
    since: Annotated[
        str | None, typer.Option(help="From when on: 2026-01-31, a UTC time, or UTC ms; without it all there is.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to when; now without.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV, row by row as it comes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read all funding payments or realized profits of an account, however many there are, the oldest first.

    It asks a worker, again and again from where the answer before ended.

    What a venue no longer keeps, or a part that can't be read, is named on standard error; the exit code is then 1.
    """
    from schemas.requests import MarketType
    from worker.console.history import HistoryKind, HistoryWish, instant_of, show_history
    from worker.runtime.clock import now
    from worker.runtime.errors import ConfigurationError

    if kind not in frozenset(HistoryKind) or market_type not in frozenset(MarketType):
        raise fail("KIND must be funding or pnl, and --market-type swap or future")
    try:
        end = now() if until is None else instant_of(until)
        begin = None if since is None else instant_of(since)
        wish = HistoryWish(HistoryKind(kind), account, symbol, MarketType(market_type), begin, end)
    except ConfigurationError as error:
        raise fail(str(error)) from error
    if not run(show_history(read_settings(), wish, as_csv=as_csv, as_json=as_json)):
        raise typer.Exit(1)


def _book_filters(account: str | None, venue: str | None, symbol: str | None) -> dict[str, str]:
    named = {"exchange_account_id": account, "exchange": venue, "symbol": symbol}
    return {name: value for name, value in named.items() if value is not None}
