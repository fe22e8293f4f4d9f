"""The AsyncAPI 3.0 document of the bus, made from the table of operations. It speaks for the worker."""

from collections.abc import Mapping
from inspect import cleandoc
from types import MappingProxyType
from typing import Any

from ..envelope import Failure
from ..operations import COMMANDS_EXCHANGE, CONTROL_EXCHANGE, OPERATIONS, Operation
from .definitions import (
    ABOUT,
    CONTRACT_VERSION,
    EVENTS,
    Schema,
    definitions,
    described,
    for_generators,
    needed_by,
    success_name,
)

EVENTS_EXCHANGE = "dma.events"
EVENTS_LOG = "dma.events.log"
DEAD_LETTERS = "dma.dead-letters"

_DESCRIPTION = """\
Strategy engines publish commands and queries; risk systems bind to the events that tell what really happened.

The body of a request is its JSON object and nothing else. All that concerns its delivery stands in AMQP properties:
`message_id` is the command id, `type` the operation, `reply_to` and `correlation_id` ask for the envelope as a reply.
A command's result is published as an event whether or not a reply was asked for.

Publish to the exchange `dma.commands`, and name the account in the header `account` too. The commands of an account are
carried out one at a time; in the order in which they were published, if they were published in the same way. Where
commands are split over shards, the header decides the shard; a command without it, or published to the queue of its
operation by name, is carried out as well, but in no certain order with the account's others.

What only admins may ask for is published to `dma.control`, which a strategy engine's user need not be able to write to.

Set `user_id` to the user that you are connected as. The broker checks it, and who asked is then on record as verified.
"""

_TAGS = [{"name": "perpetual-futures", "description": "Settings, positions and records of exchange accounts"}]

_BINDING_VERSION = "0.3.0"

_REQUEST_HEADERS: Schema = {
    "type": "object",
    "properties": {
        "deadline": {
            "type": "integer",
            "format": "int64",
            "description": "UTC milliseconds, an hour ahead at most; what was not sent by then expires",
        },
        "actor": {
            "type": "string",
            "description": "On whose behalf, for the record: believed from those who speak for others, as the HTTP "
            "shim does; otherwise `user_id` is on record, or this as `unverified:<actor>` where that is missing",
        },
        "audit-reason": {
            "type": "string",
            "description": "Why a command is wanted, 500 characters at most; the audit keeps it",
        },
        "account": {
            "type": "string",
            "description": "The body's `exchange_account_id`. Where commands are split over shards, it decides to "
            "which one a command goes, so that those of an account keep their order",
        },
        "guardrails": {
            "type": "string",
            "description": "Guardrails, as JSON, that hold beside those of the account in the registry. The stricter "
            "of both decides, so that a header can only forbid. The HTTP shim sets what the claim of a token says",
        },
        "traceparent": {
            "type": "string",
            "description": "Trace context (W3C); the result event is told the trace, and log lines name it",
        },
        "tracestate": {"type": "string", "description": "What tracing systems add to it (W3C)"},
        "timestamp_in_ms": {
            "type": "integer",
            "format": "int64",
            "description": "When it was published, UTC milliseconds, from sender or broker: tells how long it waited",
        },
    },
}
_REPLY_HEADERS: Schema = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "integer", "description": "The envelope's status code"},
        "Command-Id": {"type": "string", "description": "The command id of the request"},
        "Exchange": {"type": "string", "description": "The venue of the account that was asked about"},
        "Outcome": {"type": "string", "description": "The one way in which a command ended"},
        "Confirmed-By": {"type": "string", "description": "How it is known that the setting is in force"},
        "Policy": {"type": "string", "description": "The guardrails that a command was checked against, as a hash"},
        "Retry-After": {"type": "string", "description": "Seconds"},
        "Coverage-From": {"type": "string", "description": "From when on nothing is missing, UTC milliseconds"},
        "Coverage-To": {"type": "string", "description": "Up to when nothing is missing, UTC milliseconds"},
        "Coverage": {"type": "string", "description": "The parts of the account that were read whole"},
        "Coverage-Unread": {"type": "string", "description": "The parts that were not, and why"},
        "Totals-Missing": {"type": "string", "description": "Totals that are null: of unlike currencies"},
        "Next-Cursor": {"type": "string", "description": "There is more: ask again with this as `cursor`"},
    },
}
_DEAD_HEADERS: Schema = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "Why it could not be carried out"},
        "operation": {"type": "string", "description": "The queue it came from"},
        "x-first-death-reason": {"type": "string", "description": "Set by the broker where it gave up on a message"},
    },
}

