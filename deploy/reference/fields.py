"""The fields of what goes over the wire, out of its JSON Schema."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from reference.markdown import code, codes, table
from schemas.documents.definitions import definitions, references

Schema = Mapping[str, Any]
HEADER = ("field", "type", "", "meaning")


@cache
def schemas() -> Mapping[str, Schema]:
    """All of them, by name."""
    return definitions()


def fields_table(name: str, *, replied: bool = False) -> str:
    """The fields of a schema. Of what is replied none is left out, so nothing is said of that."""
    schema = schemas()[name]
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if not properties:
        return "No fields."
    required = set(schema.get("required", ()))
    header = ("field", "type", "meaning") if replied else HEADER
    rows = []
    for field, about in properties.items():
        needed = () if replied else ("required" if field in required else "",)
        rows.append((code(field), type_of(about), *needed, about.get("description", "").replace("\n", " ")))
    return table(header, rows)


def type_of(schema: Schema) -> str:
    """What a value is, in the fewest words."""
    if "anyOf" in schema:
        kinds = dict.fromkeys(type_of(one) for one in schema["anyOf"])
        return " or ".join(kinds)
    if "$ref" in schema:
        return _named(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return codes(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return f"{schema.get('type', 'anything')}{_bounds(schema)}"


def _named(name: str) -> str:
    """A type that stands on its own: the words of a short enumeration, else its name, which is explained below."""
    return codes(schemas()[name]["enum"]) if _is_short(name) else f"[{name}](#{name.lower()})"


def _is_short(name: str) -> bool:
    """Whether it is an enumeration of a few words, which are told where it is used."""
    return 0 < len(schemas()[name].get("enum", ())) < 9


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if schema.get("format") == "int64" or least is None:
        return ""
    return f", {least:,} to {most:,}" if most is not None else f", {least:,} or more"


def types_section(names: Iterable[str]) -> Iterator[str]:
    """A section for each type that others refer to."""
    for name in names:
        schema = schemas()[name]
        yield f"### {name}"
        if text := schema.get("description"):
            yield text
        yield codes(schema["enum"]) if "enum" in schema else fields_table(name, replied=True)


def references_of(names: Iterable[str]) -> set[str]:
    """The types that these name, and those that they name, which have more than a few words to show."""
    found = set[str]()
    waiting = list(names)
    while waiting:
        for name in references(dict(schemas()[waiting.pop()])):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return {name for name in found if not _is_short(name)}
