"""Bybit's markets, the leverages they allow, and markets that are no longer listed."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from schemas.requests import MarketType
from worker.venues.bybit.instruments import STATUSES, Instruments, all_contracts
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, Refused, ValueRefused

AT = 1_798_185_600_000
"""2026-12-25 08:00 UTC."""

FILTER = {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"}


def contract(market_id: str, coins: str, **more: Any) -> Row:
    """A row of instruments-info; `coins` are base, quote and settle coin."""
    base, quote, settle = coins.split()
    return {
        "symbol": market_id,
        "contractType": "InversePerpetual" if settle == base else "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": quote,
        "settleCoin": settle,
        "deliveryTime": "0",
        **more,
    }


INSTRUMENTS = Instruments.from_rows(
    [
        contract("BTCUSDT", "BTC USDT USDT", leverageFilter=FILTER),
        contract("BTCUSD", "BTC USD BTC", leverageFilter=FILTER | {"maxLeverage": "50"}),
        contract("NEWUSDT", "NEW USDT USDT"),
    ]
)


class Answers:
    """Answers every question for contracts with the same rows; notes what it was asked."""

    def __init__(self, rows: Callable[[Row], Any]) -> None:
        self._rows = rows
        self.asked: list[Row] = []

    def now(self) -> int:
        return AT

    async def call(self, name: str, params: Row | None = None, timeout_ms: int | None = None) -> Any:
        self.asked.append(params or {})
        found = self._rows(params or {})
        if isinstance(found, Exception):
            raise found
        return {"retCode": 0, "result": {"list": found, "nextPageCursor": ""}}


def nobody(_: Row) -> Any:
    raise AssertionError("nobody is asked")


async def check(symbol: str, leverage: str, now: Callable[[Row], Any] = nobody) -> Answers:
    answers = Answers(now)
    await INSTRUMENTS.check_leverage(answers, listed(symbol), Decimal(leverage))
    return answers


def as_before(params: Row) -> list[Row]:
    known = {"BTCUSDT": FILTER, "BTCUSD": FILTER | {"maxLeverage": "50"}}
    return [{"symbol": params["symbol"], "leverageFilter": known[params["symbol"]]}]


def listed(symbol: str) -> Market:
    return INSTRUMENTS.markets.find(symbol, MarketType.SWAP)


@pytest.mark.parametrize("leverage", ["1", "4.5", "12.34", "100"])
async def test_a_leverage_within_the_range_and_the_step_is_fine_and_nobody_is_asked(leverage: str) -> None:
    assert INSTRUMENTS.leverages[listed("BTC/USDT:USDT")].maximum == 100
    assert (await check("BTC/USDT:USDT", leverage)).asked == []


@pytest.mark.parametrize("leverage", ["0", "0.5", "-3", "100.01", "200"])
async def test_a_leverage_beyond_the_range_names_it(leverage: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        await check("BTC/USDT:USDT", leverage, as_before)
    assert caught.value.message == f"BTC/USDT:USDT takes 1x to 100x, not {leverage}x"
    assert caught.value.details["maximum"] == 100


async def test_each_market_has_a_range_of_its_own() -> None:
    with pytest.raises(ValueRefused, match="takes 1x to 50x, not 75x"):
        await check("BTC/USD:BTC", "75", as_before)


async def test_a_leverage_between_two_steps_names_the_step() -> None:
    with pytest.raises(ValueRefused, match=r"in steps of 0\.01x, not 4\.567x"):
        await check("BTC/USDT:USDT", "4.567", as_before)


async def test_a_range_that_was_raised_since_the_markets_were_loaded_counts_as_it_is_now() -> None:
    raised = [{"symbol": "BTCUSD", "leverageFilter": FILTER | {"maxLeverage": "75"}}]
    answers = await check("BTC/USD:BTC", "75", lambda _: raised)
    assert answers.asked == [{"category": "inverse", "symbol": "BTCUSD"}]
    with pytest.raises(ValueRefused, match="takes 1x to 75x, not 76x"):
        await check("BTC/USD:BTC", "76", lambda _: raised)


@pytest.mark.parametrize("answer", [Ambiguous("no answer"), [], [{"symbol": "BTCUSD"}], ["nonsense"]], ids=repr)
async def test_what_cannot_be_found_out_now_is_left_to_the_venue(answer: Any) -> None:
    await check("BTC/USD:BTC", "75", lambda _: answer)


async def test_a_market_whose_range_is_unknown_is_left_to_the_venue() -> None:
    assert listed("NEW/USDT:USDT") not in INSTRUMENTS.leverages
    await check("NEW/USDT:USDT", "500")


ODD_FILTERS: list[Any] = [
    None,
    "",
    {},
    FILTER | {"maxLeverage": ""},
    FILTER | {"maxLeverage": "0"},
    FILTER | {"maxLeverage": "many"},
    FILTER | {"leverageStep": "0"},
    {"minLeverage": "1", "maxLeverage": "9"},
]


@pytest.mark.parametrize("odd", ODD_FILTERS, ids=repr)
async def test_a_range_that_cannot_be_meant_concerns_its_contract_alone(odd: Any) -> None:
    rows = [
        contract("ODDUSDT", "ODD USDT USDT", leverageFilter=odd),
        contract("BTCUSDT", "BTC USDT USDT", leverageFilter=FILTER),
    ]
    found = Instruments.from_rows(rows)
    odd_market = found.markets.find("ODD/USDT:USDT", MarketType.SWAP)
    await found.check_leverage(Answers(nobody), odd_market, Decimal(500))
    assert [market.id for market in found.leverages] == ["BTCUSDT"]


CONTRACT_TYPES: list[tuple[Row, str, MarketType]] = [
    (contract("BTCUSDT", "BTC USDT USDT"), "BTC/USDT:USDT", MarketType.SWAP),
    (contract("BTCPERP", "BTC USDC USDC"), "BTC/USDC:USDC", MarketType.SWAP),
    (contract("BTCUSD", "BTC USD BTC"), "BTC/USD:BTC", MarketType.SWAP),
    (contract("LEAVINGUSDT", "LEAVING USDT USDT", deliveryTime=str(AT)), "LEAVING/USDT:USDT", MarketType.SWAP),
    (
        contract("BTCUSDT-25DEC26", "BTC USDT USDT", contractType="LinearFutures", deliveryTime=str(AT)),
        "BTC/USDT:USDT-261225",
        MarketType.FUTURE,
    ),
    (
        contract("BTC-25DEC26", "BTC USDC USDC", contractType="LinearFutures", deliveryTime=str(AT)),
        "BTC/USDC:USDC-261225",
        MarketType.FUTURE,
    ),
    (
        contract("BTCUSDZ26", "BTC USD BTC", contractType="InverseFutures", deliveryTime=str(AT), status="Delivering"),
        "BTC/USD:BTC-261225",
        MarketType.FUTURE,
    ),
]


@pytest.mark.parametrize(("row", "symbol", "kind"), CONTRACT_TYPES, ids=lambda value: str(value)[:40])
def test_what_a_contract_is_its_own_field_says_and_its_coins_make_its_symbol(
    row: Row, symbol: str, kind: MarketType
) -> None:
    market = Instruments.from_rows([row]).markets.find(symbol, kind)
    assert (market.id, market.inverse) == (row["symbol"], row["settleCoin"] == row["baseCoin"])


@pytest.mark.parametrize(
    "odd",
    [
        {"contractType": "LinearOracle"},
        {"contractType": None},
        {"baseCoin": ""},
        {"settleCoin": None},
        {"contractType": "LinearFutures", "deliveryTime": ""},
    ],
    ids=repr,
)
def test_a_contract_that_cannot_be_understood_is_missing_alone(odd: Row) -> None:
    found = Instruments.from_rows([contract("ODDUSDT", "ODD USDT USDT") | odd, contract("BTCUSDT", "BTC USDT USDT")])
    assert found.markets.by_id("ODDUSDT", inverse=False) is None
    assert found.markets.by_id("BTCUSDT", inverse=False) is not None
    assert list(found.markets.unreadable) == ["ODDUSDT"]


class TestAsking:
    async def test_every_status_of_both_categories_is_asked_for(self) -> None:
        answers = Answers(lambda params: [contract(f"{params['category']} {params['status']}", "A USDT USDT")])
        rows = await all_contracts(answers, 1)
        asked = {(params["category"], params["status"]) for params in answers.asked}
        assert asked == {(category, status) for category in ("linear", "inverse") for status in STATUSES}
        assert {params["limit"] for params in answers.asked} == {1_000}
        assert rows[0]["symbol"] == "linear Trading"
        assert len(rows) == 2 * len(STATUSES)

    async def test_a_contract_that_stands_in_two_lists_is_one(self) -> None:
        answers = Answers(lambda params: [contract("AUSDT", "A USDT USDT", status=params["status"])])
        assert [row["status"] for row in await all_contracts(answers, 1)] == ["Trading"]

    async def test_a_status_that_cannot_be_listed_costs_nothing_else(self) -> None:
        answers = Answers(
            lambda params: (
                [contract("AUSDT", "A USDT USDT")]
                if params["status"] == "Trading"
                else Refused("status invalid", venue_code="10001")
            )
        )
        assert [row["symbol"] for row in await all_contracts(answers, 1)] == ["AUSDT"]

    async def test_what_is_traded_has_to_be_listed(self) -> None:
        with pytest.raises(Refused):
            await all_contracts(Answers(lambda _: Refused("no")), 1)


def test_an_inverse_contract_is_worth_one_usd_whatever_the_smallest_order_is() -> None:
    assert listed("BTC/USD:BTC").contract_size == 1


@pytest.mark.parametrize(
    ("market_id", "inverse", "kind", "settle"),
    [
        ("OLDUSDT", False, MarketType.SWAP, "USDT"),
        ("OLDPERP", False, MarketType.SWAP, "USDC"),
        ("BTCUSDT-27DEC24", False, MarketType.FUTURE, "USDT"),
        ("BTC-7MAR25", False, MarketType.FUTURE, "USDC"),
        ("XRPUSD", True, MarketType.SWAP, "XRP"),
        ("ETHUSDZ24", True, MarketType.FUTURE, "ETH"),
    ],
)
def test_a_market_that_is_no_longer_listed_is_told_by_its_id(
    market_id: str, inverse: bool, kind: MarketType, settle: str
) -> None:
    assert INSTRUMENTS.listed(market_id, inverse=inverse) == (market_id, kind, settle)


def test_a_listed_market_is_told_by_its_symbol() -> None:
    assert INSTRUMENTS.listed("BTCUSD", inverse=True) == ("BTC/USD:BTC", MarketType.SWAP, "BTC")
