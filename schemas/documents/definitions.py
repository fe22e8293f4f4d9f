"""JSON Schemas of everything on the wire, made from the models; both API documents are built on them."""

import json
from collections.abc import Iterator, Mapping
from inspect import cleandoc
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from ..book import CommandRow, CommandStatus
from ..control import DoubtState
from ..envelope import Failure, Success
from ..events import (
    CloudEvent,
    CommandResult,
    DeadLettersEvent,
    DenialEvent,
    DoubtEvent,
    DoubtResolution,
    DriftEvent,
    EpochEvent,
    FreezeEvent,
    KeepEvent,
    MarginEvent,
    PositionsEvent,
    ResultEvent,
    RiskEvent,
    StreamEvent,
    SweepsMissedEvent,
    TermsEvent,
    ThresholdEvent,
    VenueEvent,
)
from ..events.following import FollowEvents
from ..operations import COMMANDS, OPERATIONS, Operation
from ..replies import Accepted, Capabilities

CONTRACT_VERSION = "1.0.0"
"""Version of the wire contract, which moves apart from the version of the program."""

ABOUT: Mapping[str, Any] = MappingProxyType(
    {
        "contact": {
            "name": "Perps DMA maintainers",
            "url": "https://perps-dma.example",
            "email": "maintainers@perps-dma.example",
        },
    }
)
"""Who stands behind both documents.

The address is under a name that is reserved for examples (RFC 2606): who runs the service puts theirs here.
"""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ACCEPTED = "AcceptedSuccess"
CAPABILITIES = "CapabilitiesSuccess"
"""Name of the envelope that answers a command nobody waits for."""

EVENTS: Mapping[str, type[CloudEvent]] = MappingProxyType(
    {
        "result": ResultEvent,
        "positions": PositionsEvent,
        "drift": DriftEvent,
        "doubt": DoubtEvent,
        "venue": VenueEvent,
        "freeze": FreezeEvent,
        "epoch": EpochEvent,
        "dead-letters": DeadLettersEvent,
        "denial": DenialEvent,
        "stream": StreamEvent,
        "sweeps-missed": SweepsMissedEvent,
        "risk": RiskEvent,
        "terms": TermsEvent,
        "keep": KeepEvent,
        "margin": MarginEvent,
        "threshold": ThresholdEvent,
    }
)
"""All events, by the name in their type and in the names of their files."""

NAMING_OPERATIONS = (CommandResult, CommandRow, DoubtResolution, DoubtState, CommandStatus)
"""Models whose `operation` is one of the table, which stands above them."""

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name, and says that a reply always has all its fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)


def described(model: type[BaseModel], operation: Operation) -> str:
    """What a model's docstring says, or else what its operation is about.

    Without the indentation of the source, which Python keeps in a docstring before 3.13 and drops from then on.
    """
    return cleandoc(model.__doc__) if model.__doc__ else operation.summary


def success_name(operation: Operation) -> str:
    """The name under which the schema of an operation's successful envelope is kept."""
    return f"{operation.request.__name__}Success"


def _models() -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    for operation in OPERATIONS.values():
        yield operation.request, "validation"
        yield operation.data, "serialization"
    yield FollowEvents, "validation"
    models: tuple[type[BaseModel], ...] = (Success, Failure, Accepted, Capabilities, *EVENTS.values())
    for model in models:
        yield model, "serialization"


def _success(template: Schema, data: Schema, status: int) -> Schema:
    status_code = {"const": status, "type": "integer"}
    return {**template, "properties": {**template["properties"], "statusCode": status_code, "data": data}}


def _without_defaults(request: Schema) -> Schema:
    """A request whose fields tell in words what they are without a value.

    With a `default` generators for TypeScript take a field for one that is always there, and demand it.
    """
    properties = {name: _undefaulted(field) for name, field in request.get("properties", {}).items()}
    return {**request, "properties": properties} if properties else request


def _undefaulted(field: Schema) -> Schema:
    rest = {key: value for key, value in field.items() if key != "default"}
    if (value := field.get("default")) is None:
        return rest
    said = json.dumps(value).strip('"')
    return {**rest, "description": f"{rest.get('description', '')}; `{said}` where it is left out".removeprefix("; ")}


