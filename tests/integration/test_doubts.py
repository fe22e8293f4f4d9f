"""A command that ended as unknown leaves a doubt; it ends by a look at the venue or a later command, and is told."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from typing import Any

import asyncpg
import orjson
import pytest
from structlog.testing import capture_logs

from schemas.control import VenueHealth, VenueState
from tests.support.memory_venue import ACCOUNT, BTC, MemoryBus, MemoryVenue
from tests.support.worker_harness import COLLECT, TO_10X, Body, Stalls, WorkerHarness, worker_harness
from worker.accounts.account import Accounts
from worker.execution.aftermath.recovery import Retention
from worker.execution.aftermath.resolver import LONGEST_WAIT_MS, SETTLE_MS, SOONEST_MS, DoubtResolver
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger import migrations
from worker.ledger.ledger import open_ledger
from worker.ledger.postgres import database as postgres
from worker.ledger.sql.database import SQLITE, Database, Row, Statement
from worker.ledger.sqlite import database as sqlite
from worker.ledger.unresolved import Doubts, Setting
from worker.messages.wire import Outgoing
from worker.runtime.background import in_background
from worker.runtime.clock import now
from worker.venues.port.adapter import MarginSettings, Market
from worker.venues.port.errors import Ambiguous, LimitReached, ValueRefused

CROSS = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "margin_mode": "cross"}
READ = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol}
NO_ANSWER = Ambiguous("no answer")


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    async with worker_harness(ledger_url) as harness:
        yield harness


@dataclass
class Later:
    """The time, some while after it really is."""

    ahead: int = 0

    def __call__(self) -> int:
        return now() + self.ahead


@dataclass
class Watched:
    """A resolver of the worker, whose time and venue health are set by hand."""

    harness: WorkerHarness
    clock: Later = field(default_factory=Later)
    health: VenueHealth = VenueHealth.UP
    accounts: Accounts = field(default_factory=lambda: Accounts((ACCOUNT,)))

    def __post_init__(self) -> None:
        self.resolver = DoubtResolver(
            ledger=self.harness.ledger,
            relay=OutboxRelay(self.harness.ledger, self.harness.bus),
            accounts=self.accounts,
            adapter_of=lambda _: self.harness.venue,
            venues=self.states,
            timeout_ms=5_000,
            clock=self.clock,
        )

    def states(self) -> tuple[VenueState, ...]:
        return (VenueState(exchange="binance", health=self.health, markets_loaded=True, since=1, reason=None),)

    async def looks(self, *, ahead: int | None = None) -> list[Body]:
        """What has been told once it has looked, so much later."""
        self.clock.ahead = self.clock.ahead if ahead is None else ahead
        await self.resolver.look()
        return self.harness.bus.told("doubt")

    @property
    def reads(self) -> int:
        """How often terms or balances were asked for since the last command of the worker ended."""
        return sum(row in ("terms", "balance") for row in self.harness.venue.log)


async def fall_into_doubt(
    harness: WorkerHarness,
    operation: str = "set_leverage",
    body: Body = TO_10X,
    *,
    applied: bool = True,
    name: str | None = None,
) -> None:
    """A change whose answer gets lost, and whose read-back fails."""
    harness.venue.fail(NO_ANSWER, applied=applied)
    if not operation.startswith("pm_"):
        harness.venue.unreadable.append(NO_ANSWER)
    await harness.deliver(operation, body, name)
    assert harness.outcomes[-1] == "unknown"
    harness.venue.log.clear()


async def in_doubt(harness: WorkerHarness) -> list[Body]:
    doubts: list[Body] = (await harness.ask("get_doubts", {}))["data"]["doubts"]
    return doubts


async def test_a_doubt_says_what_was_wanted_where_and_since_when(harness: WorkerHarness) -> None:
    before = now()
    await fall_into_doubt(harness, name="c-1")
    (doubt,) = await in_doubt(harness)
    count, since = await harness.ledger.doubts.oldest()
    assert (count, since) == (1, doubt["since"])
    assert before <= doubt["since"] <= now()
    assert doubt | {"since": 0, "next_look": 0} == {
        "command_id": "c-1",
        "operation": "set_leverage",
        "exchange": "binance",
        "exchange_account_id": ACCOUNT.id,
        "actor": "ann",
        "symbol": BTC.symbol,
        "asset": None,
        "wanted": {"leverage": 10},
        "since": 0,
        "tries": 0,
        "next_look": 0,
        "problem": None,
    }
    assert (await harness.ask("get_command", {"command_id": "c-1"}))["data"]["doubt"] == doubt


async def test_the_answer_the_event_and_the_log_say_it_too(harness: WorkerHarness) -> None:
    with capture_logs() as lines:
        await fall_into_doubt(harness, name="c-1")
    (answer,), (result,) = harness.replies, harness.bus.told("result")
    about = {"symbol": BTC.symbol, "wanted": {"leverage": 10}}
    for error in (answer["error"], result["envelope"]["error"]):
        details = error["details"]
        assert details.items() >= (about | {"exchange_account_id": ACCOUNT.id, "operation": "set_leverage"}).items()
        assert details["since"] == result["timings"]["finished"]
    assert "GET /doubts (`perps-dma doubts`) lists it" in answer["message"]
    (done,) = [line for line in lines if line["event"] == "command_finished"]
    assert (done["log_level"], done["account"], done["outcome"]) == ("warning", ACCOUNT.id, "unknown")
    assert done.items() >= about.items()


async def test_a_look_that_shows_what_was_wanted_ends_it_at_once_and_is_told(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, name="c-1")
    (doubt,) = await in_doubt(harness)
    (told,) = await Watched(harness).looks()
    in_force = {"leverage": 10, "margin_mode": "cross", "position_mode": None, "sides": []}
    assert (told["in_force"], told["as_wanted"]) == (in_force, True)
    assert (told["confirmed_by"], told["settled_by"], told["balances"]) == ("read_back", None, None)
    for name in ("command_id", "exchange_account_id", "operation", "symbol", "wanted", "since"):
        assert told[name] == doubt[name]
    assert told["message"] == f"{BTC.symbol} is at 10x cross, as was wanted"
    event = harness.bus.events[-1]
    assert (event.routing_key, orjson.loads(event.body)["subject"]) == (
        f"control.doubt.binance.{ACCOUNT.id}",
        ACCOUNT.id,
    )
    assert await harness.ledger.doubts.oldest() == (0, None)
    command = (await harness.ask("get_command", {"command_id": "c-1"}))["data"]
    assert (command["outcome"], command["doubt"], command["resolution"]) == ("unknown", None, told)
    assert harness.outcomes == ["unknown"]


async def test_the_margin_mode_is_looked_at_as_well(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, "set_margin_mode", {**CROSS, "margin_mode": "isolated"})
    (told,) = await Watched(harness).looks()
    assert (told["wanted"], told["as_wanted"]) == ({"margin_mode": "isolated"}, True)


async def test_another_value_is_believed_only_once_the_venue_has_settled(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, applied=False)
    watched = Watched(harness)
    assert await watched.looks() == []
    (doubt,) = await in_doubt(harness)
    assert (doubt["next_look"], doubt["tries"], doubt["problem"]) == (doubt["since"] + SETTLE_MS, 1, None)
    assert await watched.looks(ahead=SETTLE_MS // 2) == []
    assert watched.reads == 1
    (told,) = await watched.looks(ahead=SETTLE_MS + 1)
    assert (told["in_force"]["leverage"], told["as_wanted"]) == (5, False)
    assert told["message"].endswith("5x cross, and not as was wanted")


async def test_each_command_in_doubt_is_told_and_the_oldest_stays_the_oldest(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, name="c-1")
    first = await harness.ledger.doubts.oldest()
    await fall_into_doubt(harness, body={**TO_10X, "leverage": 20}, name="c-2")
    assert await harness.ledger.doubts.oldest() == first
    watched = Watched(harness)
    told = await watched.looks(ahead=10)
    assert [(row["command_id"], row["in_force"]["leverage"], row["as_wanted"]) for row in told] == [
        ("c-1", 20, False),
        ("c-2", 20, True),
    ]
    assert watched.reads == 1


async def test_what_cant_be_read_is_looked_at_later_and_later_and_says_why(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    watched, longest = Watched(harness), 0
    for tries in range(1, 13):
        harness.venue.unreadable.append(Ambiguous(f"HTTP 502, the {tries}th"))
        assert await watched.looks() == []
        (doubt,) = await in_doubt(harness)
        assert (doubt["tries"], doubt["problem"]) == (tries, f"HTTP 502, the {tries}th")
        wait = doubt["next_look"] - watched.clock()
        longest = max(longest, wait)
        assert wait <= min(LONGEST_WAIT_MS, 2_000 * 2 ** (tries - 1))
        watched.clock.ahead += max(0, wait) + 1
    assert longest > 4_000
    assert watched.reads == 12
    assert len(await watched.looks()) == 1


async def test_our_own_limiter_is_believed_when_it_says_how_long_to_wait(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    harness.venue.unreadable.append(LimitReached("no room", retry_after=60_000))
    watched = Watched(harness)
    assert await watched.looks() == []
    (doubt,) = await in_doubt(harness)
    assert doubt["next_look"] - now() > 50_000


async def test_what_is_not_due_is_not_looked_at(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    (doubt,) = await harness.ledger.doubts.all()
    await harness.ledger.doubts.put_off((doubt,), now() + 60_000)
    watched = Watched(harness)
    assert await watched.looks() == []
    assert watched.reads == 0
    assert len(await watched.looks(ahead=60_001)) == 1


@dataclass(slots=True)
class HeardBus(MemoryBus):
    """Lets a test wait for the end of a doubt."""

    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def event(self, event: Outgoing) -> None:
        await MemoryBus.event(self, event)
        if event.type == "perps-dma.doubt.v1":
            self.heard.set()


async def test_a_query_that_the_venue_answers_has_it_looked_at_at_once(ledger_url: str) -> None:
    bus = HeardBus()
    async with worker_harness(ledger_url, bus=bus) as harness:
        await fall_into_doubt(harness)
        (doubt,) = await harness.ledger.doubts.all()
        await harness.ledger.doubts.put_off((doubt,), now() + LONGEST_WAIT_MS)
        await harness.worker.doubts.look()
        assert bus.told("doubt") == []
        async with in_background(harness.worker.doubts.run()), asyncio.timeout(10):
            assert (await harness.ask("get_leverage", READ))["data"]["leverage"] == 10
            await bus.heard.wait()
        assert await harness.ledger.doubts.oldest() == (0, None)


async def test_queries_have_it_looked_at_no_more_often_than_they_should(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    watched = Watched(harness)
    harness.venue.unreadable.extend([NO_ANSWER] * 3)
    await watched.looks()
    (doubt,) = await harness.ledger.doubts.all()
    await harness.ledger.doubts.put_off((doubt,), now() + LONGEST_WAIT_MS)
    for _ in range(5):
        watched.resolver.answered(ACCOUNT.id)
        watched.resolver.answered("another")
        await watched.looks()
    assert watched.reads == 2
    watched.clock.ahead += SOONEST_MS
    watched.resolver.answered(ACCOUNT.id)
    await watched.looks()
    assert watched.reads == 3


async def test_a_venue_that_is_down_is_left_alone_and_asked_once_it_is_back(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    watched = Watched(harness, health=VenueHealth.DOWN)
    assert await watched.looks(ahead=LONGEST_WAIT_MS) == []
    assert watched.reads == 0
    (doubt,) = await harness.ledger.doubts.all()
    await harness.ledger.doubts.put_off((doubt,), now() + 2 * LONGEST_WAIT_MS)
    watched.health = VenueHealth.UP
    assert len(await watched.looks()) == 1


async def test_an_account_that_is_gone_or_elsewhere_by_now_stays_in_doubt(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    watched = Watched(harness)
    for others in ((), (ACCOUNT.model_copy(update={"exchange": "bybit", "portfolio_margin": False}),)):
        watched.accounts.replace(others)
        assert await watched.looks(ahead=SETTLE_MS) == []
    assert (watched.reads, (await harness.ledger.doubts.oldest())[0]) == (0, 1)
    watched.accounts.replace((ACCOUNT,))
    assert len(await watched.looks()) == 1


async def test_the_next_command_that_succeeds_ends_it_and_that_is_told(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, name="c-1")
    await harness.deliver(body={**TO_10X, "leverage": 20}, command_id="c-2")
    watched = Watched(harness)
    (told,) = await watched.looks()
    assert (told["command_id"], told["settled_by"], told["confirmed_by"]) == ("c-1", "c-2", "echo")
    assert (told["in_force"]["leverage"], told["as_wanted"]) == (20, False)
    assert told["as_of"] == harness.bus.told("result")[-1]["timings"]["finished"]
    assert told["message"] == f"a later command has settled it: Leverage set to 20x for {BTC.symbol}"
    assert (watched.reads, await harness.ledger.doubts.oldest()) == (0, (0, None))


async def test_a_command_that_is_in_doubt_after_one_that_succeeded_stays_so(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, name="c-1")
    await harness.deliver(command_id="c-2")
    await fall_into_doubt(harness, name="c-3", applied=False)
    watched = Watched(harness)
    assert [row["command_id"] for row in await watched.looks(ahead=10)] == ["c-1", "c-3"]
    assert [row["settled_by"] for row in harness.bus.told("doubt")] == ["c-2", None]


async def test_what_shows_nothing_of_the_setting_ends_no_doubt(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    harness.venue.fail(ValueRefused("no such leverage"), applied=False)
    await harness.deliver()
    await harness.deliver("set_margin_mode", CROSS)
    assert harness.outcomes[-2:] == ["rejected", "applied"]
    assert not harness.ledger.doubts.ended
    assert (await harness.ledger.doubts.oldest())[0] == 1


async def test_a_command_of_another_worker_ends_it_as_well(harness: WorkerHarness, ledger_url: str) -> None:
    await fall_into_doubt(harness, name="c-1")
    async with worker_harness(ledger_url, harness.venue) as other:
        await other.deliver(command_id="c-2")
        assert other.outcomes == ["applied"]
        (told,) = await Watched(other).looks()
        assert (told["command_id"], told["settled_by"]) == ("c-1", "c-2")
    assert (await harness.ledger.doubts.oldest())[0] == 0


async def test_a_worker_that_dies_before_it_could_tell_leaves_it_to_be_looked_at(
    harness: WorkerHarness, ledger_url: str
) -> None:
    await fall_into_doubt(harness, name="c-1")
    async with worker_harness(ledger_url, harness.venue) as other:
        await other.deliver(command_id="c-2")
    (told,) = await Watched(harness).looks(ahead=1_000)
    assert (told["command_id"], told["settled_by"], told["confirmed_by"]) == ("c-1", None, "read_back")


async def test_any_number_of_workers_tell_it_once(harness: WorkerHarness, ledger_url: str) -> None:
    await fall_into_doubt(harness)
    async with (
        worker_harness(ledger_url, harness.venue, harness.bus) as second,
        worker_harness(ledger_url, harness.venue, harness.bus) as third,
    ):
        await asyncio.gather(*(Watched(one).looks() for one in (harness, second, third)))
    assert len(harness.bus.told("doubt")) == 1


class ReadsSlowly(Stalls):
    """A venue that answers a read when it is told to, as it was when it was asked; and a change likewise."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.answer.set()
        self.go_on.set()

    async def terms(self, market: Market) -> MarginSettings:
        shown = await super().terms(market)
        self.asked.set()
        await self.answer.wait()
        return shown


