"""What is sent to change a Gate market, for each kind of market and position mode, and what is made of the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarginMode, MarketType
from tests.support.sandbox_harness import OPEN
from worker.venues.gate.endpoints import PARTS
from worker.venues.gate.positions import read_holding, read_open, terms_in
from worker.venues.gate.terms import settings
from worker.venues.port.adapter import Market
from worker.venues.port.door import Door
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSent, NotSupported, PreconditionFailed, ValueRefused

SWAP = Market("BTC/USDT:USDT", "BTC_USDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal("0.0001"))
FUTURE = Market(
    "BTC/USDT:USDT-261225", "BTC_USDT_20261225", MarketType.FUTURE, False, "BTC", "USDT", "USDT", Decimal("0.0001")
)
ACCOUNT, POSITION = "privateFuturesGetSettleAccounts", "privateFuturesGetSettlePositionsContract"
BOTH, DEFAULT = "privateFuturesGetSettleDualCompPositionsContract", "privateFuturesGetSettleGetLeverageContract"
SET_LEVERAGE = "privateFuturesPostSettlePositionsContractSetLeverage"
SET_BOTH = "privateFuturesPostSettleDualCompPositionsContractLeverage"
SWITCH, SWITCH_BOTH = (
    "privateFuturesPostSettlePositionsCrossMode",
    "privateFuturesPostSettleDualCompPositionsCrossMode",
)
DELIVERED, SET_DELIVERED = (
    "privateDeliveryGetSettlePositionsContract",
    "privateDeliveryPostSettlePositionsContractLeverage",
)
POSITIONS = "privateFuturesGetSettlePositions"


def row(leverage: int, *, cross: bool = True, side: str = "single", contract: str = "BTC_USDT") -> dict[str, Any]:
    return {
        "contract": contract,
        "size": "0",
        "mode": side,
        "leverage": "0" if cross else str(leverage),
        "cross_leverage_limit": str(leverage) if cross else "0",
    }


def both(leverage: int, *, cross: bool = True) -> list[dict[str, Any]]:
    return [row(leverage, cross=cross, side=side) for side in ("dual_long", "dual_short")]


def delivered(leverage: int, *, cross: bool = True) -> dict[str, Any]:
    return row(leverage, cross=cross, contract=FUTURE.id)


@dataclass
class Wire:
    """The venue's answers by call; an exception is raised."""

    answers: Mapping[str, Any]
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def now(self) -> int:
        return 0

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        self.sent.append((name, params or {}))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def change(self, door: Door, name: str, params: dict[str, Any] | None = None) -> Any:
        return await self.call(name, params)


ONE_WAY = {ACCOUNT: {"in_dual_mode": False, "position_mode": "single"}}
HEDGED = {ACCOUNT: {"in_dual_mode": True, "position_mode": "dual"}}


@pytest.mark.parametrize(("cross", "mode"), [(True, "cross"), (False, "isolated")])
async def test_a_leverage_is_sent_with_the_margin_mode_in_force(cross: bool, mode: str) -> None:
    wire = Wire(ONE_WAY | {POSITION: row(10, cross=cross), SET_LEVERAGE: row(7, cross=cross)})
    assert (await settings.set_leverage(wire, OPEN, SWAP, Decimal("7.0"))).leverage == Decimal(7)
    where = {"settle": "usdt", "contract": "BTC_USDT"}
    assert wire.sent[-1] == (SET_LEVERAGE, where | {"leverage": "7", "margin_mode": mode})


@pytest.mark.parametrize(
    ("cross", "params"),
    [(True, {"leverage": "0", "cross_leverage_limit": "7"}), (False, {"leverage": "7"})],
)
async def test_both_sides_of_a_hedged_market_are_set_in_one_call(cross: bool, params: dict[str, str]) -> None:
    wire = Wire(HEDGED | {BOTH: both(10, cross=cross), SET_BOTH: both(7, cross=cross)})
    echo = await settings.set_leverage(wire, OPEN, SWAP, Decimal(7))
    assert wire.sent[-1] == (SET_BOTH, {"settle": "usdt", "contract": "BTC_USDT"} | params)
    assert (echo.leverage, echo.raw) == (Decimal(7), {"positions": both(7, cross=cross)})


async def test_an_answer_in_which_one_side_differs_is_no_echo() -> None:
    answer = [row(7, side="dual_long"), row(10, side="dual_short")]
    echo = await settings.set_leverage(Wire(HEDGED | {BOTH: both(10), SET_BOTH: answer}), OPEN, SWAP, Decimal(7))
    assert echo.leverage is None


async def test_an_isolated_delivery_is_sent_its_leverage_alone() -> None:
    wire = Wire({DELIVERED: delivered(5, cross=False), SET_DELIVERED: delivered(7, cross=False)})
    assert (await settings.set_leverage(wire, OPEN, FUTURE, Decimal(7))).leverage == Decimal(7)
    assert wire.sent[1:] == [(SET_DELIVERED, {"settle": "usdt", "contract": FUTURE.id, "leverage": "7"})]


async def test_a_delivery_in_cross_margin_keeps_it_for_any_leverage_would_isolate_it() -> None:
    wire = Wire({DELIVERED: delivered(5)})
    with pytest.raises(NotSupported, match="no leverage of a delivery in cross margin"):
        await settings.set_leverage(wire, OPEN, FUTURE, Decimal(7))
    assert [name for name, _ in wire.sent] == [DELIVERED]


