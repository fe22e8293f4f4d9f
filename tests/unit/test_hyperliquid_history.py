"""Walking through rows page by page: none is lost, none comes twice, and what was forgotten is admitted."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.requests import MarketType
from tests.unit.test_hyperliquid_positions import LISTED
from worker.venues.hyperliquid.history import KEPT, LAUNCH, Funding, Pages, RealizedPnl
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import Ambiguous

NOW = 1_795_000_000_000
UNIVERSE = LISTED
EVERYTHING = HistoryQuery(None, MarketType.SWAP, 0, None)
Row = dict[str, Any]


class Kept:
    """A venue that keeps these rows, and gives so many at once and of so many instants, the oldest first."""

    def __init__(self, rows: Sequence[Row], size: int, blocks: int = 500) -> None:
        self.rows, self.size, self.blocks = rows, size, blocks
        self.asked: list[Row] = []

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: Row | None = None) -> Any:
        assert name == "publicPostInfo"
        asked = params or {}
        self.asked.append(asked)
        found = [row for row in self.rows if asked["startTime"] <= row["time"] <= asked["endTime"]]
        instants = sorted({row["time"] for row in found})[: self.blocks]
        return [row for row in found if row["time"] in instants][: self.size]


def payment(time: int, coin: str = "BTC", usdc: str = "-0.15", digest: str = "0x" + "0" * 64) -> Row:
    return {"time": LAUNCH + time, "hash": digest, "delta": {"type": "funding", "coin": coin, "usdc": usdc}}


def fill(tid: int, time: int, pnl: str = "1.5", coin: str = "BTC") -> Row:
    return {"tid": tid, "time": LAUNCH + time, "coin": coin, "closedPnl": pnl, "dir": "Close Long"}


async def told(venue: Kept, query: HistoryQuery = EVERYTHING, *, funding: bool = False) -> History:
    kind = Funding if funding else RealizedPnl
    return await kind(venue, "0xowner", UNIVERSE).history(query)


async def walked(venue: Kept, limit: int, since: int | None = 0) -> list[History]:
    """All answers to a question, from cursor to cursor."""
    answers = [await told(venue, HistoryQuery(None, MarketType.SWAP, since, limit))]
    while cursor := answers[-1].next_cursor:
        answers.append(await told(venue, HistoryQuery(None, MarketType.SWAP, since, limit, cursor)))
    return answers


def ids(histories: Iterable[History]) -> list[int]:
    return [entry.info["oid"] for history in histories for entry in history.entries]


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(2, 6), st.integers(2, 4))
@settings(max_examples=60)
async def test_a_page_is_all_there_is_or_as_much_as_an_answer_holds(
    instants: list[int], size: int, blocks: int
) -> None:
    rows = [fill(number % 3, time) for number, time in enumerate(sorted(instants))]
    pages = Pages(Kept(rows, size, blocks), "userFillsByTime", "0x", size)
    found = await pages.page(LAUNCH, LAUNCH + 30)
    assert found == rows if len(rows) < size else rows[: len(found)]
    assert len(found) >= min(size, len(rows))


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(3, 7), st.integers(1, 9), st.sampled_from([0, None]))
@settings(max_examples=60)
async def test_every_row_is_told_once_in_order_from_cursor_to_cursor(
    instants: list[int], size: int, limit: int, since: int | None
) -> None:
    times = sorted(instants)
    rows = [fill(number % 3, time) | {"oid": number} for number, time in enumerate(times)]
    answers = await walked(Kept(rows, size, 2), limit, since)
    if all(times.count(time) < size for time in times):
        assert sorted(ids(answers)) == list(range(len(rows)))
        moments = [
            entry.timestamp for history in answers[:: 1 if since is not None else -1] for entry in history.entries
        ]
        assert moments == sorted(moments)
        assert not any(part.unread for history in answers for part in history.parts)


async def test_an_instant_that_fills_a_page_is_passed_and_told_to_be_crowded() -> None:
    rows = [fill(number, 5) | {"oid": number} for number in range(2_100)] + [fill(9_999, 7) | {"oid": 9_999}]
    history = await told(Kept(rows, 2_000))
    assert len(history.entries) == 2_001
    assert ids([history])[-1] == 9_999
    (part,) = history.parts
    assert part.unread == f"Hyperliquid gives no more than the first 2000 rows of one instant ({LAUNCH + 5})"


async def test_fills_with_the_same_trade_are_all_told() -> None:
    trades = [
        fill(7, 5),
        fill(7, 5, coin="ETH"),
        fill(7, 6),
        *[fill(0, 7, f"{pnl}.0") for pnl in range(1, 6)],
        fill(0, 7),
    ]
    for size in (2_000, 10, 7):
        history = await RealizedPnl(Kept(trades, size), "0x", UNIVERSE).history(EVERYTHING)
        assert len(history.entries) == 9


async def test_two_orders_of_one_trade_have_ids_of_their_own() -> None:
    both = [fill(7, 5) | {"oid": 1}, fill(7, 5) | {"oid": 2}]
    history = await RealizedPnl(Kept(both, 2_000), "0x", UNIVERSE).history(EVERYTHING)
    assert [entry.id for entry in history.entries] == [f"{LAUNCH + 5}-BTC-7-1", f"{LAUNCH + 5}-BTC-7-2"]


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


async def test_a_coin_that_is_no_longer_listed_settles_in_what_its_dex_does() -> None:
    history = await Funding(Kept([payment(1, "flx:GONE")], 500), "0x", UNIVERSE).history(EVERYTHING)
    assert [(entry.symbol, entry.code) for entry in history.entries] == [("flx:GONE", "USDH")]


async def test_what_settles_in_nobody_knows_what_is_not_told_as_dollars() -> None:
    with pytest.raises(Ambiguous, match="what new:GONE settles in is not known"):
        await Funding(Kept([payment(1, "new:GONE")], 500), "0x", UNIVERSE).history(EVERYTHING)


async def test_only_what_perpetuals_realized_counts() -> None:
    rows = [fill(1, 1), fill(2, 1, "0.0"), fill(3, 2, coin="@107"), fill(4, 2, coin="PURR/USDC"), fill(5, 3, "-2.0")]
    history = await RealizedPnl(Kept(rows, 2_000), "0x", UNIVERSE).history(EVERYTHING)
    assert [(entry.info["tid"], str(entry.amount)) for entry in history.entries] == [(1, "1.5"), (5, "-2.0")]


async def test_what_was_forgotten_is_admitted_whatever_the_limit() -> None:
    rows = [fill(tid, 1_000 + tid) for tid in range(KEPT)]
    history = await RealizedPnl(Kept(rows, 2_000), "0x", UNIVERSE).history(
        HistoryQuery(None, MarketType.SWAP, LAUNCH + 7, 3)
    )
    assert [entry.info["tid"] for entry in history.entries] == [0, 1, 2]
    assert history.complete_from == LAUNCH + 1_001


async def test_an_account_with_fewer_fills_has_them_all() -> None:
    rows = [fill(tid, 1_000 + tid) for tid in range(KEPT - 1)]
    history = await RealizedPnl(Kept(rows, 2_000), "0x", UNIVERSE).history(
        HistoryQuery(None, MarketType.SWAP, LAUNCH + 7, 3)
    )
    assert history.complete_from == LAUNCH + 7


async def test_a_record_of_a_type_that_no_table_has_is_told_if_it_carries_the_amount() -> None:
    odd = {"type": "fundingRebate", "coin": "BTC", "usdc": "0.25"}
    rows = [payment(1) | {"delta": odd}, payment(2) | {"delta": {"type": "mystery"}}, payment(3)]
    history = await told(Kept(rows, 500), funding=True)
    assert [str(entry.amount) for entry in history.entries] == ["0.25", "-0.15"]


async def test_a_record_that_is_about_something_else_is_no_payment() -> None:
    rows = [payment(1) | {"delta": {"type": "deposit", "coin": "BTC", "usdc": "100.0"}}, payment(3)]
    history = await told(Kept(rows, 500), funding=True)
    assert [str(entry.amount) for entry in history.entries] == ["-0.15"]


@pytest.mark.parametrize(
    "direction",
    [
        "Close Long",
        "Short > Long",
        "Liquidated Isolated Long",
        "Auto-Deleveraging",
        "Settlement",
        "Something New",
        None,
    ],
)
async def test_whatever_closes_a_perpetual_is_told_and_what_no_table_has_too(direction: str | None) -> None:
    history = await told(Kept([fill(1, 1) | {"dir": direction}], 2_000))
    assert [str(entry.amount) for entry in history.entries] == ["1.5"]


@pytest.mark.parametrize("coin", ["@107", "PURR/USDC", "#10"])
@pytest.mark.parametrize("direction", ["Sell", "Spot Dust Conversion", "Settlement", "Something New"])
async def test_spot_pairs_and_outcomes_realize_nothing_of_perpetuals(coin: str, direction: str) -> None:
    history = await told(Kept([fill(0, 1, coin=coin) | {"dir": direction}], 2_000))
    assert history.entries == ()


@pytest.mark.parametrize(
    "body", [{}, [1], [{"time": LAUNCH}], [{"time": LAUNCH, "delta": {"type": "funding"}}], [payment(1, usdc="much")]]
)
async def test_rows_of_another_shape_are_no_payments(body: Any) -> None:
    class Odd(Kept):
        async def call(self, name: str, params: Row | None = None) -> Any:
            return body

    with pytest.raises(Ambiguous):
        await Funding(Odd([], 1), "0x", UNIVERSE).history(EVERYTHING)