@pytest.mark.parametrize("is_over", [True, False], ids=["over", "under way"])
async def test_a_reading_beside_a_command_about_the_same_is_not_believed(ledger_url: str, is_over: bool) -> None:
    venue = ReadsSlowly()
    async with worker_harness(ledger_url, venue) as harness:
        await fall_into_doubt(harness, name="c-1")
        watched = Watched(harness)
        venue.asked.clear()
        venue.answer.clear()
        look = asyncio.create_task(watched.looks())
        await venue.asked.wait()
        if not is_over:
            venue.reached.clear()
            venue.go_on.clear()
        command = asyncio.create_task(harness.deliver(body={**TO_10X, "leverage": 20}, command_id="c-2"))
        await (command if is_over else venue.reached.wait())
        venue.answer.set()
        assert await look == []
        venue.go_on.set()
        await command
        (told,) = await watched.looks()
        assert (told["settled_by"], told["in_force"]["leverage"]) == ("c-2", 20)


async def test_commands_about_other_markets_dont_hold_it_up(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness)
    (doubt,) = await harness.ledger.doubts.all()
    beside = (
        "INSERT INTO commands SELECT $1, operation, exchange, account, actor, fingerprint, $2, received, deadline, "
    )
    rest = "owner, attempts, intended, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM commands WHERE id = $3"
    other = orjson.dumps({**TO_10X, "symbol": "ETH/USDT:USDT"}).decode()
    await harness.ledger.database.write(Statement(beside + rest, ("c-9", other, doubt.command)))
    assert len(await Watched(harness).looks()) == 1


