"""`perps-dma terms plan` and `apply`: see what would change, agree, watch it being done."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.text import Text

from schemas.base import Milliseconds
from schemas.outcomes import Outcome
from worker.bus.rpc import RpcReply
from worker.config.settings import Settings
from worker.console.desk.margin_settings import EXIT_CODES
from worker.console.kit.ask import Questions, WorkerRefused, asking, message_of, succeeded
from worker.console.kit.display import console, show_json
from worker.console.terms.files import TermsFile, keep_plan
from worker.console.terms.showing import needs_changes, progress_text, show_applied, show_plan
from worker.messages.wire import encode

CHANGES, PARTIAL = 2, 8
"""Exit codes: of a plan that changes something, as Terraform's; of terms that are in force for some symbols only."""

LOOK_S = 1.0

PLANNING_MS: Milliseconds = 60_000
"""A venue that tells the terms of flat markets one by one may take so long for hundreds of them."""


@dataclass(frozen=True, slots=True)
class Applying:
    """How terms are to be applied: asked for by whom, under which id, waited for how long at a time."""

    actor: str
    command_id: str | None
    wait_ms: Milliseconds
    as_json: bool


async def plan_terms(
    settings: Settings, file: TermsFile, out: Path | None, *, everything: bool, detailed: bool, as_json: bool
) -> int:
    """Print a plan, and keep it if asked to. The exit code."""
    async with asking(settings, "terms") as questions:
        plan = await planned(questions, file)
    if out is not None:
        keep_plan(out, file, plan["fingerprint"])
    if as_json:
        show_json(plan)
    else:
        show_plan(plan, file.path, everything=everything)
        if out is not None:
            console.print(Text(f"Kept in {out}: perps-dma terms apply {out}"))
    return CHANGES if detailed and needs_changes(plan) else 0


async def apply_terms(
    settings: Settings, file: TermsFile, agreed: Callable[[], bool] | None, applying: Applying
) -> int:
    """Show a plan, have it agreed to, carry it out and print what became of it. The exit code."""
    async with asking(settings, "terms", applying.actor) as questions:
        fingerprint = file.fingerprint
        if fingerprint is None:
            plan = await planned(questions, file)
            if not applying.as_json:
                show_plan(plan, file.path, everything=False)
            if not plan["change"] + plan["unknown"]:
                return _nothing_to_do(plan, applying)
            if agreed is not None and not agreed():
                console.print("Nothing was changed.")
                return 1
            fingerprint = plan["fingerprint"]
        command_id = applying.command_id or str(uuid4())
        body = encode(file.body | {"fingerprint": fingerprint})
        reply = await _carried_out(questions, body, command_id, applying)
    return _told(reply, command_id, applying)


async def cancel(settings: Settings, command_id: str, actor: str) -> None:
    """Let a command stop before its next symbol."""
    async with asking(settings, "terms", actor) as questions:
        told = await questions.ask("cancel_command", {"command_id": command_id})
    console.print(Text(told["message"]))


async def planned(questions: Questions, file: TermsFile) -> dict[str, Any]:
    """The plan of a document. Raises WorkerRefused."""
    reply = await questions.reply("plan_terms", encode(file.body), answer_ms=PLANNING_MS)
    plan: dict[str, Any] = succeeded(reply)["data"]
    return plan


def _nothing_to_do(plan: dict[str, Any], applying: Applying) -> int:
    if applying.as_json:
        show_json(plan)
    return EXIT_CODES[Outcome.REJECTED] if plan["impossible"] else 0


async def _carried_out(questions: Questions, body: bytes, command_id: str, applying: Applying) -> RpcReply:
    """The answer of a command that has ended: while it is pending, the same command is asked for again."""
    while True:
        asked = asyncio.create_task(
            questions.reply("apply_terms", body, command_id=command_id, answer_ms=applying.wait_ms)
        )
        while not asked.done():
            await asyncio.wait({asked}, timeout=LOOK_S)
            if not (asked.done() or applying.as_json):
                await _show_progress(questions, command_id)
        reply = await asked
        if reply.status != 202:
            return reply


async def _show_progress(questions: Questions, command_id: str) -> None:
    """How far it has come. While it is planned there is nothing to tell."""
    with suppress(WorkerRefused):
        told = await questions.ask("get_command", {"command_id": command_id})
        if progress := told["data"]["progress"]:
            console.print(Text(progress_text(progress), style="dim"))


def _told(reply: RpcReply, command_id: str, applying: Applying) -> int:
    """Print how it ended. The exit code. Raises WorkerRefused for what never became a command."""
    envelope = json.loads(reply.body)
    if "Outcome" not in reply.headers:
        succeeded(reply)
    outcome = Outcome(reply.headers["Outcome"])
    told = envelope.get("data") or envelope["error"]["details"]
    symbols = [*told.get("position_modes", []), *told.get("symbols", [])]
    if applying.as_json:
        message = message_of(envelope)
        show_json({"command_id": command_id, "outcome": outcome, "message": message, "symbols": symbols})
    else:
        show_applied(outcome, message_of(envelope), symbols, command_id)
    return PARTIAL if outcome is Outcome.PARTIAL else EXIT_CODES[outcome]
