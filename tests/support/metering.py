"""Times and exchanges as limits are told them."""

from dataclasses import dataclass

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.runtime.clock import Moment
from worker.venues.limits.tables import VenueLimits


def at(time: Milliseconds) -> Moment:
    """This time, by a clock that nobody sets."""
    return Moment(time, time)


@dataclass
class MeteredVenue:
    """An exchange of which only its limits are known."""

    metered: VenueLimits
    id: str = "memory"
    base_url: str | None = None
    network: Network = MAINNET
