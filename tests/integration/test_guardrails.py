"""Guardrails: what they forbid is refused before anything is sent, on record, and told with the policy's version."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from schemas.book import ServedAccounts
from schemas.guardrails import UNGUARDED, Guardrails
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.worker_harness import COLLECT, TIMEOUT_MS, TO_10X, Body, Stalls, WorkerHarness, worker_harness
from worker.accounts.account import Accounts
from worker.accounts.guardrails import canonical_of, stricter, version_of
from worker.execution.requests import Command, RequestParser, entry_of
from worker.ledger.ledger import open_ledger
from worker.messages.wire import Delivery
from worker.runtime.clock import now
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, VenueError

TO_CROSS: Body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "margin_mode": "cross"}
ISOLATED: Body = {**TO_CROSS, "margin_mode": "isolated"}


def to(leverage: float) -> Body:
    return {**TO_10X, "leverage": leverage}


def guarded(**rules: Any) -> Accounts:
    return Accounts((ACCOUNT.model_copy(update={"guardrails": Guardrails(**rules)}),))


@asynccontextmanager
async def guarding(url: str, venue: MemoryVenue | None = None, **rules: Any) -> AsyncIterator[WorkerHarness]:
    async with worker_harness(url, venue, accounts=guarded(**rules)) as harness:
        yield harness


FORBIDDEN: dict[str, tuple[dict[str, Any], str, Body, str, Any, Any]] = {
    "leverage": ({"max_leverage": 9}, "set_leverage", TO_10X, "max_leverage", 9, 10),
    "leverage of a market": (
        {"max_leverage": 50, "max_leverage_of": {BTC.symbol: 9.5}},
        *("set_leverage", TO_10X, "max_leverage_of", 9.5, 10),
    ),
    "margin mode": (
        {"margin_modes": ["isolated"]},
        *("set_margin_mode", TO_CROSS, "margin_modes", ["isolated"], "cross"),
    ),
    "operation": (
        {"operations": ["set_leverage"]},
        *("pm_auto_collect", COLLECT, "operations", ["set_leverage"], "pm_auto_collect"),
    ),
}
forbidden = pytest.mark.parametrize(
    ("rules", "operation", "body", "rule", "allowed", "asked"), FORBIDDEN.values(), ids=FORBIDDEN
)


@forbidden
@pytest.mark.parametrize("whose", ["the account memory-perp-001", "the token"])
async def test_what_is_forbidden_is_refused_asks_the_venue_nothing_and_is_on_record(  # noqa: PLR0917 - a row of the table
    ledger_url: str, rules: dict[str, Any], operation: str, body: Body, rule: str, allowed: Any, asked: Any, whose: str
) -> None:
    of_account, of_token = (rules, {}) if whose != "the token" else ({}, rules)
    policy = version_of(Guardrails(**rules))
    async with guarding(ledger_url, **of_account) as harness:
        claim = canonical_of(Guardrails(**of_token)) if of_token else None
        envelope = await harness.ask(operation, body, "c-1", claim)
        assert harness.venue.log == []
        assert (envelope["statusCode"], envelope["error"]["code"]) == (403, "guardrail")
        assert envelope["message"].startswith(f"Error - the guardrails of {whose} forbid it: ")
        assert envelope["message"].endswith("; nothing was sent")
        details = {"rule": rule, "allowed": allowed, "asked": asked, "of": whose, "policy": policy}
        assert envelope["error"]["details"] == details
        assert harness.bus.replies[-1][1].headers["Policy"] == policy
        (told,) = harness.bus.told("result")
        assert (told["outcome"], told["policy"], told["attempts"]) == ("rejected", policy, 0)
        (entry,) = (await harness.ask("get_audit", {}))["data"]["entries"]
        assert (entry["actor"], entry["action"], entry["subject"]) == ("ann", "guardrail", f"account:{ACCOUNT.id}")
        assert entry["details"] == {"operation": operation, "command_id": "c-1", **details}


async def test_a_refusal_that_comes_again_is_told_again_and_recorded_once(ledger_url: str) -> None:
    for _ in range(2):
        async with guarding(ledger_url, max_leverage=9) as harness:
            assert (await harness.ask(command_id="c-1"))["statusCode"] == 403
            assert len((await harness.ask("get_audit", {}))["data"]["entries"]) == 1


async def test_what_is_allowed_is_done_and_tells_the_policy(ledger_url: str) -> None:
    rules: dict[str, Any] = {"max_leverage": 3, "max_leverage_of": {BTC.symbol: 10}, "margin_modes": ["cross"]}
    async with guarding(ledger_url, **rules) as harness:
        assert (await harness.ask())["statusCode"] == 200
        assert (await harness.ask("get_positions", COLLECT))["statusCode"] == 200
        assert harness.bus.replies[0][1].headers["Policy"] == version_of(Guardrails(**rules))
        assert "Policy" not in harness.bus.replies[1][1].headers
    async with worker_harness(ledger_url) as harness:
        await harness.ask()
        assert harness.bus.told("result")[-1]["policy"] == version_of(UNGUARDED)


CLAIMS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "the claim is stricter": ({"max_leverage": 20}, {"max_leverage": 9}, 403),
    "the account is stricter": ({"max_leverage": 9}, {"max_leverage": 20}, 403),
    "a claim with more operations": (
        {"operations": ["set_margin_mode"]},
        {"operations": ["set_leverage", "set_margin_mode"]},
        403,
    ),
    "a claim for the market": ({"max_leverage": 9}, {"max_leverage_of": {BTC.symbol: 100}}, 403),
    "both allow it": ({"max_leverage": 20}, {"max_leverage": 10}, 200),
}


@pytest.mark.parametrize(("account", "claim", "status"), CLAIMS.values(), ids=CLAIMS)
async def test_a_claim_can_forbid_and_never_allow(
    ledger_url: str, account: dict[str, Any], claim: dict[str, Any], status: int
) -> None:
    async with guarding(ledger_url, **account) as harness:
        envelope = await harness.ask(guardrails=json.dumps(claim))
        assert envelope["statusCode"] == status
        both = stricter(Guardrails(**account), Guardrails(**claim))
        assert harness.bus.told("result")[-1]["policy"] == version_of(both)


@pytest.mark.parametrize("claim", ["", "{", "[]", '{"max_leverage":"many"}', '{"max_levrage":5}'])
async def test_a_claim_that_is_not_understood_is_refused_and_nothing_is_sent(ledger_url: str, claim: str) -> None:
    async with worker_harness(ledger_url) as harness:
        envelope = await harness.ask(guardrails=claim)
        assert (envelope["statusCode"], envelope["error"]["code"]) == (400, "invalid_request")
        assert "guardrails" in envelope["message"]
        assert harness.venue.log == []


async def test_what_a_dead_worker_has_begun_keeps_the_claim_that_it_came_with(ledger_url: str) -> None:
    claim, deadline = canonical_of(Guardrails(max_leverage=9)), now() - 10_000
    async with open_ledger(ledger_url) as before:
        first = Delivery("set_leverage", json.dumps(TO_10X).encode(), "c-1", guardrails=claim, deadline=deadline)
        command = RequestParser(Accounts((ACCOUNT,)), 1_000).parse(first, deadline - 1_000)
        assert isinstance(command, Command)
        await before.commands.register(entry_of(command))
    async with worker_harness(ledger_url) as after:
        (record,) = await after.ledger.command_list.unfinished(9)
        assert record.entry.guardrails == claim
        await after.worker.recovery.look()
        assert [row["outcome"] for row in after.bus.told("result")] == ["rejected"]
        await after.deliver(command_id="c-1")  # as from somebody whose token allows it
        assert after.replies[-1]["error"]["code"] == "guardrail"
        assert after.changes == []


async def test_what_was_begun_under_rules_that_a_later_version_knows_sends_nothing_more(ledger_url: str) -> None:
    first = Delivery("set_leverage", json.dumps(TO_10X).encode(), "c-1", deadline=now() + TIMEOUT_MS)
    command = RequestParser(Accounts((ACCOUNT,)), TIMEOUT_MS).parse(first, now())
    assert isinstance(command, Command)
    async with open_ledger(ledger_url) as before:
        await before.commands.register(replace(entry_of(command), guardrails='{"a_later_rule":1}'))
    async with worker_harness(ledger_url) as after:
        await after.deliver(command_id="c-1")
        assert after.replies[-1]["error"]["code"] == "guardrail"
        assert after.changes == []


async def test_a_token_with_guardrails_has_nothing_done_in_the_name_of_the_service(ledger_url: str) -> None:
    async with worker_harness(ledger_url) as harness:
        document: Body = {"exchange_account_id": ACCOUNT.id, "symbols": {BTC.symbol: {"leverage": 10}}}
        refused = await harness.ask("keep_terms", document, guardrails='{"max_leverage":5}')
        assert (refused["statusCode"], refused["error"]["code"]) == (403, "forbidden")
        assert "not for a token with guardrails" in refused["message"]
        assert harness.venue.log == []


class TestOnlyLowerWhileOpen:
    """The position is looked up at the venue, before each sending."""

    @pytest.mark.parametrize(("leverage", "status"), [(4, 200), (5, 200), (5.5, 403), (10, 403)])
    async def test_an_open_position_forbids_to_raise(self, ledger_url: str, leverage: float, status: int) -> None:
        async with guarding(ledger_url, only_lower_while_open=True) as harness:
            envelope = await harness.ask(body=to(leverage))
            assert envelope["statusCode"] == status
            assert harness.venue.log[0] == "symbol state"
            assert harness.changes == ([] if status == 403 else [f"leverage {leverage}"])
            if status == 403:
                assert envelope["error"]["details"]["rule"] == "only_lower_while_open"
                assert envelope["error"]["details"]["allowed"] == 5

    async def test_a_flat_market_may_have_any(self, ledger_url: str) -> None:
        async with guarding(ledger_url, MemoryVenue(contracts=Decimal(0)), only_lower_while_open=True) as harness:
            assert (await harness.ask())["statusCode"] == 200

    async def test_a_claim_asks_for_it_as_well(self, ledger_url: str) -> None:
        async with worker_harness(ledger_url) as harness:
            refused = await harness.ask(guardrails='{"only_lower_while_open":true}')
            assert refused["error"]["details"]["of"] == "the token"
            assert harness.changes == []

    async def test_other_commands_need_no_look(self, ledger_url: str) -> None:
        async with guarding(ledger_url, only_lower_while_open=True) as harness:
            assert (await harness.ask("set_margin_mode", ISOLATED))["statusCode"] == 200
            assert "symbol state" not in harness.venue.log

    async def test_a_look_that_fails_sends_nothing_and_is_tried_again(self, ledger_url: str) -> None:
        venue = MemoryVenue(contracts=Decimal(0))
        venue.unreadable.append(Ambiguous("the venue answers nonsense"))
        async with guarding(ledger_url, venue, only_lower_while_open=True) as harness:
            assert (await harness.ask())["statusCode"] == 200
            assert venue.log == ["symbol state", "symbol state", "leverage 10", *venue.log[3:]]

    async def test_one_that_can_not_be_looked_up_in_time_is_never_sent(self, ledger_url: str) -> None:
        failures: list[VenueError] = [Ambiguous("the venue answers nonsense") for _ in range(1_000)]
        venue = MemoryVenue()
        venue.unreadable.extend(failures)
        async with guarding(ledger_url, venue, only_lower_while_open=True) as harness:
            await harness.deliver(deadline=now() + 500)
            assert harness.outcomes == ["expired"]
            assert "open position can't be read" in harness.replies[-1]["message"]
            assert harness.changes == []


class OpensMeanwhile(MemoryVenue):
    """A venue that loses the first change, and where a position is opened meanwhile."""

    async def under_way(self) -> None:
        self.contracts = Decimal("0.05")


async def test_before_it_is_sent_again_it_is_looked_up_again_and_what_was_sent_stays_in_doubt(ledger_url: str) -> None:
    venue = OpensMeanwhile(contracts=Decimal(0))
    venue.fail(Ambiguous("no answer"), applied=False)
    async with guarding(ledger_url, venue, only_lower_while_open=True) as harness:
        assert (await harness.ask())["error"]["code"] == "unknown"
        assert harness.changes == ["leverage 10"]
        assert (await harness.ask("get_audit", {}))["data"]["entries"] == []


async def test_guardrails_that_change_while_it_waits_hold_when_it_is_its_turn(ledger_url: str) -> None:
    venue, accounts = Stalls(), guarded(max_leverage=20)
    async with worker_harness(ledger_url, venue, accounts=accounts) as harness:
        first = asyncio.create_task(harness.deliver(body=to(6)))
        await venue.reached.wait()
        second = asyncio.create_task(harness.deliver(body=TO_10X))
        await asyncio.sleep(0)
        accounts.replace(guarded(max_leverage=9).values())
        venue.go_on.set()
        await asyncio.gather(first, second)
        assert sorted(harness.outcomes) == ["applied", "rejected"]
        assert harness.changes == ["leverage 6"]


class Checks(MemoryVenue):
    """A venue that has a check of a leverage meet whatever happens meanwhile."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        await super().check_leverage(market, leverage)
        self.meanwhile()


