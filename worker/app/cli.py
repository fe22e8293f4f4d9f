"""The command line: `perps-dma`."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.app.mcp_cli import mcp_app
from worker.app.sandbox_cli import sandbox_app
from worker.console.accounts.commands import accounts_app
from worker.console.desk.changes import changes
from worker.console.desk.commands import desk
from worker.console.desk.options import PANEL as DESK
from worker.console.examples import example
from worker.console.kit.completion import account_ids, operations
from worker.console.kit.terminal import AsJson, fail, read_settings, run
from worker.console.service.oversight import oversight
from worker.console.terms.commands import terms_app

if TYPE_CHECKING:
    from worker.config.settings import Settings

RUNNING = "Run it"
TALKING = "Talk to it"
FILES = "Accounts, dead letters, documents"

OPERATION_NAMES = (
    "set_leverage, get_leverage, set_margin_mode, get_position_mode, set_position_mode, get_leverage_tiers, "
    "get_positions, get_funding_history, get_realized_pnl, get_margin_health, add_margin, remove_margin, "
    "pm_get_balance, pm_get_account, pm_auto_collect, pm_asset_collect, plan_terms, apply_terms, keep_terms, "
    "get_terms, drop_terms, get_accounts, get_snapshots, get_commands, get_command, cancel_command, get_status, "
    "get_doubts, get_freezes, freeze, unfreeze, get_audit, get_dead_letters, requeue_dead_letter, drop_dead_letter, "
    "report_denials"
)
"""Those of the table, written out: to read them there is to make the models of all requests, for a line of help."""

app = typer.Typer(
    name="perps-dma",
    help="Control plane of perpetual-futures accounts: commands over RabbitMQ, results as events.",
    epilog="Every command reads its settings from PERPS_DMA_* variables; PERPS_DMA_STATE (.perps-dma) is where a "
    "running `up` says how to reach it. Every command has examples: perps-dma positions --help",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(desk)
app.add_typer(changes)
app.add_typer(oversight)
app.add_typer(mcp_app)

dead_letters = typer.Typer(
    help="What could not be carried out, and why: list, show, send again, throw away.", no_args_is_help=True
)
app.add_typer(dead_letters, name="dead-letters", rich_help_panel=FILES)
app.add_typer(terms_app, name="terms", rich_help_panel=DESK)
app.add_typer(accounts_app, name="accounts", rich_help_panel=FILES)
app.add_typer(sandbox_app, name="sandbox", rich_help_panel=RUNNING)

LetterIds = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The letters, by their ids.")]
AllLetters = Annotated[bool, typer.Option("--all", help="All letters; asks first.")]
NewLedger = Annotated[
    bool,
    typer.Option(
        "--new-ledger",
        help="Go on without the ledger that was here and is gone: with a new one, or another that lies in its place. "
        "Ids that were used then count as new, and nothing is frozen.",
    ),
]
Why = Annotated[str | None, typer.Option("--reason", help="Why, for the audit and for the event that tells everybody.")]
WithoutAsking = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"perps-dma {version('perps-dma')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """What all commands have in common: that one can ask which version they are of."""


@app.command(rich_help_panel=RUNNING, epilog=example("perps-dma up"))
def up(new_ledger: NewLedger = False) -> None:
    """Run everything here: broker, sandbox venues, worker and HTTP shim, until Ctrl-C."""
    from worker.app import up as supervisor

    raise typer.Exit(run(supervisor.run(read_settings(), new_ledger=new_ledger)))


@app.command(rich_help_panel=RUNNING, epilog=example("PERPS_DMA_ACCOUNTS=accounts.toml perps-dma worker"))
def worker(new_ledger: NewLedger = False) -> None:
    """Run a worker: consume commands and queries until told to stop.

    On PERPS_DMA_METRICS_PORT, if that is set, it serves /metrics, /livez and /readyz.
    """
    from worker.app.bootstrap import run_worker
    from worker.config.logs import configure_logging

    settings = read_settings()
    configure_logging(settings, "worker")
    run(run_worker(settings, new_ledger=new_ledger))


@app.command(rich_help_panel=RUNNING, epilog=example("PERPS_DMA_JWT_PUBLIC_KEY=issuer.pem perps-dma shim"))
def shim() -> None:
    """Run the HTTP shim, which maps the documented REST API onto the bus.

    It checks tokens with one of PERPS_DMA_JWT_SECRET, PERPS_DMA_JWT_PUBLIC_KEY
    and PERPS_DMA_JWT_JWKS_URL, and does not start without. With
    PERPS_DMA_TLS_CERT and PERPS_DMA_TLS_KEY it serves HTTPS.

    On PERPS_DMA_METRICS_PORT, if that is set, it serves /metrics, /livez and /readyz.
    """
    from worker.config.logs import configure_logging
    from worker.shim.server import run_shim

    settings = read_settings()
    configure_logging(settings, "shim")
    run(run_shim(settings))


@app.command(rich_help_panel=TALKING, epilog=example("perps-dma token --role trader --account binance-perp-001"))
def token(
    role: Annotated[str, typer.Option(help="viewer, trader or admin.")],
    subject: Annotated[str, typer.Option(help="Who the token is for; appears in results as the actor.")] = "cli",
    hours: Annotated[float, typer.Option(help="How long it is good for.", min=0.001)] = 12,
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="Limit it to this account; may be said more than once.", autocompletion=account_ids
        ),
    ] = None,
    guardrails: Annotated[
        str | None, typer.Option(metavar="JSON", help='What its commands may do at most: {"max_leverage": 5}.')
    ] = None,
) -> None:
    """Print a token for the HTTP API, and nothing else.

    It is signed with PERPS_DMA_JWT_SECRET, or with the secret that `up` made. Where tokens are checked with public
    keys, your identity provider issues them.
    """
    from worker.config.locations import jwt_secret
    from worker.console.guardrails import read_guardrails
    from worker.runtime.clock import now
    from worker.runtime.errors import ConfigurationError
    from worker.shim.auth.tokens import ROLES, issue_token

    if role not in ROLES:
        raise fail(f"--role must be {' or '.join(sorted(ROLES, reverse=True))}, not {role!r}")
    try:
        allowed, secret = read_guardrails(guardrails), jwt_secret(read_settings())
    except ConfigurationError as error:
        raise fail(str(error)) from error
    lifetime_s = int(hours * 3600)
    typer.echo(
        issue_token(
            secret,
            role=role,
            subject=subject,
            lifetime_s=lifetime_s,
            now=now(),
            accounts=account or (),
            guardrails=allowed,
        )
    )


@app.command(
    rich_help_panel=TALKING,
    epilog=example('perps-dma send get_positions \'{"exchange_account_id": "binance-perp-001"}\''),
)
def send(
    operation: Annotated[str, typer.Argument(help=f"One of: {OPERATION_NAMES}.", autocompletion=operations)],
    body: Annotated[str, typer.Argument(help="The request as JSON, or - to read it from standard input.")],
    command_id: Annotated[str | None, typer.Option("--id", help="Command id; a new UUID by default.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until the command's deadline.", min=0.1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Publish a command or query, wait for its answer, and print it."""
    from worker.console.send import send as publish

    text = sys.stdin.read() if body == "-" else body
    if not run(publish(read_settings(), operation, text.encode(), command_id, timeout, as_json=as_json)):
        raise typer.Exit(1)


