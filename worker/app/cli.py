"""The command line: `perps-dma`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas import OPERATIONS
from worker.config.settings import Settings
from worker.console.service.oversight import oversight
from worker.console.terminal import AsJson, fail, read_settings, run

app = typer.Typer(
    name="perps-dma",
    help="Control plane of perpetual-futures accounts: commands over RabbitMQ, results as events.",
    epilog="Every command reads its settings from PERPS_DMA_* variables; PERPS_DMA_STATE (.perps-dma) is where a "
    "running `up` says how to reach it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(oversight)

dead_letters = typer.Typer(
    help="What could not be carried out, and why: list, show, send again, throw away.", no_args_is_help=True
)
app.add_typer(dead_letters, name="dead-letters")

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
WithoutAsking = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def up(new_ledger: NewLedger = False) -> None:
    """Run everything here: broker, sandbox venues, worker and HTTP shim, until Ctrl-C."""
    from worker.app import up as supervisor

    raise typer.Exit(run(supervisor.run(read_settings(), new_ledger=new_ledger)))


@app.command()
def worker(new_ledger: NewLedger = False) -> None:
    """Run a worker: consume commands and queries until told to stop.

    On PERPS_DMA_METRICS_PORT, if that is set, it serves /metrics, /livez and /readyz.
    """
    from worker.app.bootstrap import run_worker
    from worker.config.logs import configure_logging

    settings = read_settings()
    configure_logging(settings, "worker")
    run(run_worker(settings, new_ledger=new_ledger))


@app.command()
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


@app.command()
def sandbox() -> None:
    """Run the stand-in venues, and list their addresses and keys in STATE/sandbox.json."""
    from worker.config.logs import configure_logging
    from worker.sandbox.app.process import run_sandbox

    settings = read_settings()
    configure_logging(settings, "sandbox")
    run(run_sandbox(settings))


@app.command()
def token(
    role: Annotated[str, typer.Option(help="viewer, trader or admin.")],
    subject: Annotated[str, typer.Option(help="Who the token is for; appears in results as the actor.")] = "cli",
    hours: Annotated[float, typer.Option(help="How long it is good for.", min=0.001)] = 12,
    account: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Limit it to this account; may be said more than once.")
    ] = None,
) -> None:
    """Print a token for the HTTP API, and nothing else.

    It is signed with PERPS_DMA_JWT_SECRET, or with the secret that `up` made. Where tokens are checked with public
    keys, your identity provider issues them.
    """
    from worker.config.locations import jwt_secret
    from worker.runtime.clock import now
    from worker.runtime.errors import ConfigurationError
    from worker.shim.auth.tokens import ROLES, issue_token

    if role not in ROLES:
        raise fail(f"--role must be {' or '.join(sorted(ROLES, reverse=True))}, not {role!r}")
    try:
        secret = jwt_secret(read_settings())
    except ConfigurationError as error:
        raise fail(str(error)) from error
    lifetime_s = int(hours * 3600)
    typer.echo(
        issue_token(secret, role=role, subject=subject, lifetime_s=lifetime_s, now=now(), accounts=account or ())
    )


@app.command()
def send(
    operation: Annotated[str, typer.Argument(help=f"One of: {', '.join(OPERATIONS)}.")],
    body: Annotated[str, typer.Argument(help="The request as JSON, or - to read it from standard input.")],
    command_id: Annotated[str | None, typer.Option("--id", help="Command id; a new UUID by default.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until the command's deadline.", min=0.1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Publish a command or query, wait for its answer, and print it.

    Example: perps-dma send set_leverage
    '{"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 10}'
    """
    from worker.console.send import send as publish

    text = sys.stdin.read() if body == "-" else body
    if not run(publish(read_settings(), operation, text.encode(), command_id, timeout, as_json=as_json)):
        raise typer.Exit(1)


