"""Answers of the service as answers of a tool: structured, with how a command ended, or an error and what to do."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from mcp.types import CallToolResult, TextContent

from schemas.outcomes import ERRORS, ErrorCode
from worker.mcp.advice import ADVICE
from worker.mcp.doors import Told, ToolCall

ERROR_PREFIX = "Error - "

QUERY_HEADERS: Mapping[str, str] = {
    "unread": "Coverage-Unread",
    "totals_missing": "Totals-Missing",
    "next_cursor": "Next-Cursor",
}


def answer_of(call: ToolCall, told: Told) -> CallToolResult:
    """What a tool answers. The text has the numbers to their last digit, as the service wrote them."""
    try:
        envelope = json.loads(told.body)
        if envelope["isError"]:
            return _failed(call, envelope, told)
        facts = {"message": envelope["message"], "data": envelope["data"], **_facts(call, told)}
    except (ValueError, TypeError, KeyError):
        return trouble(call, ErrorCode.TIMEOUT, f"an answer with status {told.status} that is none of the service")
    text = f"{_ended(facts)}{told.body.decode()}"
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=facts)


def _ended(facts: Mapping[str, Any]) -> str:
    if "outcome" not in facts:
        return ""
    known = f", confirmed by {facts['confirmed_by']}" if facts["confirmed_by"] else ""
    return f"{facts['outcome']}{known} (command {facts['command_id']})\n"


def _facts(call: ToolCall, told: Told) -> dict[str, Any]:
    """What the headers say. Raises KeyError for a command's answer that does not say how it ended."""
    if call.operation.is_command:
        ended = {"outcome": told.headers["Outcome"], "confirmed_by": told.headers.get("Confirmed-By")}
        return {"command_id": call.command_id, **ended}
    return {name: _text(told.headers.get(header)) for name, header in QUERY_HEADERS.items()}


def _text(header: str | None) -> str | None:
    return None if header is None else unquote(header)


def _failed(call: ToolCall, envelope: Mapping[str, Any], told: Told) -> CallToolResult:
    error, message = envelope["error"], str(envelope["message"]).removeprefix(ERROR_PREFIX)
    facts = {"message": message, "error": error, "what_to_do": _advice(error["code"])}
    if call.operation.is_command:
        facts |= {"command_id": call.command_id, "outcome": told.headers.get("Outcome")}
    if (after := told.headers.get("Retry-After")) is not None:
        facts["retry_after_s"] = int(after)
    return _as_error(facts)


def _advice(code: str) -> str:
    """What to do; of a code that this version does not know, nothing better than to ask."""
    return ADVICE[ErrorCode(code)] if code in ADVICE else "Tell a person: this version does not know the error."


def trouble(call: ToolCall, code: ErrorCode, message: str) -> CallToolResult:
    """An answer where there is none from the service."""
    retryable = ERRORS[code].retryable or not call.operation.is_command
    facts = {
        "message": message,
        "error": {"code": str(code), "retryable": retryable},
        "what_to_do": ADVICE[code] if call.operation.is_command else ADVICE[ErrorCode.NO_WORKER],
    }
    return _as_error(facts | ({"command_id": call.command_id} if call.operation.is_command else {}))


def refused(code: ErrorCode, message: str) -> CallToolResult:
    """An error of this server itself; nothing was asked of the service."""
    return _as_error({"message": message, "error": {"code": str(code), "retryable": False}, "what_to_do": ADVICE[code]})


def _as_error(facts: Mapping[str, Any]) -> CallToolResult:
    ended = f" (outcome {facts['outcome']})" if facts.get("outcome") else ""
    command = f" Command id: {facts['command_id']}." if facts.get("command_id") else ""
    text = f"{facts['error']['code']}: {facts['message']}{ended}. {facts['what_to_do']}{command}"
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=dict(facts), is_error=True)
