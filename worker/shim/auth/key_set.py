"""The key set of an identity provider (JWKS, RFC 7517), fetched from its URL, kept, and fetched again."""

import asyncio
import time
from collections.abc import Callable, Sequence

import httpx
import structlog

from worker.runtime.periodic import periodically
from worker.shim.auth.jwks import FETCH_S, fetch_key_set, read_key_set
from worker.shim.auth.keys import ALGORITHMS, KeysUnavailable, VerificationKey

MOST_WAITING = 50
"""Requests that wait for one fetch."""

PAUSE_S = 10.0
"""How long no fetch follows another, whatever tokens ask for: their `kid` is anybody's invention."""

log = structlog.get_logger("worker.shim")


class KeySet:
    """Public keys by their names. The last ones that were fetched stay in force while the provider does not answer."""

    hint = "your identity provider issues tokens"

    def __init__(
        self,
        url: str,
        refresh_s: float,
        narrowed: frozenset[str] = ALGORITHMS,
        *,
        pause_s: float = PAUSE_S,
        fetch_s: float = FETCH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._refresh_s = refresh_s
        self._narrowed = narrowed
        self._pause_s = pause_s
        self._fetch_s = fetch_s
        self._clock = clock
        self._tls = httpx.create_ssl_context()
        self._turn = asyncio.Lock()
        self._not_before = clock()
        self._waiting = 0
        self._keys: tuple[VerificationKey, ...] = ()
        self._left_out: tuple[str, ...] = ()
        self._version = 0
        self._failing = False

    def version(self) -> int:
        """It changes when a fetch brought other keys."""
        return self._version

    async def named(self, name: str | None) -> Sequence[VerificationKey]:
        """The keys of this name; one that is not known is looked for at the provider, but not at once again."""
        if not (found := self._matching(name)):
            await self._look_for_it()
            found = self._matching(name)
        if not self._keys:
            raise KeysUnavailable("the identity provider has not told its keys yet")
        return found

    async def _look_for_it(self) -> None:
        """Only some may wait for a provider that does not answer: anybody can invent a name."""
        if self._waiting >= MOST_WAITING:
            raise KeysUnavailable("the keys are being fetched, and enough requests wait for them")
        self._waiting += 1
        try:
            await self._fetch_unless_just_done()
        finally:
            self._waiting -= 1

    async def run(self) -> None:
        """Fetch the keys now and then, until cancelled, so that one which was taken back is soon taken no more."""
        await periodically(self._refresh, self._refresh_s)

    async def _refresh(self) -> float:
        await self._fetch_unless_just_done()
        return min(self._pause_s, self._refresh_s) if self._failing else self._refresh_s

    def _matching(self, name: str | None) -> tuple[VerificationKey, ...]:
        return tuple(key for key in self._keys if name is None or key.name in (None, name))

    async def _fetch_unless_just_done(self) -> None:
        async with self._turn:
            if self._clock() >= self._not_before:
                await self._fetch()
                self._not_before = self._clock() + self._pause_s

    async def _fetch(self) -> None:
        try:
            found = read_key_set(await fetch_key_set(self._url, self._tls, self._fetch_s), self._narrowed)
        except (OSError, ValueError) as error:
            if not self._failing:
                log.error("key_set_fetch_failed", url=self._url, error=str(error))
            self._failing = True
            return
        self._failing = False
        self._tell_left_out(found.left_out)
        if found.keys != self._keys:
            self._keys, self._version = found.keys, self._version + 1
            log.info("key_set_fetched", url=self._url, keys=[_printable(key.name) for key in found.keys])

    def _tell_left_out(self, left_out: tuple[str, ...]) -> None:
        if left_out and left_out != self._left_out:
            log.warning("key_set_rows_ignored", url=self._url, rows=left_out)
        self._left_out = left_out


def _printable(name: str | None) -> str | None:
    return name and ascii(name[:80])[1:-1]
