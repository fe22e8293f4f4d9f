"""The coins whose terms one connection is told of, each by a subscription of its own.

An address may have 1,000 subscriptions, and ten users: so those coins are subscribed to that something happened to last
(a position, a fill, a command of ours), and a coin that is closed goes on being told of while it is flat.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from time import monotonic

from worker.venues.port.streams import Say

ASSET = "activeAssetData"

MOST_COINS = 50
"""Of one user: with ten users and five subscriptions of each beside, little more than half of what is allowed."""

ASKED_AGAIN_S = 10.0
"""When a subscription is asked for again that was not acknowledged."""


class WatchedCoins:
    """The subscriptions of one connection to coins of its user."""

    def __init__(self, owner: str, most: int = MOST_COINS) -> None:
        self._owner = owner
        self._most = most
        self._latest: OrderedDict[str, None] = OrderedDict()
        self._asked: dict[str, float] = {}
        self._told: set[str] = set()

    def note(self, coins: Iterable[str]) -> None:
        """Something happened to these, the last of them last. More than may be subscribed to leave those before."""
        for coin in coins:
            self._latest[coin] = None
            self._latest.move_to_end(coin)
        while len(self._latest) > self._most:
            self._latest.popitem(last=False)

    def knows(self, coin: str) -> bool:
        """Whether it is one of those that are told of."""
        return coin in self._latest

    def acknowledged(self, coin: str) -> None:
        """The venue tells of a coin from now on."""
        self._told.add(coin)

    def due(self) -> Iterator[Say]:
        """What is to be said so that just these are told of."""
        for coin in self._asked.keys() - self._latest.keys():
            del self._asked[coin]
            self._told.discard(coin)
            yield self._say("unsubscribe", coin)
        moment = monotonic()
        for coin in self._latest.keys() - self._told:
            if moment - self._asked.get(coin, -ASKED_AGAIN_S) >= ASKED_AGAIN_S:
                self._asked[coin] = moment
                yield self._say("subscribe", coin)

    def _say(self, method: str, coin: str) -> Say:
        wanted = {"type": ASSET, "user": self._owner, "coin": coin}
        return Say(json.dumps({"method": method, "subscription": wanted}))