_PARAMETERS: Mapping[str, Schema] = MappingProxyType(
    {
        "operation": {"description": "Name of an operation", "enum": list(OPERATIONS)},
        "exchange": {"description": "The venue", "examples": ["binance"]},
        "account": {"description": "The exchange account, by its id in the registry", "examples": ["binance-perp-001"]},
    }
)


_EVENT_CHANNELS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "result": ("result.{operation}.{exchange}.{account}", "What became of a command"),
        "positions": (
            "positions.{exchange}.{account}",
            "Open positions of an account: after commands, when they change, and now and then",
        ),
        "keep": ("control.keep.{exchange}.{account}", "A document of terms is kept, suspended or dropped"),
        "terms": ("terms.{exchange}.{account}", "How far a command has come that applies terms to an account"),
        "drift": ("control.drift.{exchange}.{account}", "Terms that were changed outside this service"),
        "doubt": ("control.doubt.{exchange}.{account}", "What is in force after a command that had ended as unknown"),
        "venue": ("control.venue.{exchange}", "A venue that began to fail, or works again"),
        "freeze": ("control.freeze", "A freeze, or its end"),
        "epoch": ("control.epoch", "The ledger's numbers begin anew, as after a restore from a backup"),
        "dead-letters": ("control.dead-letters", "Dead letters that were sent again or thrown away"),
        "denial": ("control.denial", "Requests over HTTP that were denied, counted over some seconds"),
        "stream": (
            "control.stream.{exchange}.{account}",
            "An account's changes are pushed by its venue, or are not, so that it is only polled",
        ),
        "sweeps-missed": (
            "control.sweeps-missed.{exchange}.{account}",
            "Slots of an account's schedule in which no sweep was done, and none will be",
        ),
        "risk": ("risk.{exchange}.{account}", "A venue's own word on an account in danger"),
        "margin": ("margin.{exchange}.{account}", "How near an account is to liquidation, pool by pool"),
        "threshold": ("risk.threshold.{exchange}.{account}", "A pool of margin crossed a threshold of its account"),
    }
)
"""Routing key and title of each event."""


def _pointer(*path: str) -> Schema:
    return {"$ref": "/".join(("#", *path))}


def _message(title: str, payload: Any, message_type: str, **more: Any) -> Schema:
    amqp = {"contentEncoding": "identity", "messageType": message_type, "bindingVersion": _BINDING_VERSION}
    return {
        "name": message_type,
        "title": title,
        "contentType": "application/json",
        "payload": payload,
        "bindings": {"amqp": amqp},
        **more,
    }


def _event(name: str) -> Schema:
    payload = _pointer("components", "schemas", EVENTS[name].__name__)
    _, title = _EVENT_CHANNELS[name]
    return _message(title, payload, f"perps-dma.{name}.v1", contentType="application/cloudevents+json")


def _messages() -> dict[str, Schema]:
    messages = {
        **{name: _event(name) for name in EVENTS},
        "dead_letter": _message(
            "A message nobody could carry out", {"title": "DeadLetter"}, "dead-letter", headers=_DEAD_HEADERS
        ),
    }
    correlation = {"correlationId": _pointer("components", "correlationIds", "request")}
    for name, operation in OPERATIONS.items():
        request = _pointer("components", "schemas", operation.request.__name__)
        answers = [_pointer("components", "schemas", schema) for schema in (success_name(operation), Failure.__name__)]
        asked = _message(operation.summary, request, name, headers=_REQUEST_HEADERS, **correlation)
        answered = _message(
            f"Reply to {name}",
            {"title": reply_name(operation), "anyOf": answers},
            name,
            headers=_REPLY_HEADERS,
            **correlation,
        )
        messages |= {f"{name}_request": asked, f"{name}_reply": answered}
    return messages


def _channel(address: str | None, description: str, messages: list[str], binding: str | None = None) -> Schema:
    names = [name for name in _PARAMETERS if address and f"{{{name}}}" in address]
    channel: Schema = {
        "address": address,
        "description": description,
        "messages": {name: _pointer("components", "messages", name) for name in messages},
    }
    if names:
        channel["parameters"] = {name: _pointer("components", "parameters", name) for name in names}
    if binding:
        channel["bindings"] = _pointer("components", "channelBindings", binding)
    return channel


