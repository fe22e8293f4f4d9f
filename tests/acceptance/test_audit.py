"""`perps-dma audit verify` and `export` on a running service: the chain is proved, and so is an archive by itself."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningUp


@pytest.fixture
async def head(running_up: RunningUp) -> str:
    """The head of an audit that has a few records."""
    for _ in range(2):
        for change in (("freeze", "--reason", "Prüfung"), ("unfreeze",)):
            ended = await running_up.cli(change[0], "--account", "okx-perp-001", *change[1:], "--as", "ann")
            assert ended.code == 0, ended.err
    told = json.loads((await running_up.cli("status", "--json")).out)["audit_head"]
    return f"{told['position']}:{told['hash']}"


@contextmanager
def tampered(running_up: RunningUp, change: str, back: str) -> Iterator[None]:
    """The ledger's file, changed behind the service's back."""
    with closing(sqlite3.connect(running_up.state / "ledger.db", timeout=20, isolation_level=None)) as file:
        file.execute(change)
        try:
            yield
        finally:
            file.execute(back)


async def test_a_chain_that_is_whole_is_proved_up_to_its_head(running_up: RunningUp, head: str) -> None:
    ended = await running_up.cli("audit", "verify", "--anchor", head)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("whole: ")
    assert ended.out.rstrip().endswith(head)
    assert head in (await running_up.cli("status")).out


async def test_the_first_broken_record_is_told_and_the_exit_code_is_1(running_up: RunningUp, head: str) -> None:
    position = int(head.partition(":")[0]) - 1
    change = f"UPDATE audit SET actor = 'eve' WHERE position = {position}"
    with tampered(running_up, change, change.replace("eve", "ann")):
        ended = await running_up.cli("audit", "verify")
        told = await running_up.cli("audit", "verify", "--json")
    assert ended.code == told.code == 1
    assert ended.out.startswith(f"broken: record {position}: its hash is ")
    assert json.loads(told.out)["first_broken"]["position"] == position
    assert (await running_up.cli("audit", "verify")).code == 0


async def test_an_anchor_that_is_not_the_chains_is_told(running_up: RunningUp, head: str) -> None:
    position = int(head.partition(":")[0])
    for anchor in (f"{position}:{'0' * 64}", f"{position + 1_000}:{head.partition(':')[2]}"):
        ended = await running_up.cli("audit", "verify", "--anchor", anchor)
        assert (ended.code, ended.out.startswith("broken: ")) == (1, True)
    assert (await running_up.cli("audit", "verify", "--anchor", "yesterday")).code == 1


async def exported(running_up: RunningUp, *arguments: str) -> list[str]:
    ended = await running_up.cli("audit", "export", *arguments)
    assert (ended.code, ended.err) == (0, "")
    return ended.out.splitlines(keepends=True)


def archive(folder: Path, *lines: str) -> str:
    (file := folder / "audit.jsonl").write_text("".join(lines))
    return str(file)


async def test_an_archive_is_proved_without_the_service_and_so_is_what_was_done_to_it(
    running_up: RunningUp, head: str, tmp_path: Path
) -> None:
    lines = await exported(running_up)
    assert (await running_up.cli("audit", "verify", archive(tmp_path, *lines), "--anchor", head)).code == 0
    last = json.loads(lines[-2])
    for spoilt, told in (
        ([*lines[:-2], lines[-1]], f"record {last['position']}: the head is "),
        (lines[:-1], f"record {last['position']}: the archive ends here"),
        ([*lines[:2], *lines[3:]], f"record {json.loads(lines[3])['position']}: it follows "),
        ([*lines[:1], lines[2], lines[1], *lines[3:]], "record "),
        ([*lines[:-2], lines[-2].replace('"okx-perp', '"gate-perp').replace(":okx", ":gate"), lines[-1]], "record "),
        ([*lines[:-2], lines[-2].replace('"reason"', '"season"', 1), lines[-1]], "its details are not those"),
    ):
        ended = await running_up.cli("audit", "verify", archive(tmp_path, *spoilt))
        assert (ended.code, told in ended.out) == (1, True), ended.out
    assert (await running_up.cli("audit", "verify", str(tmp_path / "none"))).code == 1


async def test_archives_can_be_put_together(running_up: RunningUp, head: str, tmp_path: Path) -> None:
    first = await exported(running_up)
    await running_up.cli("freeze", "--account", "okx-perp-001", "--reason", "more")
    await running_up.cli("unfreeze", "--account", "okx-perp-001")
    more = await exported(running_up, "--after", head.partition(":")[0])
    assert (await running_up.cli("audit", "verify", archive(tmp_path, *first, *more))).code == 0
    alone = await running_up.cli("audit", "verify", archive(tmp_path, *more))
    assert (alone.code, f"it goes on from {head}" in alone.out) == (0, True)
    assert (await running_up.cli("audit", "verify", archive(tmp_path, *more, *first))).code == 1
