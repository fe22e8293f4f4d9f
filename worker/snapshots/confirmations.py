"""What was told because a venue pushed it is confirmed: the venue is asked for the terms of that market.

told ─▶ asked at once, and again ─▶ as pushed: no more is said of it
                              └──▶ others for some seconds, or what no reading of positions has shown: told as read
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from schemas.base import Milliseconds
from schemas.requests import MarketType
from worker.accounts.account import Account
from worker.execution.calls import VenueCalls
from worker.execution.errors import Expired
from worker.ledger.observed.pushed_drifts import PushedDrift
from worker.ledger.patience import Patience
from worker.runtime.clock import now
from worker.runtime.stopping import set_within
from worker.snapshots.explained_changes import index_of_future
from worker.snapshots.pushed_terms import PushedTerms
from worker.venues.limits.request_context import Urgency
from worker.venues.port.adapter import Adapter, MarginSettings, Market, TermsOfMany
from worker.venues.port.errors import NotSupported, UnknownSymbol, VenueError
from worker.venues.reading.preflight import attempted

log = structlog.get_logger(__name__)

LOOKS_S = (1.0, 5.0, 30.0)
"""After the first look, which is at once: when it is looked again, the last of them for as long as it takes. What is
shown at the second of them is settled.
"""

SETTLED = 2

FEW = 3
"""So many markets are asked for one by one; more of them together, which is an answer about all in most venues."""


class Confirmations:
    """Asks for the terms of markets of one account that pushes have told of, and no reading has shown."""

    def __init__(
        self,
        account: Account,
        terms: PushedTerms,
        adapter_of: Callable[[Account], Adapter],
        patience: Patience,
        timeout_ms: Milliseconds,
    ) -> None:
        self._account = account
        self._terms = terms
        self._adapter_of = adapter_of
        self._patience = patience
        self._timeout_ms = timeout_ms
        self._told = asyncio.Event()

    def begin(self) -> None:
        """Something was told, or may have been by whoever followed the account before."""
        self._told.set()

    async def run(self) -> None:
        """Look, and look again while something is unconfirmed, until cancelled."""
        looks = 0
        while True:
            if not looks:
                await self._told.wait()
            elif await set_within(self._told, LOOKS_S[min(looks, len(LOOKS_S)) - 1]):
                looks = 0
            self._told.clear()
            looks = looks + 1 if await self._look(is_settled=looks >= SETTLED) else 0

    async def _look(self, *, is_settled: bool) -> bool:
        """Whether anything is left to be looked at."""
        retry = self._patience.retry_while_unavailable
        waiting = await retry(partial(self._terms.waiting, self._account))
        due = waiting if is_settled else await retry(partial(self._terms.of_flat_markets, self._account, waiting))
        left = len(waiting) - len(due)
        asked = now()
        terms = await self._terms_of(list(dict.fromkeys(told.symbol for told in due))) if due else {}
        for told in due:
            left += not await self._is_done(told, terms.get(told.symbol), asked, is_settled=is_settled)
        return left > 0

    async def _terms_of(self, symbols: Sequence[str]) -> TermsOfMany:
        """What the venue shows of some markets now; of each that it can't be asked for, why."""
        calls = VenueCalls(now() + self._timeout_ms, now, urgency=Urgency.PUSHED)
        told: TermsOfMany = {}
        try:
            adapter = self._adapter_of(self._account)
            markets = [market for symbol in symbols if (market := _market(adapter, symbol, told)) is not None]
            if len(markets) > FEW:
                return told | await calls.query(partial(adapter.terms_of_all, markets))
            for market in markets:
                told[market.symbol] = await attempted(calls.query(partial(adapter.terms, market)))
        except (VenueError, Expired) as error:
            log.debug("pushed_terms_not_read", account=self._account.id, error=str(error))
        return told

    async def _is_done(
        self, told: PushedDrift, shown: MarginSettings | VenueError | None, asked: Milliseconds, *, is_settled: bool
    ) -> bool:
        """Whether no more is to be asked of it. What the venue can't be asked for stays as it was told: as pushed."""
        if not isinstance(shown, MarginSettings):
            return isinstance(shown, NotSupported | UnknownSymbol)
        read = partial(self._terms.read, self._account, told, shown, asked, is_settled=is_settled)
        return await self._patience.retry_while_unavailable(read)


def _market(adapter: Adapter, symbol: str, refused: TermsOfMany) -> Market | None:
    try:
        return adapter.market(symbol, _type_of(symbol))
    except (NotSupported, UnknownSymbol) as error:
        refused[symbol] = error
        return None


def _type_of(symbol: str) -> MarketType:
    return MarketType.SWAP if index_of_future(symbol) is None else MarketType.FUTURE
