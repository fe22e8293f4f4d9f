"""`perps-dma accounts` and what stands below it."""

from typing import Annotated

import typer

from worker.console.examples import example
from worker.console.kit.completion import account_ids
from worker.console.kit.terminal import AsJson, read_settings, run

accounts_app = typer.Typer(pretty_exceptions_enable=False)


@accounts_app.callback(invoke_without_command=True, epilog=example("perps-dma accounts --json"))
def accounts(context: typer.Context, as_json: AsJson = False) -> None:
    """List the exchange accounts and what each can do, check them, or seal their credentials.

    Without a command they are listed, and no venue is asked.
    """
    context.obj = as_json
    if context.invoked_subcommand is None:
        from worker.console.accounts.listing import show_accounts

        run(show_accounts(read_settings(), as_json=as_json))


@accounts_app.command(epilog=example("perps-dma accounts check binance-perp-001 okx-perp-001"))
def check(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ACCOUNT", help="Only these; all without.", autocompletion=account_ids)
    ] = None,
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
    """
    from worker.console.accounts.checks import check_accounts

    if not run(check_accounts(read_settings(), names or [], regions=regions, as_json=as_json or context.obj)):
        raise typer.Exit(1)


@accounts_app.command(epilog=example("perps-dma accounts seal binance-main secret --write < binance-secret"))
def seal(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The id of the account in the registry.")],
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="api_key, secret or passphrase.")],
    write: Annotated[bool, typer.Option("--write", help="Write it into the registry instead of printing it.")] = False,
) -> None:
    """Seal a credential, so that it may stand in the registry.

    The secret is asked for on a terminal, unseen, or read from standard input.
    It is encrypted under the newest key of PERPS_DMA_SEALING_KEYS, for this
    account and this credential alone. The line for the registry is printed.
    """
    from worker.console.accounts.sealing import seal_credential

    seal_credential(read_settings(), account, credential, write=write)


@accounts_app.command(epilog=example("perps-dma accounts rotate"))
def rotate() -> None:
    """Seal all sealed credentials of the registry under the newest key.

    All of them or none; comments and order stay. Running workers read the
    registry anew, and go on with the same keys.
    """
    from worker.console.accounts.sealing import rotate_credentials

    rotate_credentials(read_settings())


@accounts_app.command("new-key", epilog=example("perps-dma accounts new-key"))
def new_key() -> None:
    """Add a key to the file PERPS_DMA_SEALING_KEYS, or begin the file.

    It seals from then on; the keys before it still open what they sealed.
    Give the file to all workers, then run `perps-dma accounts rotate`.
    """
    from worker.console.accounts.sealing import make_key

    make_key(read_settings())
