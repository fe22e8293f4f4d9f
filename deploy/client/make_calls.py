"""Writes the client's methods out of the table of operations:  deploy/client/make_calls.py

One module has them as coroutines, the other the same for programs that block. Each method names the fields of its
operation's request, with their types: an editor knows them, and so does a type checker.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from schemas.base import WireModel
from schemas.operations import OPERATIONS, Operation

CLIENT = Path(__file__).parents[2] / "schemas" / "client"

OURS = tuple(operation for operation in OPERATIONS.values() if operation.roles)
"""What somebody may ask for; the rest is between a shim and a worker."""

NUMBER = "Decimal | float"

_HEAD = '''"""Every operation as a method{kind}. Written by `make schemas` out of the table of operations."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

{imports}
from .answers import Answer, Result, Sending

Data = TypeVar("Data", bound=WireModel)


class {name}(ABC):
    """The operations, in the order of their table.

    Commands take `command_id`, the id that they are carried out once under; without it one is made. The audit
    keeps their `reason`, if they have one. `timeout_s` is how long it may take, in seconds; without it, it is the
    client's.
    """

    @abstractmethod
    async def _command(
        self, name: str, data: type[Data], fields: Mapping[str, Any], sending: Sending, timeout_s: float | None
    ) -> Result[Data]: ...

    @abstractmethod
    async def _query(
        self, name: str, data: type[Data], fields: Mapping[str, Any], timeout_s: float | None
    ) -> Answer[Data]: ...
'''


def modules() -> Mapping[Path, str]:
    """Both modules, by where they stand."""
    text = _HEAD + "".join(map(_method, OURS))
    coroutines = text.replace("{kind}", "").replace("{name}", "Calls")
    blocking = text.replace("{kind}", " that blocks").replace("{name}", "BlockingCalls")
    blocking = blocking.replace("async def", "def").replace("await ", "")
    imports = "\n".join(_imports())
    written = {"calls.py": coroutines, "blocking_calls.py": blocking}
    texts = {CLIENT / name: formatted(body.replace("{imports}", imports)) for name, body in written.items()}
    return MappingProxyType(texts)


def formatted(text: str) -> str:
    """The text as everything here is formatted."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(CLIENT / "calls.py"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603


def _method(operation: Operation) -> str:
    fields = operation.request.model_fields
    typed = {name: f"{name}: {_type(field)}" for name, field in fields.items()}
    required = [typed[name] for name, field in fields.items() if field.is_required()]
    optional = [f"{typed[name]} = {_default(field)}" for name, field in fields.items() if not field.is_required()]
    extra = ["command_id: str | None = None", "reason: str | None = None"] if operation.is_command else []
    parameters = ", ".join(["self", *required, "*", *optional, *extra, "timeout_s: float | None = None"])
    given = ", ".join(f'"{name}": {name}' for name in fields)
    kind, own = ("Result", "Sending(command_id, reason), ") if operation.is_command else ("Answer", "")
    call = f'self._{"command" if operation.is_command else "query"}("{operation.name}", {operation.data.__name__}'
    return f'''
    async def {operation.name}({parameters}) -> {kind}[{operation.data.__name__}]:
        """{operation.summary}."""
        return await {call}, {{{given}}}, {own}timeout_s)
'''


def _type(field: FieldInfo) -> str:
    kinds = _members(field.annotation)
    words = [NUMBER if kind is Decimal else _word(kind) for kind in kinds if kind is not NoneType]
    return " | ".join(words + (["None"] if NoneType in kinds else []))


def _word(kind: Any) -> str:
    """A type as it is written; of an enumeration its values as text will do as well."""
    if get_origin(kind) is dict:
        return f"Mapping[str, {' | '.join(_word(member) for member in _members(get_args(kind)[1]))}]"
    if isinstance(kind, type) and issubclass(kind, WireModel):
        return f"{kind.__name__} | Mapping[str, Any]"
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return f"{kind.__name__} | Literal[{', '.join(repr(str(one)) for one in kind)}]"
    return str(kind.__name__)


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return tuple(member for part in get_args(annotation) for member in _members(part))
    plain = get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
    return (plain,)


def _named(annotation: Any) -> Iterator[Any]:
    """The types that an annotation names, with those of what a mapping holds."""
    for member in _members(annotation):
        yield from _named(get_args(member)[1]) if get_origin(member) is dict else (member,)


def _default(field: FieldInfo) -> str:
    return repr(str(field.default) if isinstance(field.default, StrEnum) else field.default)


def _imports() -> Iterator[str]:
    """Of every model and type that a signature names, from the module that has it."""
    named: dict[str, set[str]] = {"base": {"WireModel"}}
    for operation in OURS:
        kinds = [member for field in operation.request.model_fields.values() for member in _named(field.annotation)]
        for kind in (operation.data, *kinds):
            module = str(getattr(kind, "__module__", None))
            if module.startswith("schemas."):
                named.setdefault(module.removeprefix("schemas."), set()).add(kind.__name__)
    for module, names in sorted(named.items()):
        yield f"from ..{module} import {', '.join(sorted(names, key=str.casefold))}"


if __name__ == "__main__":
    for path, text in modules().items():
        path.write_text(text)
        print(f"wrote {path}")  # noqa: T201
