"""Who follows whom: accounts divided among the living workers, evenly, with as few as possible changing hands."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from worker.ledger.observed.stream_leases import Lease


@dataclass(frozen=True, slots=True)
class Moves:
    """Accounts that we take, from whom, and those of ours that others get."""

    take: Mapping[str, str | None] = field(default_factory=dict)
    give: Mapping[str, list[str]] = field(default_factory=dict)


def moves(leases: Collection[Lease], living: Collection[str], us: str) -> Moves:
    """What we have to do so that every account is followed, and nobody follows more than one account too many.

    Who has most may have the one that is left over, so that it need not move.
    """
    owner_of = {lease.account: lease.owner for lease in leases}
    held = Counter(owner for owner in owner_of.values() if owner in living)
    least, odd = divmod(len(owner_of), len(living))
    ranked = sorted(living, key=lambda worker: (-held[worker], worker))
    missing = {worker: least + (rank < odd) - held[worker] for rank, worker in enumerate(ranked)}
    free = sorted(account for account, owner in owner_of.items() if owner not in living)
    ours = sorted(account for account, owner in owner_of.items() if owner == us)
    spare = ours[held[us] + min(0, missing[us]) :]
    give: dict[str, list[str]] = {}
    for worker in ranked:
        if missing[worker] > 0 and spare:
            give[worker], spare = spare[: missing[worker]], spare[missing[worker] :]
    return Moves({account: owner_of[account] for account in free[: max(0, missing[us])]}, give)
