"""What the Binance adapter decided on, compared with what Binance's documents and official SDKs know.

A new code, record type or contract type there fails a test here until somebody has decided what it means.
"""

import json
from collections.abc import Iterator
from datetime import date
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ccxt.async_support.binance import binance

from schemas.requests import MarketType
from worker.sandbox.binance.income import COIN_TYPES, PORTFOLIO_UM_TYPES, USDS_TYPES
from worker.venues.binance.errors import BY_FAMILY
from worker.venues.binance.history import ASKED_FOR, TYPES
from worker.venues.binance.instruments import CONTRACT_TYPES, kind_of

PAGES: dict[str, Any] = json.loads((Path(__file__).parent / "binance_error_codes.json").read_text())


@pytest.mark.parametrize("family", PAGES["families"])
def test_every_code_of_a_familys_error_page_has_a_row(family: str) -> None:
    assert set(PAGES["families"][family]["codes"]) - BY_FAMILY[family].keys() == set()


@pytest.mark.parametrize("family", ["fapi", "papi"])
def test_every_code_that_was_only_met_has_a_row(family: str) -> None:
    assert set(PAGES["met"][family]) - BY_FAMILY[family].keys() == set()


@pytest.mark.parametrize(("family", "table"), [("fapi", "linear"), ("dapi", "inverse"), ("papi", "portfolioMargin")])
def test_every_code_that_ccxt_has_learnt_has_a_row(family: str, table: str) -> None:
    learnt = {int(code) for code in binance().exceptions[table]["exact"] if code.startswith("-")}
    assert learnt - BY_FAMILY[family].keys() == set()


def test_the_coin_table_has_no_row_that_its_page_does_not_know() -> None:
    numbered_apart = {code for code in BY_FAMILY["dapi"] if -4200 <= code <= -4085}
    assert numbered_apart - set(PAGES["families"]["dapi"]["codes"]) == {-4108, -4120, -4136}


def test_it_is_known_when_the_pages_were_compared() -> None:
    assert date.fromisoformat(PAGES["checked"]) >= date(2026, 11, 29)


def enumerations(package: str, name: str) -> Iterator[str]:
    """Every value of the enumerations of an official client whose name has this in it."""
    enums = vars(import_module(f"binance_sdk_derivatives_trading_{package}.rest_api.models.enums"))
    for kind in enums.values():
        if isinstance(kind, type) and issubclass(kind, Enum) and name in kind.__name__:
            yield from (member.value for member in kind)


INCOME = [
    ("fapiPrivateGetIncome", "usds_futures", "GetIncomeHistoryIncomeType", USDS_TYPES),
    ("dapiPrivateGetIncome", "coin_futures", "GetIncomeHistoryIncomeType", COIN_TYPES),
    ("papiGetUmIncome", "portfolio_margin", "GetUmIncomeHistoryIncomeType", PORTFOLIO_UM_TYPES),
    ("papiGetCmIncome", "portfolio_margin", "GetCmIncomeHistoryIncomeType", COIN_TYPES),
]


@pytest.mark.parametrize(("endpoint", "package", "enumeration", "served"), INCOME)
def test_every_type_of_income_is_decided_on_and_asked_for_where_it_is_known(
    endpoint: str, package: str, enumeration: str, served: frozenset[str]
) -> None:
    official = set(enumerations(package, enumeration))
    assert TYPES.undecided(official) == set()
    assert ASKED_FOR[endpoint].keys() == official == served


DOCUMENTED_TYPES = {
    "usds_futures": (
        "PERPETUAL CURRENT_MONTH NEXT_MONTH CURRENT_QUARTER NEXT_QUARTER PERPETUAL_DELIVERING TRADIFI_PERPETUAL"
    ),
    "coin_futures": (
        "PERPETUAL CURRENT_QUARTER NEXT_QUARTER CURRENT_QUARTER_DELIVERING NEXT_QUARTER_DELIVERING PERPETUAL_DELIVERING"
    ),
}
"""`contractType` in Common Definition, by official client."""


@pytest.mark.parametrize("package", DOCUMENTED_TYPES)
def test_every_type_of_contract_is_decided_on(package: str) -> None:
    known = {*enumerations(package, "ContractType"), *DOCUMENTED_TYPES[package].split()} - {"ALL"}
    assert known - CONTRACT_TYPES.keys() == set()
    assert "PERPETUAL" in known


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"symbol": "TSLAUSDT", "contractType": "TRADIFI_PERPETUAL", "deliveryDate": 1}, MarketType.SWAP),
        ({"symbol": "LTCUSD_PERP", "contractType": "PERPETUAL DELIVERING", "deliveryDate": 1}, MarketType.SWAP),
        ({"symbol": "BTCUSDT_261225", "contractType": "CURRENT_QUARTER DELIVERING"}, MarketType.FUTURE),
        ({"symbol": "BTCSTUSDT", "contractType": "", "deliveryDate": 4133404800000}, MarketType.SWAP),
        ({"symbol": "BTCUSDT_261225", "contractType": ""}, MarketType.FUTURE),
    ],
    ids=str,
)
def test_what_a_contract_is_its_own_type_says(row: dict[str, Any], kind: MarketType) -> None:
    assert kind_of({"id": row["symbol"], "info": {"deliveryDate": 1, **row}, "inverse": False}) is kind


def test_a_type_of_contract_that_nobody_decided_on_is_not_guessed_at() -> None:
    with pytest.raises(LookupError, match="contractType is MOVE"):
        kind_of({"id": "ODDUSDT", "info": {"symbol": "ODDUSDT", "contractType": "MOVE"}, "inverse": False})
