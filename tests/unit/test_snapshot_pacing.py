"""However many accounts share a limit, reading them all takes no more than its share: the interval is stretched."""

from pydantic import SecretStr

from worker.accounts.account import Account, Accounts
from worker.snapshots.pacing import Pacing
from worker.venues.limits.meter import Meter
from worker.venues.limits.tables import Per, Scope

INTERVAL, MINUTE = 10_000, 60_000


def account(number: int) -> Account:
    return Account(id=f"a-{number}", exchange="binance", api_key=SecretStr(f"k{number}"), secret=SecretStr("s"))


def address(limit: int = 2_400) -> Meter:
    return Meter(Scope("futures weight", limit, MINUTE, Per.ADDRESS), None, limit, 1.0, background=0.5)


def test_few_accounts_are_read_as_often_as_asked_for() -> None:
    accounts, meter = Accounts(map(account, range(10))), address()
    pacing = Pacing(INTERVAL, accounts)
    for one in accounts.values():
        pacing.learn(one, {meter: 10})
    assert {pacing.interval(one) for one in accounts.values()} == {INTERVAL}
    assert pacing.interval_of("binance") == INTERVAL


def test_a_thousand_accounts_are_read_as_often_as_half_of_the_limit_allows() -> None:
    accounts, meter = Accounts(map(account, range(1_000))), address()
    pacing = Pacing(INTERVAL, accounts)
    first = accounts["a-0"]
    pacing.learn(first, {meter: 10})
    needed = 1_000 * 10 * MINUTE // 1_200
    assert pacing.interval(first) == needed
    assert pacing.interval(accounts["a-7"]) == needed  # what others cost is supposed of those that were never read
    for one in accounts.values():
        pacing.learn(one, {meter: 10})
    assert pacing.interval(first) == pacing.interval_of("binance") == needed


def test_an_account_that_goes_leaves_its_part_to_the_others() -> None:
    accounts, meter = Accounts(map(account, range(2))), address(limit=100)
    pacing = Pacing(INTERVAL, accounts)
    for one in accounts.values():
        pacing.learn(one, {meter: 10})
    assert pacing.interval(accounts["a-0"]) == 2 * 10 * MINUTE // 50
    accounts.replace([account(0)])
    pacing.forget(account(1))
    assert pacing.interval(account(0)) == 10 * MINUTE // 50


def test_a_limit_by_user_is_shared_by_who_has_its_key_alone() -> None:
    accounts = Accounts(map(account, range(100)))
    pacing = Pacing(INTERVAL, accounts)
    scope = Scope("positions", 10, 2_000, Per.USER)
    for one in accounts.values():
        pacing.learn(one, {Meter(scope, None, 10, 1.0, background=0.5): 1})
    assert pacing.interval_of("binance") == INTERVAL