SWEEPS: dict[str, tuple[str, Body, str]] = {
    "all": ("pm_auto_collect", COLLECT, "all but BNB"),
    "one asset": ("pm_asset_collect", {**COLLECT, "asset": "USDT"}, "USDT"),
}


@pytest.mark.parametrize(("operation", "body", "what"), SWEEPS.values(), ids=SWEEPS)
async def test_a_sweep_is_never_sent_again_and_its_event_carries_the_balances(
    harness: WorkerHarness, operation: str, body: Body, what: str
) -> None:
    await fall_into_doubt(harness, operation, body, name="c-1")
    (answer,) = harness.replies
    assert "never sent again: look at the balances with pm_get_balance" in answer["message"]
    assert answer["error"]["details"]["wanted"] == {"collected": what}
    watched = Watched(harness)
    assert await watched.looks() == []
    assert watched.reads == 0
    (told,) = await watched.looks(ahead=SETTLE_MS + 1)
    assert (told["command_id"], told["wanted"], told["asset"]) == ("c-1", {"collected": what}, body.get("asset"))
    assert told["balances"]["USDT"]["total_wallet_balance"] == 10
    assert (told["in_force"], told["as_wanted"], told["confirmed_by"]) == (None, None, "read_back")
    assert f"whether {what} was swept can't be known" in told["message"]
    assert (harness.changes, await harness.ledger.doubts.oldest()) == ([], (0, None))


