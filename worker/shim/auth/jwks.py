"""A key set as it comes from an identity provider (JWKS, RFC 7517): fetched within bounds, and read row by row.

Whatever a provider answers ends nothing here: it is a ValueError, or a row that is left out and named.
"""

import asyncio
import binascii
import json
import ssl
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

from worker.runtime.errors import ConfigurationError
from worker.shim.auth.keys import ALGORITHMS, VerificationKey, algorithms_of

FETCH_S = 5.0
"""How long the whole answer may take."""

LARGEST_SET = 256 * 1024
"""Bytes of a key set, both as they come and unpacked. Those of large providers have some 20,000."""

MOST_ROWS = 100
"""A token that names no key is checked with each of them."""

LONGEST_NUMBER = 4_096
"""Characters of one number of a key: RSA with 16,384 bits has 2,731."""

MOST_NAMED = 10
"""Rows that are named when they are left out; the others are counted."""

Unpack = Callable[[bytes, int], bytes]

_KINDS = frozenset({"RSA", "EC", "OKP"})
_ODD = (
    *(jwt.PyJWTError, UnsupportedAlgorithm, InternalError, binascii.Error),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError),
)
"""What a row can end in: its fields are whatever somebody wrote."""


@dataclass(frozen=True, slots=True)
class KeySetRead:
    """The keys of a set, and what was left out, in words for the log."""

    keys: tuple[VerificationKey, ...]
    left_out: tuple[str, ...]


async def fetch_key_set(url: str, tls: ssl.SSLContext, within_s: float = FETCH_S) -> bytes:
    """The answer of a provider. Raises ValueError or OSError, which say what is wrong with it."""
    try:
        async with (
            asyncio.timeout(within_s),
            httpx.AsyncClient(verify=tls, timeout=within_s) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            response.raise_for_status()
            return await _bounded(response)
    except TimeoutError as error:
        raise TimeoutError(f"no whole answer within {within_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, zlib.error) as error:
        raise ValueError(str(error) or type(error).__name__) from error


async def _bounded(response: httpx.Response) -> bytes:
    unpack = _unpacking(response.headers.get("content-encoding", "identity").strip().lower())
    content = bytearray()
    async for part in response.aiter_raw():
        content += unpack(part, LARGEST_SET + 1 - len(content))
        if len(content) > LARGEST_SET or response.num_bytes_downloaded > LARGEST_SET:
            raise ValueError(f"it is larger than {LARGEST_SET} bytes")
    return bytes(content)


def _unpacking(encoding: str) -> Unpack:
    """What unpacks an encoding, never to more than is wanted. None was asked for, and some come all the same."""
    if encoding == "identity":
        return lambda part, _: part
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress
    raise ValueError(f"it has the content encoding {encoding[:40]!a}, which was not asked for")


def read_key_set(content: bytes, narrowed: frozenset[str]) -> KeySetRead:
    """The keys of a set that check signatures. Raises ValueError where there is none."""
    rows = _rows(content)
    keys, odd = [], []
    for index, row in enumerate(rows[:MOST_ROWS]):
        try:
            if (key := _key(row, narrowed)) is not None:
                keys.append(key)
        except _ODD as error:
            odd.append(f"{_name(index, row)}: {_why(error)}")
    left_out = tuple(_told(odd, len(rows) - MOST_ROWS))
    if not keys:
        why = f" ({'; '.join(left_out)})" if left_out else ""
        raise ValueError(f"it holds no key that checks any of {', '.join(sorted(narrowed))}{why}")
    return KeySetRead(tuple(keys), left_out)


def _rows(content: bytes) -> list[Any]:
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it is no key set: a JSON object with `keys` is expected")
    return rows


class _OddRow(ConfigurationError, ValueError):
    """Says itself what is wrong with a row."""


def _key(row: Any, narrowed: frozenset[str]) -> VerificationKey | None:
    """A row as a key; None for one that is for something else. What is wrong with others is raised."""
    if not isinstance(row, dict):
        raise _OddRow("it is no JSON object")
    if row.get("use", "sig") == "enc":
        return None
    _require_sound(row)
    if "verify" not in row.get("key_ops", ["verify"]):
        return None
    value = jwt.PyJWK(row).key
    algorithms = algorithms_of(value, narrowed & {row["alg"]} if row.get("alg") else narrowed)
    if not algorithms and not algorithms_of(value):
        raise _OddRow("it is too short, or of a kind that checks nothing")
    return VerificationKey(value, algorithms, row.get("kid")) if algorithms else None


def _require_sound(row: dict[str, Any]) -> None:
    """Look at a row before it is made a key, for some could keep us busy for long."""
    if row.get("kty") not in _KINDS:
        raise _OddRow("it is of another kind than RSA, EC and OKP")
    if "d" in row:
        raise _OddRow("it is a private key in a public place")
    if row.get("alg") and row["alg"] not in ALGORITHMS:
        raise _OddRow("its `alg` is none that is taken")
    if row.get("use", "sig") != "sig" or not isinstance(row.get("key_ops", []), list):
        raise _OddRow("its `use` or `key_ops` can't be understood")
    if not isinstance(row.get("kid", ""), str):
        raise _OddRow("its `kid` is no text")
    if any(isinstance(row.get(name), str) and len(row[name]) > LONGEST_NUMBER for name in "nexy"):
        raise _OddRow("its numbers are too long")


def _name(index: int, row: Any) -> str:
    kid = row.get("kid") if isinstance(row, dict) else None
    return f"kid {kid[:80]!a}" if isinstance(kid, str) else f"row {index}"


def _why(error: Exception) -> str:
    """What libraries say of a row may hold the row itself, so it is not passed on."""
    return str(error) if isinstance(error, _OddRow) else f"it can't be read ({type(error).__name__})"


def _told(odd: list[str], beyond: int) -> Iterator[str]:
    yield from odd[:MOST_NAMED]
    if len(odd) > MOST_NAMED:
        yield f"{len(odd) - MOST_NAMED} others"
    if beyond > 0:
        yield f"{beyond} rows beyond the first {MOST_ROWS}"
