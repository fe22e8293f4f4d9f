"""Whether the audit is whole: of a running service, or of an archive."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from schemas.audit.chain import Chain, ChainBroken, Link
from worker.config.settings import Settings
from worker.console.audit.archive import lines_of, link_of, pages, record_of
from worker.console.kit.ask import asking
from worker.console.kit.display import console, show_json

MOST_BEGINNINGS = 3
"""Retention may delete what is being read: then it is read again from where it begins by then."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved: so many records from one place to another; or the first record that shows that it is not so."""

    records: int
    begins: Link | None
    head: Link | None
    broken: ChainBroken | None = None
    remark: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing or other than it was."""
        return self.broken is None


def anchor_of(text: str) -> Link:
    """An anchor as it was noted. Raises ValueError."""
    position, _, hashed = text.partition(":")
    if not position.isdecimal() or len(hashed) != 64:
        raise ValueError(f"an anchor is POSITION:HASH as `perps-dma status` tells it, not {text!r}")
    return Link(position=int(position), hash=hashed.lower())


async def prove_ledger(settings: Settings, anchors: Sequence[Link]) -> Proof:
    """Whether the audit of a running service is whole. Raises WorkerRefused."""
    for left in reversed(range(MOST_BEGINNINGS)):
        proof = await _proved(settings, anchors)
        if left == 0 or proof.broken is None or not await _begins_later(settings, proof):
            break
    return proof


async def _proved(settings: Settings, anchors: Sequence[Link]) -> Proof:
    chain = Chain(tuple(anchors))
    async with asking(settings, "audit verify") as questions:
        try:
            async for entries, head in pages(questions, 0):
                for entry in entries:
                    chain.add(record_of(entry))
                if not entries:
                    chain.end_at(head)
            chain.end()
            _require_beginning(chain)
            _require_anchors(chain)
        except ChainBroken as broken:
            return Proof(chain.count, chain.begins, chain.last, broken)
    return Proof(chain.count, chain.begins, chain.last)


async def _begins_later(settings: Settings, proof: Proof) -> bool:
    """Whether the first record of now is another one than was read."""
    async with asking(settings, "audit verify") as questions:
        data = (await questions.ask("get_audit", {"after": 0, "limit": 1}))["data"]
    first = data["entries"][0]["previous"] if data["entries"] else None
    return proof.begins is not None and first != proof.begins.hash


def prove_archive(archive: Path, anchors: Sequence[Link]) -> Proof:
    """Whether an archive is whole. Raises ArchiveUnreadable."""
    chain, ended = Chain(tuple(anchors)), False
    try:
        for _, line in lines_of(archive):
            ended = "head" in line
            if "after" in line:
                chain.begin(link_of(line["after"]))
            elif ended:
                chain.end_at(link_of(line["head"]))
            else:
                chain.add(record_of(line))
        if not ended:
            at = chain.last.position if chain.last else 0
            raise ChainBroken(at, "the archive ends here without the line that tells its head: its end is missing")
        chain.end()
        _require_anchors(chain)
    except ChainBroken as broken:
        return Proof(chain.count, chain.begins, chain.last, broken)
    remark = None if chain.is_whole else f"it goes on from {chain.begins}: what is before that is not in it"
    return Proof(chain.count, chain.begins, chain.last, remark=remark)


def _require_beginning(chain: Chain) -> None:
    if not chain.is_whole:
        begins = chain.begins or chain.last
        at = begins.position + 1 if begins else 1
        raise ChainBroken(at, "it is the first that is left, and no checkpoint tells that those before it were deleted")


def _require_anchors(chain: Chain) -> None:
    for anchor in chain.unseen_anchors:
        raise ChainBroken(anchor.position, "the anchor's record is not among those that are left to be proved")


def tell(proof: Proof, *, as_json: bool) -> None:
    """Print what was proved."""
    if as_json:
        show_json(_document(proof))
    elif proof.broken is not None:
        console.print(Text(f"broken: {proof.broken}", style="red"), soft_wrap=True)
    else:
        console.print(
            Text(f"whole: {proof.records} records, up to {proof.head or 'nothing'}", style="green"), soft_wrap=True
        )
        if proof.remark:
            console.print(proof.remark, soft_wrap=True)


def _document(proof: Proof) -> dict[str, Any]:
    broken = proof.broken and {"position": proof.broken.position, "reason": proof.broken.reason}
    return {
        "whole": proof.is_whole,
        "records": proof.records,
        "begins": proof.begins and proof.begins.model_dump(),
        "head": proof.head and proof.head.model_dump(),
        "first_broken": broken,
        "remark": proof.remark,
    }