def _choices_named(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """The same, with a title for each choice between models: whoever generates types has no other name for it."""
    return {name: {**schema, **_named_properties(name, schema)} for name, schema in schemas.items()}


def _named_properties(model: str, schema: Schema) -> Schema:
    named = {
        name: {"title": f"{model}{name.title().replace('_', '')}", **field} if _is_choice(field) else field
        for name, field in schema.get("properties", {}).items()
    }
    return {"properties": named} if named else {}


def _is_choice(field: Schema) -> bool:
    return any("$ref" in option for option in field.get("anyOf", ()))


def reply_name(operation: Operation) -> str:
    """The name of the type of an operation's reply, whichever it is."""
    return f"{operation.request.__name__}Reply"


def _requests_of(exchange: str) -> list[str]:
    return [f"{name}_request" for name, operation in OPERATIONS.items() if operation.exchange == exchange]


def _channels() -> dict[str, Schema]:
    commands = _requests_of(COMMANDS_EXCHANGE)
    controls = _requests_of(CONTROL_EXCHANGE)
    replies = [f"{name}_reply" for name in OPERATIONS]
    queues = {
        name: _channel(name, f"Queue of {name}: {operation.summary}", [f"{name}_request"], name)
        for name, operation in OPERATIONS.items()
    }
    return {
        "commands": _channel("{operation}", "Takes requests to the queue of their operation", commands, "commands"),
        "control": _channel("{operation}", "The same for what only admins may ask for", controls, "control"),
        **queues,
        "replies": _channel(None, "The queue that a request names in `reply_to`, direct reply-to too", replies),
        **{f"events_{name}": _channel(*_EVENT_CHANNELS[name], [name], "events") for name in EVENTS},
        "events_log": _channel(EVENTS_LOG, "Stream of all events, for replay", list(EVENTS), "events_log"),
        "dead_letters": _channel(DEAD_LETTERS, "What could not be carried out", ["dead_letter"], "dead_letters"),
    }


def _queue(name: str) -> Schema:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    return {"amqp": {"is": "queue", "queue": queue, "bindingVersion": _BINDING_VERSION}}


def _exchange(name: str, kind: str) -> Schema:
    exchange = {"name": name, "type": kind, "durable": True, "autoDelete": False}
    return {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": _BINDING_VERSION}}


def _channel_bindings() -> dict[str, Schema]:
    return {
        "commands": _exchange(COMMANDS_EXCHANGE, "direct"),
        "control": _exchange(CONTROL_EXCHANGE, "direct"),
        "events": _exchange(EVENTS_EXCHANGE, "topic"),
        "events_log": _queue(EVENTS_LOG),
        "dead_letters": _queue(DEAD_LETTERS),
        **{name: _queue(name) for name in OPERATIONS},
    }


def _answered(name: str, operation: Operation) -> Schema:
    return {
        "action": "receive",
        "summary": operation.summary,
        "description": described(operation.request, operation),
        "channel": _pointer("channels", name),
        "messages": [_pointer("channels", name, "messages", f"{name}_request")],
        "bindings": {"amqp": {"ack": True, "bindingVersion": _BINDING_VERSION}},
        "reply": {
            "address": {
                "location": "$message.header#/reply_to",
                "description": "The AMQP property `reply_to`; without it there is no reply",
            },
            "channel": _pointer("channels", "replies"),
            "messages": [_pointer("channels", "replies", "messages", f"{name}_reply")],
        },
    }


def _published(channel: str, message: str, summary: str, description: str) -> Schema:
    return {
        "action": "send",
        "summary": summary,
        "description": description,
        "channel": _pointer("channels", channel),
        "messages": [_pointer("channels", channel, "messages", message)],
        "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": _BINDING_VERSION}},
    }


def _operations() -> dict[str, Schema]:
    return {
        **{name: _answered(name, operation) for name, operation in OPERATIONS.items()},
        **{
            f"publish_{name}": _published(f"events_{name}", name, title, cleandoc(EVENTS[name].__doc__ or title))
            for name, (_, title) in _EVENT_CHANNELS.items()
        },
        "publish_dead_letter": _published(
            "dead_letters",
            "dead_letter",
            "Keep a message nobody could carry out",
            "Its headers say why. An admin may list it, send it again, or drop it.",
        ),
    }


def asyncapi() -> Schema:
    """The document, as plain values."""
    messages = _messages()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:perps-dma:bus",
        "info": {
            "title": "Perps DMA bus",
            "version": CONTRACT_VERSION,
            "description": _DESCRIPTION,
            **ABOUT,
            # No licence is granted with the project.
            "license": {"name": "All rights reserved", "url": f"{ABOUT['contact']['url']}/license"},
            "tags": _TAGS,
        },
        "defaultContentType": "application/json",
        "servers": {
            "rabbitmq": {
                "host": "{host}",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "The RabbitMQ that the workers are connected to",
                "variables": {"host": {"default": "localhost:5672", "description": "Host and port"}},
            }
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "schemas": _choices_named(for_generators(needed_by(messages, definitions("#/components/schemas/{model}")))),
            "messages": messages,
            "parameters": dict(_PARAMETERS),
            "correlationIds": {
                "request": {
                    "location": "$message.header#/correlation_id",
                    "description": "The AMQP property `correlation_id`, given back in the reply",
                }
            },
            "channelBindings": _channel_bindings(),
        },
    }
