"""Denials, counted before they are told, so that nobody can flood the audit: those that are alike are one row."""

from dataclasses import asdict, dataclass, replace

from schemas.audit.records import Denial
from schemas.base import Milliseconds

DISTINCT = 20
"""Kinds of denials that are told apart at once; what is beyond them is counted by its reason alone."""

MANY = "several"
SETTLE_S = 1.0
"""How long is counted after the first denial before it is told."""

PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class DenialKind:
    """What makes two denials alike."""

    status: int
    reason: str
    operation: str
    actor: str | None
    address: str | None = None


class DenialCounts:
    """What was denied since it was last told."""

    def __init__(self) -> None:
        self._counted: dict[DenialKind, Denial] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._counted)

    def add(self, kind: DenialKind, at: Milliseconds, account: str | None) -> None:
        """Count a denial; `account` is the one that was named, if any."""
        if kind not in self._counted and len(self._counted) >= DISTINCT:
            kind = replace(kind, operation=MANY, actor=None, address=None)
        known = self._counted.get(kind)
        self._counted[kind] = Denial.model_validate(
            {
                **asdict(kind),
                "at": known.at if known else at,
                "account": account or (known.account if known else None),
                "count": known.count + 1 if known else 1,
            }
        )

    def take(self) -> tuple[Denial, ...]:
        """What was counted; counting begins anew."""
        taken, self._counted = tuple(self._counted.values()), {}
        return taken
