"""Guardrails as rules: which of two is stricter, what an account has of the defaults, what a change would break."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.guardrails import UNGUARDED, Guardrails
from schemas.requests import MarginMode
from tests.support.memory_venue import ACCOUNT
from worker.accounts.guardrails import (
    COMMANDS,
    FORBIDS_ALL,
    WantedChange,
    breach_of,
    canonical_of,
    overlaid,
    stricter,
    version_of,
)

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
LEVERAGES = st.one_of(st.none(), st.integers(1, 6).map(Decimal))
POLICIES = st.builds(
    Guardrails,
    max_leverage=LEVERAGES,
    max_leverage_of=st.dictionaries(st.sampled_from((BTC, ETH)), st.integers(1, 6).map(Decimal)),
    margin_modes=st.one_of(st.none(), st.lists(st.sampled_from(MarginMode)).map(tuple)),
    operations=st.one_of(st.none(), st.lists(st.sampled_from(("set_leverage", "set_margin_mode"))).map(tuple)),
    only_lower_while_open=st.booleans(),
)
CHANGES = st.one_of(
    st.builds(WantedChange, st.just("set_leverage"), st.sampled_from((BTC, ETH)), st.integers(1, 7).map(Decimal)),
    st.builds(
        WantedChange,
        st.just("set_margin_mode"),
        st.sampled_from((BTC, ETH)),
        margin_mode=st.sampled_from(MarginMode),
    ),
    st.just(WantedChange("pm_auto_collect")),
)


@given(POLICIES, POLICIES, CHANGES, LEVERAGES)
def test_the_stricter_of_two_forbids_what_either_forbids_and_nothing_else(
    one: Guardrails, other: Guardrails, change: WantedChange, open_at: Decimal | None
) -> None:
    apart = [breach_of(rules, change, open_at=open_at) is not None for rules in (one, other)]
    together = breach_of(stricter(one, other), change, open_at=open_at) is not None
    assert together == any(apart)


@given(POLICIES, POLICIES)
def test_which_of_two_comes_first_says_nothing_and_neither_does_how_they_are_written(
    one: Guardrails, other: Guardrails
) -> None:
    assert version_of(stricter(one, other)) == version_of(stricter(other, one))
    assert version_of(stricter(one, one)) == version_of(stricter(one, UNGUARDED))
    assert version_of(Guardrails.model_validate_json(canonical_of(one))) == version_of(one)


@given(POLICIES, POLICIES)
def test_two_policies_have_one_version_only_if_they_have_one_canonical_form(one: Guardrails, other: Guardrails) -> None:
    assert (version_of(one) == version_of(other)) == (canonical_of(one) == canonical_of(other))


def test_nothing_at_all_can_be_allowed() -> None:
    assert all(breach_of(FORBIDS_ALL, WantedChange(name)) for name in COMMANDS)
    assert not any(breach_of(UNGUARDED, WantedChange(name)) for name in COMMANDS)


OVERLAID: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "what it says nothing of is as the defaults say": (
        {"max_leverage": 20, "margin_modes": ["cross"]},
        {"operations": []},
        {"max_leverage": 20, "margin_modes": ["cross"], "operations": []},
    ),
    "what it says takes the place of it": (
        {"margin_modes": ["cross"]},
        {"margin_modes": ["isolated"]},
        {"margin_modes": ["isolated"]},
    ),
    "its maximum comes without the exceptions of others": (
        {"max_leverage": 20, "max_leverage_of": {BTC: 50}},
        {"max_leverage": 3},
        {"max_leverage": 3},
    ),
    "its exceptions come without the maximum of others": (
        {"max_leverage": 20},
        {"max_leverage_of": {BTC: 3}},
        {"max_leverage_of": {BTC: 3}},
    ),
    "it can lift a rule": ({"only_lower_while_open": True}, {"only_lower_while_open": False}, {}),
}


@pytest.mark.parametrize(("defaults", "own", "expected"), OVERLAID.values(), ids=OVERLAID)
def test_an_account_has_its_own_rules_in_place_of_the_defaults(
    defaults: dict[str, Any], own: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert overlaid(Guardrails(**defaults), Guardrails(**own)) == Guardrails(**expected)


def test_a_copy_of_an_account_with_other_fields_has_a_policy_and_a_venue_of_its_own() -> None:
    account = ACCOUNT.model_copy(update={"exchange": "okx"})
    assert (account.venue, account.policy.version) == ("okx", version_of(UNGUARDED))
    other = account.model_copy(update={"network": "demo", "guardrails": FORBIDS_ALL})
    assert (other.venue, other.site.network, other.policy.guardrails) == ("okx demo", "demo", FORBIDS_ALL)
    assert other.policy.version == version_of(FORBIDS_ALL)
    assert account.model_copy() == account
