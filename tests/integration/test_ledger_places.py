"""Where a ledger may be: one of several hosts, or behind a pooler of sessions."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.test_ledger_locks import end_lock_sessions, is_ready, until_ready
from tests.support.postgres import Pgbouncer, PostgresServer, pgbouncer, postgres_server, standby_of
from tests.support.processes import free_port
from tests.support.worker_harness import worker_harness
from worker.ledger.ledger import open_database, open_ledger
from worker.ledger.sql.database import Statement


async def test_the_first_of_several_hosts_may_be_down(postgres: PostgresServer) -> None:
    url = await postgres.database()
    here = f"127.0.0.1:{postgres.port}"
    for hosts in (f"127.0.0.1:{free_port()},{here}", f"{here},127.0.0.1:{free_port()}", f"[::1]:{free_port()},{here}"):
        for asked in ("", "?target_session_attrs=read-write", "?target_session_attrs=any"):
            async with worker_harness(url.replace(here, hosts) + asked) as worker:
                await worker.deliver()
                assert worker.outcomes == ["applied"]


async def test_hosts_and_ports_may_stand_in_the_query(postgres: PostgresServer) -> None:
    url, here = await postgres.database(), f"127.0.0.1:{postgres.port}"
    several = f"?host=127.0.0.1,127.0.0.1&port={free_port()},{postgres.port}"
    async with worker_harness(url.replace(here, "") + several) as worker:
        await worker.deliver()
        assert worker.outcomes == ["applied"]


@pytest.mark.long
async def test_the_hosts_are_a_primary_and_its_standby_whichever_is_first() -> None:
    async with postgres_server() as primary, standby_of(primary) as standby:
        name = (await primary.database()).rpartition("/")[2]
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        url = primary.url_of(name).replace(f"127.0.0.1:{primary.port}", hosts)
        async with open_ledger(url) as ledger:
            await ledger.probe()
            await primary.kill()
            assert not await is_ready(ledger)
            await standby.say("SELECT pg_promote()")
            await until_ready(ledger)
            assert await ledger.database.read(Statement("SELECT pg_is_in_recovery()::int")) == [(0,)]


@pytest.fixture
async def pooler(postgres: PostgresServer) -> AsyncIterator[Pgbouncer]:
    """A pgbouncer in front of the server."""
    async with pgbouncer(postgres) as pooler:
        yield pooler


async def test_a_pooler_of_sessions_may_stand_in_front(postgres: PostgresServer, pooler: Pgbouncer) -> None:
    url = pooler.url(await postgres.database())
    async with worker_harness(url) as one, open_ledger(url) as two:
        await one.deliver()
        await end_lock_sessions(url)
        await one.deliver(body={"exchange_account_id": "memory-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 20})
        assert one.outcomes == ["applied", "applied"]
        await until_ready(two)


async def test_a_pooler_that_dies_takes_the_locks_with_it(postgres: PostgresServer, pooler: Pgbouncer) -> None:
    direct = await postgres.database()
    async with open_ledger(pooler.url(direct)) as ledger, open_ledger(direct) as other:
        async with ledger.commands.alone("a-1"):
            await pooler.kill()
            async with asyncio.timeout(20), other.commands.alone("a-1"):
                pass
            await pooler.start()
        await until_ready(ledger)


async def test_sessions_end_what_stands_still(postgres: PostgresServer) -> None:
    database = await open_database(await postgres.database())
    for name, value in {"tcp_keepalives_idle": "5", "idle_in_transaction_session_timeout": "5s"}.items():
        for _ in range(2):  # also behind the first user of a connection
            assert await database.read(Statement("SELECT current_setting($1)", (name,))) == [(value,)]
    await database.close()
