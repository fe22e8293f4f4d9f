"""The same client for programs that block: it runs in a loop of its own, in a thread of its own."""

import asyncio
import threading
from collections.abc import Collection, Coroutine, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from ..base import WireModel
from ..control import Exchange
from . import dma
from .answers import Answer, Result, Sending
from .blocking_calls import BlockingCalls
from .events import AnyEvent, EventStream
from .live_book import BookChange, LiveBook

Data = TypeVar("Data", bound=WireModel)
Told = TypeVar("Told")


class Events(Iterator[AnyEvent]):
    """The events, one after the other."""

    def __init__(self, client: "PerpsDma", source: EventStream) -> None:
        self._client = client
        self._source = source

    def __next__(self) -> AnyEvent:
        return self._client.wait(self._source.__anext__())

    @property
    def next_offset(self) -> int | None:
        """Where to begin later in order to miss nothing."""
        return self._source.next_offset

    def close(self) -> None:
        """Read no more."""
        self._client.wait(self._source.aclose())


class Book(Iterator[BookChange]):
    """The book and its changes, one after the other; `live` holds the newest of each account."""

    def __init__(self, client: "PerpsDma", live: LiveBook) -> None:
        self._client = client
        self.live = live

    def __next__(self) -> BookChange:
        return self._client.wait(self.live.__anext__())

    def close(self) -> None:
        """Follow it no more."""
        self._client.wait(self.live.aclose())


class PerpsDma(BlockingCalls):
    """`perps_dma.PerpsDma`, whose methods wait for the answer instead of being awaited. Threads may share one.

    with PerpsDma(url) as dma:
        print(dma.set_leverage("binance-perp-001", "BTC/USDT:USDT", 10).outcome)
    """

    def __init__(
        self, url: str, *, name: str = dma.NAME, timeout_s: float = dma.TIMEOUT_S, events_url: str | None = None
    ) -> None:
        self._client = dma.PerpsDma(url, name=name, timeout_s=timeout_s, events_url=events_url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Connected. Raises BrokerAway or NotAllowed."""
        self._thread.start()
        try:
            self.wait(self._client.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.wait(self._client.__aexit__(kind, error, trace))
        finally:
            self._end()

    def events(
        self, *, start: str | int | datetime = "next", types: Collection[str] = (), account: str | None = None
    ) -> Events:
        """The events, as `perps_dma.PerpsDma.events` has them."""
        return Events(self, self._client.events(start=start, types=types, account=account))

    def book(self, *, account: str | None = None, exchange: Exchange | None = None) -> Book:
        """The book and its changes, as `perps_dma.PerpsDma.book` has them."""
        return Book(self, self._client.book(account=account, exchange=exchange))

    def wait(self, coroutine: Coroutine[Any, Any, Told]) -> Told:
        """What a coroutine returns that runs in the client's loop; an interrupted wait ends it."""
        if not self._thread.is_alive():
            coroutine.close()
            raise RuntimeError("the client is not open: it is from `with` to the end of its block")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def _end(self) -> None:
        asyncio.run_coroutine_threadsafe(_leave(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _command(
        self, name: str, data: type[Data], fields: Mapping[str, Any], sending: Sending, timeout_s: float | None
    ) -> Result[Data]:
        return self.wait(self._client._command(name, data, fields, sending, timeout_s))

    def _query(self, name: str, data: type[Data], fields: Mapping[str, Any], timeout_s: float | None) -> Answer[Data]:
        return self.wait(self._client._query(name, data, fields, timeout_s))


async def _leave() -> None:
    """End what still runs in this loop, generators of the streams included."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
