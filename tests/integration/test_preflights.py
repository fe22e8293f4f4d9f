"""Preflights against the stand-in venues: what is found, all of it at once, with nothing changed."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.control import Exchange
from tests.support.processes import free_port
from tests.support.sandbox_harness import TIMEOUT_MS, SandboxHarness, sandbox_harness
from worker.accounts.account import Account
from worker.accounts.venues import VENUES as FACTS
from worker.sandbox.kit.clock import DAY, HOUR, SECOND
from worker.venues.hyperliquid.credentials import credentials_of
from worker.venues.lifecycle.account_checks import Report, check_accounts
from worker.venues.port.check_results import ACCOUNT_CHECKS, Check, CheckResult, Verdict

EXCHANGES: tuple[Exchange, ...] = ("binance", "bybit", "gate", "okx", "hyperliquid")
OK, WARNING, PROBLEM, NOT_CHECKED = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM, Verdict.NOT_CHECKED
UNKNOWN = frozenset({NOT_CHECKED, Verdict.NOT_TOLD})
KEY, ACCOUNT, PERMISSIONS, MODE, CLOCK = ACCOUNT_CHECKS

Harnesses = Mapping[str, SandboxHarness]


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Harnesses]:
    async with AsyncExitStack() as stack:
        yield {exchange: await stack.enter_async_context(sandbox_harness(exchange)) for exchange in EXCHANGES}


@pytest.fixture
async def harnesses(shared: Harnesses) -> Harnesses:
    for harness in shared.values():
        await harness.reset()
    return shared


def accounts_of(harness: SandboxHarness) -> list[Account]:
    return [account for account in harness.sandbox.accounts if account.exchange == harness.exchange]


async def findings(
    harness: SandboxHarness, account_id: str | None = None, **registered: Any
) -> tuple[CheckResult, ...]:
    found = await harness.adapter(account_id, **registered).preflight()
    assert {finding.check for finding in found} == set(ACCOUNT_CHECKS)
    assert all((row.remedy is None) is (row.verdict is OK) for row in found if row.verdict not in UNKNOWN)
    return found


def told(found: tuple[CheckResult, ...], check: Check) -> dict[Verdict, str]:
    return {finding.verdict: finding.says for finding in found if finding.check is check}


def wrong(found: tuple[CheckResult, ...]) -> list[Check]:
    return [finding.check for finding in found if finding.verdict is PROBLEM]


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_the_seeded_accounts_have_no_problem_and_nothing_is_left_unchecked(
    harnesses: Harnesses, exchange: Exchange
) -> None:
    for account in accounts_of(harnesses[exchange]):
        verdicts = {finding.verdict for finding in await findings(harnesses[exchange], account.id)}
        assert verdicts <= {OK, WARNING, Verdict.NOT_TOLD}


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_nothing_but_reads_reaches_the_venue(harnesses: Harnesses, exchange: Exchange) -> None:
    harness = harnesses[exchange]
    for account in accounts_of(harness):
        await findings(harness, account.id)
    asked = {(entry["method"], entry["path"]) for entry in await harness.requests()}
    if exchange == "hyperliquid":
        assert asked == {("POST", "/info")}
    else:
        assert {method for method, _ in asked} == {"GET"}


def rights(**perms: bool) -> dict[str, Any]:
    """The rights of a Gate key, true where they are for reading only."""
    return {"key": {"perms": perms}}


State = tuple[Exchange, dict[str, Any], Check, Verdict, str]

FOUND: list[State] = [
    ("binance", {"can_trade": False}, ACCOUNT, PROBLEM, "does not let the account trade"),
    ("binance", {"multi_assets": True}, ACCOUNT, OK, "multi-assets mode"),
    ("binance", {"key": {"futures": False}}, PERMISSIONS, PROBLEM, "lacks the right 'Enable Futures'"),
    ("binance", {"key": {"futures": False}}, ACCOUNT, NOT_CHECKED, "see permissions"),
    ("binance", {"key": {"withdrawals": True}}, PERMISSIONS, WARNING, "Enable Withdrawals"),
    ("binance", {"key": {"ip_restricted": False}}, PERMISSIONS, OK, "from any address"),
    ("bybit", {"key": {"read_only": True}}, PERMISSIONS, PROBLEM, "read only"),
    ("bybit", {"key": {"contract_trade": ["Order"], "derivatives": []}}, PERMISSIONS, PROBLEM, "change positions"),
    ("bybit", {"key": {"contract_trade": []}}, PERMISSIONS, OK, "reads and changes positions"),
    ("bybit", {"key": {"wallet": ["Withdraw"]}}, PERMISSIONS, WARNING, "take money away"),
    ("bybit", {"key": {"ips": ["*"], "days_left": 20}}, KEY, OK, r"accepted until \d{4}-\d\d-\d\d"),
    ("bybit", {"key": {"ips": ["*"], "days_left": 5}}, KEY, WARNING, r"expires on \d{4}-\d\d-\d\d"),
    ("bybit", {"status": 1}, ACCOUNT, OK, "classic account"),
    ("bybit", {"status": 3}, ACCOUNT, OK, "unified account 1.0"),
    ("bybit", {"status": 2}, ACCOUNT, PROBLEM, "unifiedMarginStatus 2"),
    ("bybit", {"margin_mode": "PORTFOLIO_MARGIN"}, ACCOUNT, WARNING, "no leverage"),
    ("gate", rights(account=True, futures=True, delivery=False), PERMISSIONS, PROBLEM, "may only read perpetuals"),
    ("gate", rights(account=True, futures=False), PERMISSIONS, PROBLEM, "lacks the right 'delivery'"),
    ("gate", rights(futures=False), PERMISSIONS, PROBLEM, "lacks the right 'delivery'"),
    ("gate", rights(futures=False, delivery=False), PERMISSIONS, NOT_CHECKED, "does not have account permission"),
    ("gate", rights(account=True, futures=False, delivery=False, wallet=False), PERMISSIONS, WARNING, "may transfer"),
    ("gate", rights(account=True, futures=False, delivery=False), PERMISSIONS, Verdict.NOT_TOLD, "may withdraw"),
    ("gate", {"key": {"ip_whitelist": []}}, KEY, WARNING, "from any address.* after 90 days"),
    ("gate", rights(spot=False), KEY, OK, "accepted"),
    ("gate", rights(spot=False), ACCOUNT, NOT_CHECKED, "see permissions"),
    ("gate", {"key": {"state": 2}}, PERMISSIONS, PROBLEM, "locked or frozen"),
    ("gate", {"key": {"sub_account": True}}, PERMISSIONS, NOT_CHECKED, "main account"),
    ("gate", {"split": True}, MODE, PROBLEM, "split positions"),
    ("okx", {"level": 1}, ACCOUNT, PROBLEM, "spot mode, which trades no derivatives"),
    ("okx", {"level": 3}, ACCOUNT, OK, "multi-currency margin"),
    ("okx", {"level": 4}, ACCOUNT, WARNING, "no leverage"),
    ("okx", {"key": {"perm": ["read_only"]}}, PERMISSIONS, PROBLEM, "may not trade"),
    ("okx", {"key": {"perm": ["read_only", "trade", "withdraw"]}}, PERMISSIONS, WARNING, "take money away"),
    ("okx", {"key": {"ip": []}}, PERMISSIONS, WARNING, "14 days"),
    ("hyperliquid", {"agent": {"approved": False}}, KEY, PROBLEM, "never approved, or expired and forgotten"),
    ("hyperliquid", {"agent": {"valid_until": 1_706_745_600_000}}, KEY, PROBLEM, "expired on 2024-02-01"),
    ("hyperliquid", {"agent": {"named": False}}, KEY, OK, "an unnamed API wallet of .* until when is not told"),
    ("hyperliquid", {"agent": {"forever": True}}, KEY, OK, "an API wallet of the account, without an end"),
    ("hyperliquid", {"agent": {"master": "0x" + "11" * 20}}, KEY, PROBLEM, "of another account, 0x1111"),
    ("hyperliquid", {"agent": {"approved": False}}, PERMISSIONS, NOT_CHECKED, "see key"),
    ("hyperliquid", {"known": False, "agent": {"named": False}}, ACCOUNT, PROBLEM, "knows no such account"),
    ("hyperliquid", {"actions": 10_000}, ACCOUNT, WARNING, "it has sent 10,000 of the 10,000 actions"),
]


@pytest.mark.parametrize("expected", FOUND, ids=str)
async def test_the_state_of_a_key_or_an_account_is_recognised(harnesses: Harnesses, expected: State) -> None:
    exchange, state, check, verdict, says = expected
    await harnesses[exchange].change(None, **state)
    heard = told(await findings(harnesses[exchange]), check)
    assert re.search(says, heard[verdict])


EVERYTHING: list[tuple[Exchange, dict[str, Any], list[Check]]] = [
    ("binance", {"can_trade": False, "key": {"withdrawals": True}}, [ACCOUNT, MODE, CLOCK]),
    (
        "bybit",
        {"status": 2, "key": {"read_only": True, "contract_trade": [], "derivatives": [], "wallet": ["Withdraw"]}},
        [ACCOUNT, PERMISSIONS, PERMISSIONS, MODE, CLOCK],
    ),
    ("gate", {"key": {"perms": {"futures": True, "account": True}, "state": 3}}, [*3 * [PERMISSIONS], MODE, CLOCK]),
    ("okx", {"level": 1, "key": {"perm": ["read_only"]}}, [ACCOUNT, PERMISSIONS, MODE, CLOCK]),
    ("hyperliquid", {"known": False, "agent": {"approved": False}}, [KEY, ACCOUNT, MODE, CLOCK]),
]


@pytest.mark.parametrize(("exchange", "state", "problems"), EVERYTHING, ids=EXCHANGES)
async def test_all_that_is_wrong_with_an_account_is_told_at_once(
    harnesses: Harnesses, exchange: Exchange, state: dict[str, Any], problems: list[Check]
) -> None:
    harness = harnesses[exchange]
    await harness.change(None, **state)
    await skew(harness, 3 * DAY)
    assert wrong(await findings(harness, position_mode="hedge")) == problems


async def skew(harness: SandboxHarness, offset_ms: int) -> None:
    """Set the venue's clock ahead of ours."""
    (await harness.control.put("/clock", json={"offset_ms": offset_ms})).raise_for_status()


