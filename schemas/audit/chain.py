"""The audit as a chain: each record holds the hash of the one before it, so that none can be changed, taken or moved.

    0…0 ◀─ 1 ◀─ 2 ◀─ 3 ◀─ head      hash = SHA-256("<hash before>:<position>:<at>:" + fields), in UTF-8 and hexadecimal

A field is written as its length in characters, a colon and its text, and one that is null as a minus: actor, action,
subject, details as they are stored. `Chain` proves records one after the other and keeps none, so that it takes as
many as there are. What retention has deleted is told by a record of the chain itself, a checkpoint. What was cut off
at the end only shows against an anchor: a head that was noted elsewhere.
"""

import hashlib
import json
from typing import Annotated

from pydantic import Field

from ..base import Count, WireModel

GENESIS = "0" * 64
"""What the first record holds in place of a hash."""

CHECKPOINT = "checkpoint"
"""The action of a record that tells where the chain begins since retention has deleted what was before."""

HASH = r"^[0-9a-f]{64}$"


class Link(WireModel):
    """A place in the chain, and the hash that it has there; position 0 is before the first record."""

    position: Annotated[Count, Field(ge=0)]
    hash: Annotated[str, Field(pattern=HASH)]

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


BEGINNING = Link(position=0, hash=GENESIS)


class ChainRecord(WireModel):
    """A record as the chain holds it; `stored` is its details, to the letter."""

    position: Count
    at: int
    actor: str | None
    action: str
    subject: str
    stored: str
    previous: str
    hash: str

    @property
    def link(self) -> Link:
        """Its own place."""
        return Link(position=self.position, hash=self.hash)


class ChainBroken(ValueError):
    """The chain does not hold; `position` is the first record that shows it."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"record {position}: {reason}")
        self.position = position
        self.reason = reason


def hash_of(record: ChainRecord) -> str:
    """The hash that a record must have."""
    fields = "".join(map(_written, (record.actor, record.action, record.subject, record.stored)))
    text = f"{record.previous}:{record.position}:{record.at}:{fields}"
    return hashlib.sha256(text.encode()).hexdigest()


def _written(field: str | None) -> str:
    return "-" if field is None else f"{len(field)}:{field}"


class Chain:
    """Proves records in their order. `last` is the place of the newest, `begins` of what was before the first."""

    def __init__(self, anchors: tuple[Link, ...] = ()) -> None:
        self.begins: Link | None = None
        self.last: Link | None = None
        self.count = 0
        self._confirmed = False
        self._anchors = {anchor.position: anchor for anchor in anchors}

    @property
    def is_whole(self) -> bool:
        """Whether it begins at the first record there was, or where a checkpoint in it says."""
        return self.begins is None or self.begins == BEGINNING or self._confirmed

    def begin(self, link: Link) -> None:
        """It goes on from a place. Raises ChainBroken where it has begun, and has another hash by now."""
        if self.last is not None and self.last.hash != link.hash:
            reason = f"what follows goes on from {link}, and what is before ends at {self.last}"
            raise ChainBroken(link.position, reason)
        self.begins, self.last = self.begins or link, self.last or link

    def add(self, record: ChainRecord) -> None:
        """The next record. Raises ChainBroken."""
        if self.last is None:
            first = record.previous == GENESIS
            self.begin(BEGINNING if first else Link(position=record.position - 1, hash=record.previous))
        self._require_next(record)
        self.last, self.count = record.link, self.count + 1
        if record.action == CHECKPOINT:
            self._confirmed = self._confirmed or self._confirms(record)
        if (anchor := self._anchors.pop(record.position, None)) and anchor.hash != record.hash:
            raise ChainBroken(record.position, f"its hash is {record.hash}, and the anchor says {anchor.hash}")

    def end_at(self, head: Link) -> None:
        """Here it must end. Raises ChainBroken."""
        last = self.last or BEGINNING
        if head != last:
            raise ChainBroken(head.position, f"the head is {head}, and the last record {last}: the end is not whole")

    def end(self) -> None:
        """There are no more. Raises ChainBroken for an anchor that is beyond."""
        last = self.last or BEGINNING
        for anchor in sorted(self._anchors.values(), key=lambda link: link.position):
            if anchor.position > last.position:
                raise ChainBroken(
                    anchor.position, f"the anchor is {anchor}, and the last record {last}: the end is gone"
                )

    @property
    def unseen_anchors(self) -> tuple[Link, ...]:
        """Anchors whose records were not among those that came."""
        return tuple(anchor for anchor in self._anchors.values() if anchor != BEGINNING)

    def _require_next(self, record: ChainRecord) -> None:
        last = self.last or BEGINNING
        if record.position <= last.position:
            raise ChainBroken(record.position, f"it comes behind record {last.position}")
        if record.previous != last.hash:
            reason = f"it follows {record.previous}, and the record before it, {last.position}, has {last.hash}"
            raise ChainBroken(record.position, reason)
        if (expected := hash_of(record)) != record.hash:
            raise ChainBroken(record.position, f"its hash is {record.hash}, and what it says has {expected}")

    def _confirms(self, checkpoint: ChainRecord) -> bool:
        try:
            told = json.loads(checkpoint.stored)
        except ValueError:
            return False
        return self.begins is not None and isinstance(told, dict) and told.get("hash") == self.begins.hash
