"""What OKX's documents and the clients built on them enumerate, against our tables: each value is decided on."""

import json
import re
from decimal import Decimal
from pathlib import Path

import ccxt
import pytest
from ccxt.async_support.okx import okx

from schemas.requests import MarginMode
from tests.support.sandbox_harness import FUTURE, SWAP, SandboxHarness, harness_fixtures, market
from worker.runtime.clock import now
from worker.sandbox.okx.bill import TYPES
from worker.venues.limits import within
from worker.venues.okx.errors import rule_of
from worker.venues.okx.history import BILL_TYPES
from worker.venues.okx.hosts import HOSTS
from worker.venues.port.adapter import HistoryQuery
from worker.venues.port.errors import VenueError

TOLD = json.loads((Path(__file__).parent / "enumerations" / "okx.json").read_text())

WITHOUT_A_ROW: tuple[tuple[int, int, str], ...] = (
    (0, 0, "success"),
    (429, 429, "an HTTP status"),
    (1009, 4088, "close codes of WebSockets"),
    (50036, 50037, "orders that expire"),
    (50044, 50045, "brokers, the position builder"),
    (50047, 50048, "candles, risk units"),
    (50050, 50050, "activating options"),
    (50055, 50058, "resetting demo assets"),
    (50063, 50064, "credits, borrowing"),
    (50069, 50071, "risk units, client order ids"),
    (50116, 50116, "making keys"),
    (50122, 50122, "orders"),
    (51003, 51999, "orders, algo orders and their parameters"),
    (52000, 58999, "order history, algo orders, bots, block trades, funding account"),
    (59110, 59110, "orders"),
    (59117, 59124, "converting and repaying"),
    (59129, 59142, "switching the account mode, repaying"),
    (59206, 59292, "copy trading"),
    (59304, 59319, "loans"),
    (59410, 59417, "borrowing"),
    (59501, 59529, "making keys and sub-accounts, custody, the delta neutral strategy"),
    (59601, 59623, "sub-accounts and brokers"),
    (59641, 59643, "switching the account mode"),
    (59648, 59666, "risk offset, collateral"),
    (59671, 59699, "auto-earn, fee and settlement currencies, demo assets"),
    (60001, 60032, "WebSockets"),
    (64000, 64008, "WebSockets"),
    (70000, 75999, "block trades, moving positions, spreads"),
)
"""Codes of what is never asked for here. Should one come all the same, it is in doubt like any that is not known."""


def undecided(codes: list[str]) -> list[str]:
    return [
        code
        for code in codes
        if rule_of(code) is None and not any(first <= int(code) <= last for first, last, _ in WITHOUT_A_ROW)
    ]


def test_every_code_of_the_documents_has_a_row_or_a_reason_to_have_none() -> None:
    assert undecided(" ".join(line for group in TOLD["codes"]["classes"].values() for line in group).split()) == []


def test_every_code_that_ccxt_knows_has_a_row_or_a_reason_to_have_none() -> None:
    codes = [code for code in okx().exceptions["exact"] if re.fullmatch(r"[0-9]+", code)]
    assert len(codes) > 300
    assert undecided(codes) == []


@pytest.mark.parametrize("enumeration", TOLD["bill_types"]["sources"], ids=lambda source: source["name"])
def test_every_type_of_bill_is_decided_on(enumeration: dict[str, dict[str, str]]) -> None:
    assert len(enumeration["values"]) > 20
    assert BILL_TYPES.undecided(enumeration["values"]) == set()


def test_every_type_of_bill_that_the_stand_in_tells_is_decided_on() -> None:
    assert BILL_TYPES.undecided(TYPES) == set()


def test_every_host_that_the_clients_know_is_one_of_ours_or_another_name_of_it() -> None:
    ours = {host.rest for host in HOSTS.values()}
    assert set(TOLD["regions"]["rest"]) - ours == {"https://openapi.okx.com"}
    assert {f"https://{client().hostname}" for client in (ccxt.okx, ccxt.myokx, ccxt.okxus)} == ours


shared, harness = harness_fixtures("okx")


async def test_every_request_has_the_parameters_that_the_page_of_its_endpoint_documents(
    harness: SandboxHarness,
) -> None:
    """What is asked of the venue by every operation, in net and in long/short mode."""
    since = now() - 3_600_000
    for account in ("okx-perp-001", "okx-hedge-001"):
        adapter = harness.adapter(account)
        flat = market(adapter, "ETH/USD:ETH")
        await adapter.set_leverage(flat, Decimal(7))
        await adapter.set_margin_mode(flat, MarginMode.ISOLATED)
        await adapter.symbol_state(flat)
        await adapter.preflight()
        with within(now() + 20_000):
            await adapter.positions()
            for kind in (SWAP, FUTURE):
                await adapter.funding_history(HistoryQuery(None, kind, since, 5))
                await adapter.realized_pnl(HistoryQuery(None, kind, None, 5))
            await adapter.realized_pnl(HistoryQuery(flat, SWAP, None, 5))
        with pytest.raises(VenueError):
            await adapter.check_leverage(flat, Decimal(5_000))
    documented = TOLD["parameters"]["endpoints"]
    asked = [(f"{entry['method']} {entry['path']}", entry["params"]) for entry in await harness.requests()]
    assert {endpoint for endpoint, _ in asked} == set(documented)
    assert [(endpoint, params) for endpoint, params in asked if not params.keys() <= set(documented[endpoint])] == []
    changes = [params for endpoint, params in asked if endpoint.startswith("POST")]
    assert {params["mgnMode"] for params in changes if "posSide" in params} == {"isolated"}
    assert all("ccy" not in params for params in changes)
