"""Reading what Hyperliquid lists: all dexes at once, each perpetual by itself, and nothing that is only supposed."""

from typing import Any

import pytest

from schemas.requests import MarketType
from worker.venues.hyperliquid.instruments import Universe
from worker.venues.port.errors import Ambiguous, NotSupported, Refused

BTC: dict[str, Any] = {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56}
PEPE: dict[str, Any] = {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "marginTableId": 10}
GOLD: dict[str, Any] = {"name": "xyz:GOLD", "szDecimals": 4, "maxLeverage": 20, "marginTableId": 20}
OIL: dict[str, Any] = {"name": "flx:OIL", "szDecimals": 2, "maxLeverage": 5, "marginTableId": 5}
TOKENS = {"tokens": [{"name": "USDC", "index": 0}, {"name": "USDH", "index": 3}, {"name": "USDe", "index": 4}]}
DEXES: list[Any] = [None, {"name": "xyz"}, {"name": "flx"}]


def meta(*rows: Any, collateral: Any = 0) -> dict[str, Any]:
    return {"universe": list(rows), "marginTables": [], "collateralToken": collateral}


METAS: list[Any] = [meta(BTC, PEPE), meta(GOLD), meta(OIL, collateral=3)]


def listed(metas: Any = METAS, dexes: Any = DEXES, tokens: Any = TOKENS) -> Universe:
    return Universe.from_listing([{"allPerpMetas": metas, "perpDexs": dexes, "spotMeta": tokens}])


def symbols(universe: Universe) -> set[str]:
    coins = ("BTC", "kPEPE", "xyz:GOLD", "flx:OIL")
    return {found.market.symbol for coin in coins if (found := universe.of_coin(coin))}


def test_a_perpetual_is_known_by_its_coin_with_its_number_its_dex_and_its_collateral() -> None:
    universe = listed()
    oil = universe.of_coin("flx:OIL")
    assert oil
    assert (oil.asset, oil.dex, oil.max_leverage, oil.price_decimals) == (120_000, "flx", 5, 4)
    assert (oil.market.symbol, oil.market.id, oil.market.settle) == ("FLX-OIL/USDH:USDH", "flx:OIL", "USDH")
    assert universe.of_market(oil.market) is oil
    assert universe.dexes == ("", "xyz", "flx")
    assert universe.of_coin("NEW") is None
    assert symbols(universe) == {"BTC/USDC:USDC", "KPEPE/USDC:USDC", "XYZ-GOLD/USDC:USDC", "FLX-OIL/USDH:USDH"}


def test_a_dex_in_another_dollar_settles_in_that() -> None:
    found = listed([meta(BTC), meta(GOLD, collateral=4)]).of_coin("xyz:GOLD")
    assert found
    assert found.market.symbol == "XYZ-GOLD/USDE:USDE"


def test_null_among_the_dexes_moves_nobodys_number() -> None:
    universe = listed([meta(BTC), None, meta(OIL, collateral=3)], [None, None, {"name": "flx"}])
    oil = universe.of_coin("flx:OIL")
    assert oil
    assert oil.asset == 120_000
    assert universe.dexes == ("", "flx")


def test_a_number_is_taken_from_the_place_of_its_dex_by_name() -> None:
    universe = listed([meta(BTC), meta(OIL, collateral=3)], [None, None, {"name": "flx"}])
    oil = universe.of_coin("flx:OIL")
    assert oil
    assert oil.asset == 120_000


def test_a_coin_among_those_of_another_dex_has_no_number() -> None:
    universe = listed([meta(BTC, GOLD), meta(OIL, GOLD | {"name": "flx:GOLD"}, GOLD, collateral=3)])
    assert set(universe.markets.unreadable) == {"xyz:GOLD"}
    found = universe.of_coin("flx:GOLD")
    assert found
    assert found.asset == 120_001


def test_an_empty_dex_at_the_place_of_another_hides_it_not() -> None:
    universe = listed([meta(BTC), meta(), meta(GOLD)], [None, {"name": "xyz"}])
    gold = universe.of_coin("xyz:GOLD")
    assert gold
    assert (gold.asset, universe.dexes) == (110_000, ("", "xyz"))


def test_a_dex_that_only_one_list_has_is_asked_for_its_positions() -> None:
    assert listed([meta(BTC), None], [None, {"name": "xyz"}]).dexes == ("", "xyz")
    assert listed([meta(BTC)], [None, {"name": "xyz"}]).dexes == ("", "xyz")


