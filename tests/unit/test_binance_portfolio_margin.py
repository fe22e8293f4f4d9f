"""Totals of a Portfolio Margin account: never of unlike currencies, null where nobody knows, and it is said why."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from worker.venues.binance.portfolio_margin import BinancePortfolioMargin
from worker.venues.port.adapter import PmAccountRead
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, VenueError

NOTHING = dict.fromkeys(
    (
        "totalWalletBalance",
        "crossMarginAsset",
        "crossMarginBorrowed",
        "crossMarginFree",
        "crossMarginInterest",
        "crossMarginLocked",
        "umWalletBalance",
        "umUnrealizedPNL",
        "cmWalletBalance",
        "cmUnrealizedPNL",
        "negativeBalance",
    ),
    "0",
)


def balance(asset: str, **figures: str) -> dict[str, Any]:
    return {"asset": asset, **NOTHING, **figures}


def of_um(asset: str, wallet: str = "0", profit: str = "0", initial: str = "0", maint: str = "0") -> dict[str, Any]:
    return {
        "asset": asset,
        "crossWalletBalance": wallet,
        "crossUnPnl": profit,
        "initialMargin": initial,
        "maintMargin": maint,
    }


DOLLARS = of_um("USDT", "2500", "125.50", "1000", "200")
COINS = of_um("BTC", "0.5", "0.01", "0.1", "0.02")


class Venue:
    """Answers the three questions of an account, or raises."""

    def __init__(self, balances: Any, assets: Any, whole: Any = None) -> None:
        self.answers = {
            "papiGetBalance": balances,
            "papiGetUmAccount": assets if isinstance(assets, Exception) else {"assets": assets},
            "papiGetAccount": whole or {"totalAvailableBalance": "11500", "virtualMaxWithdrawAmount": "11400"},
        }

    def now(self) -> int:
        return 0

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        if isinstance(answer := self.answers[name], Exception):
            raise answer
        return answer

    async def change(self, door: Door, name: str, params: dict[str, Any] | None = None) -> Any:
        return await self.call(name, params)

    @asynccontextmanager
    async def room(self, name: str, params: dict[str, Any] | None = None) -> AsyncIterator[None]:
        yield


def portfolio(*arguments: Any) -> BinancePortfolioMargin:
    return BinancePortfolioMargin(Venue(*arguments), frozenset({"USDT", "USDC", "BTC"}))


async def read(*arguments: Any) -> tuple[dict[str, Any], PmAccountRead]:
    found = await portfolio(*arguments).account()
    return found.totals.model_dump(), found


async def test_totals_of_one_currency_are_in_that_currency() -> None:
    balances = [balance("USDT", totalWalletBalance="12500"), balance("BTC", totalWalletBalance="0.6")]
    totals, found = await read(balances, [DOLLARS, of_um("BTC")])
    assert totals == {
        "totalInitialMargin": "1000",
        "totalMaintMargin": "200",
        "totalWalletBalance": "12500",
        "totalUnrealizedProfit": "125.50",
        "totalMarginBalance": "12625.50",
        "availableBalance": "11500",
        "maxWithdrawAmount": "11400",
    }
    assert found.untold == {}


@pytest.mark.parametrize("other", ["BTC", "USDC"])
async def test_unlike_currencies_are_never_added_and_it_is_said(other: str) -> None:
    balances = [balance("USDT", totalWalletBalance="12500"), balance(other, totalWalletBalance="0.6")]
    totals, found = await read(balances, [DOLLARS, COINS | {"asset": other}])
    unlike = {name for name, value in totals.items() if value is None}
    assert unlike == set(totals) - {"availableBalance", "maxWithdrawAmount"}
    assert found.untold.keys() == unlike
    assert set(found.untold.values()) == {
        f"its amounts are in {' and '.join(sorted(['USDT', other]))}, and unlike currencies are not added"
    }


async def test_only_the_totals_that_would_mix_are_null() -> None:
    totals, found = await read(
        [balance("USDT", totalWalletBalance="5")], [of_um("USDT", "5"), of_um("BTC", profit="1")]
    )
    assert (totals["totalWalletBalance"], totals["totalUnrealizedProfit"], totals["totalInitialMargin"]) == (
        "5",
        "1",
        "0",
    )
    assert totals["totalMarginBalance"] is None
    assert "BTC and USDT" in found.untold["totalMarginBalance"]


async def test_an_empty_figure_of_the_documented_answer_is_null() -> None:
    whole = {"totalAvailableBalance": "", "virtualMaxWithdrawAmount": "7"}
    totals, found = await read([balance("USDT")], [of_um("USDT")], whole)
    assert (totals["availableBalance"], totals["maxWithdrawAmount"]) == (None, "7")
    assert found.untold == {"availableBalance": "GET /papi/v1/account tells no totalAvailableBalance"}


async def test_one_answer_that_is_missing_leaves_the_others() -> None:
    balances = [balance("USDT", totalWalletBalance="5")]
    totals, found = await read(balances, Ambiguous("no answer from binance"))
    assert (totals["totalWalletBalance"], totals["availableBalance"]) == (None, "11500")
    assert found.untold["totalInitialMargin"] == "no answer from binance"
    totals, found = await read(balances, [DOLLARS], Ambiguous("no answer from binance"))
    assert (totals["totalInitialMargin"], totals["availableBalance"]) == ("1000", None)


async def test_without_balances_there_is_no_account() -> None:
    with pytest.raises(VenueError, match="no answer"):
        await read(Ambiguous("no answer from binance"), [DOLLARS])


async def test_a_figure_that_is_not_told_is_no_zero() -> None:
    odd = {name: value for name, value in DOLLARS.items() if name != "maintMargin"}
    totals, found = await read([balance("USDT")], [odd])
    assert totals["totalMaintMargin"] is None
    assert found.untold["totalMaintMargin"] == "maintMargin is not told of USDT"


async def test_an_unreadable_figure_names_field_and_endpoint() -> None:
    totals, found = await read([balance("USDT")], [DOLLARS | {"initialMargin": "much"}])
    assert totals["totalInitialMargin"] is None
    assert found.untold["totalInitialMargin"] == (
        "the field initialMargin of the venue's answer is unreadable (GET /papi/v1/um/account)"
    )


async def test_an_empty_balance_is_null_and_blinds_no_other() -> None:
    found = await portfolio([balance("USDT", umWalletBalance=""), balance("BTC", crossMarginFree="0.1")], []).balance()
    assert found["USDT"].um_futures.wallet is None
    assert str(found["BTC"].cross_margin.free) == "0.1"
