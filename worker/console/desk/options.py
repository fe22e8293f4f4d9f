"""What the commands about positions have in common: their arguments, and how these are read."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from worker.console.kit.completion import account_ids
from worker.console.kit.terminal import fail

if TYPE_CHECKING:
    from schemas.requests import MarketType

PANEL = "Positions and their settings"

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account, by its id.", autocompletion=account_ids)]
AnyAccount = Annotated[
    str | None, typer.Argument(metavar="ACCOUNT", help="Only this one; all without.", autocompletion=account_ids)
]
Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="The market, such as BTC/USDT:USDT.")]
Futures = Annotated[bool, typer.Option("--futures", help="Delivery futures instead of perpetuals.")]


def market_type(futures: bool) -> "MarketType":
    """Which kind of market is meant."""
    from schemas.requests import MarketType

    return MarketType.FUTURE if futures else MarketType.SWAP


def number(text: str, name: str = "VALUE") -> int | float:
    """A number as JSON has it; what is sent is what was typed."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise fail(f"{name} must be a number, such as 10, not {text!r}")
    return value