async def test_a_later_sweep_tells_nothing_of_an_earlier_one(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, "pm_auto_collect", COLLECT)
    await harness.deliver("pm_auto_collect", COLLECT)
    assert harness.outcomes[-1] == "applied"
    (told,) = await Watched(harness).looks(ahead=SETTLE_MS + 1)
    assert told["balances"].keys() == {"USDT"}


async def test_leverage_of_several_sides_is_told_side_by_side(ledger_url: str) -> None:
    class Hedged(MemoryVenue):
        async def terms(self, market: Market) -> MarginSettings:
            shown = await super().terms(market)
            return MarginSettings(shown.leverage, shown.margin_mode, sides=(Decimal("2.5"), shown.leverage))

    async with worker_harness(ledger_url, Hedged()) as harness:
        await fall_into_doubt(harness)
        (told,) = await Watched(harness).looks(ahead=SETTLE_MS + 1)
        assert (told["in_force"]["sides"], told["as_wanted"]) == ([2.5, 10], False)


async def test_where_each_order_names_its_mode_nobody_says_that_it_is_another(ledger_url: str) -> None:
    okx = ACCOUNT.model_copy(update={"exchange": "okx", "portfolio_margin": False})
    async with worker_harness(ledger_url, accounts=Accounts((okx,))) as harness:
        await fall_into_doubt(harness, "set_margin_mode", {**CROSS, "margin_mode": "isolated"}, applied=False)
        watched = Watched(harness, accounts=Accounts((okx,)))
        (told,) = await watched.looks(ahead=SETTLE_MS + 1)
        assert (told["in_force"]["margin_mode"], told["as_wanted"]) == ("cross", None)


