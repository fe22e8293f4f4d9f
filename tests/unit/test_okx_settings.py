"""Setting leverage on one side or both, its range, and the configuration that decides how it is set."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import OPEN
from worker.venues.okx.configuration import FRESH_S, AccountConfiguration, Configuration
from worker.venues.okx.terms.settings import BOTH_SIDES, LeverageSetting, check_leverage, read_terms, set_leverage
from worker.venues.port.adapter import Market
from worker.venues.port.door import Door
from worker.venues.port.errors import (
    Ambiguous,
    LimitReached,
    NotSent,
    PreconditionFailed,
    Throttled,
    ValueRefused,
    VenueError,
)

SWAP = Market("BTC/USDT:USDT", "BTC-USDT-SWAP", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.01"))
FUTURE = Market(
    "BTC/USDT:USDT-261225", "BTC-USDT-261225", MarketType.FUTURE, False, "BTC", "USDT", "USDT", Decimal("0.01")
)
CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
TEN = Decimal(10)


@dataclass
class Script:
    """A venue that gives one answer after the other."""

    answers: deque[Any]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> int:
        return 0

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append(params or {})
        answer = self.answers.popleft()
        if isinstance(answer, VenueError):
            raise answer
        return answer

    async def change(self, door: Door, name: str, params: dict[str, Any] | None = None) -> Any:
        return await self.call(name, params)


def script(*answers: Any) -> Script:
    return Script(deque(answers))


def success(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"code": "0", "data": list(rows), "msg": ""}


def listed(lever: str) -> dict[str, Any]:
    return success({"instId": SWAP.id, "instType": "SWAP", "lever": lever})


def echo(mode: str = "cross", side: str = "net", lever: str = "10", instrument: str = SWAP.id) -> dict[str, Any]:
    return {"instId": instrument, "lever": lever, "mgnMode": mode, "posSide": side}


async def test_the_echo_confirms_leverage_and_mode_and_no_side_is_sent_in_net_mode() -> None:
    venue = script(success(echo()))
    told = await set_leverage(venue, OPEN, LeverageSetting(SWAP, CROSS, TEN))
    assert (told.leverage, told.margin_mode, told.note) == (TEN, CROSS, None)
    assert venue.asked == [{"instId": SWAP.id, "lever": "10", "mgnMode": "cross"}]


async def test_each_isolated_side_is_set_by_a_call_of_its_own() -> None:
    venue = script(success(echo("isolated", "long")), success(echo("isolated", "short")))
    told = await set_leverage(venue, OPEN, LeverageSetting(SWAP, ISOLATED, TEN, BOTH_SIDES))
    assert [asked["posSide"] for asked in venue.asked] == ["long", "short"]
    assert (told.leverage, told.margin_mode) == (TEN, ISOLATED)


async def test_sides_that_echo_different_leverages_confirm_none() -> None:
    venue = script(success(echo("isolated", "long")), success(echo("isolated", "short", "9")))
    assert (await set_leverage(venue, OPEN, LeverageSetting(SWAP, ISOLATED, TEN, BOTH_SIDES))).leverage is None


async def test_one_side_done_and_one_refused_is_said_as_such() -> None:
    refusal = PreconditionFailed("margin is short", venue_code="59108", raw={"code": "59108"})
    venue = script(success(echo("isolated", "long")), refusal)
    with pytest.raises(PreconditionFailed) as caught:
        await set_leverage(venue, OPEN, LeverageSetting(SWAP, ISOLATED, TEN, BOTH_SIDES))
    assert (
        caught.value.message
        == str(caught.value)
        == ("BTC/USDT:USDT: the long side is at 10x now, but the short side was not changed: margin is short")
    )
    assert caught.value.details == {"done": ["long"], "refused": ["short"]}
    assert (caught.value.venue_code, caught.value.raw) == ("59108", {"code": "59108"})
    assert refusal.details == {}


async def test_a_second_side_that_is_throttled_still_says_when_to_come_again() -> None:
    venue = script(success(echo("isolated", "long")), Throttled("too many", retry_after=2_000))
    with pytest.raises(Throttled) as caught:
        await set_leverage(venue, OPEN, LeverageSetting(SWAP, ISOLATED, TEN, BOTH_SIDES))
    assert caught.value.retry_after == 2_000


async def test_a_first_side_that_is_refused_leaves_the_second_alone() -> None:
    venue = script(PreconditionFailed("margin is short"))
    with pytest.raises(PreconditionFailed) as caught:
        await set_leverage(venue, OPEN, LeverageSetting(SWAP, ISOLATED, TEN, BOTH_SIDES))
    assert (caught.value.message, len(venue.asked)) == ("margin is short", 1)


@pytest.mark.parametrize("problem", [NotSent("no connection"), LimitReached("no room in time", retry_after=1_000)])
async def test_a_second_side_that_never_left_makes_the_whole_ambiguous(problem: VenueError) -> None:
    venue = script(success(echo("isolated", "long")), problem)
    with pytest.raises(Ambiguous, match="the long side is at 10x now"):
        await set_leverage(venue, OPEN, LeverageSetting(SWAP, ISOLATED, TEN, BOTH_SIDES))


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        success(),
        success(echo(), echo()),
        success(echo("isolated")),
        success(echo(instrument="ETH-USDT-SWAP")),
        success(echo() | {"lever": ""}),
        {"code": 0, "data": [echo()]},
    ],
    ids=str,
)
async def test_an_answer_that_is_not_about_this_setting_confirms_nothing(body: Any) -> None:
    with pytest.raises(Ambiguous):
        await set_leverage(script(body), OPEN, LeverageSetting(SWAP, CROSS, TEN))


async def test_the_cross_leverage_of_a_future_is_said_to_be_that_of_all_its_index() -> None:
    told = await set_leverage(script(success(echo(instrument=FUTURE.id))), OPEN, LeverageSetting(FUTURE, CROSS, TEN))
    assert told.note == "OKX has one cross leverage for all BTC-USDT futures"


async def test_fractions_are_sent_as_they_are() -> None:
    venue = script(success(echo(lever="2.5")))
    assert (await set_leverage(venue, OPEN, LeverageSetting(SWAP, CROSS, Decimal("2.50")))).leverage == Decimal("2.5")
    assert venue.asked[0]["lever"] == "2.5"


@pytest.mark.parametrize("leverage", ["0.5", "101", "200"])
async def test_a_leverage_out_of_range_names_the_range(leverage: str) -> None:
    with pytest.raises(ValueRefused, match=f"BTC/USDT:USDT takes 1x to 100x, not {leverage}x") as caught:
        await check_leverage(script(listed("100")), {SWAP.id: Decimal(100)}, SWAP, Decimal(leverage))
    assert caught.value.details == {"symbol": SWAP.symbol, "minimum": 1, "maximum": 100}


@pytest.mark.parametrize("leverage", ["1", "2.5", "100"])
async def test_a_leverage_in_range_is_let_through_and_nobody_is_asked(leverage: str) -> None:
    await check_leverage(script(), {SWAP.id: Decimal(100)}, SWAP, Decimal(leverage))


async def test_a_market_without_a_known_maximum_is_left_to_the_venue() -> None:
    await check_leverage(script(), {}, SWAP, Decimal(5_000))


async def test_a_maximum_that_was_raised_at_the_venue_refuses_nothing() -> None:
    venue = script(listed("75"))
    await check_leverage(venue, {SWAP.id: Decimal(50)}, SWAP, Decimal(75))
    assert venue.asked == [{"instType": "SWAP", "instId": SWAP.id}]


async def test_a_maximum_between_the_known_one_and_what_is_asked_for_is_named_as_it_is_now() -> None:
    with pytest.raises(ValueRefused, match="takes 1x to 75x, not 80x"):
        await check_leverage(script(listed("75")), {SWAP.id: Decimal(50)}, SWAP, Decimal(80))


@pytest.mark.parametrize(
    "answer",
    [success(), success({"instId": "ETH-USDT-SWAP", "lever": "5"}), success({"instId": SWAP.id, "lever": ""}),
     success({"instId": SWAP.id, "lever": "0"}), success({"lever": "5"}), [], NotSent("no connection")],
    ids=str,
)  # fmt: skip
async def test_a_maximum_that_is_not_told_leaves_it_to_the_venue(answer: Any) -> None:
    await check_leverage(script(answer), {SWAP.id: Decimal(50)}, SWAP, Decimal(75))


async def test_both_sides_of_an_isolated_market_are_told() -> None:
    venue = script(success(echo("isolated", "long", "10"), echo("isolated", "short", "5")))
    terms = await read_terms(venue, SWAP, ISOLATED)
    assert (terms.leverage, terms.margin_mode, terms.sides) == (TEN, ISOLATED, (TEN, Decimal(5)))
    assert not terms.all_at(TEN)


@pytest.mark.parametrize("body", [success(), success(echo("isolated"))], ids=str)
async def test_a_leverage_of_another_mode_or_none_is_reported(body: Any) -> None:
    with pytest.raises(Ambiguous, match="no cross leverage"):
        await read_terms(script(body), SWAP, CROSS)


class TestConfiguration:
    async def test_it_is_read_once_in_half_a_minute(self) -> None:
        times = deque([0.0, FRESH_S - 1, FRESH_S, FRESH_S])
        hedged = success({"acctLv": "2", "posMode": "long_short_mode"})
        portfolio = success({"acctLv": "4", "posMode": "net_mode"})
        venue = script(hedged, portfolio)
        configuration = AccountConfiguration(venue, times.popleft)
        assert await configuration.recent() == Configuration(portfolio_margin=False, two_sided=True)
        assert await configuration.recent() == Configuration(portfolio_margin=False, two_sided=True)
        assert await configuration.recent() == Configuration(portfolio_margin=True, two_sided=False)
        assert len(venue.asked) == 2

    async def test_what_is_read_anew_counts_from_then_on(self) -> None:
        venue = script(*(success({"acctLv": "2", "posMode": mode}) for mode in ("net_mode", "long_short_mode")))
        configuration = AccountConfiguration(venue, lambda: 0.0)
        await configuration.recent()
        assert (await configuration.anew()).two_sided
        assert (await configuration.recent()).two_sided
        assert len(venue.asked) == 2

    @pytest.mark.parametrize("body", [success(), success({"acctLv": "2"}), success({"posMode": "net_mode"})], ids=str)
    async def test_a_configuration_that_says_nothing_is_none(self, body: Any) -> None:
        with pytest.raises(Ambiguous):
            await AccountConfiguration(script(body)).recent()
