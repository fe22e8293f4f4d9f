"""What we take for documented at Gate is what its official client documents: enumerations, parameters by endpoint."""

import inspect
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import gate_api
import pytest

from schemas.requests import MarginMode
from tests.support.sandbox_harness import FUTURE, SWAP, SandboxHarness, harness_fixtures, market
from worker.sandbox.gate.book import TYPES
from worker.sandbox.gate.contracts import DELIVERY, PERPETUAL
from worker.sandbox.gate.endpoint import SETTLES, match
from worker.sandbox.gate.endpoints import ENDPOINTS
from worker.venues.gate.endpoints import PARTS
from worker.venues.gate.history import BOOK
from worker.venues.gate.instruments import INVERSE
from worker.venues.gate.positions import MARGIN_MODES
from worker.venues.gate.preflight import KINDS, MARGINS
from worker.venues.port.adapter import HistoryQuery

DOCUMENTED = json.loads((Path(__file__).parent / "documented" / "gate.json").read_text())
APIS = (gate_api.FuturesApi, gate_api.DeliveryApi, gate_api.SpotApi, gate_api.AccountApi)
PERP, HEDGE = "gate-perp-001", "gate-hedge-001"

shared, harness = harness_fixtures("gate")


def described(model: type[Any], name: str) -> str:
    """What the client says of a field."""
    return inspect.getdoc(getattr(model, name)) or ""


def named(text: str) -> set[str]:
    """The values that a text lists, as `- name: meaning` or `name: meaning` behind a dash."""
    return set(re.findall(r"- `?(\w+)`?: ", text))


def test_the_client_is_the_one_that_these_facts_are_about() -> None:
    assert gate_api.__version__ == DOCUMENTED["sdk"]["version"]


def test_account_books_are_filtered_by_the_documented_types() -> None:
    def of_parameter(call: Any) -> set[str]:
        return named(re.search(r":param str type:(.*)", call.__doc__)[1])  # type: ignore[index]

    assert of_parameter(gate_api.FuturesApi.list_futures_account_book) == TYPES[PERPETUAL]
    assert of_parameter(gate_api.DeliveryApi.list_delivery_account_book) == TYPES[DELIVERY]


def test_every_type_of_entry_that_the_client_knows_is_decided_on() -> None:
    """Those that a book is filtered by, those of its entries, and those that have a total of their own."""
    totals = set(gate_api.FuturesAccountHistory.openapi_types) | set(gate_api.DeliveryAccountHistory.openapi_types)
    entries = named(described(gate_api.FuturesAccountBook, "type")) | named(
        described(gate_api.DeliveryAccountBook, "type")
    )
    official = entries | totals | TYPES[PERPETUAL] | TYPES[DELIVERY]
    assert not BOOK.undecided(official)
    assert set(BOOK.table) == official


def test_every_settle_currency_is_asked() -> None:
    settles = DOCUMENTED["settles"]
    assert {part.settle for part in PARTS if part.type is SWAP} == set(settles["futures"]) == set(SETTLES[PERPETUAL])
    assert {part.settle for part in PARTS if part.type is FUTURE} == set(settles["delivery"]) == set(SETTLES[DELIVERY])


def test_every_kind_of_contract_and_margin_is_known() -> None:
    assert set(re.findall(r"(\w+) - \1 contract", described(gate_api.Contract, "type"))) == set(INVERSE)
    assert set(re.findall(r"(isolated|cross) - ", described(gate_api.Position, "pos_margin_mode"))) == set(MARGIN_MODES)
    assert {int(mode) for mode in re.findall(r"(\d): ", described(gate_api.FuturesAccount, "margin_mode"))} == set(
        MARGINS
    )
    assert set(KINDS) <= named(described(gate_api.AccountKeyInfoPerms, "name"))


def parameters_of(call: Any) -> set[str]:
    """The parameters that the client documents for a call; a body's are the fields of its model."""
    found = set[str]()
    for kind, name in re.findall(r":param (\w+) (\w+):", call.__doc__):
        fields: dict[str, str] | None = getattr(getattr(gate_api, kind, None), "attribute_map", None)
        found |= {name.lstrip("_")} if fields is None else set(fields.values())
    return found - {"async_req"}


def calls() -> Iterator[tuple[tuple[str, str], set[str]]]:
    """What each endpoint of the client takes, by method and path."""
    for api in APIS:
        for name, function in vars(api).items():
            if name.endswith("_with_http_info"):
                constants = [constant for constant in function.__code__.co_consts if isinstance(constant, str)]
                path = next(constant for constant in constants if constant.startswith("/"))
                method = next(row for row in constants if row in {"GET", "POST", "PUT", "PATCH", "DELETE"})
                yield (method, path), parameters_of(getattr(api, name.removesuffix("_with_http_info")))


TAKEN = dict(calls())


def test_a_delivery_takes_a_leverage_and_nothing_else() -> None:
    taken = TAKEN["POST", "/delivery/{settle}/positions/{contract}/leverage"]
    assert taken == {"settle", "contract", "leverage"}
    assert taken | {"cross_leverage_limit", "pid"} == TAKEN["POST", "/futures/{settle}/positions/{contract}/leverage"]


async def everything(harness: SandboxHarness) -> None:
    """All that the adapter ever asks, of both position modes and of every kind of market."""
    for name in (PERP, HEDGE):
        adapter = harness.adapter(name)
        await harness.venue.load()
        await adapter.preflight()
        for kind in (SWAP, FUTURE):
            await adapter.positions(kind)
            await adapter.funding_history(HistoryQuery(None, kind, 0, None))
            await adapter.realized_pnl(HistoryQuery(None, kind, None, 10))
        for symbol in ("ETH/USDT:USDT", "XRP/USDT:USDT"):
            wanted = market(adapter, symbol)
            await adapter.symbol_state(wanted)
            await adapter.set_leverage(wanted, Decimal(7))
        await adapter.set_margin_mode(market(adapter, "XRP/USDT:USDT"), MarginMode.ISOLATED)
        await adapter.realized_pnl(HistoryQuery(market(adapter, "BTC/USDT:USDT"), SWAP, None, 10))
    adapter = harness.adapter(PERP)
    (held,) = (await adapter.positions(FUTURE)).positions
    delivery = adapter.market(held.symbol, FUTURE)
    await adapter.set_leverage(delivery, Decimal(4))
    await adapter.realized_pnl(HistoryQuery(delivery, FUTURE, None, 10))
    with pytest.raises(Exception, match="takes 1x to 50x"):
        await adapter.check_leverage(delivery, Decimal(51))


def endpoint_of(entry: dict[str, Any]) -> tuple[str, str]:
    """The endpoint of a request in the journal."""
    for endpoint in ENDPOINTS:
        if endpoint.method == entry["method"] and match(endpoint.path, entry["path"]) is not None:
            return endpoint.method, endpoint.path
    pytest.fail(f"there is no endpoint {entry['method']} {entry['path']}")


async def test_each_endpoint_is_sent_only_what_its_own_page_documents(harness: SandboxHarness) -> None:
    await everything(harness)
    asked = set[tuple[str, str]]()
    for entry in await harness.requests():
        endpoint = endpoint_of(entry)
        asked.add(endpoint)
        assert not set(entry["params"]) - TAKEN[endpoint], endpoint
    changes = {path for method, path in asked if method == "POST"}
    assert len(changes) == 5, changes
