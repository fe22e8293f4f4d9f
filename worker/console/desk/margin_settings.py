"""`perps-dma leverage`, `margin-mode` and `position-mode`: read a setting, or change it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rich.text import Text

from schemas.outcomes import ErrorCode, Outcome
from schemas.requests import MarketType
from worker.bus.rpc import RpcReply
from worker.config.settings import Settings
from worker.console.kit.ask import Questions, asking, message_of, succeeded
from worker.console.kit.display import cell, console, outcome_text, show_json
from worker.console.kit.grid import fields

EXIT_CODES: Mapping[Outcome, int] = MappingProxyType(
    {
        Outcome.APPLIED: 0,
        Outcome.UNCHANGED: 0,
        Outcome.REJECTED: 3,
        Outcome.PRECONDITION_FAILED: 4,
        Outcome.UNSUPPORTED: 5,
        Outcome.UNKNOWN: 6,
        Outcome.EXPIRED: 7,
    }
)
"""How a change ended, for scripts. 1 is what never became a command, 2 a line that can't be understood."""

NOT_READ_NOW = frozenset({429, 500, 502, 503, 504})
"""What a reading may be answered without the request being at fault: the change is asked for all the same."""

SHOWN = ("leverage", "margin_mode", "position_side", "position_size", "notional", "unrealized_pnl")


@dataclass(frozen=True, slots=True)
class MarketOfAccount:
    """What a setting is of."""

    account: str
    symbol: str
    market_type: MarketType

    def request(self) -> dict[str, Any]:
        """The fields that name it."""
        return {"exchange_account_id": self.account, "symbol": self.symbol, "market_type": self.market_type}

    def __str__(self) -> str:
        return f"{self.symbol} on {self.account}"


@dataclass(frozen=True, slots=True)
class ModeOfAccount:
    """What a position mode is of: the account, or what a symbol or a settle currency names of it."""

    account: str
    symbol: str | None
    settle: str | None
    market_type: MarketType

    def request(self) -> dict[str, Any]:
        """The fields that name it."""
        named = {"symbol": self.symbol, "settle": self.settle}
        told = {name: value for name, value in named.items() if value is not None}
        return {"exchange_account_id": self.account, **told, "market_type": self.market_type}

    def __str__(self) -> str:
        part = self.symbol or self.settle
        return f"{part} on {self.account}" if part else self.account


SettingOwner = MarketOfAccount | ModeOfAccount

READ_BY: Mapping[str, str] = MappingProxyType({"set_position_mode": "get_position_mode"})
"""What reads a setting, by the operation that changes it, where that is not get_leverage."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that is wanted: the operation, the field of its request and answer, and the value.

    `beside` are further fields of the request.
    """

    operation: str
    field: str
    value: Any
    command_id: str
    answer_ms: int
    beside: tuple[tuple[str, Any], ...] = ()


async def show_settings(settings: Settings, market: MarketOfAccount, *, as_json: bool) -> None:
    """Print leverage, margin mode and what is held. Raises WorkerRefused."""
    async with asking(settings, "leverage") as questions:
        data = (await questions.ask("get_leverage", market.request()))["data"]
    if as_json:
        show_json(data)
    else:
        console.print(Text(str(market), style="bold"))
        console.print(fields((name.replace("_", " "), cell(data[name])) for name in SHOWN))


async def show_position_mode(settings: Settings, owner: ModeOfAccount, *, as_json: bool) -> None:
    """Print the position mode of an account, part by part where it has several. Raises WorkerRefused."""
    async with asking(settings, "position-mode") as questions:
        data = (await questions.ask("get_position_mode", owner.request()))["data"]
    if as_json:
        show_json(data)
        return
    rows = [(part["part"], Text(part["position_mode"])) for part in data["parts"]]
    expected = [("registered", Text(data["expected"]))] if data["expected"] else []
    console.print(Text(str(owner), style="bold"))
    console.print(fields([*rows, *expected]))


async def change_setting(settings: Settings, market: SettingOwner, change: Change, actor: str, *, as_json: bool) -> int:
    """Read what is in force, ask for another, and print what became of it. The exit code.

    Raises WorkerRefused for what can't be a command, and then nothing was asked for.
    """
    async with asking(settings, change.operation, actor) as questions:
        before = await _before(questions, market, change)
        body = json.dumps({**market.request(), change.field: change.value, **dict(change.beside)}).encode()
        reply = await questions.reply(change.operation, body, command_id=change.command_id, answer_ms=change.answer_ms)
    if "Outcome" not in reply.headers:
        succeeded(reply)
    outcome = Outcome(reply.headers["Outcome"])
    if as_json:
        show_json(_document(market, change, before, reply))
    else:
        _show(market, change, before, reply)
    return EXIT_CODES[outcome]


async def _before(questions: Questions, market: SettingOwner, change: Change) -> Any:
    """What is in force now; None where nobody can tell, or the venue keeps none. Raises WorkerRefused."""
    reply = await questions.send(READ_BY.get(change.operation, "get_leverage"), market.request())
    if reply.status in NOT_READ_NOW or _says_unsupported(reply):
        return None
    return succeeded(reply)["data"][change.field]


def _says_unsupported(reply: RpcReply) -> bool:
    """Whether there is nothing to read: the change will be answered so as well, with its outcome."""
    error = json.loads(reply.body).get("error") or {}
    return error.get("code") == ErrorCode.UNSUPPORTED


def _after(change: Change, before: Any, reply: RpcReply) -> Any:
    """What is in force after it; None where that is not known."""
    outcome = Outcome(reply.headers["Outcome"])
    if outcome.succeeded:
        return json.loads(reply.body)["data"][change.field]
    return None if outcome is Outcome.UNKNOWN else before


def _document(market: SettingOwner, change: Change, before: Any, reply: RpcReply) -> dict[str, Any]:
    return {
        **market.request(),
        "operation": change.operation,
        "before": before,
        "after": _after(change, before, reply),
        "outcome": reply.headers["Outcome"],
        "confirmed_by": reply.headers.get("Confirmed-By"),
        "command_id": change.command_id,
        "message": message_of(json.loads(reply.body)),
    }


def _show(market: SettingOwner, change: Change, before: Any, reply: RpcReply) -> None:
    told = _document(market, change, before, reply)
    name, after = change.field.replace("_", " "), told["after"]
    console.print(Text(f"{market}: {name} " + _move(before, after)))
    confirmed = f", confirmed by {told['confirmed_by'].replace('_', ' ')}" if told["confirmed_by"] else ""
    console.print(
        Text.assemble("outcome ", outcome_text(told["outcome"]), f"{confirmed}; command {told['command_id']}")
    )
    if not Outcome(told["outcome"]).succeeded:
        console.print(Text(told["message"], style="red"))


def _move(before: Any, after: Any) -> str:
    """From what to what; a question mark is what nobody can tell."""
    if before is not None and before == after:
        return f"stays {before}"
    return " → ".join("?" if value is None else str(value) for value in (before, after))
