"""Every event, with its routing key and its data."""

import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import get_type_hints

from reference.fields import fields_table, references_of, types_section
from reference.markdown import code, page, table
from schemas.base import WireModel
from schemas.documents.definitions import EVENTS
from schemas.events import CloudEvent
from schemas.events.following import EVENTS_PATH, FollowEvents
from schemas.operations import EVENTS_LOG

INTRODUCTION = f"""\
Every event with its routing key on the exchange `dma.events`, and its data. Events are CloudEvents 1.0 in JSON. The
stream queue `{EVENTS_LOG}` keeps them for 30 days; over HTTP `GET {EVENTS_PATH}` tells them as Server-Sent Events.
[Follow the book](../how-to/risk.md) shows programs that read them.

The same logical event has the same `id` after any restart: around a crash it may come twice, or behind a
younger one."""


def events_page() -> str:
    """The page."""
    return page("Events", INTRODUCTION, _overview(), "## Attributes", _attributes(), *_sections(), _query(), *_types())


def _key(event: type[CloudEvent]) -> str:
    [key] = re.findall(r"Routing key `([^`]+)`", event.__doc__ or "")
    return code(key)


def _data(event: type[CloudEvent]) -> type[WireModel]:
    """The model of its data."""
    model: type[WireModel] = get_type_hints(event)["data"]
    return model


def _overview() -> str:
    rows = ((f"[`{name}`](#{name})", code(_type(event)), _key(event), _about(event)) for name, event in EVENTS.items())
    return table(("event", "type", "routing key", "what it tells"), rows)


def _type(event: type[CloudEvent]) -> str:
    return str(event.model_fields["type"].default)


def _about(event: type[CloudEvent]) -> str:
    """The first sentence on its data."""
    return cleandoc(_data(event).__doc__ or "").split("\n\n", maxsplit=1)[0]


def _attributes() -> str:
    """What all of them carry: the attributes of one, but for what is each one's own."""
    lines = fields_table(EVENTS["result"].__name__, replied=True).splitlines()
    own = ("| `data`", "| `type`", "| `traceparent`")
    words = "`type` and `data` are each event's own; a result also has the `traceparent` of its command."
    return "\n".join((*(line for line in lines if not line.startswith(own)), "", words))


def _sections() -> Iterator[str]:
    for name, event in EVENTS.items():
        yield f"## {name}"
        yield f"Routing key {_key(event)}, type {code(_type(event))}.\n\n{cleandoc(_data(event).__doc__ or '')}"
        yield fields_table(_data(event).__name__, replied=True)


def _query() -> str:
    about = cleandoc(FollowEvents.__doc__ or "")
    return f"## Over HTTP\n\n`GET {EVENTS_PATH}`. {about}\n\n{fields_table(FollowEvents.__name__)}"


def _types() -> Iterator[str]:
    used = references_of(event.__name__ for event in EVENTS.values()) | {FollowEvents.__name__}
    yield "## Types"
    yield "What the tables above name."
    yield from types_section(
        sorted(used - {_data(event).__name__ for event in EVENTS.values()} - {FollowEvents.__name__})
    )
