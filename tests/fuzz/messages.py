"""Messages as nobody should send them, and some as they should be."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st

from schemas import OPERATIONS
from schemas.operations import COMMANDS_EXCHANGE
from tests.support.memory_venue import ACCOUNT, BTC
from tests.support.raw_messages import RawMessage, deep, long, short, table, text
from worker.bus.amqp.topology import UNROUTED

VALID: Mapping[str, Any] = {
    "exchange_account_id": ACCOUNT.id,
    "symbol": BTC.symbol,
    "leverage": 10,
    "margin_mode": "isolated",
    "position_mode": "hedge",
    "asset": "USDT",
    "market_type": "swap",
    "since": 0,
    "limit": 10,
    "command_id": "c-1",
    "exchange": "okx",
    "reason": "a test",
}
"""A valid value for the fields that there are, but for the freezes of everything and of the account."""

NOWHERE = ("exchange_account_id", "all")
"""What the requests that are about a venue as a whole leave out."""

ODD_NUMBERS = (b"1e400", b"-0", b"1e-400", b"1" * 5_000, b"0.1e1", b"1" * 400, b"9" * 30, b"true", b'"10"', b"[10]")

CURIOSITIES = (
    *(b"", b"NaN", b"null", b"{", b'{"a":NaN}', b"\xef\xbb\xbf{}", b"\xff\xfe", b"[" * 20_000, b'{"a":' * 20_000),
    *(b'{"exchange_account_id":"\\ud800"}', b'{"\\u0000":1}', b"1" * 10_000, b" " * 70_000, b'"' + b"\\u001b" * 5_000),
    json.dumps({f"\x1b[2Jfield {number}\n": number for number in range(3_000)}).encode(),
    json.dumps({"f" * 60_000: 1}).encode(),
    json.dumps(VALID).encode() * 2,
)

T = TypeVar("T")


def rarely(odd: st.SearchStrategy[T], usual: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """The one once in eight times, else the other: a message in which all is wrong is refused for the first thing."""
    return st.integers(0, 7).flatmap(lambda number: odd if number == 7 else usual)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def valid(operation: str) -> dict[str, Any]:
    """A request of an operation, as documented; without the fields that `VALID` has no value for."""
    fields = OPERATIONS[operation].request.model_fields
    left_out = NOWHERE if "all" in fields else ()
    return {name: VALID[name] for name in fields if name in VALID and name not in left_out}


@st.composite
def bodies(draw: st.DrawFn, operation: str) -> bytes:
    """The body of a request, valid or with one thing wrong, or something else altogether."""
    kind = draw(st.sampled_from(("valid", "valid", "valid", "changed", "number", "json", "curiosity", "bytes")))
    if kind == "curiosity":
        return draw(st.sampled_from(CURIOSITIES))
    if kind == "bytes":
        return draw(st.binary(max_size=100))
    if kind == "json":
        return json.dumps(draw(json_values)).encode()
    body = valid(operation)
    if kind == "changed":
        name = draw(st.sampled_from([*body, "unheard of"]))
        body = (
            {**body, name: draw(json_values)} if draw(st.booleans()) else {k: v for k, v in body.items() if k != name}
        )
    written = json.dumps(body).encode()
    return written.replace(b"10", draw(st.sampled_from(ODD_NUMBERS))) if kind == "number" else written


_numbers = st.integers(0, 2**64 - 1).map(lambda number: struct.pack(">Q", number))

_plain_values = st.one_of(
    st.just(b"V"),
    st.binary(min_size=1, max_size=1).map(lambda value: b"t" + value),
    *(
        st.binary(min_size=size, max_size=size).map(lambda value, kind=kind: kind + value)  # type: ignore[misc]
        for kind, size in ((b"b", 1), (b"B", 1), (b"s", 2), (b"u", 2), (b"I", 4), (b"i", 4), (b"f", 4), (b"D", 5))
    ),
    *(_numbers.map(lambda value, kind=kind: kind + value) for kind in (b"l", b"d", b"T")),  # type: ignore[misc]
    st.binary(max_size=50).map(text),
    st.binary(max_size=50).map(lambda value: b"x" + long(value)),
)
_table_values = st.recursive(
    _plain_values,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: b"A" + long(b"".join(values)))
        | st.dictionaries(st.binary(max_size=10), inner, max_size=3).map(lambda fields: b"F" + table(fields))
    ),
    max_leaves=6,
)


def _death(**facts: bytes) -> bytes:
    return b"A" + long(b"F" + table({name.encode(): value for name, value in facts.items()}))


_header_names = st.sampled_from(
    [
        b"deadline",
        b"actor",
        b"account",
        b"traceparent",
        b"x-death",
        b"x-delivery-count",
        b"x-acquired-count",
        b"reason",
        b"operation",
    ]
)
_odd_headers = st.sampled_from(
    (
        deep(3_000),
        text(b"a" * 40_000),
        b"A" + long(b"V" * 40_000),
        b"l" + struct.pack(">q", 2**62),
        text(b"line\n\x1b[31m2026-01-01 [info] done"),
    )
)
_deaths = st.sampled_from(
    (
        _death(reason=text(b"\x1b[2J"), time=text(b"yesterday"), queue=b"V"),
        _death(reason=b"V", queue=text(b"set_leverage.1")),
        b"A" + long(b""),
        b"A" + long(text(b"rejected")),
        b"F" + table({b"reason": text(b"rejected")}),
        text(b"rejected"),
    )
)
_headers = st.builds(
    lambda fields, deaths: table({**fields, **deaths}),
    st.dictionaries(rarely(st.binary(max_size=20), _header_names), rarely(_odd_headers, _table_values), max_size=3),
    st.fixed_dictionaries({}, optional={b"x-death": _deaths}),
)

_names = st.binary(max_size=255).map(short)
_words = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)
_few_ids = st.sampled_from([str(UUID(int=number)) for number in range(5)])
_ids = rarely(st.binary(max_size=255), st.one_of(st.uuids(version=4).map(str), _few_ids, _words).map(str.encode)).map(
    short
)

properties = st.fixed_dictionaries(
    {},
    optional={
        "content_type": rarely(_names, st.just(short(b"application/json"))),
        "content_encoding": rarely(_names, st.just(short(b"utf-8"))),
        "headers": _headers | st.just(table({b"actor": text(b"ann")})),
        "delivery_mode": st.sampled_from((b"\1", b"\2")),
        "priority": st.binary(min_size=1, max_size=1),
        "correlation_id": _ids,
        "expiration": rarely(_names, st.integers(0, 10**9).map(lambda number: short(str(number).encode()))),
        "message_id": _ids,
        "timestamp": rarely(_numbers, st.integers(0, 2**42).map(lambda number: struct.pack(">Q", number))),
        "type": rarely(_names, st.just(short(b"set_leverage"))),
        "app_id": rarely(_names, st.just(short(b"strategy"))),
    },
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, and whether its sender can be answered."""

    message: RawMessage
    answerable: bool

    def answered_to(self, queue: str) -> RawMessage:
        """The same with the queue of a sender who wants to be answered."""
        if not self.answerable:
            return self.message
        return replace(self.message, properties={**self.message.properties, "reply_to": short(queue.encode())})


@st.composite
def messages(draw: st.DrawFn) -> Sent:
    """A message to an operation, or to none."""
    operation = draw(st.sampled_from(tuple(OPERATIONS)))
    body, described = draw(bodies(operation)), draw(properties)
    exchange, key = draw(st.sampled_from((("", operation.encode()), (COMMANDS_EXCHANGE, operation.encode()))))
    if draw(st.integers(0, 9)) == 0:
        key = UNROUTED.encode() if not exchange else draw(st.binary(max_size=255))
    answerable = draw(st.integers(0, 2)) > 0
    # The answer to a query that nobody takes is dropped, as nobody would miss it; that leaves nothing to be seen.
    if not answerable and OPERATIONS[operation].is_command and draw(st.booleans()):
        described = {**described, "reply_to": draw(st.sampled_from((b"", b"nobody", b"\xff")).map(short))}
    return Sent(RawMessage(body, described, key, exchange), answerable)
