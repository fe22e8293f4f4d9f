"""A ledger as the migrations make it, with the finished commands of the past in it."""

import asyncio
import sqlite3
from contextlib import closing

from worker.ledger.ledger import open_database
from worker.ledger.sql.database import SQLITE
from worker.runtime.clock import now

DAY_MS = 86_400_000
KEPT_MS, AGO_MS = 28 * DAY_MS, 3_600_000
"""Over how long they are spread, until when: younger than what retention deletes, and past what a snapshot asks for."""

OLD_MS = 40 * DAY_MS
"""The age of what retention deletes."""

FILL = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :commands)
    INSERT INTO commands (id, operation, exchange, account, fingerprint, request, received, deadline, owner, attempts,
                          intended, finished, outcome, status, reply, headers, event)
    SELECT lower(hex(randomblob(16))), 'set_leverage', 'binance', 'desk-' || (i % :accounts), lower(hex(randomblob(8))),
           '{}', at, at + 10000, 'gone', 1, at + 1, at + 5, 'applied', 200, '{}', '{}', '{}'
    FROM (SELECT i, :from + i * :span / :commands AS at FROM n)"""


async def remember(url: str, commands: int, accounts: int, *, old: int = 0) -> None:
    """Fill a ledger with commands of so many accounts; `old` ones more are past what retention keeps."""
    await (await open_database(url)).close()
    path, today = url.removeprefix(SQLITE), now()
    await asyncio.to_thread(_fill, path, commands, accounts, today - AGO_MS - KEPT_MS, KEPT_MS)
    if old:
        await asyncio.to_thread(_fill, path, old, accounts, today - OLD_MS, DAY_MS)


def _fill(path: str, commands: int, accounts: int, begin: int, span: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute(FILL, {"commands": commands, "accounts": accounts, "from": begin, "span": span})
        connection.execute("PRAGMA journal_mode = WAL")


def snapshots_taken(url: str) -> int:
    """How many position snapshots a ledger has counted, of all accounts together."""
    with closing(sqlite3.connect(f"file:{url.removeprefix(SQLITE)}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT coalesce(sum(seq), 0) FROM snapshots").fetchone()
        return int(count)
