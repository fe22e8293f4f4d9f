"""The key set of an identity provider (JWKS, RFC 7517), fetched from its URL, kept, and fetched again."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import jwt
import structlog

from worker.shim.keys import ALGORITHMS, Key, KeysUnavailable, algorithms_of

FETCH_S = 5.0
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._refresh_s = refresh_s
        self._narrowed = narrowed
        self._pause_s = pause_s
        self._clock = clock
        self._tls = httpx.create_ssl_context()
        self._turn = asyncio.Lock()
        self._not_before = clock()
        self._rows: list[dict[str, Any]] = []
        self._keys: tuple[Key, ...] = ()
        self._version = 0
        self._failing = False

    def version(self) -> int:
        """It changes when a fetch brought other keys."""
        return self._version

    async def named(self, name: str | None) -> Sequence[Key]:
        """The keys of this name; one that is not known is looked for at the provider, but not at once again."""
        if not (found := self._matching(name)):
            await self._fetch_unless_just_done()
            found = self._matching(name)
        if not self._keys:
            raise KeysUnavailable("the identity provider has not told its keys yet")
        return found

    async def run(self) -> None:
        """Fetch the keys now and then, until cancelled, so that one which was taken back is soon taken no more."""
        while True:
            await self._fetch_unless_just_done()
            await asyncio.sleep(min(self._pause_s, self._refresh_s) if self._failing else self._refresh_s)

    def _matching(self, name: str | None) -> tuple[Key, ...]:
        return tuple(key for key in self._keys if name is None or key.name in (None, name))

    async def _fetch_unless_just_done(self) -> None:
        async with self._turn:
            if self._clock() >= self._not_before:
                await self._fetch()
                self._not_before = self._clock() + self._pause_s

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(verify=self._tls, timeout=FETCH_S) as client:
                response = await client.get(self._url)
            response.raise_for_status()
            rows, keys = read_key_set(response.content, self._narrowed)
        except (httpx.HTTPError, ValueError) as error:
            if not self._failing:
                log.error("the key set can't be fetched, the last one stays in force", url=self._url, error=str(error))
            self._failing = True
            return
        self._failing = False
        if rows != self._rows:
            self._rows, self._keys, self._version = rows, keys, self._version + 1
            log.info("key set fetched", url=self._url, keys=[key.name for key in keys])


def read_key_set(content: bytes, narrowed: frozenset[str]) -> tuple[list[dict[str, Any]], tuple[Key, ...]]:
    """The rows of a key set, and those that check signatures as keys. Raises ValueError when none does."""
    document = json.loads(content)
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it is no key set: a JSON object with `keys` is expected")
    keys = tuple(key for row in rows if isinstance(row, dict) if (key := _key(row, narrowed)) is not None)
    if not keys:
        raise ValueError(f"it holds no key that checks any of {', '.join(sorted(narrowed))}")
    return rows, keys


def _key(row: dict[str, Any], narrowed: frozenset[str]) -> Key | None:
    """A row as a key, unless it is for encryption, or secret, or of an unknown kind."""
    if not _checks_signatures(row):
        return None
    try:
        value = jwt.PyJWK(row).key
    except jwt.PyJWTError:
        return None
    if isinstance(value, bytes):
        return None
    algorithms = algorithms_of(value, narrowed & {row["alg"]} if row.get("alg") else narrowed)
    return Key(value, algorithms, row.get("kid")) if algorithms else None


def _checks_signatures(row: dict[str, Any]) -> bool:
    operations = row.get("key_ops", ["verify"])
    said_well = isinstance(operations, list) and isinstance(row.get("alg", ""), str)
    return said_well and row.get("use", "sig") == "sig" and "verify" in operations
