"""Table, HTTP, bus, documents, command line, typed client and tools have the same operations, but for what says why."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import pytest
import typer
from mcp.types import Tool

from schemas import HTTP_PREFIXES, OPERATIONS, ROUTES, Kind
from schemas.client import blocking, blocking_calls, calls, dma
from schemas.documents.asyncapi import asyncapi
from schemas.documents.openapi import openapi
from schemas.events.following import EVENTS_PATH
from schemas.operations import CAPABILITIES_PATH
from schemas.outcomes import ErrorCode
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, gate
from worker.app.cli import OPERATION_NAMES, app
from worker.broker.permissions import ASKED_ABOUT
from worker.bus.amqp.topology import OURS
from worker.mcp.advice import ADVICE
from worker.mcp.tools import CHANGING, WITHOUT_TOOL, tools
from worker.shim.app import _operation_routes
from worker.shim.routes.operations import OperationsEndpoint

BETWEEN_OURS = "report_denials is between a shim and a worker: nobody else may ask for it"

LACKING: Mapping[str, Mapping[str, str]] = {
    "http": {"report_denials": BETWEEN_OURS},
    "openapi": {"report_denials": BETWEEN_OURS},
    "typed client": {"report_denials": BETWEEN_OURS},
    "blocking client": {"report_denials": BETWEEN_OURS},
    "tools": {"report_denials": BETWEEN_OURS},
    "command": {
        "report_denials": BETWEEN_OURS,
        "get_accounts": "`accounts` lists the registry; what workers serve of it `send` asks for",
        "pm_get_balance": "portfolio margin is one venue's: `send` asks for it",
        "pm_get_account": "portfolio margin is one venue's: `send` asks for it",
        "pm_auto_collect": "portfolio margin is one venue's: `send` asks for it",
        "pm_asset_collect": "portfolio margin is one venue's: `send` asks for it",
    },
}
"""What a way has not of the table, and why."""

BEYOND: Mapping[str, Mapping[str, str]] = {
    "openapi": {
        "get_capabilities": "what adapters declare: the shim knows it by itself",
        "follow_events": "on the bus the events are a stream of their own",
    },
    "typed client": {
        "events": "the stream of events, which no worker is asked for",
        "book": "get_snapshots and the stream that follows it, put together",
        "ask": "any operation, as JSON, for programs that pass requests on",
    },
    "blocking client": {
        "events": "as in the typed client",
        "book": "as in the typed client",
        "wait": "what makes it block",
    },
}
"""What a way has beside the table, and why."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "set_leverage": ("leverage",),
    "get_leverage": ("leverage",),
    "set_margin_mode": ("margin-mode",),
    "get_position_mode": ("position-mode",),
    "set_position_mode": ("position-mode",),
    "get_leverage_tiers": ("tiers",),
    "get_margin_health": ("margin-health",),
    "add_margin": ("add-margin",),
    "remove_margin": ("remove-margin",),
    "plan_terms": ("terms", "plan"),
    "apply_terms": ("terms", "apply"),
    "keep_terms": ("terms", "keep"),
    "get_terms": ("terms", "show"),
    "drop_terms": ("terms", "drop"),
    "cancel_command": ("terms", "cancel"),
    "get_positions": ("positions",),
    "get_funding_history": ("history",),
    "get_realized_pnl": ("history",),
    "get_snapshots": ("book",),
    "get_commands": ("commands",),
    "get_command": ("command",),
    "get_status": ("status",),
    "get_doubts": ("doubts",),
    "get_freezes": ("freezes",),
    "freeze": ("freeze",),
    "unfreeze": ("unfreeze",),
    "get_audit": ("audit",),
    "get_dead_letters": ("dead-letters", "list"),
    "requeue_dead_letter": ("dead-letters", "requeue"),
    "drop_dead_letter": ("dead-letters", "drop"),
}
"""The commands of their own that operations have on the command line."""


