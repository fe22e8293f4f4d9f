"""The position mode of a Binance account: reading it, switching it, and what is open meanwhile.

Sources, read 2026-11-30 in the official clients 18.1, 14.1 and 16.1: "Change Position Mode" of USDⓈ-M and COIN-M, which
share one mode ("Calling this endpoint flips both UM and CM at once"; -4059, -4067, -4068), and "Change UM" and "Change
CM Position Mode" of Portfolio Margin, which are two: whether one flips the other there is not documented, so each is
read, and set where it is not so.
"""

import asyncio
import copy
from collections import Counter
from collections.abc import Iterable, Mapping

from schemas.outcomes import Scope
from schemas.replies import PositionModePart
from schemas.requests import PositionMode
from worker.venues.binance.endpoints import BinanceEndpoints, ModeEndpoints, spoken
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, PositionModesRead
from worker.venues.port.door import Door
from worker.venues.port.errors import AlreadySo, Ambiguous, LimitReached, NotSent, Refused
from worker.venues.reading.position_mode import now_or_not_sent

DUAL_SIDE = {PositionMode.ONE_WAY: "false", PositionMode.HEDGE: "true"}


class BinancePositionModes:
    """The position modes of one account: one, or of Portfolio Margin two, each of all its markets of a kind."""

    def __init__(self, transport: ChangingCalls, account_id: str, kept: Mapping[str, ModeEndpoints]) -> None:
        """`kept` are the endpoints by the kind of markets that they are asked about."""
        self._transport = transport
        self._account_id = account_id
        self._kept = kept

    async def read(self) -> PositionModesRead:
        """What is in force. Raises VenueError."""
        rows = await asyncio.gather(*(self._row(endpoints) for endpoints in self._kept.values()))
        parts = tuple(map(self._part, self._kept, rows))
        return PositionModesRead(parts, Scope.ACCOUNT, raw=list(rows))

    async def _row(self, endpoints: ModeEndpoints) -> Row:
        return shape.mapping(await self._transport.call(endpoints.told_by), spoken(endpoints.told_by))

    def _part(self, kind: str, row: Row) -> PositionModePart:
        with shape.ReadFrom(spoken(self._kept[kind].told_by)):
            hedge = shape.boolean(row, "dualSidePosition")
        mode = PositionMode.HEDGE if hedge else PositionMode.ONE_WAY
        name = self._account_id if len(self._kept) == 1 else kind
        return PositionModePart(scope=Scope.ACCOUNT, part=name, position_mode=mode)

    async def set(self, mode: PositionMode, door: Door) -> Echo:
        """Switch what is not in this mode. The answer states success, but no mode. Raises AlreadySo where all is."""
        before = await now_or_not_sent(self.read())
        others = [kind for kind, part in zip(self._kept, before.parts, strict=True) if part.position_mode is not mode]
        if not others:
            raise AlreadySo(f"the account is in {mode} mode already", scope=Scope.ACCOUNT, raw=before.raw)
        answers: list[Row] = []
        for kind in others:
            try:
                answers.append(await self._switch(self._kept[kind], mode, door))
            except (Refused, NotSent) as problem:
                if not answers:
                    raise
                if not isinstance(problem, AlreadySo):  # the other one has switched it as well
                    raise _half_done(others, mode, problem) from problem
        return Echo(raw=answers[0] if len(answers) == 1 else {"answers": answers}, scope=Scope.ACCOUNT)

    async def _switch(self, endpoints: ModeEndpoints, mode: PositionMode, door: Door) -> Row:
        params, asked = {"dualSidePosition": DUAL_SIDE[mode]}, spoken(endpoints.switched_by)
        raw = shape.mapping(await self._transport.change(door, endpoints.switched_by, params), asked)
        if raw.get("code") != 200:
            raise Ambiguous(f"Binance's answer to {asked} is not the documented one", raw=raw)
        return raw


def _half_done(kinds: list[str], mode: PositionMode, problem: Refused | NotSent) -> Refused | Ambiguous:
    done, refused = kinds
    message = f"the {done} markets are in {mode} mode now, but the {refused} ones were not switched: {problem.message}"
    if isinstance(problem, NotSent | LimitReached):
        return Ambiguous(message)  # as a whole it did leave: only a read-back tells how far it came
    told = copy.copy(problem)
    told.message, told.args = message, (message,)
    told.details = problem.details | {"done": [done], "refused": [refused]}
    return told


async def orders_by_id(transport: Calls, asked: Iterable[BinanceEndpoints]) -> Counter[tuple[str, bool]]:
    """How many orders are open, by the market's id and whether it is inverse. Conditional ones are not among them."""
    families = tuple(asked)
    answers = await asyncio.gather(*(transport.call(endpoints.open_orders) for endpoints in families))
    return Counter(
        (shape.text(row, "symbol"), endpoints.inverse)
        for endpoints, body in zip(families, answers, strict=True)
        for row in shape.rows(body, spoken(endpoints.open_orders))
    )
