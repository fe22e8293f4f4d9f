"""The server: it lists the tools, and passes a call on to the service."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams
from pydantic import ValidationError

from schemas.base import WireModel
from schemas.control import CommandId, Why
from schemas.operations import OPERATIONS, Operation
from schemas.outcomes import ErrorCode
from schemas.problems import invalid_request, problems_of
from worker.mcp.answers import ERROR_PREFIX, answer_of, refused, trouble
from worker.mcp.doors import ServiceAway, ServiceDoor, ToolCall
from worker.mcp.tools import WITHOUT_TOOL, operation_named, reads, takes_reason_itself, tools

INSTRUCTIONS = """\
Control plane of perpetual-futures accounts on Binance, Bybit, Gate.io, OKX and Hyperliquid. It trades nothing: it reads
positions, leverage, margin modes and history, and changes leverage, margin mode and portfolio-margin balances.

Begin with get_accounts: every other tool names an account by its exchange_account_id. Symbols are unified, such as
BTC/USDT:USDT. get_snapshots is the whole book in one answer, as it was last read; get_positions asks the venue now.

A change is in force only where the answer's outcome is `applied` or `unchanged`; `confirmed_by` says how that is known.
An outcome `unknown` means that nobody can tell yet: read before you try again. Each change needs a reason, which a
person reads in the audit.
"""


def mcp_server(door: ServiceDoor, *, commands: bool) -> Server[Any]:
    """A server whose tools lead through a door; without `commands` it has none that change anything."""
    listed = ListToolsResult(tools=list(tools(commands=commands)))

    async def on_list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return listed

    async def on_call_tool(context: ServerRequestContext[Any], called: CallToolRequestParams) -> CallToolResult:
        operation = operation_named(called.name, commands=commands)
        if operation is None:
            return _no_tool(called.name)
        try:
            call = call_of(operation, called.arguments or {})
        except ValidationError as error:
            told = invalid_request(problems_of(error)).message.removeprefix(ERROR_PREFIX)
            return refused(ErrorCode.INVALID_REQUEST, told)
        return await _answered(door, call, _authorization(context))

    return Server(
        "perps-dma",
        version=version("perps-dma"),
        title="Perps DMA",
        instructions=INSTRUCTIONS,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
    )


async def _answered(door: ServiceDoor, call: ToolCall, authorization: str | None) -> CallToolResult:
    try:
        return answer_of(call, await door.ask(call, authorization))
    except ServiceAway as error:
        return trouble(call, error.code, str(error))


class _Sending(WireModel):
    """What a tool that changes something takes beside the request."""

    reason: Why
    command_id: CommandId | None = None


def call_of(operation: Operation, arguments: Mapping[str, Any]) -> ToolCall:
    """What a tool was called with; null is the same as left out. Raises ValidationError for no reason, or no id."""
    fields = {name: value for name, value in arguments.items() if value is not None}
    if reads(operation):
        return ToolCall(operation, fields, str(uuid4()), None)
    taken = ("reason", "command_id") if operation.is_command else ("reason",)
    sending = _Sending.model_validate({name: fields.pop(name) for name in taken if name in fields})
    if takes_reason_itself(operation):
        fields["reason"] = sending.reason
    return ToolCall(operation, fields, sending.command_id or str(uuid4()), sending.reason)


def _no_tool(name: str) -> CallToolResult:
    if name in OPERATIONS and name not in WITHOUT_TOOL:
        message = f"{name} changes something, and this server was started without --commands, to read alone"
        return refused(ErrorCode.FORBIDDEN, message)
    return refused(ErrorCode.UNKNOWN_OPERATION, f"there is no tool {name!r}")


def _authorization(context: ServerRequestContext[Any]) -> str | None:
    """The token that came with a call, where calls come over HTTP."""
    headers = getattr(context.request, "headers", None)
    return None if headers is None else headers.get("authorization")