def _one_of_each(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """One schema where requests and answers have the same model: a generator can't make two of one name.

    It is the request's, in which less is required.
    """
    answers = {name for name in schemas if name.endswith("-Output")}
    shared = [name.removesuffix("-Output") for name in answers]
    names = {f"{name}-{mode}": name for name in shared for mode in ("Input", "Output")}
    return {names.get(name, name): _pointing(schemas[name], names) for name in schemas if name not in answers}


def _pointing(node: Any, names: Mapping[str, str]) -> Any:
    """A part of a document whose references go to the schemas' other names."""
    if isinstance(node, list):
        return [_pointing(child, names) for child in node]
    if not isinstance(node, dict):
        return node
    if isinstance(target := node.get("$ref"), str):
        place, _, name = target.rpartition("/")
        return {**node, "$ref": f"{place}/{names.get(name, name)}"}
    return {key: _pointing(child, names) for key, child in node.items()}


def definitions(ref_template: str = "#/$defs/{model}") -> dict[str, Schema]:
    """All schemas by name. Each operation has an envelope of its own, which names the type of its data."""
    _, document = models_json_schema(list(_models()), ref_template=ref_template, schema_generator=_Generator)
    schemas = _one_of_each(document["$defs"])
    template = schemas.pop(Success.__name__)
    del schemas["WireModel"]  # stood for the data of any envelope

    def reference(name: str) -> Schema:
        return {"$ref": ref_template.format(model=name)}

    for operation in OPERATIONS.values():
        name = success_name(operation)
        schemas[name] = {**_success(template, reference(operation.data.__name__), 200), "title": name}
    schemas[ACCEPTED] = {**_success(template, reference(Accepted.__name__), 202), "title": ACCEPTED}
    schemas[CAPABILITIES] = {**_success(template, reference(Capabilities.__name__), 200), "title": CAPABILITIES}
    for operation in OPERATIONS.values():
        schemas[operation.request.__name__] = _without_defaults(schemas[operation.request.__name__])
    schemas["Operation"] = {"title": "Operation", "type": "string", "enum": list(OPERATIONS)}
    for model in NAMING_OPERATIONS:
        schemas[model.__name__]["properties"]["operation"] = reference("Operation")
    answers = [*map(success_name, COMMANDS), Failure.__name__]
    schemas["CommandResult"]["properties"]["envelope"]["anyOf"] = [reference(name) for name in answers]
    return schemas


def references(node: Any) -> Iterator[str]:
    """The names of all schemas that a part of a document points to."""
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target.rpartition("/")[2]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def needed_by(root: Any, schemas: dict[str, Schema]) -> dict[str, Schema]:
    """The schemas that a part of a document points to, and those that they point to, by name."""
    found: dict[str, Schema] = {}
    waiting = list(references(root))
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in found:
            found[name] = schemas[name]
            waiting += references(schemas[name])
    return dict(sorted(found.items()))


CONDITIONS = frozenset({"anyOf", "oneOf"})
"""What fields of a request must have among themselves: a generator makes models without names of it."""


def for_generators(schemas: dict[str, Schema]) -> dict[str, Schema]:
    """The same for an API document: without `oneOf` or `anyOf` beside properties, which say what must be given.

    Generators of clients make one type of each of its branches, and forget the properties beside it. What must be
    named stands in words; the JSON Schema of the request by itself goes on demanding it.
    """
    return {
        name: {key: part for key, part in schema.items() if key not in CONDITIONS} for name, schema in schemas.items()
    }


def _standalone(file: str, root: Schema, schemas: dict[str, Schema]) -> Schema:
    identity = {"$schema": DIALECT, "$id": f"urn:perps-dma:schema:{file}", **root}
    needed = needed_by(root, schemas)
    return identity | ({"$defs": needed} if needed else {})


def json_schemas() -> dict[str, Schema]:
    """A self-contained JSON Schema for each request, data, envelope and event, by file name without the ending."""
    schemas = definitions()
    failed = {"$ref": f"#/$defs/{Failure.__name__}"}
    roots: dict[str, Schema] = {
        "failure.envelope": schemas[Failure.__name__],
        "accepted.envelope": schemas[ACCEPTED],
        "capabilities.envelope": schemas[CAPABILITIES],
        **{f"{name}.event": schemas[model.__name__] for name, model in EVENTS.items()},
    }
    for name, operation in OPERATIONS.items():
        roots[f"{name}.request"] = schemas[operation.request.__name__]
        roots[f"{name}.data"] = schemas[operation.data.__name__]
        roots[f"{name}.envelope"] = {"anyOf": [{"$ref": f"#/$defs/{success_name(operation)}"}, failed]}
    return {file: _standalone(file, root, schemas) for file, root in sorted(roots.items())}
