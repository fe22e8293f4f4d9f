"""Walking through rows page by page: none is lost, none comes twice, and what was forgotten is admitted."""

from collections.abc import Sequence
from typing import Any

import pytest

from schemas.requests import MarketType
from tests.unit.test_hyperliquid_positions import BTC, OIL
from worker.venues.hyperliquid.fills import KEPT, RealizedPnl
from worker.venues.hyperliquid.funding import Funding
from worker.venues.hyperliquid.paging import LAUNCH
from worker.venues.hyperliquid.universe import Universe
from worker.venues.port.adapter import HistoryQuery
from worker.venues.port.errors import Ambiguous

NOW = 1_795_000_000_000
UNIVERSE = Universe.from_ccxt([BTC, OIL])
EVERYTHING = HistoryQuery(None, MarketType.SWAP, 0, None)
Row = dict[str, Any]


class Kept:
    """A venue that keeps these rows and gives so many at once, the oldest first."""

    def __init__(self, rows: Sequence[Row], size: int) -> None:
        self.rows, self.size = rows, size
        self.asked: list[Row] = []

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: Row | None = None) -> Any:
        assert name == "publicPostInfo"
        asked = params or {}
        self.asked.append(asked)
        found = [row for row in self.rows if asked["startTime"] <= row["time"] <= asked["endTime"]]
        return found[: self.size]


def payment(time: int, coin: str = "BTC", usdc: str = "-0.15", digest: str = "0x" + "0" * 64) -> Row:
    return {"time": LAUNCH + time, "hash": digest, "delta": {"type": "funding", "coin": coin, "usdc": usdc}}


def fill(tid: int, time: int, pnl: str = "1.5", coin: str = "BTC") -> Row:
    return {"tid": tid, "time": LAUNCH + time, "coin": coin, "closedPnl": pnl}


async def test_payments_have_ids_of_instant_and_coin_and_their_sign() -> None:
    venue = Kept([payment(5), payment(5, "flx:OIL", "0.25"), payment(6, digest="0x00ab")], 500)
    history = await Funding(venue, "0xowner", UNIVERSE).history(EVERYTHING)
    found = [(entry.id, entry.symbol, str(entry.amount), entry.code) for entry in history.entries]
    assert found == [
        (f"{LAUNCH + 5}-BTC", "BTC/USDC:USDC", "-0.15", "USDC"),
        (f"{LAUNCH + 5}-flx:OIL", "FLX-OIL/USDH:USDH", "0.25", "USDH"),
        (f"{LAUNCH + 6}-BTC-00ab", "BTC/USDC:USDC", "-0.15", "USDC"),
    ]


async def test_the_start_is_always_sent() -> None:
    venue = Kept([], 500)
    for query in (
        EVERYTHING,
        HistoryQuery(None, MarketType.SWAP, None, 10),
        HistoryQuery(None, MarketType.SWAP, None, None),
    ):
        await Funding(venue, "0xowner", UNIVERSE).history(query)
    assert {(row["type"], row["user"]) for row in venue.asked} == {("userFunding", "0xowner")}
    assert all(isinstance(row["startTime"], int) and row["endTime"] <= NOW for row in venue.asked)


async def test_a_symbol_gets_its_own_payments_only() -> None:
    venue = Kept([payment(time, coin) for time in range(1, 9) for coin in ("BTC", "flx:OIL", "ETH")], 500)
    oil = UNIVERSE.of_coin("flx:OIL")
    assert oil
    history = await Funding(venue, "0xowner", UNIVERSE).history(
        HistoryQuery(oil.market, MarketType.SWAP, LAUNCH + 3, 4)
    )
    assert [entry.id for entry in history.entries] == [f"{LAUNCH + time}-flx:OIL" for time in (3, 4, 5, 6)]


async def test_a_coin_that_is_no_longer_listed_keeps_its_own_name() -> None:
    history = await Funding(Kept([payment(1, "GONE")], 500), "0x", UNIVERSE).history(EVERYTHING)
    assert [(entry.symbol, entry.code) for entry in history.entries] == [("GONE", "USDC")]


async def test_only_what_perpetuals_realized_counts() -> None:
    rows = [fill(1, 1), fill(2, 1, "0.0"), fill(3, 2, coin="@107"), fill(4, 2, coin="PURR/USDC"), fill(5, 3, "-2.0")]
    history = await RealizedPnl(Kept(rows, 2_000), "0x", UNIVERSE).history(EVERYTHING)
    assert [(entry.id, str(entry.amount)) for entry in history.entries] == [("1", "1.5"), ("5", "-2.0")]


async def test_what_was_forgotten_is_admitted_whatever_the_limit() -> None:
    rows = [fill(tid, 1_000 + tid) for tid in range(KEPT)]
    history = await RealizedPnl(Kept(rows, 2_000), "0x", UNIVERSE).history(
        HistoryQuery(None, MarketType.SWAP, LAUNCH + 7, 3)
    )
    assert [entry.id for entry in history.entries] == ["0", "1", "2"]
    assert history.complete_from == LAUNCH + 1_001


async def test_an_account_with_fewer_fills_has_them_all() -> None:
    rows = [fill(tid, 1_000 + tid) for tid in range(KEPT - 1)]
    history = await RealizedPnl(Kept(rows, 2_000), "0x", UNIVERSE).history(
        HistoryQuery(None, MarketType.SWAP, LAUNCH + 7, 3)
    )
    assert history.complete_from == LAUNCH + 7


@pytest.mark.parametrize(
    "body", [{}, [1], [{"time": LAUNCH}], [{"time": LAUNCH, "delta": {}}], [payment(1, usdc="much")]]
)
async def test_rows_of_another_shape_are_no_payments(body: Any) -> None:
    class Odd(Kept):
        async def call(self, name: str, params: Row | None = None) -> Any:
            return body

    with pytest.raises(Ambiguous):
        await Funding(Odd([], 1), "0x", UNIVERSE).history(EVERYTHING)
