"""The rows of all open positions of an account, with as few requests as tell them whole.

```
USDⓈ-M   what is open (positionRisk)  ─▶ nothing: that is all
                                      └▶ the settings of its markets (symbolConfig)
COIN-M   the amounts of all contracts (account) ─▶ nothing is held: that is all
                                                └▶ the rows of what is held (positionRisk)
```

A family that was flat when it was last read is asked the first question alone. One that was not, or is read for the
first time, is asked both at once, which is sooner.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from worker.venues.binance.endpoints import BinanceEndpoints, pair_of, spoken
from worker.venues.binance.terms.settings import read_all_terms, read_positions, read_rows
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, LimitReached, VenueError
from worker.venues.reading.preflight import attempted

T = TypeVar("T")


class OpenRows(NamedTuple):
    """Position rows without the flat ones, the rows of their settings by market, and why something may be missing.

    `account` is the answer that the amounts of all contracts were taken from, where one was read.
    """

    rows: list[Row]
    settings: Mapping[object, Row]
    problem: VenueError | None = None
    account: Row | None = None


class OpenRowsReader:
    """Reads the families of one account, and remembers which of them held anything."""

    def __init__(self, transport: Calls) -> None:
        self._transport = transport
        self._flat: set[str] = set()

    async def read(self, endpoints: BinanceEndpoints, only: Market | None) -> OpenRows:
        """What is open in a family, or in one market of it. Raises VenueError where nothing of it can be read."""
        if only is not None:
            return await self._with_settings(endpoints, only)
        if endpoints.account is None:
            found = await self._with_settings(endpoints, None)
        else:
            found = await self._that_are_held(endpoints, endpoints.account)
        self._flat.discard(endpoints.coverage)
        if not found.rows and found.problem is None:
            self._flat.add(endpoints.coverage)
        return found

    async def _with_settings(self, endpoints: BinanceEndpoints, only: Market | None) -> OpenRows:
        """From an endpoint that lists whatever is open. Without the settings positions are told all the same."""
        terms: list[Row] | VenueError = []
        if endpoints.coverage not in self._flat:
            rows, terms = await asyncio.gather(self._rows(endpoints, only), self._terms(endpoints, only))
        elif rows := await self._rows(endpoints, only):
            terms = await self._terms(endpoints, only)
        if isinstance(terms, VenueError):
            return OpenRows(rows, {}, terms)
        return OpenRows(rows, {row.get("symbol"): row for row in terms})

    async def _that_are_held(self, endpoints: BinanceEndpoints, account: str) -> OpenRows:
        """From an endpoint that leaves out what doesn't trade, and the account, which has the amounts of all."""
        told: AccountHeld | VenueError
        if endpoints.coverage not in self._flat:
            rows, told = await asyncio.gather(self._all_rows(endpoints), self._held(account))
        elif not isinstance(told := await self._held(account), VenueError) and not told.ids:
            return OpenRows([], {}, account=told.body)
        else:
            rows = await self._all_rows(endpoints)
        if isinstance(told, VenueError):
            return OpenRows(_open(rows), {}, told)
        more, problem = await self._left_out(endpoints, told.ids - {row.get("symbol") for row in rows})
        return OpenRows(_open(rows + more), {}, problem, told.body)

    async def _terms(self, endpoints: BinanceEndpoints, only: Market | None) -> list[Row] | VenueError:
        return _unless_limited(await attempted(read_all_terms(self._transport, endpoints, only)))

    async def _rows(self, endpoints: BinanceEndpoints, only: Market | None) -> list[Row]:
        return _open(await read_positions(self._transport, endpoints, only))

    async def _all_rows(self, endpoints: BinanceEndpoints) -> list[Row]:
        return await read_positions(self._transport, endpoints, None)

    async def _left_out(self, endpoints: BinanceEndpoints, ids: set[str]) -> tuple[list[Row], VenueError | None]:
        """The rows of contracts that are held and don't trade: they are listed where their pair is named."""
        pairs = sorted({pair_of(market_id) for market_id in ids})
        asked = (attempted(read_rows(self._transport, endpoints.positions, {"pair": pair})) for pair in pairs)
        parts = await asyncio.gather(*asked)
        rows = [row for part in parts if not isinstance(part, VenueError) for row in part if row.get("symbol") in ids]
        return rows, next((part for part in parts if isinstance(part, VenueError)), None)

    async def _held(self, account: str) -> "AccountHeld | VenueError":
        """The ids of all contracts with a position, be they traded or not (Account Information of COIN-M)."""
        return _unless_limited(await attempted(_account_held(self._transport, account)))


class AccountHeld(NamedTuple):
    """The ids of the contracts that an account holds, and the answer that says so."""

    ids: set[str]
    body: Row


async def _account_held(transport: Calls, account: str) -> AccountHeld:
    asked = spoken(account)
    body = shape.mapping(await transport.call(account), asked)
    with shape.ReadFrom(asked):
        everything = shape.rows(body.get("positions"), "the positions of an account")
        held = {shape.text(row, "symbol") for row in everything if shape.decimal(row, "positionAmt")}
        return AccountHeld(held, body)


def _open(rows: list[Row]) -> list[Row]:
    """Without those that are flat, as most are where an endpoint lists all markets."""
    return [row for row in rows if not _is_flat(row)]


def _is_flat(row: Row) -> bool:
    """Whether it surely is; one whose amount can't be read is looked at with the rest of it."""
    try:
        return not shape.decimal(row, "positionAmt")
    except Ambiguous:
        return False


def _unless_limited(answer: T | VenueError) -> T | VenueError:
    """The same. Raises LimitReached: it says nothing of the venue."""
    if isinstance(answer, LimitReached):
        raise answer
    return answer
