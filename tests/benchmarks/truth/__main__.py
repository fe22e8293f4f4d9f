"""`make bench-truth`: the same faults for ours, ccxt and the venues' official clients, and what each then says.

Exit code 1 if ours was wrong once.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

import uvloop

from tests.benchmarks.truth.by_ccxt import ByCcxt
from tests.benchmarks.truth.by_sdk import BySdk
from tests.benchmarks.truth.claims import honesty
from tests.benchmarks.truth.ours import Ours
from tests.benchmarks.truth.played import VENUE_CHANGES, Played, all_played
from tests.benchmarks.truth.stand import Stand, stands
from tests.benchmarks.truth.table import Heard, markdown, shown
from worker.console.kit.display import console
from worker.runtime.library_logs import silence_libraries


async def heard_at(venue: str, chosen: Sequence[Played] | None = None) -> list[Heard]:
    """What each client says at a venue, of all that goes wrong there or of some of it."""
    async with stands(venue) as stand:
        ccxt = ByCcxt(stand)
        for change in VENUE_CHANGES[venue]:
            if ccxt.can(change):
                await ccxt.prepare(change)
        try:
            return [
                await _heard(stand, client, played)
                for played in chosen or tuple(all_played(venue))
                for client in (Ours(stand), ccxt, BySdk(stand))
                if client.can(played.change)
            ]
        finally:
            await ccxt.close()


async def _heard(stand: Stand, client: Ours | ByCcxt | BySdk, played: Played) -> Heard:
    stand.play(played)
    claim = await client.make(played.change)
    return Heard(client.name, played, honesty(claim, in_force=await stand.is_in_force(played.change)))


async def main(*, as_markdown: bool) -> int:
    """Print the table, and what ours was wrong about."""
    heard = [row for rows in await asyncio.gather(*map(heard_at, VENUE_CHANGES)) for row in rows]
    if as_markdown:
        print(markdown(heard))
    else:
        console.print(shown(heard))
    wrong = [row for row in heard if row.client == Ours.name and row.honesty.is_wrong]
    for row in wrong:
        console.print(f"{row.honesty}: {row.played}")
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What clients say of changes that go wrong, against what is in force")
    parser.add_argument("--markdown", action="store_true", help="print the table as it stands in the documentation")
    silence_libraries()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # what a cut connection leaves in the stand-ins
    sys.exit(uvloop.run(main(as_markdown=parser.parse_args().markdown)))
