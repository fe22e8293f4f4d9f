"""The audit as JSON lines: written out of a running service, and read back.

{"after": {"position": 0, "hash": "000…"}}      where it goes on
{"position": 1, …, "previous": …, "hash": …}    the records, as `get_audit` tells them
{"head": {"position": 41, "hash": "9f8…"}}      where it ends: without this line the end is missing
"""

import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.audit.chain import BEGINNING, GENESIS, ChainBroken, ChainRecord, Link
from schemas.problems import problems_of
from worker.config.settings import Settings
from worker.console.kit.ask import Questions, asking
from worker.runtime.errors import OperatorError

PAGE = 500

Entry = Mapping[str, Any]


class ArchiveUnreadable(OperatorError):
    """A file is no archive of the audit."""


async def pages(questions: Questions, after: int) -> AsyncIterator[tuple[list[Entry], Link]]:
    """The entries behind a position, each page with the head as it was before; the last page is empty."""
    while True:
        data = (await questions.ask("get_audit", {"after": after, "limit": PAGE}))["data"]
        entries, head = data["entries"], data["head"]
        yield entries, Link.model_construct(**head)
        if not entries:
            return
        after = entries[-1]["position"]


async def export_audit(settings: Settings, after: int) -> None:
    """Write the entries behind a position to standard output. Raises WorkerRefused."""
    async with asking(settings, "audit export") as questions:
        begun = False
        async for entries, head in pages(questions, after):
            if not begun:
                _write({"after": beginning_of(after, entries, head).model_dump()})
                begun = True
            for entry in entries:
                _write(entry)
            if not entries:
                _write({"head": head.model_dump()})


def beginning_of(after: int, entries: Sequence[Entry], head: Link) -> Link:
    """Where an archive goes on: the hash that its first record holds. Positions may have gaps, of before the chain.

    Raises OperatorError for a place behind the end.
    """
    if not entries:
        if after > head.position:
            raise OperatorError(f"the audit ends at {head.position}; there is nothing behind {after}")
        return head
    first, previous = entries[0]["position"], entries[0]["previous"]
    if previous == GENESIS:
        return BEGINNING
    return Link.model_construct(position=after or first - 1, hash=previous)


def _write(line: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(line, ensure_ascii=False)}\n")


def record_of(entry: Entry) -> ChainRecord:
    """An entry as the chain has it. Raises ChainBroken for one that is none."""
    place = entry.get("position")
    at = place if isinstance(place, int) else 0
    try:
        record = ChainRecord.model_validate(
            {name: entry[name] for name in ChainRecord.model_fields if name in entry}, strict=True
        )
        told = json.loads(record.stored)
    except ValidationError as error:
        wrong = "; ".join(f"{row['field']} {row['problem']}" for row in problems_of(error))
        raise ChainBroken(at, f"it is no record of the audit: {wrong}") from error
    except ValueError as error:
        raise ChainBroken(at, "its details are no JSON") from error
    if told != entry.get("details"):
        raise ChainBroken(at, "its details are not those that are stored and hashed")
    return record


def link_of(line: Any) -> Link:
    """A place that an archive tells. Raises ChainBroken."""
    try:
        return Link.model_validate(line, strict=True)
    except ValidationError as error:
        raise ChainBroken(0, "a line that tells a place, `after` or `head`, has no position and hash") from error


def lines_of(archive: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of an archive with their numbers. Raises ArchiveUnreadable."""
    try:
        with archive.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                read = json.loads(line)
                if not isinstance(read, dict):
                    raise ArchiveUnreadable(f"{archive}, line {number}: is no JSON object")
                yield number, read
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveUnreadable(f"{archive} can't be read: {error}") from error
    except json.JSONDecodeError as error:
        raise ArchiveUnreadable(f"{archive}, line {number}: is no JSON ({error.msg})") from error