@pytest.mark.parametrize(
    ("account_id", "registered", "told_type"),
    [("binance-pm-001", False, "a portfolio margin account"), ("binance-perp-001", True, "a standard account")],
)
async def test_an_account_of_another_type_than_registered_is_recognised(
    harnesses: Harnesses, account_id: str, registered: bool, told_type: str
) -> None:
    found = await findings(harnesses["binance"], account_id, portfolio_margin=registered)
    assert wrong(found) == [ACCOUNT]
    assert told_type in told(found, ACCOUNT)[PROBLEM]
    assert told(found, PERMISSIONS)[OK]


@pytest.mark.parametrize("status", ["MARGIN_CALL", "REDUCE_ONLY", "BANKRUPTED"])
async def test_a_portfolio_margin_account_that_is_not_normal_is_a_problem(harnesses: Harnesses, status: str) -> None:
    await harnesses["binance"].change("binance-pm-001", status=status)
    found = await findings(harnesses["binance"], "binance-pm-001")
    assert status in told(found, ACCOUNT)[PROBLEM]


@pytest.mark.parametrize("exchange", ["binance", "bybit", "gate", "okx"])
async def test_a_position_mode_other_than_registered_is_a_problem(harnesses: Harnesses, exchange: Exchange) -> None:
    for account_id, mode, other in (("perp", "one_way", "hedge"), ("hedge", "hedge", "one_way")):
        name = f"{exchange}-{account_id}-001"
        as_registered = told(await findings(harnesses[exchange], name, position_mode=mode), MODE)
        assert as_registered == {OK: f"{mode}, as registered"}
        assert told(await findings(harnesses[exchange], name, position_mode=other), MODE) == {
            PROBLEM: f"{mode}, but {other} is registered"
        }


