"""However many accounts share a limit, reading them all takes no more than its share: the interval is stretched."""

from pydantic import SecretStr

from worker.accounts.account import Account, Accounts
from worker.snapshots.pacing import LIVE_SHARE, Pacing
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


def test_a_reading_for_a_push_which_leaves_margin_out_makes_no_scheduled_one_lighter() -> None:
    accounts, meter = Accounts(map(account, range(2))), address(limit=100)
    pacing = Pacing(INTERVAL, accounts)
    for one in accounts.values():
        pacing.learn(one, {meter: 5}, is_scheduled=False)
    assert pacing.interval(accounts["a-0"]) == INTERVAL + 2_000
    for one in accounts.values():
        pacing.learn(one, {meter: 20})
        pacing.learn(one, {meter: 5}, is_scheduled=False)
    assert pacing.interval(accounts["a-0"]) == 2 * 20 * MINUTE // 50
    pacing.forget(accounts["a-1"])
    pacing.learn(accounts["a-1"], {meter: 5}, is_scheduled=False)
    assert pacing.interval(accounts["a-0"]) == (20 + 5) * MINUTE // 50


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


def test_live_accounts_take_a_twenty_fifth_of_a_limit_and_the_others_have_the_rest() -> None:
    accounts, meter = Accounts(map(account, range(1_000))), address()
    pacing = Pacing(INTERVAL, accounts, live_interval=5 * MINUTE)
    for one in accounts.values():
        pacing.learn(one, {meter: 10})
        pacing.mark(one.id, True)
    assert pacing.interval(accounts["a-0"]) == 1_000 * 10 * MINUTE // 96
    pacing.mark("a-0", False)
    assert pacing.interval(accounts["a-0"]) == INTERVAL
    assert pacing.interval_of("binance") == INTERVAL


def test_few_live_accounts_are_read_at_their_interval_and_are_the_same_as_before_when_they_are_blind() -> None:
    accounts, meter = Accounts(map(account, range(2))), address()
    pacing = Pacing(INTERVAL, accounts, live_interval=5 * MINUTE)
    for one in accounts.values():
        pacing.learn(one, {meter: 10})
    pacing.mark("a-0", True)
    pacing.mark("a-0", True)
    assert [pacing.interval(one) for one in accounts.values()] == [5 * MINUTE, INTERVAL]
    pacing.forget(accounts["a-0"])
    pacing.mark("a-0", False)
    assert [pacing.interval(one) for one in accounts.values()] == [INTERVAL, INTERVAL]


def test_of_limits_that_are_widened_live_accounts_take_no_more_than_before() -> None:
    accounts, intervals = Accounts(map(account, range(1_000))), []
    for widened in (1, 10):
        pacing, meter = Pacing(INTERVAL, accounts, live_share=LIVE_SHARE / widened), address(2_400 * widened)
        for one in accounts.values():
            pacing.learn(one, {meter: 10})
            pacing.mark(one.id, True)
        intervals.append(pacing.interval(accounts["a-0"]))
    assert intervals[0] == intervals[1] > 5 * MINUTE


def test_without_a_schedule_nothing_is_polled() -> None:
    accounts = Accounts([account(0)])
    pacing = Pacing(0, accounts)
    pacing.learn(accounts["a-0"], {address(): 10})
    pacing.mark("a-0", True)
    assert pacing.interval(accounts["a-0"]) == 0
