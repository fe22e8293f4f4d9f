"""The OpenAPI 3.1 document of the HTTP API, made from the table of operations."""

from collections.abc import Mapping
from inspect import cleandoc
from types import MappingProxyType

from ..control import ENCODED_WHY
from ..envelope import Failure
from ..events import ConfirmedBy
from ..events.following import EVENTS_PATH, FollowEvents
from ..operations import CAPABILITIES_PATH, HTTP_PREFIXES, READERS, ROUTES, Kind, Operation
from ..outcomes import ERRORS, ErrorCode, Outcome
from ..requests import GetPositions, HistoryRequest, PmGetAccount, SymbolRequest
from .definitions import (
    ABOUT,
    ACCEPTED,
    CAPABILITIES,
    CONTRACT_VERSION,
    Schema,
    definitions,
    described,
    for_generators,
    needed_by,
    success_name,
)

_DESCRIPTION = """\
Control plane of perpetual-futures accounts. A setting is reported as applied only when the venue confirmed it.

Every answer is an envelope: `isError`, `message`, `statusCode`, and `data` or `error`. Every route stands under two
prefixes, the two servers of this document, which do the same. What became of a command is also published as an event on
the bus, with its `Command-Id`.
"""

_EVERYWHERE = frozenset(
    {
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNAUTHORIZED,
        ErrorCode.FORBIDDEN,
        ErrorCode.RATE_LIMITED,
        ErrorCode.URI_TOO_LONG,
        ErrorCode.HEADERS_TOO_LARGE,
        ErrorCode.INTERNAL_ERROR,
        ErrorCode.KEYS_UNAVAILABLE,
        ErrorCode.OVERLOADED,
        ErrorCode.NO_WORKER,
        ErrorCode.BROKER_UNAVAILABLE,
        ErrorCode.EXPIRED,
        ErrorCode.TIMEOUT,
    }
)
_BODIES_ONLY = frozenset({ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.REQUEST_TIMEOUT})
_COMMANDS_ONLY = frozenset({ErrorCode.UNKNOWN, ErrorCode.CONFLICT, ErrorCode.FROZEN, ErrorCode.GUARDRAIL})
_SYMBOLS_ONLY = frozenset({ErrorCode.UNKNOWN_SYMBOL})
_AT_A_VENUE = frozenset(
    {
        ErrorCode.REJECTED,
        ErrorCode.UNSUPPORTED,
        ErrorCode.UNKNOWN_ACCOUNT,
        ErrorCode.PRECONDITION_FAILED,
        ErrorCode.THROTTLED,
        ErrorCode.VENUE_UNAVAILABLE,
    }
)
_CONTROLS_ONLY = {
    "get_command": frozenset({ErrorCode.UNKNOWN_COMMAND}),
    "freeze": frozenset({ErrorCode.UNKNOWN_ACCOUNT}),
    "unfreeze": frozenset({ErrorCode.UNKNOWN_ACCOUNT}),
    "get_snapshots": frozenset({ErrorCode.UNKNOWN_ACCOUNT}),
    "get_commands": frozenset({ErrorCode.UNKNOWN_ACCOUNT}),
    "requeue_dead_letter": frozenset({ErrorCode.UNKNOWN_DEAD_LETTER}),
    "drop_dead_letter": frozenset({ErrorCode.UNKNOWN_DEAD_LETTER}),
    "keep_terms": frozenset({ErrorCode.UNKNOWN_ACCOUNT}),
    "get_terms": frozenset({ErrorCode.UNKNOWN_ACCOUNT}),
    "drop_terms": frozenset({ErrorCode.UNKNOWN_ACCOUNT, ErrorCode.PRECONDITION_FAILED}),
    "cancel_command": frozenset({ErrorCode.UNKNOWN_COMMAND, ErrorCode.UNSUPPORTED}),
}

_TEXT: Schema = {"type": "string"}
_INSTANT: Schema = {"type": "integer", "format": "int64"}

_HEADERS: Mapping[str, Schema] = MappingProxyType(
    {
        "Command-Id": {"description": "Names the request, and a command's result event", "schema": _TEXT},
        "Outcome": {
            "description": "The one way in which a command ended",
            "schema": {"type": "string", "enum": [str(outcome) for outcome in Outcome]},
        },
        "Confirmed-By": {
            "description": "How it is known that the setting is in force",
            "schema": {"type": "string", "enum": [str(source) for source in ConfirmedBy]},
        },
        "Policy": {
            "description": "The guardrails that a command was checked against: a hash over their canonical form",
            "schema": _TEXT,
        },
        "Retry-After": {"description": "Seconds after which it may be tried again", "schema": {"type": "integer"}},
        "Coverage-From": {
            "description": "Oldest instant from which on nothing is missing, UTC milliseconds; later than `since` "
            "where the venue no longer keeps that much",
            "schema": _INSTANT,
        },
        "Coverage-To": {
            "description": "Newest instant up to which nothing is missing, UTC milliseconds; before `Coverage-From` "
            "where nothing is claimed",
            "schema": _INSTANT,
        },
        "Next-Cursor": {
            "description": "There is more: the same request with this as `cursor` gives what follows",
            "schema": _TEXT,
        },
        "Totals-Missing": {
            "description": "Totals that are null, because amounts of unlike currencies are never added",
            "schema": _TEXT,
        },
        "Coverage": {
            "description": "The parts of the account that were read whole, separated by commas",
            "schema": _TEXT,
        },
        "Coverage-Unread": {
            "description": "Parts that could not be read whole, and why: `part: reason; part: reason`. What they have "
            "is missing; a history then claims no stretch to be complete (no `Coverage-From`)",
            "schema": _TEXT,
        },
        "Preference-Applied": {"description": "Which preferences were honoured (RFC 7240)", "schema": _TEXT},
        "WWW-Authenticate": {"description": "How to authenticate (RFC 6750)", "schema": _TEXT},
        "traceparent": {
            "description": "The trace context of the request (W3C), given back, or of the trace that began with it",
            "schema": _TEXT,
        },
    }
)

