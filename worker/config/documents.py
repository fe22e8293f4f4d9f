"""The generated documents as files: OpenAPI and AsyncAPI in YAML, and the JSON Schemas."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from schemas.documents.asyncapi import asyncapi
from schemas.documents.definitions import json_schemas
from schemas.documents.openapi import openapi

FOLDER = Path(str(files("schemas")))
"""Where the documents are kept: beside the models they are made from."""


class _Writer(yaml.CSafeDumper):
    """Writes equal parts out each time: YAML's aliases are more than most readers of API documents understand."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: _Writer, text: str) -> yaml.Node:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Writer.add_representer(str, _text)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120)


def documents() -> dict[str, str]:
    """The text of every generated document, by file name."""
    schemas = {f"json/{name}.json": f"{json.dumps(schema, indent=2)}\n" for name, schema in json_schemas().items()}
    return {"openapi.yaml": _yaml(openapi()), "asyncapi.yaml": _yaml(asyncapi()), **schemas}


def write(folder: Path = FOLDER) -> tuple[Path, ...]:
    """Write all documents, drop JSON Schemas of what no longer exists, and return the files written."""
    texts = documents()
    (folder / "json").mkdir(parents=True, exist_ok=True)
    for left_over in (folder / "json").glob("*.json"):
        if f"json/{left_over.name}" not in texts:
            left_over.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text)
    return tuple(folder / name for name in texts)


def read(name: str, folder: Path = FOLDER) -> str:
    """The committed text of a document, `openapi.yaml` for one. Raises FileNotFoundError."""
    return (folder / name).read_text()
