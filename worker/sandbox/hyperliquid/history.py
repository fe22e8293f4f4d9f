"""Which rows of its past an address is given, and how they are written (info endpoint, "Pagination"; read 2026-11-29).

An answer to a span of time begins with the oldest row of it, and holds "500 elements or distinct blocks": of payments
500, of fills at most 2,000, and of both no more than those of 500 blocks. That a block is an instant here is a guess.
Of fills only the newest 10,000 can be had at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid.account import ZERO, Fill, HyperliquidAccountState, Payment
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.figures import wire

PAYMENTS_AT_ONCE = 500
FILLS_AT_ONCE = 2_000
FILLS_KEPT = 10_000
BLOCKS_AT_ONCE = 500
NO_HASH = "0x" + "0" * 64


def user_funding(state: HyperliquidAccountState, body: Body, now: Milliseconds) -> list[dict[str, Any]]:
    """The first payments of a span; `startTime` is mandatory."""
    start, end = _span(body, now)
    found = [payment for payment in state.payments if start <= payment.time <= end]
    return [payment_row(payment) for payment in _page(found, PAYMENTS_AT_ONCE)]


def user_fills_by_time(state: HyperliquidAccountState, body: Body, now: Milliseconds) -> list[dict[str, Any]]:
    """The first fills of a span that can still be had; `startTime` is mandatory."""
    start, end = _span(body, now)
    found = [fill for fill in _kept(state) if start <= fill.time <= end]
    return [fill_row(fill) for fill in _page(found, FILLS_AT_ONCE)]


def user_fills(state: HyperliquidAccountState) -> list[dict[str, Any]]:
    """The newest fills, the newest first."""
    return [fill_row(fill) for fill in reversed(_kept(state)[-FILLS_AT_ONCE:])]


Past = TypeVar("Past", Payment, Fill)


def _page(rows: Iterable[Past], most: int) -> Iterator[Past]:
    """The first rows, as many as one answer holds."""
    blocks: set[Milliseconds] = set()
    for number, row in enumerate(rows):
        blocks.add(row.time)
        if number == most or len(blocks) > BLOCKS_AT_ONCE:
            return
        yield row


def _kept(state: HyperliquidAccountState) -> Sequence[Fill]:
    return state.fills[-FILLS_KEPT:]


def _span(body: Body, now: Milliseconds) -> tuple[Milliseconds, Milliseconds]:
    end = body.optional_integer("endTime")
    return body.integer("startTime"), now if end is None else end


def payment_row(payment: Payment) -> dict[str, Any]:
    """A payment as it is told."""
    return {
        "time": payment.time,
        "hash": NO_HASH,
        "delta": {
            "type": payment.kind,
            "coin": payment.coin,
            "usdc": wire(payment.usdc),
            "szi": wire(payment.size),
            "fundingRate": format(payment.rate, "f"),
            "nSamples": None,
        },
    }


def fill_row(fill: Fill) -> dict[str, Any]:
    """A fill as it is told."""
    return {
        "coin": fill.coin,
        "px": wire(fill.price),
        "sz": wire(fill.size),
        "side": "B" if fill.buys else "A",
        "time": fill.time,
        "startPosition": wire(fill.start),
        "dir": fill.direction or _direction(fill),
        "closedPnl": wire(fill.closed_pnl),
        "hash": f"0x{fill.tid:064x}",
        "oid": fill.oid,
        "crossed": True,
        "fee": wire(fill.fee),
        "tid": fill.tid,
        "feeToken": "USDC",
        "twapId": None,
    }


def _direction(fill: Fill) -> str:
    if "/" in fill.coin or fill.coin.startswith("@"):
        return "Buy" if fill.buys else "Sell"
    opens = (fill.start >= ZERO) is fill.buys
    return f"{'Open' if opens else 'Close'} {'Long' if fill.buys is opens else 'Short'}"
