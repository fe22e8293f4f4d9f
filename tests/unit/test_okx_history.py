"""Histories over pages of bills: nothing lost, nothing doubled, nothing left out because its type is not known."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.okx import history
from worker.venues.okx.history import BILL_TYPES, KEPT, Bills, amount_of
from worker.venues.port.adapter import History, HistoryQuery, Market
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.history import DAY, walked
from worker.venues.reading.records import Notion

NOW = 1_760_000_000_000
MARKET = Market("BTC/USDT:USDT", "BTC-USDT-SWAP", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.01"))
PNL, FUNDING = Notion.REALIZED_PNL, Notion.FUNDING
ROW = {
    "type": "8",
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "ccy": "USDT",
    "balChg": "1",
    "posBalChg": "0",
    "pnl": "1",
}


@dataclass
class Ledger:
    """What the venue keeps, newest first, answered by the rules of bills-archive. `inclusive`: of `begin` and `end`."""

    rows: list[dict[str, Any]]
    inclusive: bool = True
    short_pages: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        params = params or {}
        self.calls.append(dict(params))
        after, slack = int(params.get("after", 10**30)), 0 if self.inclusive else 1
        begin, end = int(params["begin"]) + slack, int(params["end"]) - slack
        found = [
            row
            for row in self.rows
            if int(row["billId"]) < after
            and begin <= int(row["ts"]) <= end
            and row["type"] == params.get("type", row["type"])
        ]
        size = history.PAGE - 1 if self.short_pages and len(self.calls) % 2 and history.PAGE > 1 else history.PAGE
        return {"code": "0", "data": found[:size], "msg": ""}


@dataclass
class Parrot:
    """Says the same whatever it is asked."""

    body: Any

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        return self.body


@dataclass
class Once(Parrot):
    """Has one page, and nothing behind it."""

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        return {"code": "0", "data": [] if "after" in (params or {}) else self.body, "msg": ""}


def ledger(ages: list[int], **more: Any) -> Ledger:
    """A ledger of bills of these ages, with ids that ascend with time."""
    times = sorted(NOW - age for age in ages)
    rows = [ROW | {"billId": str(995 + number), "ts": str(at)} for number, at in enumerate(times)]
    return Ledger(rows[::-1], **more)


def query(
    since: int | None = None, limit: int | None = None, market: Market | None = None, cursor: str | None = None
) -> HistoryQuery:
    return HistoryQuery(market, MarketType.SWAP, since, limit, cursor)


async def read(kept: Calls, asked: HistoryQuery, notion: Notion = FUNDING) -> History:
    bills = Bills(kept, notion, lambda market_id: market_id, asked)
    found = await walked([bills.records()], asked, NOW)
    assert len({entry.id for entry in found.entries}) == len(found.entries)
    return found


async def read_on(kept: Calls, asked: HistoryQuery) -> tuple[list[int], int]:
    """All that a question and its cursors tell, and in how many answers."""
    found, answers = await read(kept, asked), 1
    told = list(found.entries)
    while found.next_cursor is not None:
        found, answers = await read(kept, query(None, asked.limit, asked.market, found.next_cursor)), answers + 1
        told = told + list(found.entries) if asked.since is not None else list(found.entries) + told
        assert answers < 500
    assert len({entry.id for entry in told}) == len(told)
    return [entry.timestamp for entry in told], answers


ages = st.lists(st.one_of(st.integers(0, 80 * DAY), st.sampled_from([DAY, 7 * DAY])), max_size=40)
venues = st.fixed_dictionaries({"inclusive": st.booleans(), "short_pages": st.booleans()})


@settings(max_examples=150, deadline=None)
@given(ages=ages, page=st.integers(1, 7), since=st.integers(0, 80 * DAY), limit=st.integers(1, 30), how=venues)
@example(  # an instant that one page holds, and two the next time, when one of its rows is told already
    ages=[0, 0, 12_751, 12_752, 12_752, 108_159, 108_161, 289_444, 529_189],
    page=2,
    since=1_662_600,
    limit=4,
    how={"inclusive": False, "short_pages": True},
)
async def test_from_since_on_every_entry_comes_once_over_all_cursors(
    ages: list[int], page: int, since: int, limit: int, how: dict[str, bool]
) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(history, "PAGE", page)
        times, _ = await read_on(ledger(ages, **how), query(NOW - since, limit))
    assert times == sorted(NOW - age for age in ages if age <= since)


@settings(max_examples=150, deadline=None)
@given(ages=ages, page=st.integers(1, 7), limit=st.integers(1, 30), how=venues)
async def test_from_the_newest_back_every_entry_comes_once_over_all_cursors(
    ages: list[int], page: int, limit: int, how: dict[str, bool]
) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(history, "PAGE", page)
        times, _ = await read_on(ledger(ages, **how), query(limit=limit))
    assert times == sorted(NOW - age for age in ages)


async def test_the_newest_are_read_in_as_few_pages_as_hold_them() -> None:
    kept = ledger(list(range(350)))
    await read(kept, query(limit=150))
    assert len(kept.calls) == 2


async def test_the_first_few_of_many_bills_cost_few_requests() -> None:
    kept = ledger([number * 1_400_000 for number in range(5_340)])
    found = await read(kept, query(since=NOW - 88 * DAY, limit=10))
    expected = sorted(NOW - number * 1_400_000 for number in range(5_340))
    assert [entry.timestamp for entry in found.entries] == [at for at in expected if at >= NOW - 88 * DAY][:10]
    assert len(kept.calls) < 12
    assert found.next_cursor is not None


async def test_an_instant_with_more_bills_than_many_pages_hold_is_passed() -> None:
    kept = ledger([5 * DAY] * 1_440 + [6 * DAY, 4 * DAY])
    times, answers = await read_on(kept, query(since=NOW - 7 * DAY, limit=500))
    assert (len(times), times[0], times[-1]) == (1_442, NOW - 6 * DAY, NOW - 4 * DAY)
    assert answers < 20


async def test_with_neither_start_nor_number_the_last_seven_days_are_read() -> None:
    found = await read(ledger([8 * DAY, 6 * DAY, 0]), query())
    assert [entry.timestamp for entry in found.entries] == [NOW - 6 * DAY, NOW]
    assert found.complete_from == NOW - 7 * DAY


async def test_realized_profits_are_asked_for_without_a_type_and_funding_with_its_own() -> None:
    kept = ledger([0])
    await read(kept, query(), PNL)
    await read(kept, query(), FUNDING)
    assert {asked.get("type") for asked in kept.calls} == {None, "8"}


REALIZED = {"2": "10", "3": "-1", "5": "-2", "9": "-3", "10": "-4", "13": "-33", "14": "-44", "24": "-55", "32": "6",
            "34": "7"}  # fmt: skip


async def test_every_type_that_realizes_a_profit_is_told_and_one_that_nobody_knows_too() -> None:
    amounts = REALIZED | {"7777": "-8.5", "8": "100", "1": "0", "7": "0"}
    rows = [ROW | {"type": kind, "pnl": amount, "billId": str(number), "ts": str(NOW)}
            for number, (kind, amount) in enumerate(amounts.items(), 1)]  # fmt: skip
    found = await read(Ledger(rows[::-1]), query(), PNL)
    assert {entry.info["type"]: str(entry.amount) for entry in found.entries} == REALIZED | {"7777": "-8.5"}


@pytest.mark.parametrize(
    "stranger", [{"instType": "FUTURES"}, {"instId": "ETH-USDT-SWAP"}, {"balChg": "0", "pnl": "0"}], ids=str
)
async def test_a_row_nobody_asked_for_is_left_out(stranger: dict[str, str]) -> None:
    kept = ledger([0, 1])
    kept.rows[0] |= stranger
    found = await read(kept, query(since=NOW - DAY, market=MARKET))
    assert [entry.timestamp for entry in found.entries] == [NOW - 1]
    assert kept.calls[0]["instId"] == "BTC-USDT-SWAP"


async def test_a_page_that_comes_again_is_reported() -> None:
    page = ledger([5] * history.PAGE).rows
    with pytest.raises(Ambiguous, match="same page"):
        await (
            Bills(Parrot({"code": "0", "data": page, "msg": ""}), FUNDING, str, query())
            .records()
            .fetch(NOW - DAY, NOW, page[-1]["billId"])
        )


@pytest.mark.parametrize(
    ("change", "amount"),
    [
        ({"pnl": "-0.15", "balChg": "-0.15", "posBalChg": "0"}, "-0.15"),
        ({"pnl": "0", "balChg": "-0.15", "posBalChg": "0"}, "-0.15"),
        ({"pnl": "", "balChg": "0", "posBalChg": "0.03"}, "0.03"),
        ({"balChg": "", "posBalChg": "-1"}, "-1"),
    ],
    ids=str,
)
def test_funding_is_its_profit_or_else_what_the_balance_or_the_isolated_position_got(
    change: dict[str, str], amount: str
) -> None:
    assert amount_of({"type": "8"} | change, FUNDING) == Decimal(amount)


def test_a_profit_is_gross_of_fees_and_nothing_where_nothing_was_closed() -> None:
    assert amount_of({"type": "2", "pnl": "12.5", "fee": "-1", "balChg": "11.5"}, PNL) == Decimal("12.5")
    assert not amount_of({"type": "2", "pnl": ""}, PNL)
    assert amount_of({"type": "8", "pnl": "1"}, PNL) is None
    assert amount_of({"type": "2", "pnl": "1"}, FUNDING) is None


def test_three_months_are_asked_for_at_their_longest() -> None:
    assert BILL_TYPES.of(FUNDING) == ("8",)
    assert KEPT == 92 * DAY


@pytest.mark.parametrize(
    "body", [[], {}, {"code": "0"}, {"code": "0", "data": [1]}, {"code": "0", "data": {}}], ids=str
)
async def test_an_answer_of_another_shape_is_no_history(body: Any) -> None:
    with pytest.raises(Ambiguous):
        await read(Parrot(body), query())


@pytest.mark.parametrize("missing", ["ts", "billId", "ccy", "instId", "pnl", "type"])
async def test_a_row_without_what_makes_it_an_entry_is_reported(missing: str) -> None:
    row = ROW | {"billId": "995", "ts": str(NOW), missing: None if missing != "pnl" else "much"}
    with pytest.raises(Ambiguous):
        await read(Once([row]), query(since=NOW - DAY))


async def test_a_row_that_cannot_be_read_hides_no_other() -> None:
    rows = [ROW | {"billId": str(number), "ts": str(NOW - 5)} for number in (997, 996, 995)]
    rows[1] |= {"ccy": ""}
    found = await read(Once(rows), query(since=NOW - DAY))
    assert [entry.id for entry in found.entries] == ["995", "997"]
    assert [(part.name, "ccy" in (part.unread or "")) for part in found.parts] == [("SWAP bills", True)]


async def test_what_follows_an_instant_that_fills_pages_is_read_in_as_few_pages_as_before() -> None:
    """A window that shrank to pass it grows again, also for whoever goes on with a cursor."""
    crowd = NOW - 30 * DAY
    kept = ledger([NOW - crowd] * 450 + [number * 1_900_000 for number in range(1_300)])
    found, costs = await read(kept, query(since=crowd, limit=300)), [len(kept.calls)]
    while len(costs) < 4:
        before = len(kept.calls)
        found = await read(kept, query(limit=300, cursor=found.next_cursor))
        costs.append(len(kept.calls) - before)
    assert max(costs) < 20