_PARAMETERS: Mapping[str, Schema] = MappingProxyType(
    {
        "Prefer": {
            "name": "Prefer",
            "in": "header",
            "description": "`wait=N` sets the deadline, in seconds from now and 600 at most. With `respond-async` a "
            "command is answered as soon as the broker has it (RFC 7240).",
            "schema": _TEXT,
            "example": "wait=5",
        },
        "Idempotency-Key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Becomes the command id, so that a repeated request names the same command. "
            "Without it each request gets an id of its own.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
        },
        "traceparent": {
            "name": "traceparent",
            "in": "header",
            "description": "Trace context (W3C)",
            "schema": _TEXT,
        },
    }
)

_COMMAND_PARAMETERS: Mapping[str, Schema] = MappingProxyType(
    {
        "Audit-Reason": {
            "name": "Audit-Reason",
            "in": "header",
            "description": "Why it is wanted, 500 characters at most, percent-encoded (RFC 3986); the audit keeps it",
            "schema": {"type": "string", "pattern": ENCODED_WHY},
            "example": "the%20leverage%20was%20mistyped",
        },
    }
)

_STATUS_HEADERS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        401: ("traceparent", "WWW-Authenticate"),
        429: ("traceparent", "Command-Id", "Outcome", "Retry-After"),
        503: ("traceparent", "Command-Id", "Retry-After"),
    }
)
_PLAIN_HEADERS = ("traceparent", "Command-Id", "Outcome")


def _pointer(section: str, name: str) -> Schema:
    return {"$ref": f"#/components/{section}/{name}"}


def _content(schema: str) -> Schema:
    return {"application/json": {"schema": _pointer("schemas", schema)}}


def _headers(*names: str) -> Schema:
    return {name: _pointer("headers", name) for name in names}


def error_codes(operation: Operation) -> frozenset[ErrorCode]:
    """Every error that an HTTP client of an operation can meet."""
    codes = _EVERYWHERE | (_BODIES_ONLY if operation.has_body else frozenset())
    if operation.kind is Kind.CONTROL:
        return codes | {ErrorCode.LEDGER_UNAVAILABLE} | _CONTROLS_ONLY.get(operation.name, frozenset())
    codes |= _AT_A_VENUE
    if operation.is_command:
        codes |= _COMMANDS_ONLY
    if "symbol" in operation.request.model_fields:
        codes |= _SYMBOLS_ONLY
    return codes


def _error_responses() -> dict[str, Schema]:
    met = frozenset[ErrorCode]().union(*map(error_codes, ROUTES))
    rows = [(code, kind) for code, kind in ERRORS.items() if code in met]
    responses: dict[str, Schema] = {}
    for status in sorted({kind.status for _, kind in rows}):
        meanings = [f"- `{code}`: {kind.meaning}" for code, kind in rows if kind.status == status]
        responses[f"Error{status}"] = {
            "description": "\n".join(meanings),
            "headers": _headers(*_STATUS_HEADERS.get(status, _PLAIN_HEADERS)),
            "content": _content(Failure.__name__),
        }
    return responses


def _responses(operation: Operation) -> dict[str, Schema]:
    names = ["traceparent", "Command-Id"]
    if operation.is_command:
        names += ["Outcome", "Confirmed-By", "Policy"]
    if issubclass(operation.request, HistoryRequest):
        names += ["Coverage-From", "Coverage-To", "Coverage-Unread", "Next-Cursor"]
    if operation.request is PmGetAccount:
        names.append("Totals-Missing")
    if operation.request is GetPositions:
        names += ["Coverage", "Coverage-Unread"]
    done = {
        "description": described(operation.data, operation),
        "headers": _headers(*names),
        "content": _content(success_name(operation)),
    }
    taken = {
        "description": "The broker has the command; its result event will tell what became of it.",
        "headers": _headers("traceparent", "Command-Id", "Preference-Applied"),
        "content": _content(ACCEPTED),
    }
    statuses = sorted({ERRORS[code].status for code in error_codes(operation)})
    errors = {str(status): _pointer("responses", f"Error{status}") for status in statuses}
    return {"200": done} | ({"202": taken} if operation.is_command else {}) | errors


