"""The client itself."""

from collections.abc import Collection, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from ..base import WireModel
from ..control import Exchange
from ..operations import OPERATIONS, Operation
from ..problems import invalid_request, problems_of
from .answers import Answer, Reply, Result, Sending, account_in, answer_of, encoded, result_of
from .calls import Calls
from .errors import RequestFailed
from .events import EventStream
from .link import Link, request
from .live_book import LiveBook

Data = TypeVar("Data", bound=WireModel)

TIMEOUT_S = 10.0
"""How long a request may take, unless one says otherwise: what was not begun then is never begun."""

NAME = "perps-dma client"


class PerpsDma(Calls):
    """Everything that the service can be asked for over AMQP, one method for each operation.

    `name` is what the broker's operator sees the connection as. `timeout_s` is for each request, and becomes its
    deadline. Who asks is the user that the connection logs in as, or `actor`, from users who speak for others.
    `events_url` is where events are read, if another user than the one who asks may do that. Where no worker takes an
    operation, one is waited for until the timeout; without `waits_for_worker` NotServed is raised at once, as far as
    the user may see that.

        async with PerpsDma(url) as dma:
            result = await dma.set_leverage("binance-perp-001", "BTC/USDT:USDT", 10)
            print(result.outcome, result.confirmed_by)

    A command has an id, made here or given as `command_id`. Where the connection is lost before its answer is there, it
    is sent again with the same id, and so carried out once. Raises what `errors` draws; how a command ended is told in
    its result, and raised by `result.raise_for_outcome()` alone.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = NAME,
        timeout_s: float = TIMEOUT_S,
        events_url: str | None = None,
        actor: str | None = None,
        waits_for_worker: bool = True,
    ) -> None:
        self._events_url = events_url or url
        self._name = name
        self._timeout_s = timeout_s
        self._actor = actor
        self._link = Link(url, name, waits_for_worker=waits_for_worker)

    async def __aenter__(self) -> Self:
        """Connected. Raises BrokerAway or NotAllowed."""
        await self._link.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    def events(
        self, *, start: str | int | datetime = "next", types: Collection[str] = (), account: str | None = None
    ) -> EventStream:
        """The events from `start` on: an age such as `15m`, a UTC time, a place in the stream, `first`, or `next`.

        `types` are names such as `result` and `positions`; without them it is all. Raises ValueError for what is none.
        """
        return EventStream(self._events_url, f"{self._name} (events)", start, types, account)

    def book(self, *, account: str | None = None, exchange: Exchange | None = None) -> LiveBook:
        """The positions of all accounts, or of one, or of a venue's: the whole book first, then each change."""

        def follow(offset: int) -> EventStream:
            types = ("positions", "epoch")
            return EventStream(self._events_url, f"{self._name} (book)", offset, types, None)

        async def begin() -> Any:
            return (await self.get_snapshots(exchange_account_id=account, exchange=exchange)).data

        return LiveBook(begin, follow, account, exchange)

    async def ask(
        self,
        operation: Operation,
        body: bytes,
        *,
        command_id: str | None = None,
        timeout_s: float | None = None,
        reason: str | None = None,
    ) -> Reply:
        """The envelope that a request is answered with, as JSON; the request is sent as it is given.

        For programs that pass requests on. Raises what `errors` draws, but nothing for what the envelope tells.
        """
        within = self._timeout_s if timeout_s is None else timeout_s
        message_id, account = command_id or str(uuid4()), account_in(body)
        return await self._link.ask(
            request(operation, body, account, message_id, within, reason=reason, actor=self._actor)
        )

    async def _command(
        self, name: str, data: type[Data], fields: Mapping[str, Any], sending: Sending, timeout_s: float | None
    ) -> Result[Data]:
        command_id = sending.command_id or str(uuid4())
        reply = await self._ask(name, fields, command_id, timeout_s, sending.reason)
        return result_of(reply, data, command_id)

    async def _query(
        self, name: str, data: type[Data], fields: Mapping[str, Any], timeout_s: float | None
    ) -> Answer[Data]:
        return answer_of(await self._ask(name, fields, str(uuid4()), timeout_s), data)

    async def _ask(
        self,
        name: str,
        fields: Mapping[str, Any],
        message_id: str,
        timeout_s: float | None,
        reason: str | None = None,
    ) -> Reply:
        operation = OPERATIONS[name]
        try:
            asked = operation.request.model_validate(fields)
        except ValidationError as error:
            raise RequestFailed(invalid_request(problems_of(error))) from None
        body = encoded(asked.model_dump(exclude_none=True))
        return await self.ask(operation, body, command_id=message_id, timeout_s=timeout_s, reason=reason)
