"""Leverage tiers: what they say of a notional, how long an answer is kept, and how venues write them."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarketType, SetLeverage
from tests.support.memory_venue import ACCOUNT, BTC, TIERS, MemoryVenue
from worker.execution.calls import VenueCalls
from worker.execution.confirmation import send_until_confirmed
from worker.handlers.leverage import set_leverage
from worker.handlers.leverage_tiers import highest_leverage
from worker.runtime.clock import now
from worker.venues.binance.endpoints import STANDARD
from worker.venues.binance.terms.brackets import Brackets
from worker.venues.bybit.terms.tiers import BybitTiers
from worker.venues.gate.endpoints import PARTS
from worker.venues.gate.terms.tiers import GateTiers
from worker.venues.hyperliquid.terms.tiers import read_tiers
from worker.venues.okx.terms.tiers import tiers_of
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, NotSent, ValueRefused
from worker.venues.reading.tiers import AT_A_TIME, FRESH_S, KeptTiers, TierCache, of_market


class Told:
    """A transport that answers what a function says, and remembers what it was asked."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any]) -> None:
        self._answer = answer
        self.asked: list[dict[str, Any]] = []

    def now(self) -> int:
        return 7

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append(params or {})
        return self._answer(params or {})


class HandClock:
    def __init__(self) -> None:
        self.seconds = 1.0

    def __call__(self) -> float:
        return self.seconds


class Counted:
    """An answer that counts how often it was given."""

    def __init__(self) -> None:
        self.given = 0

    async def __call__(self) -> KeptTiers:
        self.given += 1
        await asyncio.sleep(0)
        return KeptTiers(self.given, {})


def wanted(leverage: int, notional: int) -> SetLeverage:
    return SetLeverage(
        exchange_account_id=ACCOUNT.id, symbol=BTC.symbol, leverage=Decimal(leverage), notional=Decimal(notional)
    )


@pytest.mark.parametrize(
    ("notional", "maximum"), [(1, 125), (300_000, 125), (300_001, 50), (3_000_000, 50), (3_000_001, 0)]
)
def test_the_highest_leverage_is_that_of_the_tier_of_the_size(notional: int, maximum: int) -> None:
    assert highest_leverage(TIERS, Decimal(notional)) == maximum


async def carry_out(venue: MemoryVenue, request: SetLeverage) -> None:
    await send_until_confirmed(set_leverage(request, venue), VenueCalls(now() + 10_000, now))


async def test_a_leverage_beyond_its_tier_is_refused_after_asking_anew_and_before_anything_is_sent() -> None:
    venue = MemoryVenue()
    with pytest.raises(ValueRefused, match="takes 1x to 50x at 400000 USDT, not 51x") as caught:
        await carry_out(venue, wanted(51, 400_000))
    assert venue.log == ["leverage tiers", "leverage tiers anew"]
    assert caught.value.details["maximum"] == Decimal(50)


async def test_a_leverage_within_its_tier_is_set() -> None:
    venue = MemoryVenue()
    await carry_out(venue, wanted(50, 400_000))
    assert venue.log == ["leverage tiers", "leverage 50"]


async def test_a_size_beyond_every_tier_is_said_to_be_so() -> None:
    with pytest.raises(ValueRefused, match="has no tier at 4000000 USDT"):
        await carry_out(MemoryVenue(), wanted(1, 4_000_000))


async def test_tiers_that_cannot_be_read_leave_no_doubt_for_nothing_was_sent() -> None:
    venue = MemoryVenue()
    venue.unreadable.append(Ambiguous("no word"))
    with pytest.raises(NotSent, match="nothing was changed: no word"):
        await carry_out(venue, wanted(10, 1))
    assert venue.log == ["leverage tiers"]


async def test_an_answer_is_kept_for_an_hour_and_asked_for_once_however_many_wait() -> None:
    clock, ask = HandClock(), Counted()
    cache = TierCache(clock=clock)
    found = await asyncio.gather(*(cache.of("all", ask) for _ in range(5)))
    assert {kept.as_of for kept in found} == {1}
    clock.seconds += FRESH_S - 1
    assert (await cache.of("all", ask)).as_of == 1
    clock.seconds += 1
    assert cache.known("all") is None
    assert (await cache.of("all", ask)).as_of == 2


async def test_what_is_wanted_anew_is_asked_for_whatever_is_known() -> None:
    clock, ask = HandClock(), Counted()
    cache = TierCache(clock=clock)
    await cache.of("all", ask)
    clock.seconds += 0.001
    assert (await cache.of("all", ask, anew=True)).as_of == 2
    assert (await cache.of("all", ask)).as_of == 2


async def test_of_too_many_answers_the_least_used_is_forgotten() -> None:
    cache = TierCache(most=2)
    for question in ("a", "b", "a", "c"):
        await cache.of(question, Counted())
    assert [cache.known(question) is not None for question in ("a", "b", "c")] == [True, False, True]


async def test_the_first_of_some_questions_that_has_an_answer_gives_it_and_what_is_asked_for_is_not_forgotten() -> None:
    cache = TierCache(most=2)
    first, second = await cache.of("a", Counted()), await cache.of("b", Counted())
    assert (cache.known("none", "b", "a"), cache.known("a", "b"), cache.known("none")) == (second, first, None)
    await cache.of("c", Counted())
    assert [cache.known(question) is not None for question in ("a", "b", "c")] == [True, False, True]