@pytest.mark.parametrize("doubtful", [ACCOUNT, POSITION])
async def test_where_the_mode_in_force_cannot_be_read_nothing_is_sent(doubtful: str) -> None:
    wire = Wire(ONE_WAY | {POSITION: row(10)} | {doubtful: Ambiguous("HTTP 502")})
    with pytest.raises(NotSent, match="nothing was changed: HTTP 502"):
        await settings.set_leverage(wire, OPEN, SWAP, Decimal(7))
    assert not any("Post" in name for name, _ in wire.sent)


@pytest.mark.parametrize(
    ("position_mode", "name", "answer"),
    [(ONE_WAY, SWITCH, row(10, cross=False)), (HEDGED, SWITCH_BOTH, both(10, cross=False))],
)
async def test_a_margin_mode_is_switched_by_name(position_mode: Mapping[str, Any], name: str, answer: Any) -> None:
    wire = Wire({**position_mode, POSITION: row(10), BOTH: both(10), name: answer})
    echo = await settings.set_margin_mode(wire, OPEN, SWAP, MarginMode.ISOLATED)
    assert wire.sent[-1] == (name, {"settle": "usdt", "contract": "BTC_USDT", "mode": "ISOLATED"})
    assert (echo.margin_mode, echo.leverage, echo.note) == (MarginMode.ISOLATED, None, None)


async def test_a_leverage_that_comes_with_the_mode_is_told() -> None:
    wire = Wire(ONE_WAY | {POSITION: row(10), SWITCH: row(20, cross=False)})
    echo = await settings.set_margin_mode(wire, OPEN, SWAP, MarginMode.ISOLATED)
    assert echo.note == "its leverage in this mode is 20x, it was 10x"


async def test_a_delivery_is_isolated_by_its_leverage_which_stays() -> None:
    wire = Wire({DELIVERED: delivered(5), SET_DELIVERED: delivered(5, cross=False)})
    echo = await settings.set_margin_mode(wire, OPEN, FUTURE, MarginMode.ISOLATED)
    assert wire.sent[-1] == (SET_DELIVERED, {"settle": "usdt", "contract": FUTURE.id, "leverage": "5"})
    assert (echo.margin_mode, echo.note) == (MarginMode.ISOLATED, None)


async def test_a_delivery_is_not_made_cross_for_nothing_would_keep_its_leverage() -> None:
    wire = Wire({DELIVERED: delivered(5, cross=False)})
    with pytest.raises(NotSupported, match="keep its leverage \\(5x"):
        await settings.set_margin_mode(wire, OPEN, FUTURE, MarginMode.CROSS)
    assert [name for name, _ in wire.sent] == [DELIVERED]


@pytest.mark.parametrize(("cross", "mode"), [(True, MarginMode.CROSS), (False, MarginMode.ISOLATED)])
async def test_a_delivery_that_has_the_mode_already_is_left_alone(cross: bool, mode: MarginMode) -> None:
    wire = Wire({DELIVERED: delivered(5, cross=cross)})
    with pytest.raises(AlreadySo):
        await settings.set_margin_mode(wire, OPEN, FUTURE, mode)
    assert len(wire.sent) == 1


@pytest.mark.parametrize("body", [[], [row(7)], "ok", None, {}, row(7, contract="ETH_USDT")])
async def test_an_answer_that_is_no_position_of_the_market_is_no_success(body: Any) -> None:
    with pytest.raises(Ambiguous):
        await settings.set_leverage(Wire(ONE_WAY | {POSITION: row(10), SET_LEVERAGE: body}), OPEN, SWAP, Decimal(7))


NEVER_HELD = PreconditionFailed("position not found", venue_code="POSITION_NOT_FOUND")


async def test_a_market_never_touched_has_the_leverage_that_gate_gives_it() -> None:
    wire = Wire(ONE_WAY | {POSITION: NEVER_HELD, DEFAULT: {"Lever": "10"}})
    terms = await terms_in(wire, await read_holding(wire, SWAP), SWAP)
    assert (terms.leverage, terms.margin_mode) == (Decimal(10), MarginMode.CROSS)


async def test_of_a_delivery_never_touched_nothing_is_guessed() -> None:
    with pytest.raises(PreconditionFailed, match="tells no leverage of BTC/USDT:USDT-261225"):
        await settings.set_leverage(Wire({DELIVERED: NEVER_HELD}), OPEN, FUTURE, Decimal(7))


async def test_split_positions_must_be_given_up_first() -> None:
    split = {ACCOUNT: {"in_dual_mode": False, "position_mode": "dual_plus"}}
    with pytest.raises(PreconditionFailed, match="split position mode"):
        await settings.set_leverage(Wire(split), OPEN, SWAP, Decimal(7))


async def test_an_account_that_does_not_say_whether_it_is_hedged_is_reported() -> None:
    with pytest.raises(Ambiguous, match="in_dual_mode"):
        await read_holding(Wire({ACCOUNT: {"in_dual_mode": "no"}}), SWAP)


async def test_another_refusal_than_never_held_is_passed_on() -> None:
    refusal = PreconditionFailed("no account", venue_code="USER_NOT_FOUND")
    with pytest.raises(PreconditionFailed, match="no account"):
        await read_holding(Wire(ONE_WAY | {POSITION: refusal}), SWAP)


async def test_the_open_positions_come_at_once_for_pages_of_a_list_that_shrinks_lose_rows() -> None:
    wire = Wire({POSITIONS: [row(10) | {"size": "1"}, row(10)]})
    assert await read_open(wire, PARTS[0]) == [row(10) | {"size": "1"}, row(10)]
    assert wire.sent == [(POSITIONS, {"settle": "usdt", "holding": "true"})]


async def test_another_refusal_than_no_account_breaks_the_list_of_positions() -> None:
    with pytest.raises(ValueRefused):
        await read_open(Wire({POSITIONS: ValueRefused("limit")}), PARTS[0])
