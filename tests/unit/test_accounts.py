"""Accounts while they change: all at once, told to whoever follows, and the same objects where nothing changed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.support.memory_venue import ACCOUNT
from worker.accounts.account import Account, Accounts, RegistryError, Replaced


def account(account_id: str, **changes: object) -> Account:
    return ACCOUNT.model_copy(update={"id": account_id, **changes})


NEW_KEY = {"api_key": SecretStr("another")}


def test_what_changed_is_told_and_what_did_not_stays_the_same() -> None:
    accounts = Accounts([account("a"), account("b"), account("c")])
    a = accounts["a"]
    replaced = accounts.replace([account("d"), account("a"), account("b", **NEW_KEY)])
    assert replaced == Replaced(added=("d",), changed=("b",), removed=("c",))
    assert accounts["a"] is a
    assert accounts["b"].reveal("api_key") == "another"
    assert list(accounts) == ["d", "a", "b"]


SETS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["one key", "another key"]))


@given(SETS, SETS)
def test_whatever_is_replaced_is_told_exactly(before: dict[str, str], after: dict[str, str]) -> None:
    accounts = Accounts(account(name, api_key=SecretStr(key)) for name, key in before.items())
    old = dict(accounts)
    replaced = accounts.replace(account(name, api_key=SecretStr(key)) for name, key in after.items())
    assert {name: one.reveal("api_key") for name, one in accounts.items()} == after
    assert set(replaced.added) == after.keys() - before.keys()
    assert set(replaced.removed) == before.keys() - after.keys()
    assert set(replaced.changed) == {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert all(accounts[name] is old[name] for name in before.keys() & after.keys() - set(replaced.changed))


def test_the_same_once_more_is_no_change() -> None:
    accounts = Accounts([account("a")])
    assert not accounts.replace([account("a")])


def test_two_of_the_same_id_change_nothing() -> None:
    accounts = Accounts([account("a")])
    with pytest.raises(RegistryError, match="two accounts have the same id"):
        accounts.replace([account("b"), account("b")])
    assert list(accounts) == ["a"]


def test_a_valid_registry_ends_the_problem_of_the_one_before() -> None:
    accounts = Accounts([account("a")])
    accounts.problem = "it was wrong"
    accounts.replace([account("a")])
    assert accounts.problem is None


async def test_whoever_follows_hears_of_every_change_even_of_one_meanwhile() -> None:
    accounts, seen = Accounts([account("a")]), asyncio.Queue[list[str]]()

    async def follow() -> None:
        async for _ in accounts.versions():
            seen.put_nowait(list(accounts))
            if len(accounts) == 2:
                accounts.replace([account("c")])

    following = asyncio.create_task(follow())
    async with asyncio.timeout(40):
        assert await seen.get() == ["a"]
        accounts.replace([account("a"), account("b")])
        assert await seen.get() == ["a", "b"]
        assert await seen.get() == ["c"]
    following.cancel()


class TestWorkThatBeganBefore:
    def test_goes_on_with_the_key_of_now(self) -> None:
        accounts = Accounts([account("a")])
        began = accounts["a"]
        accounts.replace([account("a", **NEW_KEY)])
        assert accounts.current(began).reveal("api_key") == "another"

    def test_ends_as_it_began_when_its_account_is_gone(self) -> None:
        accounts = Accounts([account("a"), account("b")])
        began = accounts["a"]
        accounts.replace([account("b")])
        assert accounts.current(began) is began

    @pytest.mark.parametrize(
        "elsewhere", [{"base_url": "http://127.0.0.1:9"}, {"network": "demo"}, {"exchange": "okx"}]
    )
    def test_never_goes_where_it_was_not_meant_to(self, elsewhere: dict[str, object]) -> None:
        accounts = Accounts([account("a")])
        began = accounts["a"]
        accounts.replace([account("a", **elsewhere)])
        assert accounts.current(began) is began
