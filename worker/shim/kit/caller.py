"""What the shim needs of the bus."""

from collections.abc import Mapping
from typing import Protocol, Unpack

from schemas import Operation
from worker.bus.rpc import About, RpcReply


class Caller(Protocol):
    """Asks workers. Raises what `worker.bus.rpc` names: NoWorker, NoAnswer, BrokerAway, RequestInDoubt."""

    async def call(self, operation: Operation, body: bytes, **about: Unpack[About]) -> RpcReply:
        """Publish a request and wait for its answer, until the deadline."""

    async def post(self, operation: Operation, body: bytes, **about: Unpack[About]) -> None:
        """Publish a command and wait for the broker's confirm, not for an answer."""

    async def consumers(self) -> Mapping[str, int]:
        """How many consumers each operation has, as the broker says."""