def http_routes() -> set[str]:
    """Every operation that the shim answers, under both prefixes alike."""
    caller = InMemoryCaller()
    routes = _operation_routes(caller, gate(caller), BOUNDS)
    served = [
        (route.path, name) for route in routes for name in cast(OperationsEndpoint, route.endpoint)._operations.values()
    ]
    named = {prefix: {row.name for path, row in served if path.startswith(prefix)} for prefix in HTTP_PREFIXES}
    first, second = named.values()
    assert first == second
    return first


def openapi_operations() -> set[str]:
    return {row["operationId"] for path in openapi()["paths"].values() for row in path.values()}


def asyncapi_operations() -> set[str]:
    sent = asyncapi()["operations"]
    return {name for name, row in sent.items() if row["action"] == "receive" and "reply" in row}


def methods(client: type, base: type) -> set[str]:
    return {name for kind in (client, base) for name, _ in inspect.getmembers(kind) if not name.startswith("_")}


def queues() -> set[str]:
    """The operations whose queues the topology and the broker's rights name."""
    patterns = [pattern.partition("(")[2].partition(")")[0].split("|") for pattern in (OURS, ASKED_ABOUT)]
    first, second = map(set, patterns)
    assert first == second
    return first


def commands_there() -> set[str]:
    group = typer.main.get_group(app)
    return {name for name, path in COMMANDS.items() if is_there(group, path)}


def is_there(group: Any, path: Iterable[str]) -> bool:
    for word in path:
        group = getattr(group, "commands", {}).get(word)
    return group is not None


WAYS: Mapping[str, Callable[[], set[str]]] = {
    "http": http_routes,
    "openapi": openapi_operations,
    "asyncapi": asyncapi_operations,
    "queues": queues,
    "typed client": lambda: methods(dma.PerpsDma, calls.Calls),
    "blocking client": lambda: methods(blocking.PerpsDma, blocking_calls.BlockingCalls),
    "send": lambda: set(OPERATION_NAMES.split(", ")),
    "command": commands_there,
    "tools": lambda: {tool.name for tool in tools(commands=True)},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_way_has_the_operations_of_the_table_none_more_and_none_fewer(way: str) -> None:
    lacking, beyond = LACKING.get(way, {}), BEYOND.get(way, {})
    assert lacking.keys() <= OPERATIONS.keys()
    assert WAYS[way]() == (OPERATIONS.keys() - lacking.keys()) | beyond.keys()


def test_the_routes_that_the_shim_answers_by_itself_are_documented() -> None:
    assert {CAPABILITIES_PATH, EVENTS_PATH} <= openapi()["paths"].keys()


def test_what_changes_something_is_the_same_for_http_and_for_tools() -> None:
    assert CHANGING.keys() == {row.name for row in ROUTES if row.method != "GET" and row.kind is not Kind.QUERY}
    assert WITHOUT_TOOL.keys() == LACKING["tools"].keys()


@pytest.mark.parametrize("tool", tools(commands=True), ids=lambda tool: tool.name)
def test_a_tool_has_the_schemas_of_its_operation_and_hints_that_fit(tool: Tool) -> None:
    operation = OPERATIONS[tool.name]
    beside = {"reason"} if tool.name in CHANGING else set()
    beside |= {"command_id"} if operation.is_command else set()
    assert tool.input_schema["properties"].keys() == operation.request.model_fields.keys() | beside
    needed = {name for name, field in operation.request.model_fields.items() if field.is_required()}
    assert set(tool.input_schema["required"]) == needed | (beside & {"reason"})
    assert not {"oneOf", "anyOf", "allOf"} & tool.input_schema.keys()
    assert tool.output_schema is not None
    data = operation.data.model_json_schema(mode="serialization")["properties"]
    assert tool.output_schema["properties"]["data"]["properties"].keys() == data.keys()
    assert {"outcome", "confirmed_by"} <= tool.output_schema["properties"].keys() or not operation.is_command
    assert tool.annotations is not None
    assert tool.annotations.read_only_hint == (tool.name not in CHANGING)


def test_there_is_advice_for_every_error() -> None:
    assert ADVICE.keys() == set(ErrorCode)