def market(market_id: str, *, size: str = "1", inverse: bool = False) -> Market:
    return Market("BTC/USDT:USDT", market_id, MarketType.SWAP, inverse, "BTC", "USDT", "USDT", Decimal(size))


def limit(cap: str, leverage: str, initial: str, maintenance: str) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "riskLimitValue": cap,
        "maxLeverage": leverage,
        "initialMargin": initial,
        "maintenanceMargin": maintenance,
    }


@pytest.mark.parametrize(("initial", "maintenance"), [("1", "0.5"), ("0.01", "0.005")], ids=["percent", "fractions"])
async def test_bybits_rates_are_fractions_however_they_are_written(initial: str, maintenance: str) -> None:
    told = Told(lambda _: {"retCode": 0, "result": {"list": [limit("150", "100.00", initial, maintenance)]}})
    kept = await BybitTiers(told, TierCache()).of("linear", market("BTCUSDT"))
    (tier,) = kept.by_id["BTCUSDT"]
    assert (tier.maintenance_margin_rate, tier.notional_cap) == (Decimal("0.005"), Decimal(150))


async def test_a_limit_of_bybits_that_cannot_be_read_hides_no_other_market() -> None:
    rows = [{**limit("1", "1", "1", "0.5"), "symbol": "ODDUSDT", "maxLeverage": "?"}, limit("150", "100", "1", "0.5")]
    told = Told(lambda _: {"retCode": 0, "result": {"list": rows, "nextPageCursor": ""}})
    kept = await BybitTiers(told, TierCache()).of_category("linear")
    assert list(kept.by_id) == ["BTCUSDT"]
    assert "maxLeverage" in (kept.problem or "")
    with pytest.raises(Ambiguous, match=r"tells no tiers of BTC/USDT:USDT that can be read: .*maxLeverage"):
        of_market("Bybit", kept, market("ODDUSDT"), lambda _: "USDT")


async def test_gates_pages_are_followed_until_they_name_no_contract_more() -> None:
    names = [f"C{number}_USDT" for number in range(250)]

    def page(params: dict[str, Any]) -> list[dict[str, Any]]:
        chosen = names[params["offset"] :][: params["limit"]]
        row = {"risk_limit": "10", "leverage_max": "5", "maintenance_rate": "0.01"}
        return [row | {"contract": name} for name in chosen]

    told = Told(page)
    kept = await GateTiers(told, TierCache()).of_part(PARTS[0])
    assert list(kept.by_id) == names
    assert [params["offset"] for params in told.asked] == [0, 100, 200, 250]


async def test_okx_counts_contracts_and_the_bounds_are_their_value() -> None:
    rows = [
        {"minSz": "500", "maxSz": "1000", "maxLever": "50", "mmr": "0.008"},
        {"minSz": "0", "maxSz": "500", "maxLever": "100", "mmr": "0.004"},
    ]
    told = Told(lambda _: {"code": "0", "data": rows})
    read = await tiers_of(told, TierCache(), market("BTC-USDT-SWAP", size="0.01"), anew=False)
    (row,) = read.markets
    assert (row.currency, read.as_of) == ("BTC", 7)
    assert [tier.notional_floor for tier in row.tiers] == [Decimal(0), Decimal(5)]
    assert [tier.notional_cap for tier in row.tiers] == [Decimal(5), Decimal(10)]
    assert told.asked == [{"instType": "SWAP", "tdMode": "cross", "instFamily": "BTC-USDT"}]


async def test_a_table_of_hyperliquids_gives_each_step_its_end_and_half_the_initial_margin() -> None:
    steps = [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "100.0", "maxLeverage": 20}]
    universe = [
        {"name": "BTC", "maxLeverage": 40, "marginTableId": 56},
        {"name": "NEW", "maxLeverage": 3, "marginTableId": 3},
        {"name": "ODD", "marginTableId": 9},
    ]
    told = Told(lambda _: [{"universe": universe, "marginTables": [[56, {"marginTiers": steps}]]}, None])
    kept = await read_tiers(told, TierCache(), anew=False)
    first, last = kept.by_id["BTC"]
    assert (first.notional_cap, last.notional_floor, last.notional_cap) == (Decimal(100), Decimal(100), None)
    assert (first.maintenance_margin_rate, last.maintenance_margin_rate) == (Decimal("0.0125"), Decimal("0.025"))
    assert [tier.max_leverage for tier in kept.by_id["NEW"]] == [3]
    assert "ODD" not in kept.by_id
    assert "maxLeverage" in (kept.problem or "")


def bracket(number: int, market_number: int) -> dict[str, Any]:
    return {
        "bracket": number,
        "initialLeverage": 125 // number,
        "notionalFloor": (number - 1) * (5_000 + market_number),
        "notionalCap": number * (5_000 + market_number),
        "maintMarginRatio": number / 250,
    }


async def test_binances_brackets_are_read_once_for_all_accounts_and_others_have_the_loop_meanwhile() -> None:
    listed = [{"symbol": f"C{n}USDT", "brackets": [bracket(k, n) for k in range(1, 9)]} for n in range(500)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    one, other = [await Brackets(Told(lambda _: listed)).of_all(STANDARD[0]) for _ in range(2)]
    beside.cancel()
    assert turns >= 2 * 500 // AT_A_TIME
    assert [tier.max_leverage for tier in one.by_id["C7USDT"]] == [125, 62, 41, 31, 25, 20, 17, 15]
    assert all(one.by_id[market_id] is tiers for market_id, tiers in other.by_id.items())
