"""How a handler ends: with a change that is in force, or with what a query found. Everything else is raised."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.base import WireModel
from worker.execution.confirmation import Confirmed


@dataclass(frozen=True, slots=True)
class Done:
    """A command that succeeded. `applied` is the setting as the venue confirmed it."""

    message: str
    data: WireModel
    applied: dict[str, Any]
    confirmed: Confirmed


@dataclass(frozen=True, slots=True)
class Found:
    """A query's answer, and what there is to say beside the documented data."""

    data: WireModel
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "Success"
