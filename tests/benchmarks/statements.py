"""How many statements of the ledger pass over a whole table that grows, by their plans on a full ledger."""

from pathlib import Path

from tests.benchmarks.rows import Row, at_most
from tests.integration.test_query_plans import FILL, Recorded, every_call, sqlite_plans
from worker.ledger.ledger import Ledger, open_database
from worker.ledger.sql.database import SQLITE, Statement


async def growing_statements(folder: Path) -> list[Row]:
    """Every public call of the ledger is made, and the plans of what they ran are counted."""
    database = await open_database(f"{SQLITE}{folder / 'full.db'}")
    try:
        for fill in FILL:
            await database.write(Statement(fill))
        await database.write(Statement("ANALYZE"))
        full = Recorded(database)
        for calls in every_call(Ledger(full, "w-1")).values():
            for call in calls.values():
                await call()
        plans = await sqlite_plans(full)
    finally:
        await database.close()
    return [
        at_most(f"statements, of {len(plans)}, whose cost grows with the ledger", sum(map(bool, plans.values())), 0)
    ]
