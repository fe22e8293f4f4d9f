"""`perps-dma sandbox`: the stand-in venues, and what happens at them behind an account's back."""

from typing import Annotated

import typer

from worker.console.examples import example
from worker.console.kit.terminal import read_settings, run

sandbox_app = typer.Typer(pretty_exceptions_enable=False)

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The id of an account of the sandbox.")]


@sandbox_app.callback(invoke_without_command=True)
def sandbox(context: typer.Context) -> None:
    """Run the stand-in venues, and list their addresses and keys in STATE/sandbox.json; or change what they hold."""
    if context.invoked_subcommand is None:
        from worker.config.logs import configure_logging
        from worker.sandbox.app.process import run_sandbox

        settings = read_settings()
        configure_logging(settings, "sandbox")
        run(run_sandbox(settings))


@sandbox_app.command(epilog=example("perps-dma sandbox change binance-perp-001 BTCUSDT --leverage 7"))
def change(
    account: AccountId,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The market, as the venue names it: BTCUSDT.")],
    leverage: Annotated[int | None, typer.Option(help="The leverage to set.", min=1)] = None,
    size: Annotated[str | None, typer.Option(help="Contracts to hold, negative for short, 0 for none.")] = None,
    entry_price: Annotated[str, typer.Option(help="What they were bought at.")] = "1",
) -> None:
    """Change an account as somebody else would, at the venue itself; what it pushes shows in `perps-dma watch`."""
    from worker.console.sandbox_control import MarketChange, change_account

    run(change_account(read_settings(), account, MarketChange(symbol, leverage, size, entry_price)))


@sandbox_app.command("stream-fault", epilog=example("perps-dma sandbox stream-fault binance-perp-001 silent"))
def stream_fault(
    account: AccountId,
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="silent, drop, close, lose, malformed, order, …")],
    times: Annotated[int, typer.Option(help="How often.", min=1)] = 1,
    for_ms: Annotated[int | None, typer.Option(help="How long it lasts, in milliseconds.", min=0)] = None,
    name: Annotated[str, typer.Option(help="With `order`: the venue's own misbehaviour.")] = "",
) -> None:
    """Let the private streams of an account misbehave; deploy/docs/STREAMS.md says how."""
    from worker.console.sandbox_control import misbehave

    content = {"fault": fault, "times": times, "for_ms": for_ms, "name": name}
    typer.echo(f"{run(misbehave(read_settings(), account, content))} open connections meet it")
