"""How often accounts can be read on schedule, so that reading takes no more than its share of the venues' limits.

What a reading costs is learned from readings. Where so many accounts share a limit that all of them can't be read
within the interval that was asked for, it is stretched to what the share allows.

Accounts whose changes are pushed (live) are read at an interval of their own, with a small share of each limit.
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

LIVE_SHARE = 0.04
"""The part of a limit that reading live accounts may take: they are read for the case that a push was lost. With what
keeps their streams open (Binance's keys) it is to stay below a twentieth.
"""

LIVE_INTERVAL: Milliseconds = 300_000

log = structlog.get_logger(__name__)


class Pacing:
    """The interval between two scheduled readings of each account."""

    def __init__(
        self,
        interval: Milliseconds,
        accounts: Accounts,
        live_interval: Milliseconds = LIVE_INTERVAL,
        *,
        live_share: float = LIVE_SHARE,
    ) -> None:
        self._interval = interval
        self._live_interval = live_interval
        self._live_share = live_share
        self._live: set[str] = set()
        self._live_totals: defaultdict[Meter, int] = defaultdict(int)
        self._accounts = accounts
        self._weights: dict[str, dict[Meter, int]] = {}
        self._totals: defaultdict[Meter, int] = defaultdict(int)
        self._known: defaultdict[Site, set[str]] = defaultdict(set)
        self._used: defaultdict[Site, Counter[Meter]] = defaultdict(Counter)
        self._stretched: set[Site] = set()
        self._scheduled: set[str] = set()

    def learn(self, account: Account, weights: Mapping[Meter, int], *, is_scheduled: bool = True) -> None:
        """An account was read, and this is what it used of each limit.

        One that is read for a push is read without its margin: that teaches nothing once it was read on schedule.
        """
        if is_scheduled:
            self._scheduled.add(account.id)
        elif account.id in self._scheduled:
            return
        if self._weights.get(account.id) == weights and account.site not in self._stretched:
            return  # as it was: most readings teach nothing
        self._drop(account)
        self._weights[account.id] = dict(weights)
        self._known[account.site].add(account.id)
        for meter, weight in weights.items():
            self._totals[meter] += weight
            self._used[account.site][meter] += 1
            self._live_totals[meter] += weight if account.id in self._live else 0
        self._tell(account.site)

    def forget(self, account: Account) -> None:
        """An account is read no more."""
        self._drop(account)
        self._scheduled.discard(account.id)

    def _drop(self, account: Account) -> None:
        for meter, weight in self._weights.pop(account.id, {}).items():
            self._totals[meter] -= weight
            self._live_totals[meter] -= weight if account.id in self._live else 0
            self._used[account.site][meter] -= 1
            if not self._totals[meter]:
                del self._totals[meter], self._used[account.site][meter]
                self._live_totals.pop(meter, None)
        self._known[account.site].discard(account.id)

    def mark(self, account_id: str, live: bool) -> None:
        """The changes of an account are pushed from now on, or no longer."""
        if live is (account_id in self._live):
            return
        self._live ^= {account_id}
        for meter, weight in self._weights.get(account_id, {}).items():
            self._live_totals[meter] += weight if live else -weight

    def interval(self, account: Account) -> Milliseconds:
        """How long from one reading of an account to the next; as of its own last one, or of any of its site."""
        site = account.site
        known = self._weights.get(account.id) or self._weights.get(next(iter(self._known[site]), ""), {})
        if self._interval == 0:
            return 0  # there is no schedule
        if account.id in self._live:
            return max([self._live_interval, *map(self._needed_live, known)])
        return max([self._interval, *(self._needed(meter, site) for meter in known)])

    def floor(self, account: Account) -> Milliseconds:
        """The shortest time between two readings of one account that its share of the limits allows for ever."""
        known = self._weights.get(account.id, {})
        return max(
            (weight * meter.scope.window // meter.background_budget for meter, weight in known.items()), default=0
        )

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
        """How long it takes to read all who share a limit and are not live; those not read yet are supposed to cost as
        much as others.
        """
        everybody, live = float(self._totals[meter]), self._live_totals[meter]
        total = everybody - live
        if meter.scope.per is Per.ADDRESS and (known := len(self._known[site])):
            total += everybody / known * max(0, self._accounts.count_at(site) - known)
        taken = live * meter.scope.window / max(self._live_interval, self._needed_live(meter))
        return int(total * meter.scope.window / max(1, meter.background_budget - taken))

    def _needed_live(self, meter: Meter) -> Milliseconds:
        """The same of those that are live."""
        return int(self._live_totals[meter] * meter.scope.window / max(1, meter.budget * self._live_share))

    def _tell(self, site: Site) -> None:
        interval = self._interval_at(site)
        is_stretched = interval > NOTICEABLE * self._interval > 0
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
