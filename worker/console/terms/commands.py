"""The commands about terms as a document, in the words that users of Terraform know."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from worker.console.examples import example
from worker.console.kit.completion import account_ids
from worker.console.kit.terminal import AsJson, fail, read_settings, run

if TYPE_CHECKING:
    from worker.console.terms.files import TermsFile

terms_app = typer.Typer(
    help="Say in a file what leverage and margin mode symbols shall have: plan, apply, keep.", no_args_is_help=True
)

ONE_DASH = re.compile(r"-[a-z][a-z-]+(=.*)?", re.DOTALL)


class OneDash(TyperCommand):
    """A command whose options may be written as Terraform writes its own: `-auto-approve`, `-out=plan.json`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read them with two dashes."""
        return super().parse_args(ctx, [f"-{word}" if ONE_DASH.fullmatch(word) else word for word in args])


File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="The document in TOML."),
]
Actor = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who does it, for the record; the login name by default.")
]


@terms_app.command(
    "plan",
    cls=OneDash,
    epilog=example("perps-dma terms plan terms.toml", "perps-dma terms plan terms.toml --out plan.json"),
)
def plan(
    file: File,
    *,
    out: Annotated[Path | None, typer.Option(metavar="PLAN", help="Keep the plan, to apply exactly that.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what is so already as well.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 where something is not as the file says.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what would have to change for an account to be as a file says. Nothing is sent that changes anything.

    `~` is to change, `!` can't be made so, `?` is not told by the venue and is set. Exit code: 0, or 1 where it can't
    be planned.
    """
    from worker.console.terms.planning import plan_terms

    work = plan_terms(
        read_settings(), _read(file), out, everything=everything, detailed=detailed_exitcode, as_json=as_json
    )
    raise typer.Exit(run(work))


@terms_app.command(
    "apply",
    cls=OneDash,
    epilog=example("perps-dma terms apply terms.toml", "perps-dma terms apply plan.json --auto-approve"),
)
def apply(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The document in TOML, or a kept plan."),
    ],
    *,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", "--yes", help="Do not ask.")] = False,
    command_id: Annotated[str | None, typer.Option("--id", help="Command id; a new UUID by default.")] = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Make an account as a file says: show the plan, ask, carry it out, and tell how it ended.

    Each symbol is changed and confirmed by itself; other commands of the account go between. Ctrl-C leaves it running:
    `perps-dma terms cancel` stops it before its next symbol. A kept plan is carried out only while it still holds.

    Exit code: 0 applied or unchanged, 3 rejected, 4 precondition_failed, 5 unsupported, 6 unknown, 7 expired, 8
    partial; 1 where nothing was asked for.
    """
    from worker.console.service.freeze import login_name
    from worker.console.terms.planning import PLANNING_MS, Applying, apply_terms

    document = _read(file)
    asks = not auto_approve and document.fingerprint is None
    if asks and not sys.stdin.isatty():
        raise fail("it asks first, and there is no terminal to ask on: say --auto-approve too")
    agreed = partial(_agreed, "Do you want to apply these terms?")
    applying = Applying(actor or login_name(), command_id, PLANNING_MS, as_json)
    raise typer.Exit(run(apply_terms(read_settings(), document, agreed if asks else None, applying)))


@terms_app.command("keep", cls=OneDash, epilog=example("perps-dma terms keep terms.toml"))
def keep(
    file: File,
    *,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", "--yes", help="Do not ask.")] = False,
    actor: Actor = None,
) -> None:
    """Keep an account as a file says from now on: what is found otherwise is set again.

    Two reversals of a setting within an hour suspend it, and so does a freeze; keep it anew to go on. It asks first.
    """
    from worker.console.service.freeze import login_name
    from worker.console.terms.keeping import keep_terms

    document = _read(file)
    if not auto_approve and not sys.stdin.isatty():
        raise fail("it asks first, and there is no terminal to ask on: say --auto-approve too")
    agreed = None if auto_approve else partial(_agreed, "Do you want these terms to be kept?")
    raise typer.Exit(run(keep_terms(read_settings(), document, agreed, actor or login_name())))


@terms_app.command(
    "show", cls=OneDash, epilog=example("perps-dma terms show", "perps-dma terms show binance-perp-001 --json")
)
def show(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Only this one; all without.", autocompletion=account_ids)
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show which documents are kept, and what was mended of them."""
    from worker.console.terms.keeping import show_kept

    run(show_kept(read_settings(), account, as_json=as_json))


@terms_app.command("drop", epilog=example("perps-dma terms drop binance-perp-001"))
def drop(
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="The account, by its id.", autocompletion=account_ids)
    ],
    actor: Actor = None,
) -> None:
    """Keep the document of an account no more. What is in force stays."""
    from worker.console.service.freeze import login_name
    from worker.console.terms.keeping import drop_terms

    run(drop_terms(read_settings(), account, actor or login_name()))


@terms_app.command("cancel", epilog=example("perps-dma terms cancel 0b0f6f0e-6a55-4c1f-8f0e-1d2c3b4a5968"))
def cancel(
    command_id: Annotated[str, typer.Argument(metavar="ID", help="The command that applies terms.")],
    actor: Actor = None,
) -> None:
    """Stop applying terms before the next symbol. What was set before stays."""
    from worker.console.service.freeze import login_name
    from worker.console.terms.planning import cancel as stop

    run(stop(read_settings(), command_id, actor or login_name()))


def _agreed(question: str) -> bool:
    typer.echo(f"\n{question} Only 'yes' is accepted.")
    return str(typer.prompt("  Enter a value", default="", show_default=False)).strip() == "yes"


def _read(file: Path) -> "TermsFile":
    """A document, or what is wrong with it."""
    from worker.console.terms.files import read_terms
    from worker.runtime.errors import ConfigurationError

    try:
        return read_terms(file)
    except ConfigurationError as error:
        raise fail(str(error)) from error
