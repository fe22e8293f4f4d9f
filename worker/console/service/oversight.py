"""The commands of whoever watches over a running service: how it fares, what it did, and how to stop it."""

from typing import Annotated

import typer

from worker.console.terminal import AsJson, fail, read_settings, run

oversight = typer.Typer()

Account = Annotated[str | None, typer.Option("--account", metavar="ID", help="One exchange account.")]
Exchange = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="All accounts of a venue.")]
Everything = Annotated[bool, typer.Option("--all", help="Every account of every venue.")]
Actor = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who does it, for the audit; the login name by default.")
]


@oversight.command()
def status(as_json: AsJson = False) -> None:
    """Show how a worker fares: its ledger and outbox, what is frozen, and each venue as it finds it.

    The exit code is 1 when it is not ready: its ledger can't be written, no venue's markets are loaded, or no worker
    answers at all. A venue that is `failing` or `down` holds up its own accounts only.
    """
    from worker.console.service.status import show_status

    if not run(show_status(read_settings(), as_json=as_json)):
        raise typer.Exit(1)


@oversight.command()
def freeze(
    reason: Annotated[str, typer.Option(help="Told to everybody who is refused.")],
    account: Account = None,
    exchange: Exchange = None,
    everything: Everything = False,
    actor: Actor = None,
) -> None:
    """Stop every change of an account, of a venue or of everything, at once; queries go on.

    Commands are refused with 423 and end as `rejected`, and nothing is sent. It outlives restarts, until `unfreeze`.

    Example: perps-dma freeze --account binance-perp-001 --reason "key leaked"
    """
    _change("freeze", account, exchange, everything=everything, actor=actor, reason=reason)


@oversight.command()
def unfreeze(
    account: Account = None, exchange: Exchange = None, everything: Everything = False, actor: Actor = None
) -> None:
    """Allow changes again. Each scope is lifted by itself: an account stays frozen while its venue is.

    Example: perps-dma unfreeze --account binance-perp-001
    """
    _change("unfreeze", account, exchange, everything=everything, actor=actor)


def _change(
    operation: str, account: str | None, exchange: str | None, *, everything: bool, actor: str | None, **more: str
) -> None:
    from worker.console.service.freeze import change_freeze, login_name, scope_of

    try:
        request = scope_of(account, exchange, everything=everything) | more
    except ValueError as error:
        raise fail(str(error)) from error
    run(change_freeze(read_settings(), operation, request, actor or login_name()))


@oversight.command()
def freezes(as_json: AsJson = False) -> None:
    """List what is frozen, since when, by whom and why."""
    from worker.console.service.freezes import show_freezes

    run(show_freezes(read_settings(), as_json=as_json))


@oversight.command()
def doubts(as_json: AsJson = False) -> None:
    """List what is in doubt: commands that ended as `unknown`, until it is known what is in force.

    The venue is asked again by itself, later and later while it can't tell, and at once when it answers again. Each end
    of a doubt is an event, and stands in `perps-dma command ID` too.
    """
    from worker.console.service.doubts import show_doubts

    run(show_doubts(read_settings(), as_json=as_json))


@oversight.command()
def audit(
    limit: Annotated[int, typer.Option(help="How many entries, the newest first.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who froze and unfroze what, and which requests over HTTP were denied: to whom, from where, how often.

    Denials that are alike are counted over some seconds and make one entry.
    """
    from worker.console.service.audit import show_audit

    run(show_audit(read_settings(), limit, as_json=as_json))


@oversight.command()
def command(
    command_id: Annotated[
        str, typer.Argument(metavar="ID", help="The message id, Idempotency-Key or Command-Id of the command.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show what became of a command: received, sent or finished, its outcome, and what its sender was told.

    The exit code is 1 when no worker knows it: it is still in its queue, was refused on receipt, or is long past.
    """
    from worker.console.service.command import show_command

    run(show_command(read_settings(), command_id, as_json=as_json))


@oversight.command()
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

    It asks a worker, again and again from where the answer before ended. What a
    venue no longer keeps, or a part that can't be read, is named on standard
    error, and the exit code is then 1.

    Example: perps-dma history funding binance-perp-001 --since 2026-01-01 --csv > funding.csv
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