@pytest.mark.parametrize(
    ("exchange", "state"),
    [
        ("binance", {"dual_side": True}),
        ("bybit", {"hedged": True}),
        ("gate", {"hedged": True}),
        ("okx", {"two_sided": True}),
    ],
)
async def test_hedge_mode_is_seen_while_nothing_is_open(
    harnesses: Harnesses, exchange: Exchange, state: dict[str, Any]
) -> None:
    harness = harnesses[exchange]
    account = harness.sandbox.open_account(exchange, id=f"{exchange}-empty-{len(harness.sandbox.accounts)}")
    assert told(await findings(harness, account.id), MODE) == {OK: "one_way"}
    await harness.change(account.id, **state)
    assert told(await findings(harness, account.id), MODE) == {OK: "hedge"}


async def test_hyperliquid_knows_one_way_mode_only(harnesses: Harnesses) -> None:
    assert told(await findings(harnesses["hyperliquid"], position_mode="one_way"), MODE)[OK]
    assert told(await findings(harnesses["hyperliquid"], position_mode="hedge"), MODE)[PROBLEM]


async def test_the_parts_of_a_gate_account_may_differ_in_their_position_mode(harnesses: Harnesses) -> None:
    part = {"in_dual_mode": True, "margin_mode": 1}
    await harnesses["gate"].fault("/api/v4/futures/btc/accounts", "status", body=part)
    found = await findings(harnesses["gate"], position_mode="one_way")
    assert told(found, MODE)[PROBLEM] == "one_way (usdt), hedge (btc), but one_way is registered"
    assert "classic, multi-currency margin account" in told(found, ACCOUNT)[OK]


