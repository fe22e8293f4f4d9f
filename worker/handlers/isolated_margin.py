"""Adding margin to an isolated position, and taking some out: money that is moved once, whatever becomes of the answer.

```
read the margin ─▶ send ─▶ the venue's documented success ─▶ applied, and the margin is read once more to be told
                        ─▶ no word ─▶ read the margin ─▶ moved by just that much ─▶ applied (read_back)
                                                      ─▶ moved by another amount
                                                           └▶ the venue's record of moves has this one ─▶ the same
                                                      ─▶ anything else ──────────▶ unknown: never sent again
```
"""

from collections.abc import Iterable

from schemas.base import Milliseconds
from schemas.margin import AddMargin, MarginMoved, MoveMargin, RemoveMargin
from worker.handlers.plan import Applied, CommandPlan, Confirmed
from worker.runtime.clock import now
from worker.venues.port.adapter import Adapter, Echo, IsolatedMargin, MarginMovement, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, NotSent, VenueError


def add_margin(request: AddMargin, adapter: Adapter) -> CommandPlan:
    """Add margin to an isolated position. Sent at most once."""
    return _Move(request, adapter, 1).plan()


def remove_margin(request: RemoveMargin, adapter: Adapter) -> CommandPlan:
    """Take margin out of an isolated position. Sent at most once."""
    return _Move(request, adapter, -1).plan()


class _Move:
    """One move: what the position had before it, and after it as far as that was read."""

    def __init__(self, request: MoveMargin, adapter: Adapter, sign: int) -> None:
        self._request = request
        self._adapter = adapter
        self._market: Market = adapter.market(request.symbol, request.market_type)
        self._amount = request.amount * sign
        self._before: IsolatedMargin | None = None
        self._after: IsolatedMargin | None = None
        self._sent_at: Milliseconds = 0
        self._recorded = False
        adapter.check_margin_move(self._market, request.amount)

    def plan(self) -> CommandPlan:
        """How it is sent, and what proves it."""
        return CommandPlan(
            send=self._send,
            echoed=lambda echo: echo.accepted,
            present=self._present,
            read_back=self._look_back,
            shown=self._is_moved,
            once=True,
            look_after=self._look_after,
        )

    async def _send(self, door: Door) -> Echo:
        """Raises NotSent where the position can't be read before: then nothing was moved."""
        try:
            self._before = await self._look()
        except Ambiguous as doubt:
            message = f"{doubt.message}; so nothing was moved"
            raise NotSent(message, venue_code=doubt.venue_code, raw=doubt.raw) from doubt
        self._sent_at = now()
        return await self._adapter.move_margin(self._market, self._before, self._amount, door)

    async def _look(self) -> IsolatedMargin:
        return await self._adapter.isolated_margin(self._market, self._request.position_side)

    async def _look_back(self) -> IsolatedMargin:
        """The margin; where it moved by another amount, with what the venue has recorded since it was sent.

        A funding fee or a trade moves margin too. The account's turn is ours, so that no other command moves any.
        """
        after = await self._look()
        if self._before is not None and after.comparable - self._before.comparable not in (0, self._amount):
            self._recorded = self._is_in(await self._adapter.margin_movements(self._market, self._sent_at))
        return after

    def _is_in(self, moves: Iterable[MarginMovement] | None) -> bool:
        """Whether just one move of this amount, and of this side where a record tells it, is among those."""
        side = self._before and self._before.side
        alike = [one for one in moves or () if one.amount == self._amount and one.side in (None, side)]
        return len([one for one in alike if one.at >= self._sent_at]) == 1

    async def _look_after(self) -> None:
        self._after = await self._look()

    def _is_moved(self, after: IsolatedMargin) -> bool:
        """Whether it has moved by just that much, or is on record. What an earlier worker had read is not known."""
        if self._before is None:
            return False
        self._after = after
        return self._recorded or after.comparable - self._before.comparable == self._amount

    def _present(self, confirmed: Confirmed) -> Applied:
        before = self._before
        if before is None:
            raise VenueError("a margin was moved that nobody had read before")
        word = "added to" if self._amount > 0 else "taken out of"
        told = f"{abs(self._amount).normalize():f} {before.currency}"
        data = MarginMoved(
            success=True,
            exchange=self._adapter.exchange,
            exchange_account_id=self._request.exchange_account_id,
            symbol=self._market.symbol,
            position_side=before.side,
            amount=self._request.amount,
            currency=before.currency,
            margin_before=before.margin,
            margin_after=self._after and self._after.margin,
            response=dict(confirmed.raw) if isinstance(confirmed.raw, dict) else {},
        )
        applied: dict[str, object] = {
            "moved": self._amount,
            "margin_before": data.margin_before,
            "margin_after": data.margin_after,
        }
        message = f"{told} {word} the {before.side} position in {self._market.symbol}"
        return Applied(message=message, data=data, applied=applied, confirmed=confirmed)