@app.command()
def watch(
    start: Annotated[
        str,
        typer.Option("--from", help="first, last, next, a UTC time such as 2026-01-31T12:00:00Z, or 15m, 2h, 1d ago."),
    ] = "next",
    account: Annotated[str | None, typer.Option(help="Only events that concern this account.")] = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many events.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Tail the events out of the stream queue, from any point of the past."""
    from worker.console.watch import watch as tail

    run(tail(read_settings(), start, account=account, count=count, as_json=as_json))


@app.command()
def tour() -> None:
    """Walk through all ten routes of a running `up`; non-zero exit if any answer is not as documented."""
    from worker.console.tour import tour as walk

    if not run(walk(read_settings())):
        raise typer.Exit(1)


accounts_app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(accounts_app, name="accounts")


@accounts_app.callback(invoke_without_command=True)
def accounts(context: typer.Context, as_json: AsJson = False) -> None:
    """List the exchange accounts and what each can do, check them, or seal their credentials.

    Without a command they are listed, and no venue is asked.
    """
    context.obj = as_json
    if context.invoked_subcommand is None:
        from worker.console.accounts.listing import show_accounts

        run(show_accounts(read_settings(), as_json=as_json))


@accounts_app.command()
def check(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="ACCOUNT", help="Only these; all without.")] = None,
    regions: Annotated[
        bool,
        typer.Option("--regions", help="Ask the venue's other legal houses as well whether they know the key."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the venues what stands in the way of commands: every problem at once.

    Looks at the key (accepted, not expired), the account (of the type that is
    registered, allowed to trade), the key's permissions, the position mode
    (against position_mode in the registry, if set) and this machine's clock.

    Only reads: nothing is changed at any venue. Warnings hinder no command, or
    not yet. The exit code is 1 if any account has a problem. What no field of
    the venue's answers tells is "not told".

    A key of one of a venue's legal houses is none at another. With --regions,
    and only then, the others are asked with the key, and the one that takes it
    is named: that is the account's `region` in the registry.

    Example: perps-dma accounts check binance-perp-001 okx-perp-001
    """
    from worker.console.accounts.checks import check_accounts

    if not run(check_accounts(read_settings(), names or [], regions=regions, as_json=as_json or context.obj)):
        raise typer.Exit(1)


@accounts_app.command()
def seal(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The id of the account in the registry.")],
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="api_key, secret or passphrase.")],
    write: Annotated[bool, typer.Option("--write", help="Write it into the registry instead of printing it.")] = False,
) -> None:
    """Seal a credential, so that it may stand in the registry.

    The secret is asked for on a terminal, unseen, or read from standard input.
    It is encrypted under the newest key of PERPS_DMA_SEALING_KEYS, for this
    account and this credential alone. The line for the registry is printed.

    Example: perps-dma accounts seal binance-main secret --write < binance-secret
    """
    from worker.console.accounts.sealing import seal_credential

    seal_credential(read_settings(), account, credential, write=write)


@accounts_app.command()
def rotate() -> None:
    """Seal all sealed credentials of the registry under the newest key.

    All of them or none; comments and order stay. Running workers read the
    registry anew, and go on with the same keys.
    """
    from worker.console.accounts.sealing import rotate_credentials

    rotate_credentials(read_settings())


@accounts_app.command("new-key")
def new_key() -> None:
    """Add a key to the file PERPS_DMA_SEALING_KEYS, or begin the file.

    It seals from then on; the keys before it still open what they sealed.
    Give the file to all workers, then run `perps-dma accounts rotate`.
    """
    from worker.console.accounts.sealing import make_key

    make_key(read_settings())


@dead_letters.command("list")
def list_letters(as_json: AsJson = False) -> None:
    """List the dead letters, the oldest first. They stay where they are."""
    from worker.console.service.dead_letters import show_letters

    run(show_letters(read_settings(), as_json=as_json))


@dead_letters.command("show")
def show_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Its id, as in the list.")], as_json: AsJson = False
) -> None:
    """Show a dead letter with its body."""
    from worker.console.service.dead_letters import show_letter as show

    run(show(read_settings(), letter, as_json=as_json))


@dead_letters.command("requeue")
def requeue_letters(ids: LetterIds = None, everything: AllLetters = False, yes: WithoutAsking = False) -> None:
    """Send dead letters again, once what killed them is mended. Their old deadlines do not count."""
    from worker.console.service.dead_letters import requeue_letters as requeue

    settings = read_settings()
    chosen = chosen_letters(settings, ids, "Send all {count} dead letters again?", everything=everything, yes=yes)
    settled = run(requeue(settings, chosen))
    if settled.problem:
        raise fail(settled.problem)


@dead_letters.command("drop")
def drop_letters(ids: LetterIds = None, everything: AllLetters = False, yes: WithoutAsking = False) -> None:
    """Throw dead letters away, for good."""
    from worker.console.service.dead_letters import drop_letters as drop

    settings = read_settings()
    chosen = chosen_letters(settings, ids, "Throw all {count} dead letters away?", everything=everything, yes=yes)
    settled = run(drop(settings, chosen))
    if settled.problem:
        raise fail(settled.problem)


def chosen_letters(
    settings: Settings, ids: list[str] | None, question: str, *, everything: bool, yes: bool
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


@app.command()
def schemas(
    write: Annotated[bool, typer.Option("--write", help="Write the documents into the package.")] = False,
    name: Annotated[str | None, typer.Argument(help="The document to print, such as openapi.yaml.")] = None,
) -> None:
    """List, print or write the API documents generated from the operation table."""
    from worker.console.documents import show_documents

    if not show_documents(name, write=write):
        raise typer.Exit(1)


@app.command()
def definitions(
    passwords: Annotated[
        Path | None, typer.Option(help="Folder with a file for each user, named as the user, with its password.")
    ] = None,
) -> None:
    """Print RabbitMQ definitions: a virtual host, four users, and what each may do.

    dma-strategy may publish commands and queries and read its own answers, dma-risk may read events, dma-shim may
    publish everything, dma-worker owns the queues. Without passwords nobody can log in yet.

    Example: perps-dma definitions --passwords secrets > definitions.json, for load_definitions in rabbitmq.conf
    """
    from worker.console.definitions import definitions_text
    from worker.runtime.errors import ConfigurationError

    try:
        typer.echo(definitions_text(passwords), nl=False)
    except ConfigurationError as error:
        raise fail(str(error)) from error


@app.command()
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
    from worker.config.logs import silence_libraries

    silence_libraries()  # the services among the commands configure their own logging after this
    app()


if __name__ == "__main__":
    main()