async def test_a_gate_user_who_never_paid_into_a_futures_account_has_none(harnesses: Harnesses) -> None:
    harness = harnesses["gate"]
    empty = {"label": "USER_NOT_FOUND", "message": "please transfer funds first to create futures account"}
    for part in ("futures/usdt", "futures/btc", "delivery/usdt"):
        await harness.fault(f"/api/v4/{part}/accounts", "status", status=400, body=empty)
    found = await findings(harness)
    assert wrong(found) == [ACCOUNT]
    assert "no futures account yet" in told(found, ACCOUNT)[PROBLEM]


VAULT = "hyperliquid-vault-001"
SOMEBODY = "0x" + "11" * 20


@pytest.mark.parametrize(
    ("vault", "verdict", "says"),
    [
        ({}, OK, "a vault of the account"),
        ({"sub_account": True}, OK, "a sub-account of the account"),
        ({"owner": SOMEBODY}, PROBLEM, f"the vault belongs to {SOMEBODY}"),
        ({"owner": SOMEBODY, "sub_account": True}, PROBLEM, f"the sub-account belongs to {SOMEBODY}"),
    ],
    ids=str,
)
async def test_a_vault_must_be_the_accounts_own(
    harnesses: Harnesses, vault: dict[str, Any], verdict: Verdict, says: str
) -> None:
    await harnesses["hyperliquid"].change(VAULT, vault=vault)
    assert says in told(await findings(harnesses["hyperliquid"], VAULT), ACCOUNT)[verdict]


async def test_addresses_that_were_mixed_up_are_told_apart(harnesses: Harnesses) -> None:
    """The API wallet's address in place of the account's, the account's in place of a vault's, and the reverse."""
    harness = harnesses["hyperliquid"]
    account, vault = harness.account(), harness.account(VAULT)
    wallet = credentials_of(account).signer
    found = await findings(harness, account_address=wallet)
    assert f"set account_address = {account.account_address}" in {
        row.remedy.partition(",")[0] for row in found if row.remedy
    }
    found = await findings(harness, vault_address=account.account_address)
    assert "no vault or sub-account but user" in told(found, ACCOUNT)[PROBLEM]
    found = await findings(harness, VAULT, account_address=vault.vault_address, vault_address=None)
    assert wrong(found) == [KEY, ACCOUNT]
    assert "account_address is a vault" in told(found, ACCOUNT)[PROBLEM]


async def test_the_accounts_own_key_works_and_is_warned_about(harnesses: Harnesses) -> None:
    """The signer's own address stands in for the account: it is known to the venue once it holds something."""
    harness = harnesses["hyperliquid"]
    wallet = credentials_of(harness.account()).signer
    await harness.change(None, agent={"approved": False})
    found = await findings(harness, account_address=wallet)
    assert told(found, KEY)[OK] == "it is the account's own"
    assert "own private key" in told(found, PERMISSIONS)[WARNING]


@pytest.mark.parametrize(
    ("exchange", "credential"),
    [
        (exchange, name)
        for exchange in EXCHANGES
        if "api_key" in FACTS[exchange].credentials
        for name in FACTS[exchange].credentials
    ],
)
async def test_a_refused_key_is_one_problem_and_what_needs_it_says_so(
    harnesses: Harnesses, exchange: Exchange, credential: str
) -> None:
    own = harnesses[exchange].account().reveal(credential)
    mistyped = SecretStr(own[:-1] + ("0" if own[-1] != "0" else "1"))
    registered: dict[str, Any] = {credential: mistyped}
    found = await findings(harnesses[exchange], **registered)
    assert wrong(found) == [KEY]
    assert [finding.check for finding in found if finding.verdict is OK] == [CLOCK]
    text = " ".join(f"{finding.says} {finding.remedy}" for finding in found)
    for secret in FACTS[exchange].credentials:
        assert harnesses[exchange].account().reveal(secret) not in text
    assert mistyped.get_secret_value() not in text


