"""The commands about the audit."""

from pathlib import Path
from typing import Annotated

import typer

from worker.console.examples import example
from worker.console.kit.terminal import AsJson, fail, read_settings, run

audit_app = typer.Typer(invoke_without_command=True)

Anchors = Annotated[
    list[str] | None,
    typer.Option("--anchor", metavar="POSITION:HASH", help="A head that was noted earlier; several times."),
]


@audit_app.callback(epilog=example("perps-dma audit --limit 10", "perps-dma audit verify"))
def audit(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="How many entries, the newest first.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who froze what, what guardrails and tokens forbade, and which requests were denied; prove it, archive it.

    Denials that are alike are counted over some seconds and make one entry.
    """
    if context.invoked_subcommand is not None:
        return
    from worker.console.audit.listing import show_audit

    run(show_audit(read_settings(), limit, as_json=as_json))


@audit_app.command(
    epilog=example("perps-dma audit verify", "perps-dma audit verify audit.jsonl --anchor 41:9f86d081884c7d65…")
)
def verify(
    archive: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="What `audit export` wrote, instead of a running service.")
    ] = None,
    anchors: Anchors = None,
    as_json: AsJson = False,
) -> None:
    """Prove that no record was changed, taken away, put in or moved; else tell the first that shows it, exit code 1.

    What was cut off at the end shows against an anchor: a head that `perps-dma status` or `audit export` told earlier,
    and that was kept elsewhere. A file is proved without asking anybody.
    """
    from worker.console.audit.proof import anchor_of, prove_archive, prove_ledger, tell

    try:
        heads = tuple(map(anchor_of, anchors or ()))
    except ValueError as error:
        raise fail(str(error)) from error
    proof = run(prove_ledger(read_settings(), heads)) if archive is None else prove_archive(archive, heads)
    tell(proof, as_json=as_json)
    if not proof.is_whole:
        raise typer.Exit(1)


@audit_app.command(
    epilog=example("perps-dma audit export > audit.jsonl", "perps-dma audit export --after 41 > later.jsonl")
)
def export(
    after: Annotated[int, typer.Option(help="Only records behind this position; an archive goes on there.", min=0)] = 0,
) -> None:
    """Write the audit as JSON lines with its chain, for an archive that `audit verify FILE` proves without the service.

    The first line says where it goes on, the last where it ends; archives of one service can be put together.
    """
    from worker.console.audit.archive import export_audit

    run(export_audit(read_settings(), after))