@app.command(
    rich_help_panel=TALKING,
    epilog=example(
        "perps-dma watch --from 15m --type result --outcome rejected",
        "perps-dma watch --account binance-perp-001 --json",
    ),
)
def watch(
    start: Annotated[
        str,
        typer.Option("--from", help="first, last, next, a UTC time such as 2026-01-31T12:00:00Z, or 15m, 2h, 1d ago."),
    ] = "next",
    *,
    account: Annotated[
        str | None, typer.Option(help="Only events that concern this account.", autocompletion=account_ids)
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only these: result, positions, drift, doubt, freeze, venue, …; several times."),
    ] = None,
    outcomes: Annotated[
        list[str] | None, typer.Option("--outcome", help="Only results that ended so: unknown, …; several times.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many events.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Tail the events out of the stream queue, from any point of the past; all of them, or those that are asked for."""
    from worker.console.events.filters import event_filter
    from worker.console.events.watch import watch as tail
    from worker.runtime.errors import ConfigurationError

    settings = read_settings()
    try:
        wanted, warning = event_filter(settings, account, types or (), outcomes or ())
    except ConfigurationError as error:
        raise fail(str(error)) from error
    if warning:
        typer.secho(f"perps-dma: {warning}", fg=typer.colors.YELLOW, err=True)
    run(tail(settings, start, wanted, count=count, as_json=as_json))


@app.command(rich_help_panel=TALKING, epilog=example("perps-dma tour"))
def tour() -> None:
    """Walk through all ten routes of a running `up`; non-zero exit if any answer is not as documented."""
    from worker.console.tour import tour as walk

    if not run(walk(read_settings())):
        raise typer.Exit(1)


@dead_letters.command("list", epilog=example("perps-dma dead-letters list"))
def list_letters(as_json: AsJson = False) -> None:
    """List the dead letters, the oldest first. They stay where they are."""
    from worker.console.service.dead_letters import show_letters

    run(show_letters(read_settings(), as_json=as_json))


@dead_letters.command("show", epilog=example("perps-dma dead-letters show c-1"))
def show_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Its id, as in the list.")], as_json: AsJson = False
) -> None:
    """Show a dead letter with its body."""
    from worker.console.service.dead_letters import show_letter as show

    run(show(read_settings(), letter, as_json=as_json))


@dead_letters.command(
    "requeue", epilog=example("perps-dma dead-letters requeue c-1", "perps-dma dead-letters requeue --all")
)
def requeue_letters(
    ids: LetterIds = None, everything: AllLetters = False, yes: WithoutAsking = False, reason: Why = None
) -> None:
    """Send dead letters again, once what killed them is mended. Their old deadlines do not count."""
    from worker.console.service.dead_letters import requeue_letters as requeue

    settings = read_settings()
    chosen = chosen_letters(settings, ids, "Send all {count} dead letters again?", everything=everything, yes=yes)
    settled = run(requeue(settings, chosen, reason))
    if settled.problem:
        raise fail(settled.problem)


@dead_letters.command("drop", epilog=example("perps-dma dead-letters drop c-1"))
def drop_letters(
    ids: LetterIds = None, everything: AllLetters = False, yes: WithoutAsking = False, reason: Why = None
) -> None:
    """Throw dead letters away, for good."""
    from worker.console.service.dead_letters import drop_letters as drop

    settings = read_settings()
    chosen = chosen_letters(settings, ids, "Throw all {count} dead letters away?", everything=everything, yes=yes)
    settled = run(drop(settings, chosen, reason))
    if settled.problem:
        raise fail(settled.problem)


def chosen_letters(
    settings: "Settings", ids: list[str] | None, question: str, *, everything: bool, yes: bool
) -> list[str] | None:
    """The ids that were given, or None for all, to which a person has then agreed."""
    from worker.console.service.dead_letters import count_letters

    if bool(ids) == everything:
        raise fail("name the letters by their ids, or say --all")
    if everything and not yes:
        if not sys.stdin.isatty():
            raise fail("--all asks first, and there is no terminal to ask on: say --yes too")
        typer.confirm(question.format(count=run(count_letters(settings))), abort=True)
    return ids or None


@app.command(rich_help_panel=FILES, epilog=example("perps-dma schemas openapi.yaml > openapi.yaml"))
def schemas(
    write: Annotated[bool, typer.Option("--write", help="Write the documents into the package.")] = False,
    name: Annotated[str | None, typer.Argument(help="The document to print, such as openapi.yaml.")] = None,
) -> None:
    """List, print or write the API documents generated from the operation table."""
    from worker.console.documents import show_documents

    if not show_documents(name, write=write):
        raise typer.Exit(1)


@app.command(rich_help_panel=FILES, epilog=example("perps-dma definitions --passwords secrets > definitions.json"))
def definitions(
    passwords: Annotated[
        Path | None, typer.Option(help="Folder with a file for each user, named as the user, with its password.")
    ] = None,
) -> None:
    """Print RabbitMQ definitions: a virtual host, four users, and what each may do.

    dma-strategy may publish commands and queries and read its own answers, dma-risk may read events, dma-shim may
    publish everything, dma-worker owns the queues. Without passwords nobody can log in yet. RabbitMQ imports them by
    load_definitions in rabbitmq.conf.
    """
    from worker.console.definitions import definitions_text
    from worker.runtime.errors import ConfigurationError

    try:
        typer.echo(definitions_text(passwords), nl=False)
    except ConfigurationError as error:
        raise fail(str(error)) from error


@app.command(rich_help_panel=RUNNING, epilog=example("perps-dma healthcheck worker"))
def healthcheck(
    service: Annotated[
        str | None,
        typer.Argument(help="worker, shim or sandbox; without it the one that is the first process of this container."),
    ] = None,
) -> None:
    """Say whether a service of this machine fares well, by the exit code: 0 or 1, and then why not."""
    from worker.console.health import check_health

    run(check_health(read_settings(), service))


def main() -> None:
    """Entry point of the `perps-dma` program."""
    from worker.runtime.library_logs import silence_libraries

    gc.disable()  # until `run`: a full collection on the way there is a seventh of a call
    silence_libraries()  # the services among the commands configure their own logging after this
    app()


if __name__ == "__main__":
    main()