def test_an_empty_dex_has_no_positions_to_ask_for() -> None:
    assert listed([meta(BTC), meta(), meta(OIL, collateral=3)]).dexes == ("", "flx")


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (None, "xyz[0]"),
        ({}, "xyz[0]"),
        (GOLD | {"name": ""}, "xyz[0]"),
        (GOLD | {"maxLeverage": None}, "xyz:GOLD"),
        (GOLD | {"maxLeverage": 0}, "xyz:GOLD"),
        ({"name": "xyz:GOLD", "szDecimals": 4}, "xyz:GOLD"),
        (GOLD | {"szDecimals": "many"}, "xyz:GOLD"),
    ],
)
def test_a_perpetual_that_cannot_be_read_is_left_out_alone(row: Any, named: str) -> None:
    universe = listed([meta(BTC, PEPE), meta(row, GOLD | {"name": "xyz:NVDA"}), meta(OIL, collateral=3)])
    assert list(universe.markets.unreadable) == [named]
    assert "POST /info allPerpMetas" in universe.markets.unreadable[named].reason
    assert symbols(universe) == {"BTC/USDC:USDC", "KPEPE/USDC:USDC", "FLX-OIL/USDH:USDH"}
    nvidia = universe.of_coin("xyz:NVDA")
    assert nvidia
    assert nvidia.asset == 110_001


def test_the_symbol_of_one_that_cannot_be_read_is_told_why() -> None:
    universe = listed([meta(BTC), meta(GOLD | {"maxLeverage": 0}), meta(OIL, collateral=3)])
    for symbol in ("XYZ-GOLD/USDC:USDC", "xyz:GOLD"):
        with pytest.raises(NotSupported, match="maxLeverage"):
            universe.markets.find(symbol, MarketType.SWAP)
    assert universe.markets.find("BTC/USDC:USDC", MarketType.SWAP).id == "BTC"


def test_two_coins_never_share_a_symbol() -> None:
    universe = listed([meta(BTC, PEPE, PEPE | {"name": "KPEPE"})], [None])
    assert set(universe.markets.unreadable) == {"kPEPE", "KPEPE"}
    with pytest.raises(NotSupported, match="kPEPE and KPEPE"):
        universe.markets.find("KPEPE/USDC:USDC", MarketType.SWAP)
    assert universe.markets.find("BTC/USDC:USDC", MarketType.SWAP).id == "BTC"


def test_a_delisted_coin_leaves_a_shared_symbol_to_the_one_that_is_traded() -> None:
    universe = listed([meta(BTC, PEPE | {"isDelisted": True}, PEPE | {"name": "KPEPE"})], [None])
    assert universe.markets.find("KPEPE/USDC:USDC", MarketType.SWAP).id == "KPEPE"
    assert set(universe.markets.unreadable) == {"kPEPE"}


def test_without_the_tokens_what_settles_in_others_is_left_out() -> None:
    universe = listed(tokens=Refused("spotMeta is not to be had"))
    assert symbols(universe) == {"BTC/USDC:USDC", "KPEPE/USDC:USDC"}
    assert "collateral" in universe.markets.unreadable["flx:OIL"].reason


def test_without_the_dexes_what_has_no_number_is_left_out() -> None:
    universe = listed(dexes=Refused("perpDexs is not to be had"))
    assert symbols(universe) == {"BTC/USDC:USDC", "KPEPE/USDC:USDC"}
    assert "perpDexs is not to be had" in universe.markets.unreadable["xyz:GOLD"].reason
    assert universe.dexes == ("", "xyz", "flx")


@pytest.mark.parametrize("row", [{"onlyIsolated": True}, {"marginMode": "noCross"}, {"marginMode": "strictIsolated"}])
def test_a_market_without_cross_margin_is_known(row: dict[str, Any]) -> None:
    found = listed([meta(BTC | row, PEPE)], [None])
    bitcoin, pepe = found.of_coin("BTC"), found.of_coin("kPEPE")
    assert bitcoin
    assert pepe
    assert (bitcoin.isolated_only, pepe.isolated_only) == (True, False)


def test_a_delisted_perpetual_keeps_its_symbol_for_its_history() -> None:
    assert listed([meta(BTC | {"isDelisted": True}), None]).markets.find("BTC/USDC:USDC", MarketType.SWAP).id == "BTC"


@pytest.mark.parametrize("metas", [[], [None], {}, None, [{}], [meta({})], [{"universe": None}]])
def test_a_list_without_any_market_is_no_list(metas: Any) -> None:
    with pytest.raises(Ambiguous, match="lists no markets"):
        listed(metas)


def test_a_name_of_any_alphabet_is_a_symbol_like_others() -> None:
    universe = listed([meta(BTC, BTC | {"name": "币安人生"})], [None])
    found = universe.markets.find("币安人生/USDC:USDC", MarketType.SWAP)
    assert (found.id, found.base) == ("币安人生", "币安人生")


def test_two_hundred_dexes_are_read_like_three() -> None:
    names = [f"d{number}" for number in range(1, 210)]
    metas = [meta(BTC), *(meta(GOLD | {"name": f"{name}:GOLD"}) for name in names)]
    universe = listed(metas, [None, *({"name": name} for name in names)])
    last = universe.of_coin("d209:GOLD")
    assert last
    assert last.asset == 100_000 + 209 * 10_000
    assert universe.dexes == ("", *names)
