"""What the shim needs of the bus."""

from collections.abc import Mapping
from typing import Protocol

from schemas import Operation
from schemas.base import Milliseconds
from worker.bus.rpc import RpcReply


class Caller(Protocol):
    """Asks workers. Raises what `worker.bus.rpc` names: NoWorker, NoAnswer, BrokerAway, RequestInDoubt."""

    async def call(
        self, operation: Operation, body: bytes, *, command_id: str, deadline: Milliseconds, actor: str | None
    ) -> RpcReply:
        """Publish a request and wait for its answer, until the deadline."""

    async def post(
        self, operation: Operation, body: bytes, *, command_id: str, deadline: Milliseconds, actor: str | None
    ) -> None:
        """Publish a command and wait for the broker's confirm, not for an answer."""

    async def consumers(self) -> Mapping[str, int]:
        """How many consumers each operation has, as the broker says."""
