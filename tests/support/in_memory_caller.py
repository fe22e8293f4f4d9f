"""A bus that lives in this process: it answers what it was told to answer, and remembers what it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Unpack

from schemas import OPERATIONS, Operation
from schemas.base import Milliseconds
from worker.bus.rpc import About, BusError, RpcReply


@dataclass(frozen=True)
class Asked:
    """One request that reached the bus."""

    operation: str
    body: bytes
    command_id: str
    deadline: Milliseconds
    wants_answer: bool
    actor: str | None = None
    reason: str | None = None
    guardrails: str | None = None


@dataclass
class InMemoryCaller:
    """A `worker.shim.kit.caller.Caller`. An operation without an answer is a mistake of the test: KeyError."""

    answers: dict[str, RpcReply | BusError] = field(default_factory=dict)
    workers: Mapping[str, int] | BusError = field(default_factory=lambda: dict.fromkeys(OPERATIONS, 1))
    asked: list[Asked] = field(default_factory=list)

    async def call(self, operation: Operation, body: bytes, **about: Unpack[About]) -> RpcReply:
        """The answer set for the operation, or its error raised."""
        self.asked.append(Asked(operation.name, body, wants_answer=True, **about))
        answer = self.answers[operation.name]
        if isinstance(answer, BusError):
            raise answer
        return answer

    async def post(self, operation: Operation, body: bytes, **about: Unpack[About]) -> None:
        """Taken, unless an error is set for the operation."""
        self.asked.append(Asked(operation.name, body, wants_answer=False, **about))
        if isinstance(error := self.answers.get(operation.name), BusError):
            raise error

    async def consumers(self) -> Mapping[str, int]:
        """The consumers set for each operation, or the error raised."""
        if isinstance(self.workers, BusError):
            raise self.workers
        return self.workers
