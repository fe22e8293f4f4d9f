"""The commands that change settings, or move margin, and tell the outcome by their exit codes; or show the settings."""

from typing import Annotated, Any
from uuid import uuid4

import typer

from worker.console.desk.options import PANEL, Account, Futures, Symbol, market_type, number
from worker.console.examples import example
from worker.console.kit.completion import margin_modes, position_modes
from worker.console.kit.terminal import AsJson, fail, read_settings, run

changes = typer.Typer()

Timeout = Annotated[float, typer.Option(help="Seconds until the command's deadline.", min=0.1)]
CommandId = Annotated[str | None, typer.Option("--id", help="Command id; a new UUID by default.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="How much, in the market's settle currency.")]
PositionSide = Annotated[str | None, typer.Option("--side", help="long or short, where both are open.")]

MOVING = (
    "\n\nIt moves money, and is sent once at most: where its answer is lost, the margin before and after tells whether "
    "it was done, or nobody does."
    "\n\nExit code: 0 applied, 3 rejected, 4 precondition_failed, 5 unsupported, 6 unknown, 7 expired."
    "\n\nIt is 1 where it never became a command."
)


@changes.command(
    rich_help_panel=PANEL,
    epilog=example(
        "perps-dma leverage binance-perp-001 BTC/USDT:USDT", "perps-dma leverage binance-perp-001 BTC/USDT:USDT 10"
    ),
)
def leverage(
    account: Account,
    symbol: Symbol,
    value: Annotated[str | None, typer.Argument(metavar="VALUE", help="The leverage wanted, 10 for 10x.")] = None,
    *,
    notional: Annotated[
        str | None,
        typer.Option(help="Only where a position of this size may have it, in the currency of `perps-dma tiers`."),
    ] = None,
    futures: Futures = False,
    timeout: Timeout = 10,
    command_id: CommandId = None,
    as_json: AsJson = False,
) -> None:
    """Show the leverage of a market, or set it. The margin mode stays as it is.

    With a value it is changed: what was and what is in force, the outcome and how that is known.

    Exit code: 0 applied or unchanged, 3 rejected, 4 precondition_failed, 5 unsupported, 6 unknown, 7 expired.

    It is 1 where it never became a command.
    """
    _read_or_change(
        ("set_leverage", "leverage", None if value is None else number(value)),
        (account, symbol, futures),
        (command_id, timeout),
        {} if notional is None else {"notional": number(notional, "--notional")},
        as_json=as_json,
    )


@changes.command(
    "margin-mode",
    rich_help_panel=PANEL,
    epilog=example(
        "perps-dma margin-mode binance-perp-001 BTC/USDT:USDT",
        "perps-dma margin-mode binance-perp-001 ETH/USDT:USDT isolated",
    ),
)
def margin_mode(
    account: Account,
    symbol: Symbol,
    mode: Annotated[
        str | None, typer.Argument(metavar="MODE", help="cross or isolated.", autocompletion=margin_modes)
    ] = None,
    *,
    futures: Futures = False,
    timeout: Timeout = 10,
    command_id: CommandId = None,
    as_json: AsJson = False,
) -> None:
    """Show the margin mode of a market, or switch it. The leverage stays as it is.

    With a value it is changed: what was and what is in force, the outcome and how that is known.

    Exit code: 0 applied or unchanged, 3 rejected, 4 precondition_failed, 5 unsupported, 6 unknown, 7 expired.

    It is 1 where it never became a command.
    """
    if mode is not None and mode not in margin_modes(""):
        raise fail(f"MODE must be {' or '.join(margin_modes(''))}, not {mode!r}")
    _read_or_change(
        ("set_margin_mode", "margin_mode", mode), (account, symbol, futures), (command_id, timeout), {}, as_json=as_json
    )


@changes.command(
    "position-mode",
    rich_help_panel=PANEL,
    epilog=example(
        "perps-dma position-mode binance-perp-001",
        "perps-dma position-mode gate-perp-001 hedge --settle USDT",
    ),
)
def position_mode(
    account: Account,
    mode: Annotated[
        str | None, typer.Argument(metavar="MODE", help="one_way or hedge.", autocompletion=position_modes)
    ] = None,
    *,
    symbol: Annotated[str | None, typer.Option(help="Of this market, where each has a mode: Bybit.")] = None,
    settle: Annotated[
        str | None, typer.Option(help="Of all that settle in this currency, such as USDT: Gate, Bybit.")
    ] = None,
    futures: Futures = False,
    timeout: Timeout = 10,
    command_id: CommandId = None,
    as_json: AsJson = False,
) -> None:
    """Show whether an account is in one-way or hedge mode, or switch it. Nothing may be open there then.

    With a value it is changed: what was and what is in force, the outcome and how that is known.

    Exit code: 0 applied or unchanged, 3 rejected, 4 precondition_failed, 5 unsupported, 6 unknown, 7 expired.

    It is 1 where it never became a command.
    """
    from worker.console.desk.margin_settings import Change, ModeOfAccount, change_setting, show_position_mode
    from worker.console.service.freeze import login_name

    if mode is not None and mode not in position_modes(""):
        raise fail(f"MODE must be {' or '.join(position_modes(''))}, not {mode!r}")
    of = ModeOfAccount(account, symbol, settle, market_type(futures))
    if mode is None:
        run(show_position_mode(read_settings(), of, as_json=as_json))
        return
    wanted = ("set_position_mode", "position_mode", mode)
    change = Change(*wanted, command_id or str(uuid4()), int(timeout * 1000))
    raise typer.Exit(run(change_setting(read_settings(), of, change, login_name(), as_json=as_json)))


def _margin_command(name: str, what: str) -> None:
    """A command that moves margin, by its name and what it does; it asks for the operation that is called so."""
    examples = ("okx-perp-001 SOL/USDT:USDT 25", "binance-hedge-001 ETH/USDT:USDT 10 --side long")

    def move(
        account: Account,
        symbol: Symbol,
        amount: Amount,
        *,
        side: PositionSide = None,
        futures: Futures = False,
        timeout: Timeout = 10,
        command_id: CommandId = None,
        as_json: AsJson = False,
    ) -> None:
        operation = name.replace("-", "_")
        _move_margin(operation, (account, symbol, futures), (amount, side), (command_id, timeout), as_json=as_json)

    epilog = example(*(f"perps-dma {name} {words}" for words in examples))
    changes.command(name, help=what + MOVING, rich_help_panel=PANEL, epilog=epilog)(move)


_margin_command("add-margin", "Add margin to an isolated position, out of what the account has free.")
_margin_command("remove-margin", "Take margin out of an isolated position, back into the account.")


def _read_or_change(
    wanted: tuple[str, str, Any],
    market: tuple[str, str, bool],
    sending: tuple[str | None, float],
    beside: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Read the settings of a market, or change the one that is wanted; the exit code tells the outcome."""
    from worker.console.desk.margin_settings import Change, MarketOfAccount, change_setting, show_settings
    from worker.console.service.freeze import login_name

    (account, symbol, futures), (command_id, timeout_s) = market, sending
    of = MarketOfAccount(account, symbol, market_type(futures))
    if wanted[-1] is None:
        run(show_settings(read_settings(), of, as_json=as_json))
        return
    change = Change(*wanted, command_id or str(uuid4()), int(timeout_s * 1000), tuple(beside.items()))
    raise typer.Exit(run(change_setting(read_settings(), of, change, login_name(), as_json=as_json)))


def _move_margin(
    operation: str,
    market: tuple[str, str, bool],
    wanted: tuple[str, str | None],
    sending: tuple[str | None, float],
    *,
    as_json: bool,
) -> None:
    """Move margin of a market of an account: so much, of a side; the exit code tells the outcome."""
    from worker.console.desk.margin_moves import MarginMove, move_margin
    from worker.console.desk.margin_settings import MarketOfAccount
    from worker.console.service.freeze import login_name

    (account, symbol, futures), (amount, side), (command_id, timeout_s) = market, wanted, sending
    if side not in (None, "long", "short"):
        raise fail(f"--side must be long or short, not {side!r}")
    of = MarketOfAccount(account, symbol, market_type(futures))
    move = MarginMove(operation, number(amount), side, command_id or str(uuid4()), int(timeout_s * 1000))
    raise typer.Exit(run(move_margin(read_settings(), of, move, login_name(), as_json=as_json)))