SKEWS: list[tuple[Exchange, int, Verdict]] = [
    *((exchange, 2 * SECOND, WARNING) for exchange in EXCHANGES),
    *((exchange, -500, OK) for exchange in EXCHANGES),
    ("binance", -1500, PROBLEM),
    ("binance", 11 * SECOND, PROBLEM),
    ("bybit", -1500, PROBLEM),
    ("bybit", 6 * SECOND, PROBLEM),
    ("okx", -29 * SECOND, WARNING),
    ("okx", 31 * SECOND, PROBLEM),
    ("gate", -59 * SECOND, WARNING),
    ("gate", 61 * SECOND, PROBLEM),
    ("hyperliquid", -23 * HOUR, WARNING),
    ("hyperliquid", -25 * HOUR, PROBLEM),
    ("hyperliquid", 47 * HOUR, WARNING),
    ("hyperliquid", 49 * HOUR, PROBLEM),
]


@pytest.mark.parametrize(("exchange", "offset_ms", "verdict"), SKEWS)
async def test_a_clock_is_judged_by_what_the_venue_tolerates_and_hinders_no_other_check(
    harnesses: Harnesses, exchange: Exchange, offset_ms: int, verdict: Verdict
) -> None:
    await skew(harnesses[exchange], offset_ms)
    found = await findings(harnesses[exchange])
    heard = told(found, CLOCK)
    assert list(heard) == [verdict]
    assert ("behind" if offset_ms > 0 else "ahead of") in heard[verdict]
    assert {finding.verdict for finding in found if finding.check is not CLOCK} - {Verdict.NOT_TOLD} == {OK}


BROKEN: tuple[dict[str, Any], ...] = (
    {"fault": "html"},
    {"fault": "empty"},
    {"fault": "reset"},
    {"fault": "status", "body": {}},
    {"fault": "status", "body": []},
    {"fault": "status", "status": 502, "body": "<html>"},
    {"fault": "status", "status": 429, "body": {}, "retry_after": 7},
)


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("broken", BROKEN, ids=str)
async def test_whatever_a_venue_answers_is_a_finding_and_raises_nothing(
    harnesses: Harnesses, exchange: Exchange, broken: dict[str, Any]
) -> None:
    harness = harnesses[exchange]
    await findings(harness)
    for path in sorted(set(await harness.paths())):
        await harness.reset()
        await harness.fault(path, times=20, **broken)
        found = await findings(harness)
        assert {finding.verdict for finding in found} - {OK, WARNING}, path


async def report_of(*accounts: Account) -> list[Report]:
    return await check_accounts(accounts, TIMEOUT_MS, lambda report: None)


async def test_a_venue_that_is_away_is_told_for_each_of_its_accounts_and_leaves_the_others_alone(
    harnesses: Harnesses,
) -> None:
    away = harnesses["okx"].account().model_copy(update={"base_url": f"http://127.0.0.1:{free_port()}"})
    other = harnesses["bybit"].account()
    lost, well = await report_of(away, other)
    assert (lost.account.id, lost.sound, well.account.id, well.sound) == (away.id, False, other.id, True)
    assert [(row.check, row.verdict) for row in lost.findings] == [
        (Check.VENUE, PROBLEM),
        *((check, NOT_CHECKED) for check in ACCOUNT_CHECKS),
    ]


async def test_a_key_that_can_sign_nothing_is_told_as_such(harnesses: Harnesses) -> None:
    malformed = harnesses["hyperliquid"].account().model_copy(update={"secret": SecretStr("not a key")})
    [report] = await report_of(malformed)
    assert wrong(report.findings) == [KEY]
    assert len(report.findings) == len(ACCOUNT_CHECKS)


async def test_an_account_that_takes_long_keeps_no_other_waiting(harnesses: Harnesses) -> None:
    slow, quick = harnesses["okx"].account("okx-perp-001"), harnesses["okx"].account("okx-hedge-001")
    elsewhere = harnesses["gate"].account()
    await harnesses["okx"].fault("/api/v5/account/config", "delay", delay_ms=TIMEOUT_MS // 2, account=slow.id)
    heard: list[str] = []
    reports = await check_accounts([slow, quick, elsewhere], TIMEOUT_MS, lambda report: heard.append(report.account.id))
    assert [report.account.id for report in reports] == [slow.id, quick.id, elsewhere.id]
    assert heard[-1] == slow.id
    assert {*heard} == {slow.id, quick.id, elsewhere.id}


async def test_many_accounts_are_checked_in_one_go(harnesses: Harnesses) -> None:
    for number in range(12):  # OKX tells its time ten times in two seconds
        harnesses["okx"].sandbox.open_account("okx", id=f"okx-one-of-many-{number}")
    accounts = [account for harness in harnesses.values() for account in accounts_of(harness)]
    reports = await report_of(*accounts)
    assert [report.account.id for report in reports] == [account.id for account in accounts]
    assert all(report.sound for report in reports)