def _parameter(name: str, schema: Schema, place: str, *, required: bool) -> Schema:
    """A parameter of a path or a query string, where null can't be said and leaving out says it."""
    options = [option for option in schema.get("anyOf", [schema]) if option != {"type": "null"}]
    described = {**options[0], **{key: value for key, value in schema.items() if key in ("description", "default")}}
    if described.get("default", ...) is None:
        del described["default"]
    description = described.pop("description", "")
    return {"name": name, "in": place, "required": required, "description": description, "schema": described}


def _input(operation: Operation, request: Schema) -> Schema:
    named_headers = (*_PARAMETERS, *(_COMMAND_PARAMETERS if operation.is_command else ()))
    headers = [_pointer("parameters", name) for name in named_headers]
    if operation.has_body:
        body = {"required": True, "content": _content(operation.request.__name__)}
        return {"parameters": headers, "requestBody": body}
    required = request.get("required", [])
    named = [
        _parameter(name, schema, "path" if name in operation.path_names else "query", required=name in required)
        for name, schema in request.get("properties", {}).items()
    ]
    return {"parameters": named + headers}


_TAGS: Mapping[str, str] = MappingProxyType(
    {
        "Markets": "Leverage and margin mode of one market of an account",
        "Account": "What an account holds, and what it was paid",
        "Portfolio Margin": "Balances and sweeps of Binance Portfolio Margin accounts",
        "Service": "Commands, doubts, freezes, dead letters and the audit: what concerns this service alone",
    }
)


def _tag(operation: Operation) -> str:
    if operation.kind is Kind.CONTROL:
        return "Service"
    if operation.path.startswith("/portfolio-margin"):
        return "Portfolio Margin"
    return "Markets" if issubclass(operation.request, SymbolRequest) else "Account"


def _roles(roles: frozenset[str]) -> str:
    return f"Roles: {', '.join(f'`{role}`' for role in sorted(roles))}."


_DENIALS = (401, 403, 414, 429, 431, 500, 503)


def _paths(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    for operation in ROUTES:
        paths.setdefault(operation.path, {})[operation.method.lower()] = {
            "operationId": operation.name,
            "summary": operation.summary,
            "description": f"{described(operation.request, operation)}\n\n{_roles(operation.roles)}",
            "tags": [_tag(operation)],
            **_input(operation, schemas[operation.request.__name__]),
            "responses": _responses(operation),
        }
    paths[CAPABILITIES_PATH] = {"get": _capabilities()}
    paths[EVENTS_PATH] = {"get": _events(schemas)}
    return paths


def _events(schemas: Mapping[str, Schema]) -> Schema:
    """The events, which the shim reads from the stream by itself."""
    request = schemas[FollowEvents.__name__]
    named = [_parameter(name, field, "query", required=False) for name, field in request["properties"].items()]
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the last event that is known: what follows it is told",
        "schema": _TEXT,
    }
    return {
        "operationId": "follow_events",
        "summary": "Follow the events as they come",
        "description": f"{cleandoc(FollowEvents.__doc__ or '')}\n\n{_roles(READERS)}",
        "tags": ["Service"],
        "parameters": [*named, last, _pointer("parameters", "traceparent")],
        "responses": {
            "200": {
                "description": "Server-Sent Events: `id` is the place in the stream, `event` the name, `data` the JSON "
                "of the event as the AsyncAPI document describes it",
                "headers": _headers("traceparent"),
                "content": {"text/event-stream": {"schema": _TEXT}},
            },
            **{str(status): _pointer("responses", f"Error{status}") for status in (400, 404, *_DENIALS)},
        },
    }


def _capabilities() -> Schema:
    """The one route that no worker is asked for."""
    denials = {str(status): _pointer("responses", f"Error{status}") for status in _DENIALS}
    told = {
        "description": "The matrix, as the adapters declare it",
        "headers": _headers("traceparent"),
        "content": _content(CAPABILITIES),
    }
    return {
        "operationId": "get_capabilities",
        "summary": "What can be done on which venue",
        "description": f"What is false is refused before any call to the venue.\n\n{_roles(READERS)}",
        "tags": ["Account"],
        "parameters": [_pointer("parameters", "traceparent")],
        "responses": {"200": told} | denials,
    }


def openapi() -> Schema:
    """The document, as plain values."""
    schemas = definitions("#/components/schemas/{model}")
    paths, responses = _paths(schemas), _error_responses()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Perps DMA", "version": CONTRACT_VERSION, "description": _DESCRIPTION, **ABOUT},
        "servers": [{"url": prefix} for prefix in HTTP_PREFIXES],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": for_generators(needed_by([paths, responses], schemas)),
            "responses": responses,
            "parameters": {**_PARAMETERS, **_COMMAND_PARAMETERS},
            "headers": dict(_HEADERS),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "With `exp`, and the role `viewer` (may read), `trader` or `admin`; each operation "
                    "names those that it takes. A token may be limited to some accounts; it is then denied every other "
                    "(403, or 404 for a command), and what tells of all accounts (403).",
                }
            },
        },
    }
