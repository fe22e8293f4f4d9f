"""Every operation of the table as a tool: its schemas, and the hints that the MCP specification defines.

What a tool does not say itself it takes from the table: name, summary, request and answer.
"""

from collections.abc import Mapping
from inspect import cleandoc
from types import MappingProxyType
from typing import Any, NamedTuple

from mcp.types import Tool, ToolAnnotations

from schemas.control import LONGEST_WHY
from schemas.events import ConfirmedBy
from schemas.operations import OPERATIONS, ROUTES, Kind, Operation
from schemas.outcomes import Outcome

Schema = dict[str, Any]


class Hints(NamedTuple):
    """What a client may tell a person before it calls a tool that changes something."""

    destructive: bool
    idempotent: bool


CHANGING: Mapping[str, Hints] = MappingProxyType(
    {
        "set_leverage": Hints(destructive=True, idempotent=True),
        "set_margin_mode": Hints(destructive=True, idempotent=True),
        "set_position_mode": Hints(destructive=True, idempotent=True),
        "add_margin": Hints(destructive=True, idempotent=False),
        "remove_margin": Hints(destructive=True, idempotent=False),
        "apply_terms": Hints(destructive=True, idempotent=True),
        "keep_terms": Hints(destructive=True, idempotent=True),
        "drop_terms": Hints(destructive=True, idempotent=True),
        "cancel_command": Hints(destructive=True, idempotent=True),
        "pm_auto_collect": Hints(destructive=True, idempotent=False),
        "pm_asset_collect": Hints(destructive=True, idempotent=False),
        "freeze": Hints(destructive=False, idempotent=True),
        "unfreeze": Hints(destructive=True, idempotent=True),
        "requeue_dead_letter": Hints(destructive=True, idempotent=False),
        "drop_dead_letter": Hints(destructive=True, idempotent=True),
    }
)
"""Of each operation that changes something. Destructive (specification 2026-07-28, "Tool annotations", checked
2026-11-30) is what replaces or moves something; a freeze adds a hold and takes nothing away."""

WITHOUT_TOOL: Mapping[str, str] = MappingProxyType(
    {"report_denials": "between a shim and a worker: nobody may ask for it"}
)
"""Operations that are no tools, and why."""

_REASON: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_WHY,
    "description": "Why you do this, in one line, for the person who reads the audit later",
}
_COMMAND_ID: Schema = {
    "type": "string",
    "pattern": "^[!-~]{1,128}$",
    "description": "The id that the command is carried out once under. Leave it out for a new one; to ask again after "
    "an answer that was lost, give the id that you were told",
}
_NULLABLE_TEXT: Schema = {"type": ["string", "null"]}


def reads(operation: Operation) -> bool:
    """Whether it changes nothing. What is new here is taken to change something until the table says that it reads."""
    return operation.kind is Kind.QUERY or operation.method == "GET"


def tools(*, commands: bool) -> tuple[Tool, ...]:
    """All tools, or those alone that change nothing."""
    return tuple(tool_of(operation) for operation in ROUTES if commands or reads(operation))


def takes_reason_itself(operation: Operation) -> bool:
    """Whether its request has a reason of its own; that of others travels beside the request."""
    return "reason" in operation.request.model_fields


def tool_of(operation: Operation) -> Tool:
    """An operation as a tool."""
    return Tool(
        name=operation.name,
        title=operation.summary,
        description=_description(operation),
        input_schema=_input(operation),
        output_schema=_output(operation),
        annotations=_annotations(operation),
    )


def _description(operation: Operation) -> str:
    text = cleandoc(operation.request.__doc__ or operation.summary)
    if operation.is_command:
        text += (
            "\n\nThe answer's `outcome` says how it ended and `confirmed_by` how that is known; it is only in force "
            "where the outcome is `applied` or `unchanged`. After `unknown`, read before you try again."
        )
    return f"{text}\n\nRoles: {', '.join(sorted(operation.roles))}."


def _annotations(operation: Operation) -> ToolAnnotations:
    hints = CHANGING.get(operation.name)
    return ToolAnnotations(
        title=operation.summary,
        read_only_hint=hints is None,
        destructive_hint=hints is not None and hints.destructive,
        idempotent_hint=hints is None or hints.idempotent,
        open_world_hint=operation.kind is not Kind.CONTROL,
    )


def _input(operation: Operation) -> Schema:
    schema: Schema = operation.request.model_json_schema()
    # Clients that hand tools to a model refuse these at the top; the description and the worker say the same.
    for refused in ("oneOf", "anyOf", "allOf", "description"):
        schema.pop(refused, None)
    properties = schema.setdefault("properties", {})
    required = list(schema.get("required", ()))
    if not reads(operation):
        properties["reason"] = _REASON
        required = [*(name for name in required if name != "reason"), "reason"]
    if operation.is_command:
        properties["command_id"] = _COMMAND_ID
    return {**schema, "required": required, "additionalProperties": False}


def _output(operation: Operation) -> Schema:
    data = _open(operation.data.model_json_schema(mode="serialization"))
    definitions = data.pop("$defs", {})
    properties: Schema = {"message": {"type": "string"}, "data": data}
    properties |= _COMMAND_FACTS if operation.is_command else _QUERY_FACTS
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        **({"$defs": definitions} if definitions else {}),
    }


def _open(schema: Any) -> Any:
    """The same, of a service that may have learnt more than this program: further fields are no fault."""
    if isinstance(schema, list):
        return [_open(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _open(part) for name, part in schema.items() if (name, part) != ("additionalProperties", False)}


_COMMAND_FACTS: Schema = {
    "command_id": {"type": "string"},
    "outcome": {"type": "string", "enum": [str(outcome) for outcome in Outcome]},
    "confirmed_by": {
        "type": ["string", "null"],
        "enum": [*(str(source) for source in ConfirmedBy), None],
        "description": "How it is known that the setting is in force",
    },
}
_QUERY_FACTS: Schema = {
    "unread": {**_NULLABLE_TEXT, "description": "Parts that could not be read whole, and why: their data is missing"},
    "totals_missing": {**_NULLABLE_TEXT, "description": "Totals that are null, and why"},
    "next_cursor": {**_NULLABLE_TEXT, "description": "There is more: the same call with this as `cursor` goes on"},
}


def operation_named(name: str, *, commands: bool) -> Operation | None:
    """The operation behind a tool; None where this server has no such tool."""
    operation = OPERATIONS.get(name)
    if operation is None or name in WITHOUT_TOOL or not (commands or reads(operation)):
        return None
    return operation
