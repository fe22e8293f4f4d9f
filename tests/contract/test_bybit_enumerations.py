"""What Bybit's documents and its SDKs enumerate, against our tables: each value is decided on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.venues.bybit.account import MARGIN_MODES
from worker.venues.bybit.errors import CODES, PARAMETERS
from worker.venues.bybit.hosts import HOSTS
from worker.venues.bybit.instruments import KINDS, STATUSES
from worker.venues.bybit.preflight import CHANGE_POSITIONS, TAKE_MONEY_AWAY, TYPES
from worker.venues.bybit.records import CLOSED, EXECUTIONS, LOG

TOLD = json.loads((Path(__file__).parent / "enumerations" / "bybit.json").read_text())

WITHOUT_A_ROW: tuple[tuple[int, int, str], ...] = (
    (0, 0, "success"),
    (34040, 34040, "take profit and stop loss"),
    (110054, 110062, "take profit and stop loss, protection of market makers"),
    (110065, 110065, "protection of market makers"),
    (110078, 110078, "adding and reducing margin"),
    (110082, 110083, "lifting a restriction to reduce only"),
    (110110, 110117, "spread trading"),
    (170360, 170360, "spread trading"),
    (181017, 182112, "spot margin, repaying, switching collateral"),
    (3200316, 3200317, "options"),
    (3400208, 3400213, "upgrading to a unified account"),
    (500010, 500011, "sub-accounts and brokers"),
)
"""Codes of what is never asked for here. Should one come all the same, it is in doubt like any that is not known."""


def values(*path: str) -> tuple[str, ...]:
    """The values of an enumeration, from each of its sources."""
    found = TOLD
    for name in path:
        found = found[name]
    return tuple(dict.fromkeys(_words(found)))


def _words(found: Any) -> Iterator[str]:
    if "values" in found:
        yield from " ".join(found["values"]).split()
    else:
        for source in found.values():
            yield from _words(source)


def test_every_code_of_the_documents_has_a_row_or_a_reason_to_have_none() -> None:
    undecided = [
        code
        for code in map(int, values("codes"))
        if code not in CODES.keys() | PARAMETERS and not any(low <= code <= high for low, high, _ in WITHOUT_A_ROW)
    ]
    assert undecided == []


def test_no_code_has_both_a_row_and_a_reason_to_have_none() -> None:
    assert [code for code in CODES if any(low <= code <= high for low, high, _ in WITHOUT_A_ROW)] == []


def test_every_contract_type_is_a_swap_or_a_future() -> None:
    assert set(values("contract types")) == KINDS.keys()


def test_contracts_of_every_status_are_asked_for() -> None:
    assert set(values("contract statuses")) == set(STATUSES)


def test_every_type_of_account_and_margin_mode_is_known() -> None:
    assert {int(status) for status in values("account types")} == TYPES.keys()
    assert set(values("margin modes")) == MARGIN_MODES.keys()


HARMLESS = frozenset(
    {
        *("Spot", "Options", "CopyTrading", "BlockTrade", "Exchange", "NFT", "Earn", "Affiliate"),
        *("FiatConvertBroker", "BitCard", "ByXPost"),
    }
)
"""Groups of rights that neither change positions nor take money out of Bybit."""


def test_every_group_of_rights_is_decided_on() -> None:
    assert set(values("rights")) - HARMLESS <= TAKE_MONEY_AWAY.keys() | CHANGE_POSITIONS.keys()


SDK_NAMES = {"default": "global", "TK": "tr", "UAE": "ae"}


def test_every_region_of_the_sdk_has_a_host() -> None:
    assert {SDK_NAMES.get(region, region.lower()) for region in values("regions")} <= HOSTS.keys()


def test_every_type_of_record_is_decided_on() -> None:
    assert LOG.undecided(values("transaction types")) == set()
    assert EXECUTIONS.undecided(values("execution types")) == set()
    assert CLOSED.undecided(values("execution types", "closed pnl")) == set()


def test_a_type_that_is_new_to_the_sdk_is_undecided() -> None:
    assert LOG.undecided([*values("transaction types"), "NEW"]) == {"NEW"}
