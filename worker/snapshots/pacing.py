"""How often accounts can be read on schedule, so that reading takes no more than its share of the venues' limits.

What a reading costs is learned from readings. Where so many accounts share a limit that all of them can't be read
within the interval that was asked for, it is stretched to what the share allows.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import structlog

from schemas.base import Milliseconds
from schemas.control import VenueState, VenueStatus
from worker.accounts.account import Account, Accounts, Site
from worker.accounts.networks import venue_label
from worker.venues.limits.meter import Meter
from worker.venues.limits.tables import Per

NOTICEABLE = 1.1
"""An interval that is longer by less than a tenth is not worth a line in the log."""

log = structlog.get_logger(__name__)


class Pacing:
    """The interval between two scheduled readings of each account."""

    def __init__(self, interval: Milliseconds, accounts: Accounts) -> None:
        self._interval = interval
        self._accounts = accounts
        self._weights: dict[str, dict[Meter, int]] = {}
        self._totals: defaultdict[Meter, int] = defaultdict(int)
        self._known: defaultdict[Site, set[str]] = defaultdict(set)
        self._used: defaultdict[Site, Counter[Meter]] = defaultdict(Counter)
        self._stretched: set[Site] = set()

    def learn(self, account: Account, weights: Mapping[Meter, int]) -> None:
        """An account was read, and this is what it used of each limit."""
        if self._weights.get(account.id) == weights and account.site not in self._stretched:
            return  # as it was: most readings teach nothing
        self.forget(account)
        self._weights[account.id] = dict(weights)
        self._known[account.site].add(account.id)
        for meter, weight in weights.items():
            self._totals[meter] += weight
            self._used[account.site][meter] += 1
        self._tell(account.site)

    def forget(self, account: Account) -> None:
        """An account is read no more."""
        for meter, weight in self._weights.pop(account.id, {}).items():
            self._totals[meter] -= weight
            self._used[account.site][meter] -= 1
            if not self._totals[meter]:
                del self._totals[meter], self._used[account.site][meter]
        self._known[account.site].discard(account.id)

    def interval(self, account: Account) -> Milliseconds:
        """How long from one reading of an account to the next; as of its own last one, or of any of its site."""
        site = account.site
        known = self._weights.get(account.id) or self._weights.get(next(iter(self._known[site]), ""), {})
        return max([self._interval, *(self._needed(meter, site) for meter in known)])

    def interval_of(self, venue: str) -> Milliseconds:
        """The longest interval among the accounts of a venue, named with its network."""
        return max((self._interval_at(site) for site in self._used if site.venue == venue), default=self._interval)

    def statuses(self, states: Callable[[], tuple[VenueState, ...]]) -> Callable[[], tuple[VenueStatus, ...]]:
        """How venues fare, with how often their accounts are read."""
        return lambda: tuple(map(self._status, states()))

    def _status(self, state: VenueState) -> VenueStatus:
        interval = self.interval_of(venue_label(state.exchange, state.network))
        return VenueStatus(**state.model_dump(), snapshot_interval_ms=interval)

    def _interval_at(self, site: Site) -> Milliseconds:
        return max([self._interval, *(self._needed(meter, site) for meter in self._used[site])])

    def _needed(self, meter: Meter, site: Site) -> Milliseconds:
        """How long it takes to read all who share a limit; those not read yet are supposed to cost the same."""
        total = float(self._totals[meter])
        if meter.scope.per is Per.ADDRESS and (known := len(self._known[site])):
            total *= max(known, self._accounts.count_at(site)) / known
        return int(total * meter.scope.window / meter.background_budget)

    def _tell(self, site: Site) -> None:
        interval = self._interval_at(site)
        is_stretched = interval > NOTICEABLE * self._interval
        if is_stretched is (site in self._stretched):
            return
        if is_stretched:
            self._stretched.add(site)
            log.warning(
                "snapshot_interval_stretched",
                venue=site.venue,
                configured_ms=self._interval,
                interval_ms=interval,
                accounts=self._accounts.count_at(site),
            )
        else:
            self._stretched.discard(site)
            log.info("snapshot_interval_restored", venue=site.venue, interval_ms=interval)
