"""Instruments as OKX lists them: kinds by its own field, symbols by its own currencies, sizes with their multiplier."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.requests import MarketType
from worker.venues.okx.instruments import kind_of, market_of, maximum_of
from worker.venues.port.errors import Ambiguous

TOLD = json.loads((Path(__file__).parents[1] / "contract/enumerations/okx.json").read_text())["instruments"]

SWAP: dict[str, Any] = {
    "instId": "BTC-USDT-SWAP", "instType": "SWAP", "uly": "BTC-USDT", "settleCcy": "USDT", "ctType": "linear",
    "ctVal": "0.01", "ctMult": "1", "lever": "100", "expTime": "", "ruleType": "normal", "state": "live",
}  # fmt: skip
FUTURE = SWAP | {"instId": "BTC-USD-261225", "instType": "FUTURES", "uly": "BTC-USD", "settleCcy": "BTC",
                 "ctType": "inverse", "ctVal": "100", "expTime": "1798185600000"}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "symbol", "size"),
    [
        (SWAP, "BTC/USDT:USDT", "0.01"),
        (SWAP | {"instId": "BTC-USD-SWAP", "uly": "BTC-USD", "settleCcy": "BTC", "ctType": "inverse", "ctVal": "100"},
         "BTC/USD:BTC", "100"),
        (SWAP | {"instId": "BTC-USD_UM-SWAP", "uly": "BTC-USD", "settleCcy": "USD"}, "BTC/USD:USD", "0.01"),
        (SWAP | {"ctMult": "10"}, "BTC/USDT:USDT", "0.1"),
        (SWAP | {"ctMult": "", "ctVal": "1.0"}, "BTC/USDT:USDT", "1"),
        (SWAP | {"instId": "AE-USDT-SWAP", "uly": "AE-USDT"}, "AE/USDT:USDT", "0.01"),
        (FUTURE, "BTC/USD:BTC-261225", "100"),
        (FUTURE | {"instId": "BTC-USD_UM_XPERP-310404", "settleCcy": "USD", "ctType": "linear", "ctVal": "0.0001",
                   "ruleType": "xperp"}, "BTC/USD:USD-310404", "0.0001"),
        (FUTURE | {"expTime": "1797580800000"}, "BTC/USD:BTC-261225", "100"),
        (FUTURE | {"instId": "BTC-USD-ODD"}, "BTC/USD:BTC-261225", "100"),
    ],
)  # fmt: skip
def test_a_symbol_is_made_of_the_venues_own_currencies_and_date(row: dict[str, Any], symbol: str, size: str) -> None:
    market = market_of(row)
    assert (market.symbol, market.id, str(market.contract_size)) == (symbol, row["instId"], size)
    assert market.inverse is (row["ctType"] == "inverse")


def test_every_type_of_instrument_is_decided_on() -> None:
    assert {name: kind_of({"instType": name}) for name in TOLD["instType"]} == {
        "SWAP": MarketType.SWAP,
        "FUTURES": MarketType.FUTURE,
        "SPOT": None,
        "MARGIN": None,
        "OPTION": None,
        "EVENTS": None,
    }


@pytest.mark.parametrize("rule", TOLD["ruleType"])
@pytest.mark.parametrize("state", TOLD["state"])
def test_neither_rule_nor_state_makes_another_contract_of_it(rule: str, state: str) -> None:
    assert market_of(FUTURE | {"ruleType": rule, "state": state}).type is MarketType.FUTURE
    assert market_of(SWAP | {"ruleType": rule, "state": state, "expTime": "1798185600000"}).symbol == "BTC/USDT:USDT"


@pytest.mark.parametrize(
    "change",
    [{"ctVal": ""}, {"ctVal": "0"}, {"ctVal": "much"}, {"settleCcy": ""}, {"uly": ""}, {"uly": "BTC"},
     {"ctType": ""}, {"ctType": "quanto"}, {"instId": ""}],
    ids=str,
)  # fmt: skip
def test_an_instrument_that_cannot_be_read_names_the_field(change: dict[str, str]) -> None:
    with pytest.raises(Ambiguous, match=next(iter(change))):
        market_of(SWAP | change)


@pytest.mark.parametrize(
    ("lever", "maximum"), [("50", Decimal(50)), ("", None), ("0", None), (None, None), ("max", None)]
)
def test_a_highest_leverage_that_is_not_told_is_none(lever: str | None, maximum: Decimal | None) -> None:
    assert maximum_of(SWAP | {"lever": lever}) == maximum
