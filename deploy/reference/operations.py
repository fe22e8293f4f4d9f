"""Every operation, with what it takes and what it answers."""

from collections.abc import Iterator
from inspect import cleandoc

from reference.fields import fields_table, references_of, types_section
from reference.markdown import code, codes, page, table
from schemas.operations import CAPABILITIES_PATH, HTTP_PREFIXES, OPERATIONS, Kind, Operation

INTRODUCTION = f"""\
Every operation: its queue, its HTTP route, who may ask for it, what it takes and what it answers. All of it is
derived from one table, `schemas/operations.py`; `schemas/openapi.yaml`, `schemas/asyncapi.yaml` and the JSON Schemas
in `schemas/json/` say the same to programs. A running shim serves both documents, at `/openapi.yaml` and
`/asyncapi.yaml`, and `/docs` to click through.

The name of an operation is its routing key. HTTP routes stand under {codes(HTTP_PREFIXES, " and ")}. Over the bus the
body is JSON and everything else is a message property: [Publish commands](../how-to/strategy.md)."""

ENVELOPE = f"""\
Every answer is an envelope: `isError`, `message`, `statusCode` and `data`; on failure `error` stands in the place of
`data`, with a `code` out of [the table of errors](errors.md). Over HTTP `GET {CAPABILITIES_PATH}` tells what each
account can do, and `GET /events` the [events](events.md) as Server-Sent Events; neither is on the bus.

Headers of a request: `Idempotency-Key` is the command's id, `Prefer: wait=5` its deadline in seconds, `Prefer:
respond-async` has a command answered at once with 202 and its id, `traceparent` its trace. Headers of an answer:
`Command-Id`, `Outcome`, `Confirmed-By`; of a history `Coverage-From`, `Coverage-To` and `Next-Cursor`; `Coverage`,
`Coverage-Unread` and `Totals-Missing` where something could not be read or added; `Retry-After`. On the bus they are
headers of the reply."""

TITLES = {
    Kind.COMMAND: (
        "Commands",
        "They change something at the venue, and end in one [outcome](../concepts/outcomes.md).",
    ),
    Kind.QUERY: ("Queries", "They read from the venue."),
    Kind.CONTROL: ("The service itself", "No venue is asked. What only admins may ask for goes to `dma.control`."),
}


def operations_page() -> str:
    """The page."""
    return page("Operations", INTRODUCTION, _overview(), ENVELOPE, *_sections(), *_types())


def _overview() -> str:
    rows = (
        (f"[`{one.name}`](#{one.name})", one.kind, _route(one), _roles(one), code(one.exchange), one.summary)
        for one in OPERATIONS.values()
    )
    return table(("operation", "kind", "HTTP", "roles", "exchange", "what it does"), rows)


def _route(one: Operation) -> str:
    return code(f"{one.method} {one.path}") if one.path else "not over HTTP"


def _roles(one: Operation) -> str:
    return ", ".join(sorted(one.roles)) or "the shim's user"


def _sections() -> Iterator[str]:
    for kind, (title, words) in TITLES.items():
        yield f"## {title}"
        yield words
        for one in OPERATIONS.values():
            if one.kind is kind:
                yield from _section(one)


def _section(one: Operation) -> Iterator[str]:
    limited = "\n\nA token that is limited to some accounts may not ask for it." if one.tells_of_all else ""
    yield f"### {one.name}"
    yield f"{one.summary}. {_route(one)}, roles: {_roles(one)}.{limited}"
    yield fields_table(one.request.__name__)
    yield f"The answer's `data`:{_about_data(one)}"
    yield fields_table(one.data.__name__, replied=True)


def _about_data(one: Operation) -> str:
    """What is said of an answer besides that it is one."""
    about = cleandoc(one.data.__doc__ or "").removeprefix(f"Answer to {one.name}.").strip()
    return f" {about}" if about else ""


def _types() -> Iterator[str]:
    used = references_of(name for one in OPERATIONS.values() for name in (one.request.__name__, one.data.__name__))
    own = {name for one in OPERATIONS.values() for name in (one.request.__name__, one.data.__name__)}
    yield "## Types"
    yield "What the tables above name."
    yield from types_section(sorted(used - own))
