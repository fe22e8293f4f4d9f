"""How a venue fares, by what became of our own requests to it.

            begins with                                         ends with
failing     three failures in a row, or three within a          the last request answered, and less than
            minute that are a tenth of its requests             a twentieth of the last minute's failed
down        five failures in a row, over five seconds           three answers in a row
            no markets                                          the markets loaded

One 502 among many good answers changes nothing, and between a tenth and a twentieth all stays as it is. What ends
`down` is more than one answer, because a venue may well list its markets while it fails its accounts. It ends in `up`:
the failures that made it are over, and what comes is judged afresh. A refusal is an answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.base import Milliseconds
from schemas.control import Network, VenueHealth, VenueState
from worker.accounts.account import Site
from worker.accounts.networks import MAINNET
from worker.runtime.clock import Clocks
from worker.venues.lifecycle.streaks import Row, SlidingCounter

LISTING = "its markets are being loaded"


@dataclass(frozen=True, slots=True)
class HealthRules:
    """When trouble begins and when it ends."""

    window_s: int = 60
    failing_failures: int = 3
    failing_percent: int = 10
    well_percent: int = 5
    down_failures: int = 5
    down_ms: Milliseconds = 5_000
    back_answers: int = 3


RULES = HealthRules()


@dataclass(frozen=True, slots=True)
class VenueChange:
    """The new state of a venue, and where it is reached."""

    site: Site
    state: VenueState


@dataclass(frozen=True, slots=True)
class VenueWatch:
    """Who knows how all venues fare: their states now, and what has changed since that was asked last."""

    states: Callable[[], tuple[VenueState, ...]]
    changes: Callable[[], list[VenueChange]]


UNWATCHED = VenueWatch(states=tuple, changes=list)
"""There are no venues, or nobody needs to know how they fare."""


class Health:
    """The health of one venue. `changed` is told each change, and how it stands first of all once that is known.

    UTC says since when it fares so, and nothing else: a clock that is set back must not keep old failures for new.
    """

    def __init__(
        self,
        exchange: str,
        clocks: Clocks,
        changed: Callable[[VenueState], None],
        rules: HealthRules = RULES,
        network: Network = MAINNET,
    ) -> None:
        self._exchange = exchange
        self._network = network
        self._clocks = clocks
        self._changed = changed
        self._rules = rules
        self._health: VenueHealth | None = None
        self._since = clocks.utc()
        self._reason: str | None = LISTING
        self._listed = False
        self._begin_afresh()

    @property
    def is_listed(self) -> bool:
        """Whether there are markets, be they of today or older."""
        return self._listed

    @property
    def is_in_doubt(self) -> bool:
        """Whether only further requests can tell that it works again, and not the time that passes."""
        return self._is_silent or self._health is VenueHealth.DOWN

    @property
    def _is_silent(self) -> bool:
        """Whether the last requests have all failed."""
        return self._row.failures >= self._rules.failing_failures

    def heard(self, failure: str | None) -> None:
        """A request has ended: with this failure, or with an answer."""
        at, failed = self._clocks.steady(), failure is not None
        self._window.note(at, failed=failed)
        self._row.note(at, failed=failed)
        if failed and self._listed:
            self._reason = failure
        self._review(at)

    def listed(self, failure: str | None) -> None:
        """The markets were loaded, or were not for this reason. Those that are there stay."""
        if self._listed:
            return
        self._listed = failure is None
        if failure is not None:
            self._reason = f"its markets can't be loaded: {failure}"
        self._begin_afresh()
        self._turn(VenueHealth.UP if self._listed else VenueHealth.DOWN)

    def state(self) -> VenueState:
        """How it fares now."""
        self._review(self._clocks.steady())
        return self._state()

    def _state(self) -> VenueState:
        return VenueState(
            exchange=self._exchange,
            network=self._network,
            health=self._health or VenueHealth.DOWN,
            markets_loaded=self._listed,
            since=self._since,
            reason=None if self._health is VenueHealth.UP else self._reason,
        )

    def _begin_afresh(self) -> None:
        self._window, self._row = SlidingCounter(self._rules.window_s), Row()

    def _review(self, at: Milliseconds) -> None:
        if self._listed:
            self._turn(self._judged(at))

    def _turn(self, health: VenueHealth) -> None:
        if health is self._health:
            return
        if self._health is VenueHealth.DOWN:
            self._begin_afresh()
        self._health, self._since = health, self._clocks.utc()
        self._changed(self._state())

    def _judged(self, at: Milliseconds) -> VenueHealth:
        row, rules = self._row, self._rules
        if self._health is VenueHealth.DOWN:
            return VenueHealth.UP if row.answers >= rules.back_answers else VenueHealth.DOWN
        if row.failures >= rules.down_failures and row.last - row.began >= rules.down_ms:
            return VenueHealth.DOWN
        requests, failures = self._window.counts(at)
        percent = 100 * failures / requests if requests else 0
        begins = failures >= rules.failing_failures and percent >= rules.failing_percent
        stays = self._health is VenueHealth.FAILING and (row.failures or percent >= rules.well_percent)
        return VenueHealth.FAILING if begins or self._is_silent or stays else VenueHealth.UP
