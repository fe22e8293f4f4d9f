"""What a client says of a change, what is so, and how far the two agree."""

from enum import StrEnum
from typing import Protocol

from tests.benchmarks.truth.played import ChangeKind


class Claim(StrEnum):
    """What a client says."""

    APPLIED = "applied"
    REFUSED = "refused"
    NOTHING = "nothing"
    """It says that it does not know, or fails in a way that means neither."""


class Honesty(StrEnum):
    """How what was said stands to what is so."""

    RIGHT = "right"
    NOTHING = "said nothing"
    NOT_APPLIED = "said applied and was not"
    NOT_REFUSED = "said refused and was applied"

    @property
    def is_wrong(self) -> bool:
        """Whether somebody who believes it is mistaken about money."""
        return self in (Honesty.NOT_APPLIED, Honesty.NOT_REFUSED)


def honesty(claim: Claim, *, in_force: bool) -> Honesty:
    """How a claim stands to what is in force.

    >>> str(honesty(Claim.APPLIED, in_force=False)), str(honesty(Claim.REFUSED, in_force=False))
    ('said applied and was not', 'right')
    """
    match claim:
        case Claim.NOTHING:
            return Honesty.NOTHING
        case Claim.APPLIED:
            return Honesty.RIGHT if in_force else Honesty.NOT_APPLIED
        case Claim.REFUSED:
            return Honesty.NOT_REFUSED if in_force else Honesty.RIGHT


class Client(Protocol):
    """Somebody who can make changes on the seeded account of a venue."""

    name: str

    def can(self, change: ChangeKind) -> bool:
        """Whether it has a call for it at all."""

    async def make(self, change: ChangeKind) -> Claim:
        """Make a change, as its documents say, and tell what it says."""

    async def close(self) -> None:
        """Let its connections go."""