async def test_a_doubt_outlives_its_worker_and_is_forgotten_with_its_command(
    harness: WorkerHarness, ledger_url: str
) -> None:
    await fall_into_doubt(harness)
    async with open_ledger(ledger_url) as later:
        assert (await later.doubts.oldest())[0] == 1
        await Retention(later, 1, 1, lambda: now() + 2 * 86_400_000).clean()
        assert (await later.doubts.oldest())[0] == 0


@dataclass
class Counting:
    """Counts what is read from a database."""

    database: Database
    reads: int = 0

    async def read(self, statement: Statement) -> list[Row]:
        self.reads += 1
        return await self.database.read(statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)


async def test_an_account_that_once_had_a_doubt_costs_no_more_than_any_other(harness: WorkerHarness) -> None:
    counting = Counting(harness.ledger.database)
    doubts, setting = Doubts(counting, "w"), Setting(ACCOUNT.id, "set_leverage", BTC.symbol)
    doubts.heard_of(ACCOUNT.id)
    for _ in range(5):
        assert await doubts.ended_by(setting, "applied") == []
    assert counting.reads == 1


async def made_before(url: str, script: str, *more: str) -> None:
    """A ledger as it was made before a script was there, with some statements more."""
    number = sorted(file.name for file in files(migrations).iterdir() if file.name.endswith(".sql")).index(script)
    identity = sqlite.IDENTITY if url.startswith(SQLITE) else postgres.IDENTITY
    statements = ["CREATE TABLE schema_version (version BIGINT NOT NULL)"]
    for step, texts in migrations.missing(0, identity, url)[:number]:
        statements += [*texts, f"INSERT INTO schema_version (version) VALUES ({step})"]
    text = ";\n".join((*statements, *more))
    if url.startswith(SQLITE):
        with closing(sqlite3.connect(url.removeprefix(SQLITE))) as file:
            file.executescript(text)
    else:
        session = await asyncpg.connect(url)
        await session.execute(text)
        await session.close()


