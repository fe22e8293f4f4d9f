"""The commands of whoever watches over a running service: how it fares, what it did, and how to stop it."""

from typing import Annotated

import typer

from worker.console.audit.commands import audit_app
from worker.console.examples import example
from worker.console.kit.completion import account_ids
from worker.console.kit.terminal import AsJson, fail, read_settings, run

oversight = typer.Typer()

PANEL = "Watch over it"

oversight.add_typer(audit_app, name="audit", rich_help_panel=PANEL)

Account = Annotated[
    str | None, typer.Option("--account", metavar="ID", help="One exchange account.", autocompletion=account_ids)
]
Exchange = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="All accounts of a venue.")]
Everything = Annotated[bool, typer.Option("--all", help="Every account of every venue.")]
Actor = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who does it, for the audit; the login name by default.")
]


@oversight.command(rich_help_panel=PANEL, epilog=example("perps-dma status"))
def status(as_json: AsJson = False) -> None:
    """Show how a worker fares: its ledger and outbox, what is frozen, and each venue as it finds it.

    The exit code is 1 when it is not ready: its ledger can't be written, no venue's markets are loaded, or no worker
    answers at all. A venue that is `failing` or `down` holds up its own accounts only.
    """
    from worker.console.service.status import show_status

    if not run(show_status(read_settings(), as_json=as_json)):
        raise typer.Exit(1)


@oversight.command(
    rich_help_panel=PANEL,
    epilog=example(
        'perps-dma freeze --account binance-perp-001 --reason "key leaked"', 'perps-dma freeze --all --reason "not yet"'
    ),
)
def freeze(
    reason: Annotated[str, typer.Option(help="Told to everybody who is refused.")],
    account: Account = None,
    exchange: Exchange = None,
    everything: Everything = False,
    actor: Actor = None,
) -> None:
    """Stop every change of an account, of a venue or of everything, at once; queries go on.

    Commands are refused with 423 and end as `rejected`, and nothing is sent. It outlives restarts, until `unfreeze`.
    """
    _change("freeze", account, exchange, everything=everything, actor=actor, reason=reason)


@oversight.command(rich_help_panel=PANEL, epilog=example("perps-dma unfreeze --account binance-perp-001"))
def unfreeze(
    account: Account = None,
    exchange: Exchange = None,
    everything: Everything = False,
    actor: Actor = None,
    reason: Annotated[str | None, typer.Option(help="Why; the audit keeps it.")] = None,
) -> None:
    """Allow changes again. Each scope is lifted by itself: an account stays frozen while its venue is."""
    why = {} if reason is None else {"reason": reason}
    _change("unfreeze", account, exchange, everything=everything, actor=actor, **why)


def _change(
    operation: str, account: str | None, exchange: str | None, *, everything: bool, actor: str | None, **more: str
) -> None:
    from worker.console.service.freeze import change_freeze, login_name, scope_of

    try:
        request = scope_of(account, exchange, everything=everything) | more
    except ValueError as error:
        raise fail(str(error)) from error
    run(change_freeze(read_settings(), operation, request, actor or login_name()))


@oversight.command(rich_help_panel=PANEL, epilog=example("perps-dma freezes"))
def freezes(as_json: AsJson = False) -> None:
    """List what is frozen, since when, by whom and why."""
    from worker.console.service.freezes import show_freezes

    run(show_freezes(read_settings(), as_json=as_json))


@oversight.command(rich_help_panel=PANEL, epilog=example("perps-dma doubts"))
def doubts(as_json: AsJson = False) -> None:
    """List what is in doubt: commands that ended as `unknown`, until it is known what is in force.

    The venue is asked again by itself, later and later while it can't tell, and at once when it answers again. Each end
    of a doubt is an event, and stands in `perps-dma command ID` too.
    """
    from worker.console.service.doubts import show_doubts

    run(show_doubts(read_settings(), as_json=as_json))


@oversight.command(rich_help_panel=PANEL, epilog=example("perps-dma command 0b0f6f0e-6a55-4c1f-8f0e-1d2c3b4a5968"))
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
