"""`perps-dma add-margin` and `perps-dma remove-margin`: move money into an isolated position, or out of it, once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from schemas.outcomes import Outcome
from worker.config.settings import Settings
from worker.console.desk.margin_settings import EXIT_CODES, MarketOfAccount
from worker.console.kit.ask import asking, message_of, succeeded
from worker.console.kit.display import console, outcome_text, show_json


@dataclass(frozen=True, slots=True)
class MarginMove:
    """A move that is wanted: the operation, the amount as JSON has it, and the side where both are open."""

    operation: str
    amount: Any
    side: str | None
    command_id: str
    answer_ms: int

    def request(self, market: MarketOfAccount) -> dict[str, Any]:
        """The request that asks for it."""
        named = {} if self.side is None else {"position_side": self.side}
        return {**market.request(), "amount": self.amount, **named}


async def move_margin(
    settings: Settings, market: MarketOfAccount, move: MarginMove, actor: str, *, as_json: bool
) -> int:
    """Ask for a move, and print what became of it. The exit code. Raises WorkerRefused for what can't be a command."""
    async with asking(settings, move.operation, actor) as questions:
        body = json.dumps(move.request(market)).encode()
        reply = await questions.reply(move.operation, body, command_id=move.command_id, answer_ms=move.answer_ms)
    if "Outcome" not in reply.headers:
        succeeded(reply)
    envelope, outcome = json.loads(reply.body), Outcome(reply.headers["Outcome"])
    told = {
        **move.request(market),
        "operation": move.operation,
        "outcome": outcome.value,
        "confirmed_by": reply.headers.get("Confirmed-By"),
        "command_id": move.command_id,
        "message": message_of(envelope),
        "data": envelope.get("data"),
    }
    if as_json:
        show_json(told)
    else:
        _show(market, told)
    return EXIT_CODES[outcome]


def _show(market: MarketOfAccount, told: Mapping[str, Any]) -> None:
    data = told["data"]
    if data is not None:
        after = "?" if data["margin_after"] is None else data["margin_after"]
        figures = f"margin {data['margin_before']} \N{RIGHTWARDS ARROW} {after} {data['currency']}"
        console.print(Text(f"{market}, {data['position_side']}: {figures}"))
    confirmed = f", confirmed by {told['confirmed_by'].replace('_', ' ')}" if told["confirmed_by"] else ""
    console.print(
        Text.assemble("outcome ", outcome_text(told["outcome"]), f"{confirmed}; command {told['command_id']}")
    )
    if data is None:
        console.print(Text(told["message"], style="red"))