async def test_doubts_that_an_older_program_has_left_are_looked_at_too(ledger_url: str) -> None:
    request = orjson.dumps(TO_10X).decode()
    await made_before(
        ledger_url,
        "0006_doubts.sql",
        "INSERT INTO commands (id, operation, exchange, account, fingerprint, request, received, deadline, owner, "
        "intended, finished, outcome) VALUES "
        f"('c-1', 'set_leverage', 'binance', '{ACCOUNT.id}', 'f', '{request}', 1, 2, 'gone', 3, 4, 'unknown')",
        f"INSERT INTO doubts VALUES ('{ACCOUNT.id}', 'set_leverage', '{BTC.symbol}', 'c-1', 4)",
    )
    async with worker_harness(ledger_url) as harness:
        (kept,) = await in_doubt(harness)
        assert (kept["command_id"], kept["wanted"], kept["since"], kept["tries"]) == ("c-1", {"leverage": 10}, 4, 0)
        (told,) = await Watched(harness).looks()
        assert (told["in_force"]["leverage"], told["as_wanted"]) == (5, False)


HEDGE: Body = {"exchange_account_id": ACCOUNT.id, "position_mode": "hedge"}


async def test_a_position_mode_in_doubt_is_read_back_by_itself(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, "set_position_mode", HEDGE, name="c-1")
    (doubt,) = await in_doubt(harness)
    assert (doubt["symbol"], doubt["asset"], doubt["wanted"]) == (None, None, {"position_mode": "hedge"})
    (told,) = await Watched(harness).looks()
    assert (told["in_force"]["position_mode"], told["in_force"]["leverage"], told["as_wanted"]) == ("hedge", None, True)
    assert told["message"] == f"{ACCOUNT.id} in hedge mode, as was wanted"
    assert harness.venue.log == ["position modes"]


async def test_a_position_mode_and_the_terms_of_a_market_are_two_questions(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, "set_position_mode", HEDGE, name="c-1")
    await fall_into_doubt(harness, name="c-2")
    told = await Watched(harness).looks()
    assert [(row["command_id"], row["as_wanted"]) for row in told] == [("c-1", True), ("c-2", True)]
    assert sorted(harness.venue.log) == ["position modes", "terms"]


async def test_a_later_position_mode_ends_the_doubt_of_an_earlier_one(harness: WorkerHarness) -> None:
    await fall_into_doubt(harness, "set_position_mode", HEDGE, applied=False, name="c-1")
    await harness.deliver("set_position_mode", {**HEDGE, "position_mode": "hedge"}, "c-2")
    assert harness.outcomes[-1] == "applied"
    (told,) = await Watched(harness).looks()
    assert (told["command_id"], told["settled_by"], told["as_wanted"]) == ("c-1", "c-2", True)
    assert told["in_force"]["position_mode"] == "hedge"
