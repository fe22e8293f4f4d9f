"""Files of terms: a document in TOML, and a plan of it that was kept to be applied as it was shown."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.problems import Problem, problems_of
from schemas.terms import DesiredTerms, PlanTerms
from worker.messages.wire import encode
from worker.runtime.errors import ConfigurationError

Location = tuple[int | str, ...]
"""The keys that lead to a field."""

KEPT = "perps-dma.plan.v1"
"""What a kept plan says that it is."""


@dataclass(frozen=True, slots=True)
class TermsFile:
    """A document as it stands in a file, and the fingerprint of the plan if it is a kept one."""

    path: Path
    document: PlanTerms
    fingerprint: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The document as a request names it."""
        told: dict[str, Any] = json.loads(encode(self.document.model_dump(exclude_none=True)), parse_float=Decimal)
        return told


def read_terms(path: Path) -> TermsFile:
    """A document or a kept plan. Raises ConfigurationError, which says what is wrong with it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error
    if raw.lstrip()[:1] == b"{":
        return _kept(path, raw)
    try:
        fields = tomllib.loads(raw.decode(), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    return TermsFile(path, _document(path, fields, raw.decode().splitlines()))


def keep_plan(path: Path, file: TermsFile, fingerprint: str) -> None:
    """Keep a plan, to be applied as it was shown. Raises ConfigurationError."""
    kept = {"kind": KEPT, "fingerprint": fingerprint, "document": file.document.model_dump(exclude_none=True)}
    try:
        path.write_bytes(encode(kept) + b"\n")
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error.strerror}") from error


def _kept(path: Path, raw: bytes) -> TermsFile:
    try:
        kept = json.loads(raw, parse_float=Decimal)
    except ValueError as error:
        raise ConfigurationError(f"{path} is neither TOML nor a kept plan: {error}") from error
    if kept.get("kind") != KEPT:
        raise ConfigurationError(f"{path} is no plan that `perps-dma terms plan --out` has kept")
    return TermsFile(path, _document(path, kept["document"]), str(kept["fingerprint"]))


def _document(path: Path, fields: dict[str, Any], lines: Sequence[str] = ()) -> PlanTerms:
    """The document that a file has. Raises ConfigurationError with a line for each mistake, as compilers tell them."""
    try:
        return PlanTerms.model_validate(fields)
    except ValidationError as error:
        rows = zip(error.errors(include_url=False), problems_of(error), strict=True)
        told = (f"{_place(path, row['loc'], lines)}: {_mistake(row['loc'], problem)}" for row, problem in rows)
        raise ConfigurationError("\n".join(told)) from error


def _mistake(location: Location, problem: Problem) -> str:
    if not location:
        return f"the document {problem['problem']}"
    known = DesiredTerms.model_fields if len(location) > 1 else PlanTerms.model_fields
    meant = () if location[-1] in known else get_close_matches(str(location[-1]), known, 1)
    hint = f"; did you mean {meant[0]}?" if meant and problem["problem"].endswith("known field") else ""
    return f"{problem['field']} {problem['problem']}{hint}"


def _place(path: Path, location: Location, lines: Sequence[str]) -> str:
    """Where in a file a field stands: the first line up to which it has that field. Without one the file alone."""
    for number, line in enumerate(lines, 1):
        if location and str(location[-1]) in line and _has("\n".join(lines[:number]), location):
            return f"{path}:{number}"
    return str(path)


def _has(text: str, location: Location) -> bool:
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # it ends within a value
        return False
    for key in location:
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True