@pytest.mark.parametrize("claim", [None, canonical_of(Guardrails(max_leverage=15))])
@pytest.mark.parametrize(("limit", "outcome", "changes"), [(9, "rejected", []), (12, "applied", ["leverage 10"])])
async def test_guardrails_that_change_behind_its_first_check_hold_for_what_is_sent(
    ledger_url: str, claim: str | None, limit: int, outcome: str, changes: list[str]
) -> None:
    venue, accounts = Checks(), guarded(max_leverage=20)
    venue.meanwhile = lambda: accounts.replace(guarded(max_leverage=limit).values())
    async with worker_harness(ledger_url, venue, accounts=accounts) as harness:
        await harness.deliver(guardrails=claim)
        assert (harness.outcomes, harness.changes) == ([outcome], changes)
        told = Guardrails(max_leverage=limit)
        assert harness.bus.told("result")[-1]["policy"] == version_of(told)


async def test_get_accounts_tells_what_is_in_force(ledger_url: str) -> None:
    rules: dict[str, Any] = {"max_leverage": 2.5, "max_leverage_of": {BTC.symbol: 9}, "margin_modes": ["cross"]}
    async with guarding(ledger_url, **rules) as harness:
        (row,) = ServedAccounts.model_validate((await harness.ask("get_accounts", {}))["data"]).accounts
        assert (row.guardrails, row.policy) == (Guardrails(**rules), version_of(Guardrails(**rules)))
