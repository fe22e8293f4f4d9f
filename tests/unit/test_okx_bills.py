"""Histories over pages of bills: ascending, nothing lost, nothing doubled, and only what was asked for."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.okx import bills
from worker.venues.okx.bills import KEPT, Bills, funding_of, profit_of
from worker.venues.port.adapter import History, HistoryQuery, Market
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.history import DAY, walked

NOW = 1_760_000_000_000
MARKET = Market("BTC/USDT:USDT", "BTC-USDT-SWAP", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.01"))
ROW = {
    "type": "8",
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "ccy": "USDT",
    "balChg": "1",
    "posBalChg": "0",
    "pnl": "0",
}


@dataclass
class Ledger:
    """What the venue keeps, newest first, answered by the rules of bills-archive."""

    rows: list[dict[str, Any]]
    filters: bool = True
    calls: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        params = params or {}
        self.calls.append(dict(params))
        after = int(params.get("after", 10**30))
        found = [
            row
            for row in self.rows
            if int(row["billId"]) < after
            and (not self.filters or int(params["begin"]) < int(row["ts"]) < int(params["end"]))
        ]
        return {"code": "0", "data": found[: bills.PAGE], "msg": ""}


@dataclass
class Parrot:
    """Says the same whatever it is asked."""

    body: Any

    def now(self) -> int:
        return NOW

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        return self.body


def ledger(ages: list[int], **more: Any) -> Ledger:
    """A ledger of bills of these ages, with ids that ascend with time."""
    times = sorted(NOW - age for age in ages)
    rows = [ROW | {"billId": str(995 + number), "ts": str(at)} for number, at in enumerate(times)]
    return Ledger(rows[::-1], **more)


def query(since: int | None = None, limit: int | None = None, market: Market | None = None) -> HistoryQuery:
    return HistoryQuery(market, MarketType.SWAP, since, limit)


async def read(kept: Calls, asked: HistoryQuery) -> History:
    found = await walked([Bills(kept, "8", funding_of, lambda market_id: market_id, asked).records()], asked, NOW)
    assert len({entry.id for entry in found.entries}) == len(found.entries)
    return found


async def follow(kept: Calls, asked: HistoryQuery) -> History:
    """What the second answer tells, for which the first has given the cursor."""
    return await read(kept, replace(asked, cursor=(await read(kept, asked)).next_cursor))


ages = st.lists(st.one_of(st.integers(0, 80 * DAY), st.sampled_from([DAY, 7 * DAY])), max_size=40)


@settings(max_examples=100)
@given(ages=ages, page=st.integers(3, 7), since=st.integers(0, 80 * DAY), limit=st.none() | st.integers(1, 30))
async def test_from_since_on_the_first_entries_come_once_each(
    ages: list[int], page: int, since: int, limit: int | None
) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(bills, "PAGE", page)
        found = await read(ledger(ages), query(NOW - since, limit))
    expected = sorted(NOW - age for age in ages if age <= since)[:limit]
    assert [entry.timestamp for entry in found.entries] == expected
    assert found.complete_from == NOW - since


@settings(max_examples=100)
@given(ages=ages, page=st.integers(3, 7), limit=st.integers(1, 30))
async def test_without_since_the_newest_entries_come_once_each(ages: list[int], page: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(bills, "PAGE", page)
        found = await read(ledger(ages), query(limit=limit))
    assert [entry.timestamp for entry in found.entries] == sorted(NOW - age for age in ages)[-limit:]
    whole = len(found.entries) < limit
    assert found.complete_from == NOW - KEPT or not whole
    claimed = sorted(NOW - age for age in ages if NOW - age >= found.complete_from)
    assert [entry.timestamp for entry in found.entries if entry.timestamp >= found.complete_from] == claimed


async def test_no_more_pages_are_asked_for_than_the_newest_entries_need() -> None:
    kept = ledger(list(range(350)))
    await read(kept, query(limit=150))
    assert len(kept.calls) == 2


async def test_with_neither_start_nor_number_the_last_seven_days_are_read() -> None:
    found = await read(ledger([8 * DAY, 6 * DAY, 0]), query())
    assert [entry.timestamp for entry in found.entries] == [NOW - 6 * DAY, NOW]
    assert found.complete_from == NOW - 7 * DAY


async def test_what_the_venue_no_longer_keeps_is_admitted() -> None:
    found = await read(ledger([DAY]), query(since=NOW - 120 * DAY))
    assert found.complete_from == NOW - 90 * DAY


@pytest.mark.parametrize(
    "stranger",
    [{"type": "7"}, {"instType": "FUTURES"}, {"instId": "ETH-USDT-SWAP"}, {"balChg": "0"}, {"ts": str(NOW - 9 * DAY)}],
    ids=str,
)
async def test_a_row_nobody_asked_for_is_left_out(stranger: dict[str, str]) -> None:
    kept = ledger([0, 1], filters=False)
    kept.rows[0] |= stranger
    found = await read(kept, query(since=NOW - DAY, market=MARKET))
    assert [entry.timestamp for entry in found.entries] == [NOW - 1]
    assert kept.calls[0]["instId"] == "BTC-USDT-SWAP"


async def test_ids_of_one_instant_are_in_the_order_of_the_venue() -> None:
    found = await read(ledger([5] * 10), query(since=NOW - DAY))
    assert [entry.id for entry in found.entries] == [str(995 + number) for number in range(10)]


async def test_a_page_that_comes_again_is_reported() -> None:
    page = ledger([5] * bills.PAGE).rows
    with pytest.raises(Ambiguous, match="same page"):
        await follow(Parrot({"code": "0", "data": page, "msg": ""}), query(limit=bills.PAGE + 1))


@pytest.mark.parametrize(
    ("change", "amount"),
    [
        ({"balChg": "-0.15", "posBalChg": "0"}, "-0.15"),
        ({"balChg": "0", "posBalChg": "0.03"}, "0.03"),
        ({"balChg": "", "posBalChg": "-1"}, "-1"),
        ({"balChg": "0", "posBalChg": ""}, "0"),
    ],
    ids=str,
)
def test_funding_is_what_the_balance_or_the_isolated_position_got(change: dict[str, str], amount: str) -> None:
    assert funding_of(change) == Decimal(amount)


def test_a_profit_is_gross_of_fees_and_nothing_where_nothing_was_closed() -> None:
    assert profit_of({"pnl": "12.5", "fee": "-1", "balChg": "11.5"}) == Decimal("12.5")
    assert profit_of({"pnl": ""}) == 0


@pytest.mark.parametrize(
    "body", [[], {}, {"code": "0"}, {"code": "0", "data": [1]}, {"code": "0", "data": {}}], ids=str
)
async def test_an_answer_of_another_shape_is_no_history(body: Any) -> None:
    with pytest.raises(Ambiguous):
        await read(Parrot(body), query())


@pytest.mark.parametrize("missing", ["ts", "billId", "ccy", "instId", "balChg"])
async def test_a_row_without_what_makes_it_an_entry_is_reported(missing: str) -> None:
    row = ROW | {"billId": "995", "ts": str(NOW), missing: None if missing != "balChg" else "much"}
    with pytest.raises(Ambiguous):
        await read(Parrot({"code": "0", "data": [row], "msg": ""}), query(since=NOW - DAY))
